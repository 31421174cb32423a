//! [`Server`]: a node's door: where it listens, what it shows, whom it lets in.
//!
//! It speaks LND's gRPC over TLS. Each call must show a macaroon that permits it; then the faults
//! that somebody wants at the door are heeded. What the calls do is the business of the services
//! behind it, and of the world.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service as _;

use super::macaroon::{Caller, Oven};
use super::permissions;
use super::shared::Shared;
use crate::ids::NodeId;
use crate::rpc::invoicesrpc::invoices_server::InvoicesServer;
use crate::rpc::lnrpc::lightning_server::LightningServer;
use crate::rpc::lnrpc::state_server::StateServer;
use crate::rpc::routerrpc::router_server::RouterServer;

mod convert;
pub(crate) mod events;
mod invoices;
mod lightning;
mod router;
mod state;

/// How long a client may take to shake hands.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How often a client that is silent is asked whether it is there, and how long it may take.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// How long accepting rests when the process has no file left for a connection.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// The door of a node.
#[derive(Debug)]
pub(crate) struct Server {
    door: Door,
    /// Where it listens, or listened.
    socket: SocketAddr,
    /// The listener itself, and the task that accepts from it; none while the node is down.
    listening: Option<(Arc<TcpListener>, JoinHandle<()>)>,
    guests: Guests,
}

/// What lies behind the port of a node.
#[derive(Clone)]
struct Door {
    tls: Arc<ServerConfig>,
    node: Node,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("node", &self.node).finish_non_exhaustive()
    }
}

/// A node as its services see it.
#[derive(Clone, Debug)]
struct Node {
    id: NodeId,
    shared: Arc<Shared>,
    oven: Oven,
}

impl Server {
    /// The door of node `id` on a free port of loopback, open.
    pub(crate) fn start(
        shared: Arc<Shared>,
        id: NodeId,
        oven: Oven,
        tls: Arc<ServerConfig>,
    ) -> io::Result<Self> {
        let door = Door { tls, node: Node { id, shared, oven } };
        let socket = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { door, socket, listening: None, guests: Guests::default() };
        server.open()?;
        Ok(server)
    }

