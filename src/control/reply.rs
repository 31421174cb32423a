//! What goes back to a caller: a status code and a body, which is JSON but for the metrics.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, SERVER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::Answer;
use super::route::ROUTES;

/// A whole response.
pub(super) type Reply = Response<Full<Bytes>>;

/// By what clients know that they speak to the daemon.
pub(super) const SERVER_NAME: &str = concat!("tightrope/", env!("CARGO_PKG_VERSION"));

/// What Prometheus wants its text format to be called.
const METRICS_TYPE: &str = "text/plain; version=0.0.4";

/// What the loop answered.
pub(super) fn answer(answer: Answer) -> Reply {
    match answer {
        Answer::Status(status) => json_body(StatusCode::OK, &status),
        Answer::Why(why) => json_body(StatusCode::OK, &why),
        Answer::Done(done) => json_body(StatusCode::OK, &done),
        Answer::Unknown(unknown) => json_body(StatusCode::NOT_FOUND, &unknown),
        Answer::Ambiguous(ambiguous) => json_body(StatusCode::CONFLICT, &ambiguous),
        Answer::Faulty(faulty) => json_body(StatusCode::CONFLICT, &faulty),
        Answer::Metrics(text) => reply(StatusCode::OK, METRICS_TYPE, text.into()),
    }
}

/// What is served where.
pub(super) fn list() -> Reply {
    let routes =
        ROUTES.map(|(method, path, what)| json!({ "method": method, "path": path, "what": what }));
    json_body(StatusCode::OK, &json!({ "routes": routes }))
}

/// Why there is no answer.
pub(super) fn refusal(status: StatusCode, error: &str) -> Reply {
    json_body(status, &json!({ "error": error }))
}

/// The path is right and the method is not.
pub(super) fn other_method(allowed: &'static str) -> Reply {
    let error = format!("ask by {allowed}");
    let mut reply = refusal(StatusCode::METHOD_NOT_ALLOWED, &error);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    reply
}

/// The caller has to show the token.
pub(super) fn unauthorized(error: &str) -> Reply {
    let mut reply = refusal(StatusCode::UNAUTHORIZED, error);
    reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    reply
}

fn json_body(status: StatusCode, body: &impl Serialize) -> Reply {
    match serde_json::to_vec(body) {
        Ok(bytes) => reply(status, "application/json", bytes.into()),
        Err(error) => {
            let error = format!("the answer cannot be written: {error}");
            reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.into())
        }
    }
}

fn reply(status: StatusCode, kind: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(SERVER, HeaderValue::from_static(SERVER_NAME));
    reply
}
