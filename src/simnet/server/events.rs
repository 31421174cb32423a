//! [`Streams`]: what a node tells those who listen to it, in LND's messages.
//!
//! What was not heard in time is lost, and its stream ends with it: a client that missed an event
//! must know so.

use futures_util::stream::{self, StreamExt};
use tokio::sync::broadcast::{self, error::RecvError};
use tonic::Status;
use tonic::codegen::BoxStream;

use super::convert;
use crate::ids::NodeId;
use crate::rpc::{lnrpc, routerrpc};
use crate::simnet::world::World;
use crate::simnet::world::notice::Notice;

/// How many events may wait for the slowest listener: some seconds of heavy traffic.
const EVENTS_MAX: usize = 4_096;

/// Those who listen to a node.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(super) channels: broadcast::Sender<lnrpc::ChannelEventUpdate>,
    pub(super) htlcs: broadcast::Sender<routerrpc::HtlcEvent>,
    pub(super) invoices: broadcast::Sender<lnrpc::Invoice>,
    pub(super) payments: broadcast::Sender<lnrpc::Payment>,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            channels: broadcast::Sender::new(EVENTS_MAX),
            htlcs: broadcast::Sender::new(EVENTS_MAX),
            invoices: broadcast::Sender::new(EVENTS_MAX),
            payments: broadcast::Sender::new(EVENTS_MAX),
        }
    }
}

impl Streams {
    /// Tells of what has just changed in `world`.
    pub(crate) fn tell(&self, world: &World, notice: &Notice) {
        match notice {
            Notice::Commitment { node, channel } => {
                send(&self.channels, || convert::channels::updated(world, *node, *channel));
            }
            Notice::Channel { node, channel, change } => {
                send(&self.channels, || {
                    convert::channels::changed(world, *node, *channel, *change)
                });
            }
            Notice::Htlc { node, event } => {
                send(&self.htlcs, || Some(convert::htlcs::event(world, *node, event)));
            }
            Notice::Invoice { node, hash } => {
                send(&self.invoices, || {
                    let invoice = world.invoice(*node, *hash)?;
                    Some(convert::invoices::invoice(invoice))
                });
            }
            Notice::Payment { node, hash } => {
                send(&self.payments, || {
                    let payment = world.payment(*node, *hash)?;
                    Some(convert::payments::payment(world, payment))
                });
            }
        }
    }
}

impl Notice {
    /// Whom it concerns.
    pub(crate) const fn node(&self) -> NodeId {
        match self {
            Self::Commitment { node, .. }
            | Self::Channel { node, .. }
            | Self::Htlc { node, .. }
            | Self::Invoice { node, .. }
            | Self::Payment { node, .. } => *node,
        }
    }
}

/// Tells an event, which is made only where somebody listens.
fn send<T>(listeners: &broadcast::Sender<T>, event: impl FnOnce() -> Option<T>) {
    if listeners.receiver_count() > 0
        && let Some(event) = event()
    {
        // The last listener may have gone this moment.
        drop(listeners.send(event));
    }
}

/// The next event; an error where some were missed.
pub(super) async fn next<T: Clone>(heard: &mut broadcast::Receiver<T>) -> Result<T, Status> {
    heard.recv().await.map_err(|error| match error {
        RecvError::Lagged(_) => Status::resource_exhausted("the client reads too slowly"),
        RecvError::Closed => Status::unavailable("the network has ended"),
    })
}

/// What a listener makes of an event.
pub(super) enum Pick<T> {
    /// It does not concern it.
    Skip,
    /// It is told so.
    Tell(T),
    /// It is told so, and nothing more.
    End(T),
}

/// What `begin` holds, and then what `pick` makes of each event, up to its end.
pub(super) fn follow<T, U>(
    begin: Vec<U>,
    heard: broadcast::Receiver<T>,
    pick: impl FnMut(T) -> Pick<U> + Send + 'static,
) -> BoxStream<U>
where
    T: Clone + Send + 'static,
    U: Send + 'static,
{
    let rest = stream::unfold(Some((heard, pick)), async |listening| {
        let (mut heard, mut pick) = listening?;
        loop {
            match next(&mut heard).await.map(&mut pick) {
                Ok(Pick::Skip) => {}
                Ok(Pick::Tell(item)) => return Some((Ok(item), Some((heard, pick)))),
                Ok(Pick::End(item)) => return Some((Ok(item), None)),
                Err(status) => return Some((Err(status), None)),
            }
        }
    });
    Box::pin(stream::iter(begin.into_iter().map(Ok)).chain(rest))
}

/// A stream that lnd answers only when there is something to tell: nothing comes before that.
pub(super) async fn begun<T: Send + 'static>(mut told: BoxStream<T>) -> BoxStream<T> {
    let first = told.next().await;
    Box::pin(stream::iter(first).chain(told))
}
