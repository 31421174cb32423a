//! [`Shared`]: the world, for all who touch it, and the time in which it lives.
//!
//! It is the only place of the simulated network that reads a clock. Whoever asks finds all done
//! that was due, one thing after the other; what each of them changed is told to the streams of
//! the nodes as it was at that very moment. The lock is never held while anybody waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::server::events::Streams;
use super::world::World;
use crate::ids::NodeId;
use crate::time::{Time, whole_ms};

/// A network that lives.
#[derive(Debug)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// The wall clock when the network began, and the moment at which that was: the clock of the
    /// network goes on from there, whatever the wall clock does.
    began: (Time, Instant),
    /// Somebody has touched the world: what is due next may have changed.
    touched: Notify,
    /// Something has changed that nodes are told of.
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    world: World,
    streams: BTreeMap<NodeId, Streams>,
}

impl Shared {
    /// A network that begins now.
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Time::from_unix_ms(whole_ms(since_epoch));
        Arc::new(Self {
            inner: Mutex::new(Inner { world: World::new(seed, now), streams: BTreeMap::new() }),
            began: (now, Instant::now()),
            touched: Notify::new(),
            changed: Notify::new(),
        })
    }

    /// Looks at the world, or changes it; all that was due has been done.
    pub(crate) fn with<T>(&self, touch: impl FnOnce(&mut World, Time) -> T) -> T {
        self.with_streams(|world, _, now| touch(world, now))
    }

    /// Looks at the world, and listens to a node from this moment on: what is told later changes
    /// what was seen.
    pub(crate) fn listen<T>(
        &self,
        node: NodeId,
        touch: impl FnOnce(&mut World, &Streams) -> T,
    ) -> T {
        self.with_streams(|world, streams, _| touch(world, streams.entry(node).or_default()))
    }

    fn with_streams<T>(
        &self,
        touch: impl FnOnce(&mut World, &mut BTreeMap<NodeId, Streams>, Time) -> T,
    ) -> T {
        let (begin, at) = self.began;
        let now = begin + at.elapsed();
        // Whoever panicked did so between two steps, which leave nothing half done.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { world, streams } = &mut *inner;
        let mut has_changed = false;
        while world.step(now) {
            has_changed |= publish(world, streams);
        }
        world.set_now(now);
        let touched = touch(world, streams, now);
        has_changed |= publish(world, streams);
        drop(inner);
        self.touched.notify_one();
        if has_changed {
            self.changed.notify_waiters();
        }
        touched
    }

    /// Waits until `look` finds something.
    pub(crate) async fn until<T>(&self, look: impl Fn(&World) -> Option<T>) -> T {
        loop {
            // Listened for before the look, so that no change is missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = self.with(|world, _| look(world)) {
                return found;
            }
            changed.await;
        }
    }

    /// Does what is due, when it is due, for ever.
    pub(crate) async fn live(&self) {
        loop {
            let due = {
                // Registered before the look, so that no touch is missed.
                let touched = self.touched.notified();
                match self.due() {
                    Some(due) => {
                        tokio::select! {
                            () = tokio::time::sleep_until(due) => true,
                            () = touched => false,
                        }
                    }
                    None => {
                        touched.await;
                        false
                    }
                }
            };
            if due {
                self.with(|_, _| ());
            }
        }
    }

    /// When the next thing is due.
    fn due(&self) -> Option<Instant> {
        let (begin, at) = self.began;
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.world.due().map(|due| at + due.since(begin))
    }
}

/// Tells the streams what has just changed; whether anything has.
fn publish(world: &mut World, streams: &BTreeMap<NodeId, Streams>) -> bool {
    let notices = world.drain_notices();
    for notice in &notices {
        if let Some(streams) = streams.get(&notice.node()) {
            streams.tell(world, notice);
        }
    }
    !notices.is_empty()
}