    /// Where it listens, or listened.
    pub(crate) const fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// Opens it, on the port that it had before. Nothing changes where it is open.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        if self.listening.is_some() {
            return Ok(());
        }
        let listener = std::net::TcpListener::bind(self.socket)?;
        listener.set_nonblocking(true)?;
        self.socket = listener.local_addr()?;
        let listener = Arc::new(TcpListener::from_std(listener)?);
        let accepting = accept(Arc::clone(&listener), self.door.clone(), self.guests.clone());
        self.listening = Some((listener, tokio::spawn(accepting)));
        Ok(())
    }

    /// Closes it at once: the port refuses, and all that was said is cut.
    pub(crate) fn close(&mut self) {
        if let Some((listener, accepting)) = self.listening.take() {
            accepting.abort();
            // The task lets go of the port when it is next looked at; it refuses from here on.
            let shut = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both);
            debug_assert!(shut.is_ok(), "{shut:?}");
            self.guests.cut();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

/// Lets in whoever comes, until it is aborted, and everybody is out.
async fn accept(listener: Arc<TcpListener>, door: Door, guests: Guests) {
    let mut served = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((guest, from)) => {
                let (present, door) = (guests.enter(&guest), door.clone());
                served.spawn(async move {
                    serve(guest, from.ip(), door).await;
                    drop(present);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a simulated node cannot accept");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
        while served.try_join_next().is_some() {}
    }
}

/// The connections of a node. A task that is aborted ends when it is next looked at; a node that
/// is killed says nothing more from that moment on.
#[derive(Clone, Debug, Default)]
struct Guests(Arc<Mutex<BTreeMap<RawFd, OwnedFd>>>);

/// Somebody who is connected, until this is dropped.
struct Guest(Guests, RawFd);

impl Guests {
    fn enter(&self, guest: &TcpStream) -> Option<Guest> {
        let hold = guest.as_fd().try_clone_to_owned().ok()?;
        let number = hold.as_raw_fd();
        self.all().insert(number, hold);
        Some(Guest(self.clone(), number))
    }

    /// Cuts all of them off.
    fn cut(&self) {
        for guest in self.all().values() {
            // It fails where the other end was quicker.
            let _ = rustix::net::shutdown(guest, rustix::net::Shutdown::Both);
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<RawFd, OwnedFd>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.all().remove(&self.1);
    }
}

/// Serves a connection to its end. Whatever breaks it concerns its client alone.
async fn serve(guest: TcpStream, from: IpAddr, door: Door) {
    let Door { tls, node } = door;
    let shaken = async {
        guest.set_nodelay(true)?;
        TlsAcceptor::from(tls).accept(guest).await
    };
    let stream = match tokio::time::timeout(HANDSHAKE_LIMIT, shaken).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a client gave up on a handshake"),
        Err(error) => return tracing::debug!(%error, "a client was slow to shake hands"),
    };
    let service = service_fn(move |request| {
        let node = node.clone();
        async move { Ok::<_, Infallible>(node.answer(request, from).await) }
    });
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to a simulated node broke");
    }
}

/// What is wrong with text that should be hex, in the words of lnd's library.
fn no_hex(text: &[u8], error: data_encoding::DecodeError) -> String {
    match text.get(error.position).filter(|byte| !byte.is_ascii_hexdigit()) {
        Some(byte) => {
            format!("encoding/hex: invalid byte: U+{byte:04X} {:?}", char::from(*byte))
        }
        None => "encoding/hex: odd length hex string".to_owned(),
    }
}

impl Node {
    /// Answers a call, if it may be made.
    async fn answer(self, request: http::Request<Incoming>, from: IpAddr) -> http::Response<Body> {
        if let Err(refused) = self.admit(&request, from).await {
            return refused.into_http();
        }
        let service = request.uri().path().split('/').nth(1).map(str::to_owned);
        let answered = match service.as_deref() {
            Some("lnrpc.Lightning") => LightningServer::new(self).call(request).await,
            Some("routerrpc.Router") => RouterServer::new(self).call(request).await,
            Some("invoicesrpc.Invoices") => InvoicesServer::new(self).call(request).await,
            Some("lnrpc.State") => StateServer::new(self).call(request).await,
            Some(_) | None => Ok(Status::unimplemented("unknown service").into_http()),
        };
        answered.unwrap_or_else(|never| match never {})
    }

    /// Whether a call may be made: it is known, its macaroon permits it, and nothing is wrong with
    /// the node.
    async fn admit(&self, request: &http::Request<Incoming>, from: IpAddr) -> Result<(), Status> {
        let method = request.uri().path();
        let (service, name) = method.trim_start_matches('/').split_once('/').unwrap_or_default();
        let Some(needed) = permissions::needed(method) else {
            return Err(Status::unimplemented(if permissions::is_service(service) {
                format!("unknown method {name} for service {service}")
            } else {
                format!("unknown service {service}")
            }));
        };
        let (faults, now) = self.shared.with(|world, now| {
            let node = world.node(self.id);
            (node.map(|node| node.faults.clone()), node.map_or(now, |node| node.clock(now)))
        });
        let faults = faults.unwrap_or_default();
        if faults.refuses {
            return Err(Status::unavailable("the node refuses"));
        }
        if !needed.is_empty() {
            let shown = request.headers().get_all("macaroon").iter().collect::<Vec<_>>();
            let [shown] = shown[..] else {
                return Err(Status::unknown(format!("expected 1 macaroon, got {}", shown.len())));
            };
            let macaroon = data_encoding::HEXLOWER_PERMISSIVE
                .decode(shown.as_bytes())
                .map_err(|error| Status::unknown(no_hex(shown.as_bytes(), error)))?;
            let caller = Caller { now, address: from };
            let checked = self.oven.check(&macaroon, method, caller);
            checked.map_err(|error| Status::unknown(error.to_string()))?;
        }
        if !faults.slow.is_zero() {
            tokio::time::sleep(faults.slow).await;
        }
        Ok(())
    }
}
