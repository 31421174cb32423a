//! A node that answers as the test's script says, and counts what it was asked.
//!
//! It speaks TLS with a certificate like lnd's own, over a wire that a test can cut. It keeps no
//! channels and moves no money.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tonic::codegen::BoxStream;
use tonic::codegen::tokio_stream::{self, StreamExt, wrappers::ReceiverStream};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use tightrope::ids::{NodeId, Preimage};
use tightrope::lnd::{Endpoint, Lnd};
use tightrope::rpc::lnrpc::invoice::InvoiceState;
use tightrope::rpc::{invoicesrpc, lnrpc, routerrpc};

use tightrope::rpc::invoicesrpc::invoices_server::{Invoices, InvoicesServer};
use tightrope::rpc::lnrpc::lightning_server::{Lightning, LightningServer};
use tightrope::rpc::routerrpc::router_server::{Router, RouterServer};

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The macaroon that the node takes at first.
pub(crate) const MACAROON: [u8; 4] = [2, 1, 0xab, 0xcd];

/// What the node answers.
pub(crate) struct Script {
    pub(crate) version: &'static str,
    pub(crate) height: u32,
    pub(crate) channels: Vec<lnrpc::Channel>,
    /// What each list waits for; none: nothing.
    pub(crate) lists: Option<Arc<Semaphore>>,
    /// The macaroon that is taken.
    pub(crate) macaroon: Vec<u8>,
    /// The wallet is locked.
    pub(crate) is_locked: bool,
    /// The methods that the macaroon does not permit.
    pub(crate) denied: BTreeSet<&'static str>,
    /// What becomes of a payment; none: nothing is answered.
    pub(crate) attempt: Option<lnrpc::HtlcAttempt>,
    /// The states that are told of a payment; none: it is not known.
    pub(crate) states: Vec<lnrpc::Payment>,
    /// The invoice that is known; none: none is.
    pub(crate) invoice: Option<lnrpc::Invoice>,
    /// Where its states go.
    pub(crate) watchers: Vec<mpsc::Sender<Result<lnrpc::Invoice, Status>>>,
    /// Where channel events go.
    pub(crate) events: Vec<mpsc::Sender<Result<lnrpc::ChannelEventUpdate, Status>>>,
    /// Where HTLC events go.
    pub(crate) htlcs: Vec<mpsc::Sender<Result<routerrpc::HtlcEvent, Status>>>,
    /// The payments that were sent.
    pub(crate) sent: Vec<routerrpc::SendToRouteRequest>,
}

/// The node, and the wire to it.
pub(crate) struct Fake {
    pub(crate) endpoint: Endpoint,
    pub(crate) script: Arc<Mutex<Script>>,
    calls: watch::Receiver<Vec<&'static str>>,
    server: JoinHandle<()>,
    wire: JoinHandle<()>,
    cut: watch::Sender<u64>,
}

