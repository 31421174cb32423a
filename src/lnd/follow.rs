//! Following a node's channels: its events, lists where events say too little, and a list now and
//! then in case that an event was missed.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::{Response, Status, Streaming};

use super::hints::{Hints, Scope};
use super::mailbox::Mailbox;
use super::permissions::{SUBSCRIBE_CHANNEL_EVENTS, SUBSCRIBE_HTLC_EVENTS};
use super::{Info, Lnd, LndError, channels};
use crate::core::channel::Channel;
use crate::core::event::Event;
use crate::core::policy::Limits;
use crate::ids::{ChannelPoint, NodeId, Scid};
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::channel_event_update::Channel as Told;
use crate::rpc::lnrpc::channel_point::FundingTxid;
use crate::rpc::routerrpc::htlc_event::Event as HtlcTold;
use crate::rpc::routerrpc::{HtlcEvent, SubscribeHtlcEventsRequest};

/// How long after the first list there is another: LND does not say from when on it tells its
/// events, and what happened between the first list and then was told to nobody.
const FIRST_RELIST: Duration = Duration::from_secs(1);
/// How many times rarer the safety lists are while each change is told anyway.
const RARER: u32 = 10;

impl Lnd {
    /// Follows the node's channels until that fails, and says why: subscribes, lists, and sends
    /// first the list and then what changes through `out`. A reader that is slow gets the newest
    /// snapshot of each channel and not every one. `limits` say how often it looks.
    pub async fn follow(
        &self,
        node: NodeId,
        info: &Info,
        limits: watch::Receiver<Limits>,
        out: mpsc::Sender<Event>,
    ) -> LndError {
        let tells_updates = info.supports_channel_updates;
        let follower = Follower {
            lnd: self.clone(),
            mailbox: Mailbox::new(node),
            hints: Hints::default(),
            rhythm: Rhythm {
                limits,
                alias: info.alias.clone(),
                rarer: if tells_updates { RARER } else { 1 },
            },
            full_list_at: Instant::now(),
            full_lists: 0,
            has_listed: false,
        };
        follower.run(!tells_updates, out).await
    }
}

/// One run of following.
struct Follower {
    lnd: Lnd,
    mailbox: Mailbox,
    hints: Hints,
    /// How often there is a full list.
    rhythm: Rhythm,
    /// When the next full list is due.
    full_list_at: Instant,
    /// How many were begun.
    full_lists: u64,
    /// Whether one is in. Until then nothing is passed on: an update says nothing of the others.
    has_listed: bool,
}

/// How often a node is to be listed in full, as the operator has it at the moment.
struct Rhythm {
    limits: watch::Receiver<Limits>,
    alias: String,
    /// How many times rarer than that it needs to be.
    rarer: u32,
}

impl Rhythm {
    /// The time between two full lists.
    fn interval(&self) -> Duration {
        self.limits.borrow().of_node(&self.alias).refresh.saturating_mul(self.rarer)
    }

    /// Resolves when that may be another one.
    async fn changed(&mut self) {
        if self.limits.changed().await.is_err() {
            // Nobody is left who could change it.
            std::future::pending().await
        }
    }
}

/// A list under way, and what it is of.
type Listing = Pin<Box<dyn Future<Output = (Why, Result<Lists, LndError>)> + Send>>;
/// The lists that one look brought: the counterparty, or none for all, and its channels.
type Lists = Vec<(Option<NodeId>, Vec<Channel>)>;

/// Why it is looked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    /// It is time.
    Due,
    /// An event hinted at a change.
    Hinted,
}

