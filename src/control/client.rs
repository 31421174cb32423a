//! [`Client`]: asks a daemon over its Unix socket.

use std::fmt::Display;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, SERVER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{ANSWER_TIME_MAX, Ambiguous, Done, Faulty, Pause, Status, Unknown};
use crate::core::report::Why;

/// The largest reply that is read: a status of tens of thousands of channels.
const REPLY_SIZE_MAX: usize = 64 * 1024 * 1024;

/// How long a reply may take in all: the loop's time, and as long again to carry it.
const REPLY_TIME_MAX: Duration = ANSWER_TIME_MAX.saturating_mul(2);

/// Asks a daemon.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket.
    #[error(
        "no daemon listens on {} (is it running, and with this configuration? \
        --config names another one, --socket another socket)",
        place(socket)
    )]
    NoDaemon {
        /// Where it should be.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a socket, and nobody listens.
    #[error("the daemon that listened on {} is gone (start it again)", place(socket))]
    DaemonGone {
        /// Where it was.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else stands there.
    #[error("{} is no socket (name the daemon's own with --socket)", place(socket))]
    NotASocket {
        /// What was named.
        socket: PathBuf,
    },
    /// The socket is another user's.
    #[error("{}: permission denied (run this as the user who runs the daemon)", socket.display())]
    NotAllowed {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The socket cannot be connected to.
    #[error("{}: cannot be connected to (should be the daemon's control socket)",
        socket.display())]
    Unconnected {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something answers, and it is no Tightrope.
    #[error("{}: what answers there is not tightrope (name the daemon's socket with --socket)",
        socket.display())]
    NotTightrope {
        /// The socket.
        socket: PathBuf,
    },
    /// The reply ended early.
    #[error("{}: the reply was cut short (the daemon is stopping or restarting: ask again)",
        socket.display())]
    CutShort {
        /// The socket.
        socket: PathBuf,
        /// What HTTP says.
        source: hyper::Error,
    },
    /// No reply came.
    #[error("{}: no reply within {} s (the daemon or its machine is busy: ask again)",
        socket.display(), REPLY_TIME_MAX.as_secs())]
    TooSlow {
        /// The socket.
        socket: PathBuf,
    },
    /// The reply is larger than any that is meant.
    #[error("{}: the reply is over {REPLY_SIZE_MAX} bytes (is that tightrope?)", socket.display())]
    TooLarge {
        /// The socket.
        socket: PathBuf,
    },
    /// The reply says something else than was asked for.
    #[error(
        "the daemon's reply cannot be read (daemon and command should be of one \
        version: it says {server}, this is {})",
        super::reply::SERVER_NAME
    )]
    Unreadable {
        /// The daemon's version.
        server: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Nothing has that name.
    #[error("nothing is called {:?}{}{}", .0.unknown, nearest(.0), silent(.0))]
    Unknown(Unknown),
    /// The name may mean several things.
    #[error("{:?} may mean several things; name one of them:\n  {}", .0.ambiguous, meanings(.0))]
    Ambiguous(Ambiguous),
    /// It cannot be done.
    #[error("it cannot be done:\n  {}", .0.faults.join("\n  "))]
    Faulty(Faulty),
    /// The daemon refuses to answer, in its own words.
    #[error("{said} (HTTP {status})")]
    Refused {
        /// The code.
        status: u16,
        /// The words.
        said: String,
    },
}

/// A path, and from where it is looked for: that may be another place in another shell.
fn place(path: &Path) -> String {
    let from = if path.is_relative() { ", relative to the working directory" } else { "" };
    format!("{}{from}", path.display())
}

fn nearest(unknown: &Unknown) -> impl Display {
    // Aliases are others' words: none of them steers a terminal.
    let nearest = unknown.nearest.iter().map(|name| name.escape_debug().to_string());
    let nearest: Vec<String> = nearest.collect();
    if nearest.is_empty() {
        return String::new();
    }
    format!(" (did you mean {}?)", nearest.join(", "))
}

fn silent(unknown: &Unknown) -> impl Display {
    if unknown.silent.is_empty() {
        return String::new();
    }
    format!(
        "\n  no answer from {}\n  (before its first one, a node goes by its whole key, and its \
         channels by their points)",
        unknown.silent.join(", ")
    )
}

fn meanings(ambiguous: &Ambiguous) -> impl Display {
    let meanings = ambiguous.meanings.iter();
    let mut lines: Vec<String> =
        meanings.map(|meaning| format!("{}  {}", meaning.name, meaning.what)).collect();
    if ambiguous.more > 0 {
        lines.push(format!("and {} more", ambiguous.more));
    }
    lines.join("\n  ")
}

