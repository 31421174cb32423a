//! [`Stage`]: the nodes, the owners and the channels, and what can be done with them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::super::status::figures::grouped;
use super::cast::{Cast, Link};
use super::dice::Dice;
use super::network::{Kind, Network};
use super::news::{Teller, Who};
use super::node::{ALIASES, C, Node};
use super::owner::Owner;
use super::standing::Standing;
use super::traffic::{Drift, Traffic};
use crate::control::Status;
use crate::ids::ChannelPoint;
use crate::simnet::client::{ChannelState, ClientError, Opening};
use crate::time::Time;
use crate::units::{Msat, Ppm, Sat};

/// What each channel is funded with.
const FUNDING: Sat = Sat::new(1_000_000);
/// How many blocks there are after the first channels: so many make them public.
const BLOCKS_FIRST: u32 = 6;
/// How many after each later one, which can be used from then on. Blocks come one by one where they
/// are real: a payment that meets more than three new ones is turned away, and asked for again.
const BLOCKS_LATER: u32 = 1;
/// How often something is looked at that is waited for.
const STEP: Duration = Duration::from_millis(30);
/// How long a channel may take until it can be used.
const OPEN_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a drift may take to be mended: a payment that met a new block is asked for again.
pub(super) const MEND_TIME_MAX: Duration = Duration::from_secs(30);
/// How much a drift takes to the other side, in sat: more than the deadzone of any channel here,
/// and less than a side has.
const DRIFT: (u64, u64) = (180_000, 320_000);

/// The lowest share at which a side is content, with the `balancePoint` and `deadzone` of the
/// default configuration.
pub(super) const LOWEST: Ppm = Ppm::ONE.saturating_sub(HIGHEST);
/// The highest.
pub(super) const HIGHEST: Ppm = match Ppm::new(600_000) {
    Some(share) => share,
    None => Ppm::ONE,
};

/// All that plays.
#[derive(Debug)]
pub(super) struct Stage {
    /// Alice first. Their daemons end before the nodes do.
    pub(super) owners: [Owner; 2],
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<Link>,
    pub(super) cast: Cast,
    pub(super) dice: Dice,
    pub(super) teller: Teller,
    network: Network,
}

/// What is needed to set the stage.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) kind: &'a Kind,
    pub(super) folder: &'a Path,
    pub(super) seed: u64,
    pub(super) dht: SocketAddr,
    /// Alice's first.
    pub(super) secrets: [&'a str; 2],
}

/// When payments over each channel last arrived, by the daemons' word.
pub(super) type Rebalanced = BTreeMap<ChannelPoint, Time>;

impl Stage {
    /// Starts the nodes; the owners' daemons are not started.
    pub(super) async fn set(setting: Setting<'_>, teller: Teller) -> anyhow::Result<Self> {
        let Setting { kind, folder, seed, dht, secrets } = setting;
        let (network, doors) = Network::start(kind, folder, &ALIASES).await?;
        let nodes = doors.iter().map(Node::of).collect::<Result<Vec<_>, _>>()?;
        let (alices, bobs) = nodes.split_at(C);
        let [alice, bob] = secrets;
        let owners = [
            Owner::new(Who::Alice, folder, alices, alice, dht).await?,
            Owner::new(Who::Bob, folder, bobs, bob, dht).await?,
        ];
        let (cast, dice) = (Cast::of(&nodes), Dice::new(seed));
        Ok(Self { owners, nodes, links: Vec::new(), cast, dice, teller, network })
    }

    /// Opens channels together, of which each end has the half, and waits until they can be used.
    pub(super) async fn open(&mut self, ends: &[(usize, usize)]) -> anyhow::Result<Vec<Link>> {
        let mut opened = Vec::new();
        for (near, far) in ends.iter().copied() {
            let wanted = Opening::even(self.nodes[far].id, FUNDING);
            let point = self.nodes[near].client.open(wanted).await?;
            let link = Link { point, near, far };
            self.cast.add(link);
            opened.push(link);
        }
        let blocks = if self.links.is_empty() { BLOCKS_FIRST } else { BLOCKS_LATER };
        self.network.confirm(opened.len(), blocks).await?;
        for link in &opened {
            let what = format!("{} can be used", self.cast.name(link.point));
            until(&what, OPEN_TIME_MAX, async || {
                let [near, far] = [link.near, link.far].map(|place| &self.nodes[place].client);
                let is_usable = near.can_use(link.point).await? && far.can_use(link.point).await?;
                Ok(is_usable.then_some(()))
            })
            .await?;
            let [near, _] = self.ends(*link).await?;
            self.cast.weigh(link.point, total(near));
        }
        self.links.extend(&opened);
        Ok(opened)
    }

