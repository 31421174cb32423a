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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What is told of a call to `path` whose headers were `noted`, or of which nothing came.
    fn check(path: &str, noted: Option<Option<&[(&'static str, &str)]>>, expected: Option<&str>) {
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let meter = Meter::new({
            let told = Arc::clone(&told);
            move |method, code, _| told.lock().unwrap().push(format!("{method} {code}"))
        });
        if let (Some(mut timing), Some(headers)) = (meter.begin(path), noted) {
            let headers = headers.map(|headers| {
                let named = headers.iter().map(|(name, value)| {
                    (http::HeaderName::from_static(name), value.parse().unwrap())
                });
                named.collect::<http::HeaderMap>()
            });
            timing.note(headers.as_ref());
        }
        assert_eq!(told.lock().unwrap().first().map(String::as_str), expected, "{path}");
    }

    #[test]
    fn a_call_is_told_with_how_it_ended() {
        let path = "/lnrpc.Lightning/ListChannels";
        check(path, Some(Some(&[])), Some("ListChannels Ok"));
        check(path, Some(Some(&[("grpc-status", "7")])), Some("ListChannels PermissionDenied"));
        check(path, Some(None), Some("ListChannels Unavailable"));
        check(path, None, Some("ListChannels Cancelled"));
    }

    #[test]
    fn a_subscription_is_not_told() {
        check("/lnrpc.Lightning/SubscribeChannelEvents", Some(Some(&[])), None);
    }
}
