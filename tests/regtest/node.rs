//! [`Node`]: one Lightning node, as its owner sees it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tightrope::ids::{ChannelPoint, NodeId, PaymentHash, Scid};
use tightrope::rpc::lnrpc::payment::PaymentStatus;
use tightrope::rpc::{lnrpc, routerrpc};

use super::ground::Chain;
use super::lnd::Lnd;
use super::rpc::{Rpc, certificate};
use super::simulated::SimulatedNode;
use super::wait;

/// How long lnd may take to start; two start in one or two seconds on two cores.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Where lnd keeps its certificate and the macaroon that allows everything, in its folder.
const CERTIFICATE: &str = "tls.cert";
const MACAROON: &str = "data/chain/bitcoin/regtest/admin.macaroon";

/// A release of lnd.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    /// The last one that does not tell of changed balances.
    Lnd20,
    /// The first one that does.
    Lnd21,
}

/// A node with a wallet of its own. It may be down; its folder and its ports stay.
#[derive(Debug)]
pub(crate) struct Node {
    alias: &'static str,
    body: Body,
    rpc: Rpc,
    id: NodeId,
}

/// What a node is.
#[derive(Debug)]
enum Body {
    Real(Lnd),
    Simulated(SimulatedNode),
}

impl Body {
    fn kill(&mut self) {
        match self {
            Self::Real(lnd) => lnd.kill(),
            Self::Simulated(node) => node.kill(),
        }
    }

    fn start_again(&mut self) {
        match self {
            Self::Real(lnd) => lnd.start_again(),
            Self::Simulated(node) => node.start_again(),
        }
    }

    fn socket(&self) -> String {
        match self {
            Self::Real(lnd) => lnd.socket(),
            Self::Simulated(node) => node.socket(),
        }
    }

    /// Where other nodes reach it.
    fn host(&self) -> String {
        match self {
            Self::Real(lnd) => lnd.host(),
            // Simulated nodes reach each other anywhere.
            Self::Simulated(node) => node.socket(),
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Self::Real(lnd) => lnd.folder(),
            Self::Simulated(node) => node.folder(),
        }
    }
}

impl Node {
    /// Starts a new node and waits until it serves.
    pub(crate) async fn start(
        alias: &'static str,
        version: Version,
        folder: &Path,
        chain: &Chain,
    ) -> Self {
        let body = match chain {
            Chain::Real(btcd) => Body::Real(Lnd::start(alias, version, folder, btcd)),
            Chain::Simulated(network) => {
                Body::Simulated(SimulatedNode::start(network, alias, version))
            }
        };
        let what = format!("{alias} has a certificate");
        let certificate =
            wait::until(&what, START_LIMIT, async || certificate(&body.folder().join(CERTIFICATE)));
        let mut rpc = Rpc::new(body.socket(), certificate.await);
        wait_for_service(alias, &rpc).await;
        rpc.show(&body.folder().join(MACAROON));
        let id = info(&rpc).await.expect("a node that serves").identity_pubkey;
        let id = id.parse().expect("a public key");
        Self { alias, body, rpc, id }
    }

    /// Ends the node at once; does nothing where it is down.
    pub(crate) fn kill(&mut self) {
        self.body.kill();
    }

    /// Starts a node that is down.
    pub(crate) async fn start_again(&mut self) {
        self.body.start_again();
        wait_for_service(self.alias, &self.rpc).await;
    }

    /// Waits until the node has the newest block.
    pub(crate) async fn wait_for_sync(&self) {
        let what = format!("{} is synced", self.alias);
        wait::until(&what, START_LIMIT, async || {
            info(&self.rpc).await.ok()?.synced_to_chain.then_some(())
        })
        .await;
    }