/// Makes a certificate as lnd does, signed by itself and marked as an authority's.
pub(crate) fn certificate() -> (String, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).expect("names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

impl Fake {
    /// A node that runs, with and without the tag `invoicesrpc`.
    pub(crate) async fn start(has_invoicesrpc: bool) -> Self {
        let (certificate, key) = certificate();
        Self::start_as(&certificate, &key, has_invoicesrpc).await
    }

    /// A node that shows `certificate`.
    pub(crate) async fn start_as(certificate: &str, key: &str, has_invoicesrpc: bool) -> Self {
        let script = Arc::new(Mutex::new(Script {
            version: "0.21.2-beta commit=v0.21.2-beta",
            height: 450,
            channels: Vec::new(),
            lists: None,
            macaroon: MACAROON.to_vec(),
            is_locked: false,
            denied: BTreeSet::new(),
            attempt: None,
            states: Vec::new(),
            invoice: None,
            watchers: Vec::new(),
            events: Vec::new(),
            htlcs: Vec::new(),
            sent: Vec::new(),
        }));
        let (called, calls) = watch::channel(Vec::new());
        let node = Node { script: Arc::clone(&script), called: Arc::new(called) };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let behind = listener.local_addr().expect("an address");
        let identity = Identity::from_pem(certificate, key);
        let tls = ServerTlsConfig::new().identity(identity);
        let mut server = Server::builder().tls_config(tls).expect("a certificate that serves");
        let services = server
            .add_service(LightningServer::new(node.clone()))
            .add_service(RouterServer::new(node.clone()))
            .add_optional_service(has_invoicesrpc.then(|| InvoicesServer::new(node)));
        let server = tokio::spawn(async move {
            let incoming = TcpIncoming::from(listener);
            services.serve_with_incoming(incoming).await.expect("a server");
        });
        let front = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let socket = front.local_addr().expect("an address").to_string();
        let (cut, cuts) = watch::channel(0);
        let wire = tokio::spawn(relay(front, behind, cuts));
        let endpoint = Endpoint {
            socket,
            certificate: Some(certificate.as_bytes().to_vec()),
            macaroon: MACAROON.to_vec(),
        };
        Self { endpoint, script, calls, server, wire, cut }
    }

    /// A client of the node.
    pub(crate) fn lnd(&self) -> Lnd {
        Lnd::new(&self.endpoint).expect("an endpoint")
    }

    /// Breaks every connection; another can be made at once.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    /// What was called, in order.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.borrow().clone()
    }

    /// How often `method` was called.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.calls().iter().filter(|call| **call == method).count()
    }

    /// Waits until `method` was called `times` times.
    pub(crate) async fn called(&self, method: &str, times: usize) {
        let mut calls = self.calls.clone();
        let enough =
            calls.wait_for(|calls| calls.iter().filter(|call| **call == method).count() >= times);
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        waited.unwrap_or_else(|_| panic!("{method} was not called {times} times")).expect("calls");
    }

    /// Tells a channel event to all who subscribed.
    pub(crate) async fn tell(&self, event: lnrpc::ChannelEventUpdate) {
        let subscribers = self.script.lock().expect("a script").events.clone();
        for subscriber in subscribers {
            subscriber.send(Ok(event.clone())).await.expect("a subscriber");
        }
    }

    /// Changes the invoice that is known, and tells it to all who watch it.
    pub(crate) async fn change_invoice(&self, change: impl FnOnce(&mut lnrpc::Invoice)) {
        let (invoice, watchers) = {
            let mut script = self.script.lock().expect("a script");
            let invoice = script.invoice.get_or_insert_default();
            change(invoice);
            (invoice.clone(), script.watchers.clone())
        };
        for watcher in watchers {
            // Who has heard of the end has gone.
            drop(watcher.send(Ok(invoice.clone())).await);
        }
    }

    /// Tells an HTLC event to all who subscribed.
    pub(crate) async fn tell_htlc(&self, event: routerrpc::HtlcEvent) {
        let subscribers = self.script.lock().expect("a script").htlcs.clone();
        for subscriber in subscribers {
            subscriber.send(Ok(event.clone())).await.expect("a subscriber");
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
        self.wire.abort();
    }
}

/// Carries bytes between whoever connects and the server, until it is cut.
async fn relay(front: TcpListener, behind: std::net::SocketAddr, mut cuts: watch::Receiver<u64>) {
    let mut wires = JoinSet::new();
    loop {
        tokio::select! {
            accepted = front.accept() => {
                let (mut outer, _) = accepted.expect("a connection");
                wires.spawn(async move {
                    let mut inner = TcpStream::connect(behind).await.expect("the server");
                    // A broken wire is what some tests are after.
                    drop(tokio::io::copy_bidirectional(&mut outer, &mut inner).await);
                });
            }
            cut = cuts.changed() => {
                if cut.is_err() {
                    return;
                }
                wires.shutdown().await;
            }
        }
    }
}

/// The node's side of the calls.
#[derive(Clone)]
struct Node {
    script: Arc<Mutex<Script>>,
    called: Arc<watch::Sender<Vec<&'static str>>>,
}

impl Node {
    /// Counts a call, and turns it down as lnd would: without a code.
    fn enter<T>(&self, method: &'static str, request: &Request<T>) -> Result<(), Status> {
        self.called.send_modify(|calls| calls.push(method));
        let script = self.script.lock().expect("a script");
        let expected = data_encoding::HEXLOWER.encode(&script.macaroon);
        let macaroon = request.metadata().get("macaroon").and_then(|it| it.to_str().ok());
        if script.is_locked {
            Err(Status::unknown("wallet locked, unlock it to enable full RPC access"))
        } else if macaroon != Some(expected.as_str()) {
            Err(Status::unknown(
                "verification failed: signature mismatch after caveat verification",
            ))
        } else if script.denied.contains(method) {
            Err(Status::unknown("permission denied"))
        } else {
            Ok(())
        }
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().expect("a script")
    }

