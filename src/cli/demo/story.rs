//! The story: what Alice and Bob do, and what their daemons must make of it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::cast::Link;
use super::diary::brief;
use super::news::{Chapter, News, Who};
use super::node::{A, B, C, D, E};
use super::stage::{MEND_TIME_MAX, Stage, until};
use crate::simnet::client::ClientError;

/// The secret of the README's story.
pub(super) const ALICES: &str = "correcthorsebatterystaple";
/// What Bob has before he takes Alice's.
pub(super) const BOBS: &str = "a password that only Bob knows";

/// How long a drift is left alone to show that nobody mends it: several times what a rebalance
/// takes.
const ALONE: Duration = Duration::from_millis(1500);

/// How far drifts are apart when the story is over: time enough to look at each.
const BETWEEN: Duration = Duration::from_secs(5);

const CHAPTERS: [Chapter; 4] = [
    Chapter {
        number: 1,
        title: "Two owners who do not know each other",
        sentence: "Alice has the nodes A and B, Bob has C, D and E. Each runs a daemon with a \
                   secret of their own: hers keeps A–B in balance, his C–D and D–E.",
    },
    Chapter {
        number: 2,
        title: "They agree on a secret",
        sentence: "A opens a channel to C. It drifts, and nobody mends it. Then Bob takes over \
                   Alice's secret and restarts: the daemons find each other.",
    },
    Chapter {
        number: 3,
        title: "A channel comes by itself",
        sentence: "E opens a channel to B. Nobody tells the daemons, and nobody restarts them.",
    },
    Chapter {
        number: 4,
        title: "Everywhere at once",
        sentence: "All five channels drift at once, and then the other way.",
    },
];

/// Plays all chapters; `breath` is how long a chapter's beginning and end are left to the eye.
pub(super) async fn play(stage: &mut Stage, breath: Duration) -> anyhow::Result<()> {
    let chapter = async |stage: &Stage, number: usize| {
        sleep(breath).await;
        stage.teller.tell(News::Chapter(CHAPTERS[number])).await;
        sleep(breath).await;
    };
    chapter(stage, 0).await;
    apart(stage).await?;
    chapter(stage, 1).await;
    together(stage).await?;
    chapter(stage, 2).await;
    later(stage).await?;
    chapter(stage, 3).await;
    at_once(stage).await?;
    sleep(breath).await;
    Ok(())
}

/// Each owner's daemon mends the channels between their own nodes.
async fn apart(stage: &mut Stage) -> anyhow::Result<()> {
    let links = stage.open(&[(A, B), (C, D), (D, E)]).await?;
    stage.teller.say(Who::World, "A and B, C and D, D and E have channels, half and half").await;
    for owner in &mut stage.owners {
        owner.start()?;
    }
    stage.watched(&Who::OWNERS, &links).await?;
    let [alices, bobs @ ..] = links.as_slice() else { return Ok(()) };
    drift_and_mend(stage, &[*alices]).await?;
    drift_and_mend(stage, bobs).await
}

/// A channel between the owners is mended once they have found each other.
async fn together(stage: &mut Stage) -> anyhow::Result<()> {
    let before = stage.rebalanced().await;
    let links = stage.open(&[(A, C)]).await?;
    stage.teller.say(Who::World, "A has opened a channel to C").await;
    let drifts: Vec<_> = links.iter().map(|link| stage.plan(*link)).collect();
    stage.drift(&drifts).await?;
    sleep(ALONE).await;
    let said = format!("nobody has mended A–C within {}", brief(ALONE));
    stage.teller.say(Who::World, said).await;

    let begin = Instant::now();
    let ids: Vec<_> = stage.nodes.iter().map(|node| node.id).collect();
    let (hers, his) = ids.split_at(C);
    let teller = stage.teller.clone();
    let [alice, bob] = &mut stage.owners;
    teller.say(Who::World, "Alice trusts Bob's nodes: tightrope reload").await;
    alice.trust(his);
    alice.reload().await?;
    teller.say(Who::World, "Bob takes over Alice's secret, trusts her nodes, restarts").await;
    bob.stop().await?;
    bob.share(ALICES);
    bob.trust(hers);
    bob.start()?;
    stage.watched(&Who::OWNERS, &links).await?;
    let said = format!("they found each other {} after that", brief(begin.elapsed()));
    teller.say(Who::World, said).await;
    stage.mended(&links, &before).await
}

/// A channel that is opened meanwhile is found and mended.
async fn later(stage: &mut Stage) -> anyhow::Result<()> {
    let links = stage.open(&[(E, B)]).await?;
    stage.teller.say(Who::World, "E has opened a channel to B").await;
    let begin = Instant::now();
    stage.watched(&Who::OWNERS, &links).await?;
    let said = format!("both daemons watch it {} after that", brief(begin.elapsed()));
    stage.teller.say(Who::World, said).await;
    drift_and_mend(stage, &links).await
}

/// All channels drift at once, each to one side and then to the other.
async fn at_once(stage: &mut Stage) -> anyhow::Result<()> {
    let links = stage.dice.shuffled(stage.links.clone());
    let there: Vec<_> = links.iter().map(|link| stage.plan(*link)).collect();
    let back: Vec<_> =
        there.iter().map(|drift| stage.plan_from(drift.link, drift.payee())).collect();
    for drifts in [there, back] {
        let before = stage.rebalanced().await;
        stage.drift(&drifts).await?;
        stage.mended(&links, &before).await?;
    }
    for link in &links {
        let what = format!("{} is at rest", stage.cast.name(link.point));
        until(&what, MEND_TIME_MAX, async || Ok(stage.is_at_rest(*link).await?.then_some(())))
            .await?;
    }
    Ok(())
}

/// Has one channel after the other drift, for whoever looks at what is kept running. Whoever looks
/// may pause the daemons too: then a side runs empty, and its drift is left out.
pub(super) async fn go_on(stage: &mut Stage) -> anyhow::Result<()> {
    loop {
        for link in stage.dice.shuffled(stage.links.clone()) {
            let drift = stage.plan(link);
            let drifted = stage.drift(&[drift]).await;
            drifted.or_else(|error| if is_unpaid(&error) { Ok(()) } else { Err(error) })?;
            stage.check()?;
            sleep(BETWEEN).await;
        }
    }
}

/// Whether a payment was tried and failed, rather than a node.
fn is_unpaid(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ClientError::Unpaid { .. }))
}

async fn drift_and_mend(stage: &mut Stage, links: &[Link]) -> anyhow::Result<()> {
    let before = stage.rebalanced().await;
    let drifts: Vec<_> = links.iter().map(|link| stage.plan(*link)).collect();
    stage.drift(&drifts).await?;
    stage.mended(links, &before).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ChannelPoint;
    use crate::units::Sat;

    #[test]
    fn only_a_payment_that_failed_is_left_out() {
        let socket = ([127, 0, 0, 1], 1).into();
        let point = ChannelPoint::new([0; 32], 0);
        let (amount, reason) = (Sat::new(1), "TEMPORARY_CHANNEL_FAILURE".to_owned());
        let unpaid = ClientError::Unpaid { point, amount, reason };
        for (error, is_left_out) in [
            (unpaid.into(), true),
            (ClientError::NoChannel { socket, point }.into(), false),
            (anyhow::anyhow!("Alice's daemon ended"), false),
        ] {
            assert_eq!(is_unpaid(&error), is_left_out, "{error}");
        }
    }
}