    /// The name that the node gives itself.
    pub(crate) const fn alias(&self) -> &'static str {
        self.alias
    }

    /// Its public key.
    pub(crate) const fn id(&self) -> NodeId {
        self.id
    }

    /// Its gRPC, with every right.
    pub(crate) const fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// Where its gRPC listens.
    pub(crate) fn socket(&self) -> String {
        self.body.socket()
    }

    /// The file of its certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.body.folder().join(CERTIFICATE)
    }

    /// The file of the key of its certificate.
    pub(crate) fn certificate_key(&self) -> PathBuf {
        self.body.folder().join("tls.key")
    }

    /// A new address of its wallet.
    pub(crate) async fn address(&self) -> String {
        let request = lnrpc::NewAddressRequest::default();
        let answer = self.rpc.lightning().new_address(request).await;
        answer.expect("an address").into_inner().address
    }

    /// Waits until its wallet has money to spend.
    pub(crate) async fn wait_for_money(&self) {
        let what = format!("{} has money", self.alias);
        wait::until(&what, START_LIMIT, async || {
            let request = lnrpc::WalletBalanceRequest {};
            let answer = self.rpc.lightning().wallet_balance(request).await.ok()?;
            (answer.into_inner().confirmed_balance > 0).then_some(())
        })
        .await;
    }

    /// Connects to another node, and waits until both know of it.
    pub(crate) async fn connect(&self, other: &Self) {
        let addr =
            lnrpc::LightningAddress { pubkey: other.id.to_string(), host: other.body.host() };
        let request = lnrpc::ConnectPeerRequest { addr: Some(addr), perm: false, timeout: 10 };
        // It is an error where the other one was quicker.
        let _ = self.rpc.lightning().connect_peer(request).await;
        let what = format!("{} and {} are connected", self.alias, other.alias);
        wait::until(&what, START_LIMIT, async || {
            (self.has_peer(other.id).await && other.has_peer(self.id).await).then_some(())
        })
        .await;
    }

    async fn has_peer(&self, id: NodeId) -> bool {
        let answer = self.rpc.lightning().list_peers(lnrpc::ListPeersRequest {}).await;
        let peers = answer.expect("a node that answers").into_inner().peers;
        peers.iter().any(|peer| peer.pub_key == id.to_string())
    }

    /// A macaroon in hex that allows these calls, such as `/lnrpc.Lightning/GetInfo`, only.
    pub(crate) async fn bake(&self, calls: &[&str]) -> String {
        let permission = |call: &&str| lnrpc::MacaroonPermission {
            entity: "uri".to_owned(),
            action: (*call).to_owned(),
        };
        let permissions = calls.iter().map(permission).collect();
        let request = lnrpc::BakeMacaroonRequest { permissions, ..Default::default() };
        let answer = self.rpc.lightning().bake_macaroon(request).await;
        answer.expect("a macaroon").into_inner().macaroon
    }

    /// Its signature under a text.
    pub(crate) async fn sign(&self, text: &str) -> String {
        let msg = text.as_bytes().to_vec();
        let request = lnrpc::SignMessageRequest { msg };
        let signed = self.rpc.lightning().sign_message(request).await;
        signed.expect("a node that signs").into_inner().signature
    }

    /// Its open channels.
    pub(crate) async fn channels(&self) -> Vec<lnrpc::Channel> {
        let request = lnrpc::ListChannelsRequest::default();
        let answer = self.rpc.lightning().list_channels(request).await;
        answer.expect("a node that answers").into_inner().channels
    }

    /// One of its open channels.
    pub(crate) async fn channel(&self, point: ChannelPoint) -> Option<lnrpc::Channel> {
        let point = point.to_string();
        self.channels().await.into_iter().find(|channel| channel.channel_point == point)
    }

    /// Whether its graph has a channel of its own, with its own terms: where it may pay over it.
    pub(crate) async fn finds_way(&self, chan_id: u64) -> bool {
        let request = lnrpc::ChanInfoRequest { chan_id, ..Default::default() };
        let Ok(edge) = self.rpc.lightning().get_chan_info(request).await else { return false };
        let edge = edge.into_inner();
        let own = if edge.node1_pub == self.id.to_string() {
            edge.node1_policy
        } else {
            edge.node2_policy
        };
        own.is_some()
    }

    /// Pays an invoice with the call that the original makes, and returns the payment's hash.
    ///
    /// It names a channel, which lnd takes from 0.21 on for an unknown field: it then pays over
    /// whatever channel it likes.
    pub(crate) async fn pay(&self, invoice: &str, channel: Scid) -> Result<PaymentHash, String> {
        let request = routerrpc::SendPaymentRequest {
            payment_request: invoice.to_owned(),
            outgoing_chan_id: channel.as_u64(),
            fee_limit_sat: (1 << 53) - 1,
            timeout_seconds: 25,
            max_parts: 1,
            allow_self_payment: true,
            no_inflight_updates: true,
            ..Default::default()
        };
        let updates = self.rpc.router().send_payment_v2(request).await;
        let mut updates = updates.map_err(|status| status.to_string())?.into_inner();
        let end = updates.message().await.map_err(|status| status.to_string())?;
        let end = end.ok_or("the node says nothing of the payment")?;
        if end.status() != PaymentStatus::Succeeded {
            return Err(format!("{:?}: {:?}", end.status(), end.failure_reason()));
        }
        end.payment_hash.parse().map_err(|it| format!("{it:?}"))
    }

    /// Every invoice that it ever made.
    pub(crate) async fn invoices(&self) -> Vec<lnrpc::Invoice> {
        let request = lnrpc::ListInvoiceRequest { num_max_invoices: 100_000, ..Default::default() };
        let answer = self.rpc.lightning().list_invoices(request).await;
        answer.expect("a node that answers").into_inner().invoices
    }

    /// Every payment that it ever tried.
    pub(crate) async fn payments(&self) -> Vec<lnrpc::Payment> {
        let request = lnrpc::ListPaymentsRequest {
            include_incomplete: true,
            // Else lnd lists a hundred.
            max_payments: 100_000,
            ..Default::default()
        };
        let answer = self.rpc.lightning().list_payments(request).await;
        answer.expect("a node that answers").into_inner().payments
    }
}

/// Waits until the node at the other end serves all its calls.
async fn wait_for_service(alias: &str, rpc: &Rpc) {
    let what = format!("{alias} serves");
    wait::until(&what, START_LIMIT, async || {
        let answer = rpc.state().get_state(lnrpc::GetStateRequest {}).await.ok()?;
        (answer.into_inner().state() == lnrpc::WalletState::ServerActive).then_some(())
    })
    .await;
}

async fn info(rpc: &Rpc) -> Result<lnrpc::GetInfoResponse, tonic::Status> {
    let answer = rpc.lightning().get_info(lnrpc::GetInfoRequest {}).await?;
    Ok(answer.into_inner())
}
