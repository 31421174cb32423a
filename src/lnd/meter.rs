//! [`Meter`]: told of each call to a node that ended, how it ended and how long it took.
//!
//! Subscriptions are left out: they are answered when something happens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

/// Somebody who counts calls. Clones are the same one.
#[derive(Clone)]
pub struct Meter(Arc<Count>);

/// Is told a call's method, such as `ListChannels`, its gRPC code, and the time until its answer.
type Count = dyn Fn(&str, &str, Duration) + Send + Sync;

impl Meter {
    /// A meter that tells `count`.
    pub fn new(count: impl Fn(&str, &str, Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(count))
    }

    /// Begins to time a call to `path`; `None` for a subscription.
    pub(super) fn begin(&self, path: &str) -> Option<Timing> {
        let method = path.rsplit('/').next().unwrap_or_default();
        (!method.starts_with("Subscribe")).then(|| Timing {
            meter: self.clone(),
            method: method.to_owned(),
            began: Instant::now(),
            // As long as nothing else is said: nobody waited for the answer.
            code: Code::Cancelled,
        })
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter(..)")
    }
}

/// A call under way. It is told when this is dropped.
pub(super) struct Timing {
    meter: Meter,
    method: String,
    began: Instant,
    code: Code,
}

impl Timing {
    /// Notes what came: the headers of an answer, or nothing. lnd says why it fails in the headers.
    pub(super) fn note(&mut self, headers: Option<&http::HeaderMap>) {
        self.code = match headers.map(|headers| headers.get("grpc-status")) {
            Some(Some(code)) => Code::from_bytes(code.as_bytes()),
            Some(None) => Code::Ok,
            None => Code::Unavailable,
        };
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        (self.meter.0)(&self.method, &format!("{:?}", self.code), self.began.elapsed());
    }
}