    /// Has payments from outside take channels out of balance, all at once.
    pub(super) async fn drift(&self, drifts: &[Drift]) -> anyhow::Result<()> {
        let mut flowing = JoinSet::new();
        for drift in drifts {
            let [payer, payee] = [drift.payer, drift.payee()].map(|place| &self.nodes[place]);
            let (name, count) = (self.cast.name(drift.link.point), drift.sats.len());
            let (from, to, sat) = (&payer.alias, &payee.alias, grouped(drift.total()));
            let said = format!("{from} pays {to} {sat} sat over {name}, in {count} payments");
            self.teller.say(Who::World, said).await;
            let (payer, payee) = (payer.client.clone(), payee.client.clone());
            let (point, sats) = (drift.link.point, drift.sats.clone());
            flowing.spawn(Traffic { payer, payee, point, sats }.flow());
        }
        while let Some(ended) = flowing.join_next().await {
            ended.context("traffic has broken off")??;
        }
        Ok(())
    }

    /// Payments that take so much of a channel to the other side, either way, that it is mended.
    pub(super) fn plan(&mut self, link: Link) -> Drift {
        let payer = if self.dice.coin() { link.near } else { link.far };
        self.plan_from(link, payer)
    }

    /// The same from one of its ends.
    pub(super) fn plan_from(&mut self, link: Link, payer: usize) -> Drift {
        let (least, most) = DRIFT;
        let total = self.dice.between(least, most);
        let count = self.dice.between(4, 7);
        Drift { link, payer, sats: self.dice.parts(total, count) }
    }

    /// A channel as both its ends see it, the one that is named first at first.
    pub(super) async fn ends(&self, link: Link) -> Result<[ChannelState; 2], ClientError> {
        let near = self.nodes[link.near].client.channel(link.point).await?;
        let far = self.nodes[link.far].client.channel(link.point).await?;
        Ok([near, far])
    }

    /// How both daemons stand.
    async fn statuses(&self) -> [Option<Status>; 2] {
        let [alice, bob] = &self.owners;
        [alice.client().status().await.ok(), bob.client().status().await.ok()]
    }

    /// When payments over each channel last arrived.
    pub(super) async fn rebalanced(&self) -> Rebalanced {
        let mut last = Rebalanced::new();
        for status in self.statuses().await.iter().flatten() {
            for side in status.report.sides() {
                if let Some(at) = side.last_rebalance_at {
                    let known = last.entry(side.point).or_insert(at);
                    *known = at.max(*known);
                }
            }
        }
        last
    }

    /// Waits until each of these channels has been rebalanced since `before` and is at rest.
    pub(super) async fn mended(
        &mut self,
        links: &[Link],
        before: &Rebalanced,
    ) -> anyhow::Result<()> {
        for link in links {
            let what = format!("{} is mended", self.cast.name(link.point));
            until(&what, MEND_TIME_MAX, async || {
                self.check()?;
                let now = self.rebalanced().await;
                let is_newer = now.get(&link.point) > before.get(&link.point);
                Ok((is_newer && self.is_at_rest(*link).await?).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// How a channel stands now.
    pub(super) async fn standing(&self, link: Link) -> Result<Standing, ClientError> {
        let ends = self.ends(link).await?;
        Ok(Standing { ends, statuses: self.statuses().await })
    }

    /// Whether nothing is left to be done for a channel.
    pub(super) async fn is_at_rest(&self, link: Link) -> Result<bool, ClientError> {
        Ok(self.standing(link).await?.unrest().is_none())
    }

    /// Waits until the daemons of these owners watch these channels, each its own side.
    pub(super) async fn watched(&mut self, who: &[Who], links: &[Link]) -> anyhow::Result<()> {
        for who in who {
            let names: Vec<_> = links.iter().map(|link| self.cast.name(link.point)).collect();
            let what = format!("{}'s daemon watches its part of {}", who.name(), names.join(", "));
            until(&what, MEND_TIME_MAX, async || {
                self.check()?;
                let [alice, bob] = self.statuses().await;
                let status = if *who == Who::Alice { alice } else { bob };
                let Some(status) = status else { return Ok(None) };
                let watches =
                    |link: &Link| status.report.channels.iter().any(|it| it.point == link.point);
                let mine = links.iter().filter(|link| has_end(*who, link));
                Ok(mine.clone().all(watches).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// An error where a daemon has ended by itself.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        self.owners.iter_mut().try_for_each(Owner::check)
    }
}

/// Whether one end of a channel is this owner's.
fn has_end(who: Who, link: &Link) -> bool {
    Who::of(link.near) == who || Who::of(link.far) == who
}

/// What this end has of all that both have.
pub(super) fn share(channel: ChannelState) -> Option<Ppm> {
    channel.local.msat().part_of(total(channel))
}

/// What both ends have, while nothing is in flight.
pub(super) const fn total(channel: ChannelState) -> Msat {
    channel.local.msat().saturating_add(channel.remote.msat())
}

/// Waits until `probe` finds something.
pub(super) async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = probe().await? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("after {} s still waiting until {what}", limit.as_secs());
        }
        sleep(STEP).await;
    }
}