impl Follower {
    async fn run(mut self, needs_htlcs: bool, out: mpsc::Sender<Event>) -> LndError {
        let mut events = self.channel_events();
        let mut htlcs = needs_htlcs.then(|| self.htlc_events());
        let mut listing: Option<Listing> = None;
        loop {
            // Ready subscriptions come first, so that they are asked for before any list is.
            tokio::select! {
                biased;
                event = events.next() => match event {
                    Ok(event) => self.hear(event),
                    Err(error) => return error,
                },
                event = next_of(&mut htlcs) => match event {
                    Ok(event) => self.hear_htlc(&event),
                    Err(error) => return error,
                },
                permit = out.reserve(), if self.has_listed && !self.mailbox.is_empty() => {
                    let Ok(permit) = permit else { return LndError::Unheard };
                    if let Some(event) = self.mailbox.take() {
                        permit.send(event);
                    }
                }
                (why, lists) = finished(&mut listing) => {
                    listing = None;
                    match lists {
                        Ok(lists) => self.learn(why, lists),
                        Err(error) => return error,
                    }
                }
                () = tokio::time::sleep_until(self.due()), if listing.is_none() => {
                    listing = self.look();
                }
                () = self.rhythm.changed() => {
                    let next = Instant::now() + self.rhythm.interval();
                    self.full_list_at = self.full_list_at.min(next);
                }
            }
        }
    }

    /// When it is to be looked next.
    fn due(&self) -> Instant {
        self.hints.due().map_or(self.full_list_at, |hinted| hinted.min(self.full_list_at))
    }

    /// Starts the list that is due.
    fn look(&mut self) -> Option<Listing> {
        let now = Instant::now();
        let hints = self.hints.take_due(now);
        let is_hinted = hints.as_ref().is_some_and(|hints| hints.is_hinted);
        let why = if is_hinted { Why::Hinted } else { Why::Due };
        let scope = if self.full_list_at <= now { Scope::All } else { hints?.scope };
        if scope == Scope::All {
            let wait = if self.full_lists == 0 { FIRST_RELIST } else { self.rhythm.interval() };
            self.full_lists += 1;
            self.full_list_at = now + wait;
        }
        let lnd = self.lnd.clone();
        Some(Box::pin(async move { (why, list(&lnd, scope).await) }))
    }

    fn learn(&mut self, why: Why, lists: Lists) {
        for (with, channels) in lists {
            self.hints.learn(with, &channels, why == Why::Hinted, Instant::now());
            self.has_listed |= with.is_none();
            self.mailbox.put_list(with, channels);
        }
    }

    /// Takes in an event: a whole channel, or a hint.
    fn hear(&mut self, event: lnrpc::ChannelEventUpdate) {
        let now = Instant::now();
        match event.channel {
            Some(Told::UpdatedChannel(update)) => {
                let channel = update.channel.as_ref().and_then(channels::readable);
                if let Some(channel) = channel {
                    self.mailbox.put_update(channel);
                }
            }
            Some(Told::OpenChannel(channel)) => {
                self.hints.note(channel.remote_pubkey.parse().ok(), now);
            }
            Some(Told::ClosedChannel(summary)) => {
                self.hints.note(summary.remote_pubkey.parse().ok(), now);
            }
            Some(Told::ActiveChannel(point) | Told::InactiveChannel(point)) => {
                match channel_point(&point) {
                    Some(point) => self.hints.note_point(&point, now),
                    None => self.hints.note(None, now),
                }
            }
            // None of these changes a channel that is open.
            Some(
                Told::PendingOpenChannel(_)
                | Told::FullyResolvedChannel(_)
                | Told::ChannelFundingTimeout(_),
            )
            | None => {}
        }
    }

    /// Takes in what became of an HTLC: a hint at the channels that it is on.
    fn hear_htlc(&mut self, event: &HtlcEvent) {
        if matches!(event.event, Some(HtlcTold::SubscribedEvent(_))) {
            return;
        }
        for scid in [event.incoming_channel_id, event.outgoing_channel_id] {
            if scid != 0 {
                self.hints.note_scid(Scid::new(scid), Instant::now());
            }
        }
    }

    fn channel_events(&self) -> Subscription<lnrpc::ChannelEventUpdate> {
        let mut client = self.lnd.lightning();
        let call = async move {
            client.subscribe_channel_events(lnrpc::ChannelEventSubscription {}).await
        };
        Subscription::new(&self.lnd, SUBSCRIBE_CHANNEL_EVENTS, Box::pin(call))
    }

