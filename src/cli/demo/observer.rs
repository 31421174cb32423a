//! [`Observer`]: looks at nodes, daemons and logs all the time, and tells what it sees.

use std::time::Duration;

use tokio::time::sleep;

use super::cast::Cast;
use super::diary::{Diary, Tally};
use super::news::{Bar, News, Teller};
use super::node::Node;
use super::owner::Owner;
use super::stage::{Stage, total};
use crate::control;
use crate::simnet::client::ChannelState;

/// How often the logs are looked at: so often that what they say comes while it is news.
const STEP: Duration = Duration::from_millis(50);
/// How many of these steps apart the nodes and the daemons are asked.
const ASK_STEPS: u32 = 4;

/// Whoever looks.
#[derive(Debug)]
pub(super) struct Observer {
    cast: Cast,
    nodes: Vec<Node>,
    diaries: [Diary; 2],
    daemons: [control::Client; 2],
    teller: Teller,
}

impl Observer {
    /// Whoever looks at this stage.
    pub(super) fn of(stage: &Stage) -> Self {
        let [alice, bob] = &stage.owners;
        let diary = |owner: &Owner| Diary::of(owner, stage.cast.clone());
        Self {
            cast: stage.cast.clone(),
            nodes: stage.nodes.clone(),
            diaries: [diary(alice), diary(bob)],
            daemons: [alice.client(), bob.client()],
            teller: stage.teller.clone(),
        }
    }

    /// Looks, for ever; ends only by what it cannot read.
    pub(super) async fn watch(&mut self) -> anyhow::Result<()> {
        for step in 0_u32.. {
            if step.is_multiple_of(ASK_STEPS) {
                self.look_around().await;
            }
            self.read_logs().await?;
            sleep(STEP).await;
        }
        Ok(())
    }

    /// Tells what both daemons have written, in the order in which it happened.
    pub(super) async fn read_logs(&mut self) -> anyhow::Result<()> {
        let [alice, bob] = &mut self.diaries;
        let mut told = alice.read()?;
        told.extend(bob.read()?);
        told.sort_by_key(|dated| dated.at);
        for dated in told {
            self.teller.tell(News::Line(dated.line)).await;
        }
        Ok(())
    }

    /// Tells how the channels and the daemons stand.
    pub(super) async fn look_around(&self) {
        let mut bars = Vec::new();
        for (place, node) in self.nodes.iter().enumerate() {
            // A node that does not answer now does so the next time, or the story finds out.
            let channels = node.client.channels().await.unwrap_or_default();
            bars.extend(channels.into_iter().filter_map(|channel| self.bar(place, channel)));
        }
        bars.sort_by_key(|bar| bar.order);
        self.teller.tell(News::Channels(bars)).await;
        let [alice, bob] = &self.daemons;
        let told = [alice.status().await.ok(), bob.status().await.ok()];
        self.teller.tell(News::Daemons(told.map(|status| status.map(Box::new)))).await;
    }

    /// A channel as it is shown, where the node at `place` is the one that is named first.
    fn bar(&self, place: usize, channel: ChannelState) -> Option<Bar> {
        let (order, link) = self.cast.link(channel.point)?;
        let name = self.cast.name(channel.point);
        let (near, far) = (channel.local.msat(), channel.remote.msat());
        // What is in flight is missing from both ends, and not from the whole.
        let total = self.cast.total(channel.point).unwrap_or_else(|| total(channel));
        let share = near.part_of(total);
        let node = self.nodes.get(place)?.id;
        let bar = Bar { point: channel.point, node, name, near, far, share, order };
        (link.near == place).then_some(bar)
    }

    /// What the records of both daemons come to.
    pub(super) fn tallies(&self) -> [&Tally; 2] {
        self.diaries.each_ref().map(Diary::tally)
    }
}