impl Client {
    /// A client of the daemon that listens on `socket`.
    pub const fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// How the daemon stands.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.ask(Method::GET, "/status", None).await
    }

    /// Why something or nothing happens on a channel, named by any id, point or alias.
    pub async fn why(&self, channel: &str) -> Result<Why, ClientError> {
        let path = format!("/why/{}", utf8_percent_encode(channel, NON_ALPHANUMERIC));
        self.ask(Method::GET, &path, None).await
    }

    /// Stops new payments.
    pub async fn pause(&self, pause: &Pause) -> Result<Done, ClientError> {
        self.ask(Method::POST, "/pause", Some(body(pause))).await
    }

    /// Allows them again.
    pub async fn resume(&self, scope: &str) -> Result<Done, ClientError> {
        self.ask(Method::POST, "/resume", Some(body(&json!({ "scope": scope })))).await
    }

    /// Has the configuration read again.
    pub async fn reload(&self) -> Result<Done, ClientError> {
        self.ask(Method::POST, "/reload", None).await
    }

    /// The figures, in Prometheus' text format.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let reply = self.send(Method::GET, "/metrics", None).await?;
        self.judge(&reply)?;
        Ok(String::from_utf8_lossy(reply.body()).into_owned())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<T, ClientError> {
        let reply = self.send(method, path, body).await?;
        self.judge(&reply)?;
        parse(&reply)
    }

    /// Makes errors of all replies that are no answer.
    fn judge(&self, reply: &Response<Bytes>) -> Result<(), ClientError> {
        if !server(reply).starts_with("tightrope/") {
            return Err(ClientError::NotTightrope { socket: self.socket.clone() });
        }
        let said = || serde_json::from_slice::<serde_json::Value>(reply.body()).ok();
        match reply.status() {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND if said().is_some_and(|said| said.get("unknown").is_some()) => {
                Err(ClientError::Unknown(parse(reply)?))
            }
            StatusCode::CONFLICT if said().is_some_and(|said| said.get("ambiguous").is_some()) => {
                Err(ClientError::Ambiguous(parse(reply)?))
            }
            StatusCode::CONFLICT => Err(ClientError::Faulty(parse(reply)?)),
            status => {
                let words = said().and_then(|said| Some(said.get("error")?.as_str()?.to_owned()));
                let said = words.unwrap_or_else(|| "the daemon does not say why".to_owned());
                Err(ClientError::Refused { status: status.as_u16(), said })
            }
        }
    }

    /// Sends a request and reads the whole reply.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Response<Bytes>, ClientError> {
        let mut request = Request::new(Full::new(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() =
            path.parse().map_err(|_| self.unconnected(io::ErrorKind::InvalidInput.into()))?;
        request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        timeout(REPLY_TIME_MAX, self.exchange(request))
            .await
            .unwrap_or_else(|_| Err(ClientError::TooSlow { socket: self.socket.clone() }))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, ClientError> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|error| self.unconnected(error))?;
        let broken = |error| self.broken(error);
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let exchange = async {
            let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
            match Limited::new(body, REPLY_SIZE_MAX).collect().await {
                Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
                Err(error) if error.is::<LengthLimitError>() => {
                    Err(ClientError::TooLarge { socket: self.socket.clone() })
                }
                Err(error) => Err(match error.downcast::<hyper::Error>() {
                    Ok(error) => self.broken(*error),
                    Err(_) => ClientError::NotTightrope { socket: self.socket.clone() },
                }),
            }
        };
        let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
        tokio::select! {
            reply = &mut exchange => reply,
            // It has read all there is; what it has read may not have been taken yet.
            _ = &mut connection => exchange.await,
        }
    }

    fn unconnected(&self, source: io::Error) -> ClientError {
        let socket = self.socket.clone();
        let is = |kind| source.kind() == kind;
        if is(io::ErrorKind::NotFound) {
            ClientError::NoDaemon { socket, source }
        } else if is(io::ErrorKind::ConnectionRefused) {
            // So the system says of everything that nobody listens on.
            let about = fs::metadata(&socket);
            if about.is_ok_and(|about| !about.file_type().is_socket()) {
                ClientError::NotASocket { socket }
            } else {
                ClientError::DaemonGone { socket, source }
            }
        } else if is(io::ErrorKind::PermissionDenied) {
            ClientError::NotAllowed { socket, source }
        } else {
            ClientError::Unconnected { socket, source }
        }
    }

    fn broken(&self, source: hyper::Error) -> ClientError {
        let socket = self.socket.clone();
        if source.is_parse() {
            ClientError::NotTightrope { socket }
        } else {
            ClientError::CutShort { socket, source }
        }
    }
}

/// The name that the reply's server gives itself.
fn server(reply: &Response<Bytes>) -> &str {
    reply.headers().get(SERVER).and_then(|name| name.to_str().ok()).unwrap_or_default()
}

fn parse<T: DeserializeOwned>(reply: &Response<Bytes>) -> Result<T, ClientError> {
    let server = || server(reply).to_owned();
    serde_json::from_slice(reply.body())
        .map_err(|source| ClientError::Unreadable { server: server(), source })
}

fn body(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("texts and numbers can be written").into()
}