    fn htlc_events(&self) -> Subscription<HtlcEvent> {
        let mut client = self.lnd.router();
        let call = async move { client.subscribe_htlc_events(SubscribeHtlcEventsRequest {}).await };
        Subscription::new(&self.lnd, SUBSCRIBE_HTLC_EVENTS, Box::pin(call))
    }
}

/// Lists what is in `scope`.
async fn list(lnd: &Lnd, scope: Scope) -> Result<Lists, LndError> {
    match scope {
        Scope::All => Ok(vec![(None, lnd.channels(None).await?)]),
        Scope::With(nodes) => {
            let mut lists = Vec::with_capacity(nodes.len());
            for node in nodes {
                lists.push((Some(node), lnd.channels(Some(node)).await?));
            }
            Ok(lists)
        }
    }
}

/// The funding output as LND's events give it; its bytes are in the order of the wire.
fn channel_point(point: &lnrpc::ChannelPoint) -> Option<ChannelPoint> {
    match point.funding_txid.as_ref()? {
        FundingTxid::FundingTxidBytes(bytes) => {
            let mut txid: [u8; 32] = bytes.as_slice().try_into().ok()?;
            txid.reverse();
            Some(ChannelPoint::new(txid, point.output_index))
        }
        FundingTxid::FundingTxidStr(txid) => format!("{txid}:{}", point.output_index).parse().ok(),
    }
}

/// The end of the list under way; never, where there is none.
async fn finished(listing: &mut Option<Listing>) -> (Why, Result<Lists, LndError>) {
    match listing {
        Some(listing) => listing.await,
        None => std::future::pending().await,
    }
}

/// The next event of a subscription; never, where there is none.
async fn next_of<T>(subscription: &mut Option<Subscription<T>>) -> Result<T, LndError> {
    match subscription {
        Some(subscription) => subscription.next().await,
        None => std::future::pending().await,
    }
}

/// A subscription, from the call on: LND answers it only with the first event, which may be
/// hours away.
struct Subscription<T> {
    lnd: Lnd,
    method: &'static str,
    stage: Stage<T>,
}

enum Stage<T> {
    Opening(Opening<T>),
    Open(Box<Streaming<T>>),
}

type Opening<T> = Pin<Box<dyn Future<Output = Result<Response<Streaming<T>>, Status>> + Send>>;

impl<T> Subscription<T> {
    fn new(lnd: &Lnd, method: &'static str, opening: Opening<T>) -> Self {
        Self { lnd: lnd.clone(), method, stage: Stage::Opening(opening) }
    }

    /// Waits for the next event. Nothing is lost if this is dropped meanwhile.
    async fn next(&mut self) -> Result<T, LndError> {
        let error = |status| self.lnd.error(self.method, status);
        if let Stage::Opening(opening) = &mut self.stage {
            self.stage = Stage::Open(Box::new(opening.await.map_err(error)?.into_inner()));
        }
        let Stage::Open(stream) = &mut self.stage else { return Err(LndError::Unheard) };
        stream.message().await.map_err(error)?.ok_or_else(|| self.lnd.ended(self.method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_transaction_id_come_reversed() {
        let displayed = format!("{}07", "0f".repeat(31));
        let mut bytes = vec![0x0f; 32];
        bytes[0] = 7;
        for funding_txid in
            [FundingTxid::FundingTxidBytes(bytes), FundingTxid::FundingTxidStr(displayed.clone())]
        {
            let funding_txid = Some(funding_txid);
            let point = channel_point(&lnrpc::ChannelPoint { funding_txid, output_index: 3 });
            assert_eq!(point.expect("a channel point").to_string(), format!("{displayed}:3"));
        }
        assert_eq!(channel_point(&lnrpc::ChannelPoint::default()), None);
    }
}
