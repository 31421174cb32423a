//! [`Server`]: takes requests in, puts their questions to the loop, writes the answers.
//!
//! A connection carries one request and has a limited life, and there is a limited number of them
//! at each door. So a caller that is slow holds up itself, and the loop waits for nobody: it hands
//! over its answer and goes on.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdTcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::either::Either;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::Question;
use super::reply::{self, Reply};
use super::route::{Miss, Route};
use super::socket::SocketFile;
use super::token::Token;
use super::{ANSWER_TIME_MAX, Answer, Asked, ControlError, ControlSettings, PAUSE_MAX, Pause};
use crate::time::whole_ms;

/// The largest body that is read: what is asked fits into a few lines.
const BODY_SIZE_MAX: usize = 16 * 1024;

/// The largest request line and headers that are read; hyper's least is 8 KiB.
const HEADER_SIZE_MAX: usize = 16 * 1024;

/// How long a caller may take to send its headers, and then its body: it is on this machine, or
/// a network away.
const READ_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a connection may live: to send a request, to be answered, and as long again to read
/// the answer.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(25);

/// How many connections there may be at a door. Further ones wait to be let in.
const CONNECTIONS_MAX: usize = 32;

/// How long to wait when no connection can be let in, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The daemon's own door, open.
#[derive(Debug)]
pub struct Server {
    tasks: TaskTracker,
    /// Ends all tasks, also where the server is dropped without being closed.
    stop: DropGuard,
    tcp: Option<SocketAddr>,
    /// Goes last.
    _socket: SocketFile,
}

impl Server {
    /// Listens where `settings` say, and puts what is asked to `asked`. Needs a runtime around it.
    pub fn start(
        settings: &ControlSettings,
        asked: mpsc::Sender<Asked>,
    ) -> Result<Self, ControlError> {
        let token = settings.token_file.as_deref().map(Token::read).transpose()?;
        let tcp = settings.listen.map(|address| listen(address, token)).transpose()?;
        let (unix, socket) = SocketFile::listen(&settings.socket)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let address = tcp.as_ref().map(|(_, address)| *address);
        let doors = [
            Some((Listener::Unix(unix), Entry::Socket)),
            tcp.map(|(listener, _)| (Listener::Tcp(listener), Entry::Tcp { token })),
        ];
        for (listener, entry) in doors.into_iter().flatten() {
            let door = Arc::new(Door { entry, asked: asked.clone() });
            let (stop, callers) = (stop.clone(), tasks.clone());
            tasks.spawn(async move {
                stop.clone().run_until_cancelled(open(listener, door, stop, callers)).await;
            });
        }
        tasks.close();
        Ok(Self { tasks, stop: stop.drop_guard(), tcp: address, _socket: socket })
    }