    /// How the invoice with this hash stands, if it is the one that is known.
    fn state_of(&self, hash: &[u8]) -> Result<InvoiceState, Status> {
        let script = self.script();
        let invoice = script.invoice.as_ref().filter(|invoice| invoice.r_hash == hash);
        invoice
            .map(lnrpc::Invoice::state)
            .ok_or_else(|| Status::unknown("unable to locate invoice"))
    }
}

/// The id of the node.
pub(crate) fn node_id() -> NodeId {
    NodeId::new([2; 33])
}

#[tonic::async_trait]
impl Lightning for Node {
    async fn get_info(
        &self,
        request: Request<lnrpc::GetInfoRequest>,
    ) -> Result<Response<lnrpc::GetInfoResponse>, Status> {
        self.enter("GetInfo", &request)?;
        let script = self.script();
        Ok(Response::new(lnrpc::GetInfoResponse {
            identity_pubkey: node_id().to_string(),
            alias: "fake".to_owned(),
            version: script.version.to_owned(),
            block_height: script.height,
            synced_to_chain: true,
            chains: vec![lnrpc::Chain { network: "regtest".to_owned(), ..Default::default() }],
            ..Default::default()
        }))
    }

    async fn list_channels(
        &self,
        request: Request<lnrpc::ListChannelsRequest>,
    ) -> Result<Response<lnrpc::ListChannelsResponse>, Status> {
        self.enter("ListChannels", &request)?;
        let lists = self.script().lists.clone();
        if let Some(lists) = lists {
            lists.acquire().await.expect("it stays open").forget();
        }
        let peer = data_encoding::HEXLOWER.encode(&request.get_ref().peer);
        let mut channels = self.script().channels.clone();
        channels.retain(|channel| peer.is_empty() || channel.remote_pubkey == peer);
        Ok(Response::new(lnrpc::ListChannelsResponse { channels }))
    }

    async fn subscribe_channel_events(
        &self,
        request: Request<lnrpc::ChannelEventSubscription>,
    ) -> Result<Response<BoxStream<lnrpc::ChannelEventUpdate>>, Status> {
        let (events, mut stream) = mpsc::channel(8);
        self.script().events.push(events);
        self.enter("SubscribeChannelEvents", &request)?;
        // As lnd has it, nothing is answered before the first event.
        let first = tokio_stream::iter(stream.recv().await);
        Ok(Response::new(Box::pin(first.chain(ReceiverStream::new(stream)))))
    }

    async fn add_invoice(
        &self,
        request: Request<lnrpc::Invoice>,
    ) -> Result<Response<lnrpc::AddInvoiceResponse>, Status> {
        self.enter("AddInvoice", &request)?;
        let invoice = request.into_inner();
        if invoice.value_msat < 0 {
            return Err(Status::unknown("amount must be non-negative"));
        }
        let payment_request = format!("{}/{}", invoice.memo, invoice.value_msat);
        self.script().invoice = Some(invoice);
        Ok(Response::new(lnrpc::AddInvoiceResponse { payment_request, ..Default::default() }))
    }

    async fn lookup_invoice(
        &self,
        request: Request<lnrpc::PaymentHash>,
    ) -> Result<Response<lnrpc::Invoice>, Status> {
        self.enter("LookupInvoice", &request)?;
        let invoice = self.script().invoice.clone();
        invoice.map(Response::new).ok_or_else(|| Status::unknown("there are no existing invoices"))
    }

    async fn sign_message(
        &self,
        request: Request<lnrpc::SignMessageRequest>,
    ) -> Result<Response<lnrpc::SignMessageResponse>, Status> {
        self.enter("SignMessage", &request)?;
        let text = String::from_utf8(request.into_inner().msg).expect("a text");
        if text.is_empty() {
            return Err(Status::unknown("need a message to sign"));
        }
        Ok(Response::new(lnrpc::SignMessageResponse { signature: format!("signed: {text}") }))
    }
}

#[tonic::async_trait]
impl Router for Node {
    async fn send_to_route_v2(
        &self,
        request: Request<routerrpc::SendToRouteRequest>,
    ) -> Result<Response<lnrpc::HtlcAttempt>, Status> {
        if request.get_ref().route.is_none() {
            self.enter("SendToRouteV2 without a route", &request)?;
            return Err(Status::unknown("unable to send, no routes provided"));
        }
        self.script().sent.push(request.get_ref().clone());
        self.enter("SendToRouteV2", &request)?;
        let attempt = self.script().attempt.clone();
        match attempt {
            Some(attempt) => Ok(Response::new(attempt)),
            None => std::future::pending().await,
        }
    }

