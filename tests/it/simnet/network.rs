//! A simulated network for a test, and its nodes as clients see them.

use std::time::Duration;

use tightrope::ids::{ChannelPoint, Scid};
use tightrope::lnd::{Endpoint, Lnd};
use tightrope::rpc::{lnrpc, routerrpc};
use tightrope::simnet::{LndVersion, NodeDoor, Settings, Simnet};
use tonic::{Status, Streaming};

use super::rpc::{Rpc, certificate};

/// How long a channel may take to come to rest: HTLCs settle within a tenth of a second.
const REST_LIMIT: Duration = Duration::from_secs(20);

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A network, and the folder of its nodes.
pub(crate) struct Network {
    pub(crate) simnet: Simnet,
    _folder: tempfile::TempDir,
}

impl Network {
    /// A network of nodes of these names.
    pub(crate) fn start(nodes: &[(&str, LndVersion)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let simnet = Simnet::start(Settings { folder: folder.path().to_owned(), seed: 7 });
        for (alias, version) in nodes {
            simnet.add(alias, *version).expect("a node");
        }
        Self { simnet, _folder: folder }
    }

    /// Alice and Bob, with a channel of a million sat, half at each end.
    pub(crate) async fn pair(version: LndVersion) -> Self {
        let network = Self::start(&[("alice", version), ("bob", version)]);
        network.run("open alice bob 1000000 even").await;
        network.mine(6).await;
        network
    }

    /// Makes blocks, and waits until channels can be used.
    pub(crate) async fn mine(&self, blocks: u32) {
        self.simnet.mine(blocks);
        self.simnet.channels_are_ready().await;
    }

    /// Does what a line of the prompt says.
    pub(crate) async fn run(&self, line: &str) {
        let command = line.parse().expect("a command");
        self.simnet.run(&command).await.unwrap_or_else(|error| panic!("{line}: {error}"));
    }

    pub(crate) fn door(&self, alias: &str) -> NodeDoor {
        let doors = self.simnet.nodes().into_iter();
        doors.into_iter().find(|door| door.alias == alias).expect("a node")
    }

    /// A node's services, with the macaroon of this name.
    pub(crate) fn rpc_with(&self, alias: &str, macaroon: &str) -> Rpc {
        let door = self.door(alias);
        let mut rpc = self.stranger(alias);
        rpc.show(&door.macaroon().with_file_name(format!("{macaroon}.macaroon")));
        rpc
    }

    /// A node's services, with the macaroon that may do everything.
    pub(crate) fn rpc(&self, alias: &str) -> Rpc {
        self.rpc_with(alias, "admin")
    }

    /// A node's services, without a macaroon.
    pub(crate) fn stranger(&self, alias: &str) -> Rpc {
        let door = self.door(alias);
        let certificate = certificate(&door.certificate()).expect("a certificate");
        Rpc::new(door.socket.to_string(), certificate)
    }

    /// The daemon's own edge to a node, with this macaroon.
    pub(crate) fn lnd(&self, alias: &str, macaroon: Vec<u8>) -> Lnd {
        let door = self.door(alias);
        let certificate = Some(std::fs::read(door.certificate()).expect("a certificate"));
        let endpoint = Endpoint { socket: door.socket.to_string(), certificate, macaroon };
        Lnd::new(&endpoint).expect("an endpoint")
    }

    /// A macaroon that allows these calls only.
    pub(crate) async fn bake(&self, alias: &str, calls: &[&str]) -> Result<Vec<u8>, Status> {
        let permission = |call: &&str| lnrpc::MacaroonPermission {
            entity: "uri".to_owned(),
            action: (*call).to_owned(),
        };
        let permissions = calls.iter().map(permission).collect();
        let request = lnrpc::BakeMacaroonRequest { permissions, ..Default::default() };
        let baked = self.rpc(alias).lightning().bake_macaroon(request).await?;
        let macaroon = baked.into_inner().macaroon;
        Ok(data_encoding::HEXLOWER.decode(macaroon.as_bytes()).expect("hex"))
    }

    /// The only channel of a node.
    pub(crate) async fn channel(&self, alias: &str) -> lnrpc::Channel {
        let request = lnrpc::ListChannelsRequest::default();
        let listed = self.rpc(alias).lightning().list_channels(request).await.expect("a list");
        let [channel] = <[_; 1]>::try_from(listed.into_inner().channels).expect("one channel");
        channel
    }

    /// The only channel of a node, once nothing is in flight on it: a payer knows that its payment
    /// has arrived before the HTLC is out of its channel.
    pub(crate) async fn channel_at_rest(&self, alias: &str) -> lnrpc::Channel {
        let at_rest = async {
            loop {
                let channel = self.channel(alias).await;
                if channel.pending_htlcs.is_empty() {
                    return channel;
                }
            }
        };
        tokio::time::timeout(REST_LIMIT, at_rest).await.expect("it comes to rest")
    }

    /// An invoice of a node over `sat`.
    pub(crate) async fn invoice(&self, alias: &str, sat: i64) -> lnrpc::AddInvoiceResponse {
        let invoice = lnrpc::Invoice { value: sat, ..Default::default() };
        self.rpc(alias).lightning().add_invoice(invoice).await.expect("an invoice").into_inner()
    }

    /// A payment of an invoice of Bob's over the only channel of Alice's, in one hop.
    pub(crate) async fn route(
        &self,
        invoice: &lnrpc::AddInvoiceResponse,
        sat: i64,
    ) -> routerrpc::SendToRouteRequest {
        let channel = self.channel("alice").await;
        let height = self.rpc("alice").lightning().get_info(lnrpc::GetInfoRequest {}).await;
        let expiry = height.expect("a node").into_inner().block_height + 83;
        let amount = sat * 1_000;
        let hop = lnrpc::Hop {
            chan_id: channel.chan_id,
            pub_key: channel.remote_pubkey,
            amt_to_forward_msat: amount,
            expiry,
            mpp_record: Some(lnrpc::MppRecord {
                payment_addr: invoice.payment_addr.clone(),
                total_amt_msat: amount,
            }),
            ..Default::default()
        };
        let route = lnrpc::Route {
            total_time_lock: expiry,
            total_amt_msat: amount,
            hops: vec![hop],
            ..Default::default()
        };
        routerrpc::SendToRouteRequest {
            payment_hash: invoice.r_hash.clone(),
            route: Some(route),
            skip_temp_err: false,
        }
    }
}

/// What a stream tells next.
pub(crate) async fn next<T>(stream: &mut Streaming<T>) -> T {
    let told = tokio::time::timeout(PATIENCE, stream.message()).await;
    told.expect("it tells in time").expect("it is not broken").expect("it goes on")
}

/// The name of a channel as LND lists it.
pub(crate) fn name(channel: &lnrpc::Channel) -> (ChannelPoint, Scid) {
    (channel.channel_point.parse().expect("a channel point"), Scid::new(channel.chan_id))
}