    /// The TCP address that is listened on, if one is.
    pub const fn tcp(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Cuts all connections off, and removes the socket.
    pub async fn close(self) {
        drop(self.stop);
        self.tasks.wait().await;
    }
}

/// Listens on a TCP address.
fn listen(
    address: SocketAddr,
    token: Option<Token>,
) -> Result<(TcpListener, SocketAddr), ControlError> {
    if !address.ip().is_loopback() && token.is_none() {
        return Err(ControlError::NoToken { address });
    }
    let bind = || {
        let listener = StdTcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bind().map_err(|source| ControlError::Listen { address, source })
}

/// What is listened on.
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<Either<UnixStream, TcpStream>> {
        Ok(match self {
            Self::Unix(listener) => Either::Left(listener.accept().await?.0),
            Self::Tcp(listener) => Either::Right(listener.accept().await?.0),
        })
    }
}

/// A way in, as its callers share it.
struct Door {
    entry: Entry,
    asked: mpsc::Sender<Asked>,
}

/// Who comes in, and what they may.
enum Entry {
    /// The daemon's own user, by the file's mode: everything.
    Socket,
    /// Anybody who reaches the address: everything with the token. Where there is none, the
    /// address is a loopback one, and its callers may look.
    Tcp { token: Option<Token> },
}

/// Lets callers in, for ever.
async fn open(listener: Listener, door: Arc<Door>, stop: CancellationToken, callers: TaskTracker) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut is_shut = false;
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok(stream) => {
                is_shut = false;
                let (door, stop) = (Arc::clone(&door), stop.clone());
                callers.spawn(async move {
                    stop.run_until_cancelled(attend(stream, &door)).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Told once: the next try fails alike.
                if !std::mem::replace(&mut is_shut, true) {
                    tracing::warn!(%error, "the control socket lets nobody in");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection.
async fn attend(stream: Either<UnixStream, TcpStream>, door: &Door) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(door.reply(request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIME_MAX)
        .max_buf_size(HEADER_SIZE_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIME_MAX, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a caller of the control socket is gone"),
        Err(_) => tracing::debug!("a caller of the control socket was too slow"),
    }
}

impl Door {
    async fn reply(&self, request: Request<Incoming>) -> Reply {
        let route = Route::of(request.method(), request.uri().path());
        if let Some(refused) = self.refusal(route.as_ref().ok(), &request) {
            return refused;
        }
        match route {
            Ok(route) => match question(route, request.into_body()).await {
                Ok(Some(question)) => self.put(question).await,
                Ok(None) => reply::list(),
                Err(what) => reply::refusal(StatusCode::BAD_REQUEST, &what),
            },
            Err(Miss::NoSuchPath) => {
                reply::refusal(StatusCode::NOT_FOUND, "nothing is served there; GET / lists all")
            }
            Err(Miss::OtherMethod(allowed)) => reply::other_method(allowed),
            Err(Miss::BadPath(what)) => reply::refusal(StatusCode::BAD_REQUEST, what),
        }
    }

    /// What keeps the caller from asking for `route`, if anything does.
    fn refusal(&self, route: Option<&Route>, request: &Request<Incoming>) -> Option<Reply> {
        let Entry::Tcp { token } = &self.entry else { return None };
        if let Some(token) = token {
            let shown = request.headers().get(AUTHORIZATION);
            let is_shown = shown.is_some_and(|shown| token.is_shown_by(shown.as_bytes()));
            let what = "show the token of control.tokenFile: Authorization: Bearer ...";
            return (!is_shown).then(|| reply::unauthorized(what));
        }
        if !is_named_by_address(request) {
            let what = "the Host header should be an IP address or localhost";
            return Some(reply::refusal(StatusCode::BAD_REQUEST, what));
        }
        let what = "only /status and /metrics are served over TCP without a token: \
            set control.tokenFile, or ask over the Unix socket";
        (!route.is_some_and(Route::is_open)).then(|| reply::unauthorized(what))
    }

    /// Puts a question to the loop, and waits for the answer as long as that may take.
    async fn put(&self, question: Question) -> Reply {
        let unavailable = |what: &str| reply::refusal(StatusCode::SERVICE_UNAVAILABLE, what);
        let (answer, answered) = oneshot::channel::<Answer>();
        let asking = async {
            self.asked.send(Asked { question, answer }).await.ok()?;
            answered.await.ok()
        };
        match timeout(ANSWER_TIME_MAX, asking).await {
            Ok(Some(answer)) => reply::answer(answer),
            Ok(None) => unavailable(
                "the daemon is starting or stopping, or its log has just failed: ask again",
            ),
            Err(_) => {
                let seconds = ANSWER_TIME_MAX.as_secs();
                unavailable(&format!("the daemon did not answer within {seconds} s: ask again"))
            }
        }
    }
}

/// Whether the caller names this machine by an address, as no page in a browser does whose own
/// name was made to lead here.
fn is_named_by_address(request: &Request<Incoming>) -> bool {
    let Some(host) = request.headers().get(HOST) else { return true };
    let Ok(authority) = host.to_str().unwrap_or_default().parse::<http::uri::Authority>() else {
        return false;
    };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// What a request asks; nothing of the loop where only the list is wanted.
async fn question(route: Route, body: Incoming) -> Result<Option<Question>, String> {
    Ok(Some(match route {
        Route::List => return Ok(None),
        Route::Status => Question::Status,
        Route::Why { channel } => Question::Why { channel },
        Route::Pause => {
            let pause: Pause = read(body).await?;
            if pause.for_ms == Some(0) {
                return Err("forMs: a pause of no length pauses nothing".to_owned());
            }
            if pause.for_ms > Some(whole_ms(PAUSE_MAX)) {
                let what = "forMs: over ten years: leave it out, and it holds until it is resumed";
                return Err(what.to_owned());
            }
            Question::Pause(Pause { scope: named(pause.scope)?, ..pause })
        }
        Route::Resume => {
            let Resume { scope } = read(body).await?;
            Question::Resume { scope: named(scope)? }
        }
        Route::Reload => Question::Reload,
        Route::Metrics => Question::Metrics,
    }))
}

/// A name, if it is one.
fn named(scope: String) -> Result<String, String> {
    if scope.trim().is_empty() {
        Err("scope: an empty name names nothing".to_owned())
    } else {
        Ok(scope)
    }
}

/// The body of `/resume`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resume {
    scope: String,
}

/// Reads a body of JSON.
async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, String> {
    let whole = timeout(READ_TIME_MAX, Limited::new(body, BODY_SIZE_MAX).collect()).await;
    let bytes: Bytes = match whole {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => return Err(format!("the body cannot be read: {error}")),
        Err(_) => return Err("the body did not come in time".to_owned()),
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| format!("the body is not what is asked: {error}"))
}