    async fn track_payment_v2(
        &self,
        request: Request<routerrpc::TrackPaymentRequest>,
    ) -> Result<Response<BoxStream<lnrpc::Payment>>, Status> {
        self.enter("TrackPaymentV2", &request)?;
        let states = self.script().states.clone();
        if states.is_empty() {
            return Err(Status::not_found("payment isn't initiated"));
        }
        let (told, stream) = mpsc::channel(states.len());
        for state in states {
            told.send(Ok(state)).await.expect("room");
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn subscribe_htlc_events(
        &self,
        request: Request<routerrpc::SubscribeHtlcEventsRequest>,
    ) -> Result<Response<BoxStream<routerrpc::HtlcEvent>>, Status> {
        let (events, stream) = mpsc::channel(8);
        self.script().htlcs.push(events);
        self.enter("SubscribeHtlcEvents", &request)?;
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

#[tonic::async_trait]
impl Invoices for Node {
    async fn subscribe_single_invoice(
        &self,
        request: Request<invoicesrpc::SubscribeSingleInvoiceRequest>,
    ) -> Result<Response<BoxStream<lnrpc::Invoice>>, Status> {
        self.enter("SubscribeSingleInvoice", &request)?;
        if request.get_ref().r_hash.is_empty() {
            return Err(Status::unknown("invalid hash length of 0, want 32"));
        }
        let (told, stream) = mpsc::channel(8);
        let is_known = {
            let mut script = self.script();
            if let Some(invoice) = script.invoice.clone() {
                told.try_send(Ok(invoice)).expect("room");
            }
            script.watchers.push(told);
            script.invoice.is_some()
        };
        if !is_known {
            // As lnd has it, nothing is ever said.
            std::future::pending().await
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn add_hold_invoice(
        &self,
        request: Request<invoicesrpc::AddHoldInvoiceRequest>,
    ) -> Result<Response<invoicesrpc::AddHoldInvoiceResp>, Status> {
        self.enter("AddHoldInvoice", &request)?;
        let asked = request.into_inner();
        if asked.hash.is_empty() {
            return Err(Status::unknown("invalid hash length of 0, want 32"));
        }
        let mut script = self.script();
        if script.invoice.as_ref().is_some_and(|invoice| invoice.r_hash == asked.hash) {
            return Err(Status::unknown("invoice with payment hash already exists"));
        }
        let payment_request = format!("{}/{}", asked.memo, asked.value_msat);
        script.invoice = Some(lnrpc::Invoice {
            memo: asked.memo,
            r_hash: asked.hash,
            value_msat: asked.value_msat,
            expiry: asked.expiry,
            cltv_expiry: asked.cltv_expiry,
            private: asked.private,
            ..Default::default()
        });
        Ok(Response::new(invoicesrpc::AddHoldInvoiceResp { payment_request, ..Default::default() }))
    }

    async fn settle_invoice(
        &self,
        request: Request<invoicesrpc::SettleInvoiceMsg>,
    ) -> Result<Response<invoicesrpc::SettleInvoiceResp>, Status> {
        self.enter("SettleInvoice", &request)?;
        let preimage = <[u8; 32]>::try_from(request.into_inner().preimage)
            .map_err(|_| Status::unknown("invalid preimage length of 0, want 32"))?;
        match self.state_of(Preimage::new(preimage).hash().as_bytes())? {
            InvoiceState::Accepted | InvoiceState::Settled => {
                Ok(Response::new(invoicesrpc::SettleInvoiceResp {}))
            }
            InvoiceState::Open => Err(Status::unknown("invoice still open")),
            InvoiceState::Canceled => Err(Status::unknown("invoice already canceled")),
        }
    }

    async fn cancel_invoice(
        &self,
        request: Request<invoicesrpc::CancelInvoiceMsg>,
    ) -> Result<Response<invoicesrpc::CancelInvoiceResp>, Status> {
        self.enter("CancelInvoice", &request)?;
        match self.state_of(&request.into_inner().payment_hash)? {
            InvoiceState::Settled => Err(Status::unknown("invoice already settled")),
            InvoiceState::Open | InvoiceState::Accepted | InvoiceState::Canceled => {
                Ok(Response::new(invoicesrpc::CancelInvoiceResp {}))
            }
        }
    }
}
