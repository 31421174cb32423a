//! [`Client`]: a node as its owner drives it by gRPC, the same for real lnd and a simulated one.
//!
//! It shares nothing with the daemon's own edge but the messages: what it does, the daemon finds.

pub(super) mod line;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tonic::Status;
use tonic::transport::Channel;

use self::line::{Line, Macaroon};
use super::NodeDoor;
use crate::ids::{ChannelPoint, NodeId, PaymentHash, Scid};
use crate::rpc::lnrpc::channel_point::FundingTxid;
use crate::rpc::lnrpc::htlc_attempt::HtlcStatus;
use crate::rpc::lnrpc::lightning_client::LightningClient;
use crate::rpc::routerrpc::router_client::RouterClient;
use crate::rpc::{lnrpc, routerrpc};
use crate::units::Sat;

/// How many blocks the payee must be left; what lnd asks for itself.
const FINAL_DELTA: u32 = 80;
/// How many blocks may come while a payment is on its way; what lnd reckons with itself.
const BLOCK_PADDING: u32 = 3;
/// What is paid for a transaction on a chain where nobody competes.
pub(super) const SAT_PER_VBYTE: u64 = 2;
/// The largest message that is read: a node with hundreds of channels says more than 4 MiB.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// How often a channel is looked at that is to come to rest.
const STEP: Duration = Duration::from_millis(20);
/// How long a channel may take to come to rest: HTLCs settle within a tenth of a second.
const REST_TIME_MAX: Duration = Duration::from_secs(20);
/// Under which root key macaroons are baked, so that they can be revoked by themselves.
const ROOT_KEY: u64 = 1001;

/// Why a node did not do what its owner wanted.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file of the node cannot be read.
    #[error("{} cannot be read (is the node's folder whole?)", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The certificate cannot be used.
    #[error("{} is no certificate in PEM (give the node's own tls.cert): {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The node turned a call down, or does not answer.
    #[error("{socket} does not do {call}: {}", source.message())]
    Refused {
        /// Where the node listens.
        socket: SocketAddr,
        /// What was asked of it.
        call: &'static str,
        /// What it says.
        source: Box<Status>,
    },
    /// The node says what cannot be meant.
    #[error("{socket} says what is no {noun}: {text:?}")]
    Unreadable {
        /// Where the node listens.
        socket: SocketAddr,
        /// What should have been said.
        noun: &'static str,
        /// What was said.
        text: String,
    },
    /// The node has no such channel.
    #[error("{socket} has no channel {point}")]
    NoChannel {
        /// Where the node listens.
        socket: SocketAddr,
        /// The channel.
        point: ChannelPoint,
    },
    /// A payment failed.
    #[error("{amount} could not be paid over {point}: {reason}")]
    Unpaid {
        /// The channel.
        point: ChannelPoint,
        /// What was to be paid.
        amount: Sat,
        /// The code of the failure.
        reason: String,
    },
    /// A channel does not come to rest.
    #[error("HTLCs are in flight on {point} for more than {} s", REST_TIME_MAX.as_secs())]
    Restless {
        /// The channel.
        point: ChannelPoint,
    },
}

/// What a node says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Info {
    /// Its public key.
    pub id: NodeId,
    /// The name that it gives itself.
    pub alias: String,
    /// Which lnd it is, in its own words.
    pub version: String,
    /// The block that it has come to.
    pub height: u32,
    /// Whether that is the newest one, as far as it knows.
    pub is_synced: bool,
}

/// What channel is to be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opening {
    /// The node at the other end, which must be connected.
    pub to: NodeId,
    /// What it is funded with.
    pub funding: Sat,
    /// What of that belongs to the other end from the start.
    pub push: Sat,
    /// Whether it is not announced.
    pub is_private: bool,
}

impl Opening {
    /// A public channel of which each end has the half.
    pub const fn even(to: NodeId, funding: Sat) -> Self {
        Self { to, funding, push: Sat::new(funding.sat() / 2), is_private: false }
    }
}

/// A channel as one of its ends sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChannelState {
    /// Its funding output.
    pub point: ChannelPoint,
    /// Its id at this end.
    pub scid: Scid,
    /// What this end has.
    pub local: Sat,
    /// What the other end has.
    pub remote: Sat,
    /// How many HTLCs are in flight.
    pub htlcs: usize,
    /// Whether it can be used.
    pub is_active: bool,
}

/// A node, with every right. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Client {
    socket: SocketAddr,
    line: Line,
}

impl Client {
    /// The node at `socket`, by the files of its certificate and of a macaroon. Nothing is
    /// connected before the first call. Must be called inside a Tokio runtime.
    pub fn new(
        socket: SocketAddr,
        certificate: &Path,
        macaroon: &Path,
    ) -> Result<Self, ClientError> {
        let channel = channel(socket, certificate)?;
        let macaroon = Macaroon::new(&read(macaroon)?);
        Ok(Self { socket, line: Line::new(channel, macaroon) })
    }

    /// The node behind `door`, with the macaroon that may do everything.
    pub fn of(door: &NodeDoor) -> Result<Self, ClientError> {
        Self::new(door.socket, &door.certificate(), &door.macaroon())
    }

    /// What the node says of itself.
    pub async fn info(&self) -> Result<Info, ClientError> {
        let answer = self.lightning().get_info(lnrpc::GetInfoRequest {}).await;
        let info = self.answered("GetInfo", answer)?;
        Ok(Info {
            id: self.parsed("public key", &info.identity_pubkey)?,
            alias: info.alias,
            version: info.version,
            height: info.block_height,
            is_synced: info.synced_to_chain,
        })
    }

    /// Opens a channel and pays for it; blocks must come before it can be used.
    pub async fn open(&self, wanted: Opening) -> Result<ChannelPoint, ClientError> {
        let request = lnrpc::OpenChannelRequest {
            node_pubkey: wanted.to.as_bytes().to_vec(),
            local_funding_amount: signed(wanted.funding),
            push_sat: signed(wanted.push),
            private: wanted.is_private,
            sat_per_vbyte: SAT_PER_VBYTE,
            spend_unconfirmed: true,
            ..Default::default()
        };
        let answer = self.lightning().open_channel_sync(request).await;
        let opened = self.answered("OpenChannelSync", answer)?;
        let vout = opened.output_index;
        match opened.funding_txid {
            Some(FundingTxid::FundingTxidBytes(mut bytes)) => {
                bytes.reverse();
                let txid = bytes.try_into().map_err(|bytes: Vec<u8>| {
                    self.unreadable("txid", &data_encoding::HEXLOWER.encode(&bytes))
                })?;
                Ok(ChannelPoint::new(txid, vout))
            }
            Some(FundingTxid::FundingTxidStr(txid)) => {
                self.parsed("channel point", &format!("{txid}:{vout}"))
            }
            None => Err(self.unreadable("channel point", "")),
        }
    }

    /// Closes a channel in agreement, once nothing is in flight on it; blocks must come before it
    /// is gone.
    pub async fn close(&self, point: ChannelPoint) -> Result<(), ClientError> {
        self.at_rest(point).await?;
        let text = point.to_string();
        let (txid, vout) = text.split_once(':').expect("a channel point has a colon");
        let request = lnrpc::CloseChannelRequest {
            channel_point: Some(lnrpc::ChannelPoint {
                funding_txid: Some(FundingTxid::FundingTxidStr(txid.to_owned())),
                output_index: vout.parse().expect("a channel point ends with a number"),
            }),
            sat_per_vbyte: SAT_PER_VBYTE,
            ..Default::default()
        };
        let updates = self.lightning().close_channel(request).await;
        let mut updates = self.answered("CloseChannel", updates)?;
        // The first word is that the close is on its way; the next one comes with the blocks.
        let said = updates.message().await;
        said.map(drop).map_err(|status| self.refused("CloseChannel", status))
    }

    /// Pays an invoice of `payee` over exactly this channel, in one hop, and waits for the end.
    pub async fn pay(
        &self,
        payee: &Self,
        point: ChannelPoint,
        amount: Sat,
    ) -> Result<PaymentHash, ClientError> {
        let (us, them) = (self.info().await?, payee.info().await?);
        let chan_id = self.channel(point).await?.scid.as_u64();
        let value_msat = i64::try_from(amount.msat().msat()).unwrap_or(i64::MAX);
        let invoice = lnrpc::Invoice {
            memo: "a payment from outside".to_owned(),
            value_msat,
            cltv_expiry: u64::from(FINAL_DELTA),
            ..Default::default()
        };
        let made = payee.lightning().add_invoice(invoice).await;
        let made = payee.answered("AddInvoice", made)?;
        let expiry = us.height.saturating_add(FINAL_DELTA + BLOCK_PADDING);
        let record =
            lnrpc::MppRecord { payment_addr: made.payment_addr, total_amt_msat: value_msat };
        let hop = lnrpc::Hop {
            chan_id,
            pub_key: them.id.to_string(),
            amt_to_forward_msat: value_msat,
            expiry,
            mpp_record: Some(record),
            ..Default::default()
        };
        let route = lnrpc::Route {
            total_time_lock: expiry,
            total_amt_msat: value_msat,
            hops: vec![hop],
            ..Default::default()
        };
        let hash = PaymentHash::from_slice(&made.r_hash)
            .map_err(|error| payee.unreadable("payment hash", &error.to_string()))?;
        let request = routerrpc::SendToRouteRequest {
            payment_hash: made.r_hash,
            route: Some(route),
            skip_temp_err: false,
        };
        let attempt = self.router().send_to_route_v2(request).await;
        let attempt = self.answered("SendToRouteV2", attempt)?;
        match attempt.status() {
            HtlcStatus::Succeeded => Ok(hash),
            HtlcStatus::Failed | HtlcStatus::InFlight => {
                let reason = attempt.failure.map(|failure| failure.code().as_str_name().to_owned());
                let reason = reason.unwrap_or_else(|| "it is in flight".to_owned());
                Err(ClientError::Unpaid { point, amount, reason })
            }
        }
    }

    /// Its open channels.
    pub async fn channels(&self) -> Result<Vec<ChannelState>, ClientError> {
        let answer = self.lightning().list_channels(lnrpc::ListChannelsRequest::default()).await;
        let channels = self.answered("ListChannels", answer)?.channels;
        let state = |channel: lnrpc::Channel| {
            Ok(ChannelState {
                point: self.parsed("channel point", &channel.channel_point)?,
                scid: Scid::new(channel.chan_id),
                local: unsigned(channel.local_balance),
                remote: unsigned(channel.remote_balance),
                htlcs: channel.pending_htlcs.len(),
                is_active: channel.active,
            })
        };
        channels.into_iter().map(state).collect()
    }

    /// One of its open channels.
    pub async fn channel(&self, point: ChannelPoint) -> Result<ChannelState, ClientError> {
        let mut channels = self.channels().await?.into_iter();
        let found = channels.find(|channel| channel.point == point);
        found.ok_or(ClientError::NoChannel { socket: self.socket, point })
    }

    /// One of its open channels, once nothing is in flight on it.
    pub async fn at_rest(&self, point: ChannelPoint) -> Result<ChannelState, ClientError> {
        let wait = async {
            loop {
                let channel = self.channel(point).await?;
                if channel.htlcs == 0 {
                    return Ok(channel);
                }
                tokio::time::sleep(STEP).await;
            }
        };
        let waited = tokio::time::timeout(REST_TIME_MAX, wait).await;
        waited.unwrap_or(Err(ClientError::Restless { point }))
    }

    /// Whether it may pay over a channel now: lnd calls one active up to a second before it finds
    /// a way over it.
    pub async fn can_use(&self, point: ChannelPoint) -> Result<bool, ClientError> {
        let channel = match self.channel(point).await {
            Ok(channel) => channel,
            Err(ClientError::NoChannel { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let chan_id = channel.scid.as_u64();
        let request = lnrpc::ChanInfoRequest { chan_id, ..Default::default() };
        let Ok(edge) = self.lightning().get_chan_info(request).await else { return Ok(false) };
        let edge = edge.into_inner();
        let is_first = edge.node1_pub == self.info().await?.id.to_string();
        let own = if is_first { edge.node1_policy } else { edge.node2_policy };
        Ok(channel.is_active && own.is_some())
    }

    /// A macaroon that allows these calls, such as `/lnrpc.Lightning/GetInfo`, and no others.
    pub async fn bake(&self, calls: &[&str]) -> Result<Vec<u8>, ClientError> {
        let permission = |call: &&str| lnrpc::MacaroonPermission {
            entity: "uri".to_owned(),
            action: (*call).to_owned(),
        };
        let permissions = calls.iter().map(permission).collect();
        let request =
            lnrpc::BakeMacaroonRequest { permissions, root_key_id: ROOT_KEY, ..Default::default() };
        let answer = self.lightning().bake_macaroon(request).await;
        let hex = self.answered("BakeMacaroon", answer)?.macaroon;
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes());
        // Not repeated: it may be one that works.
        bytes.map_err(|_| self.unreadable("macaroon", ".."))
    }

    pub(super) fn lightning(&self) -> LightningClient<Line> {
        LightningClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn router(&self) -> RouterClient<Line> {
        RouterClient::new(self.line.clone())
    }

    /// What the node answered to a call.
    pub(super) fn answered<T>(
        &self,
        call: &'static str,
        answer: Result<tonic::Response<T>, Status>,
    ) -> Result<T, ClientError> {
        answer.map(tonic::Response::into_inner).map_err(|status| self.refused(call, status))
    }

    fn refused(&self, call: &'static str, status: Status) -> ClientError {
        ClientError::Refused { socket: self.socket, call, source: Box::new(status) }
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        noun: &'static str,
        text: &str,
    ) -> Result<T, ClientError> {
        text.parse().map_err(|_| self.unreadable(noun, text))
    }

    fn unreadable(&self, noun: &'static str, text: &str) -> ClientError {
        ClientError::Unreadable { socket: self.socket, noun, text: text.to_owned() }
    }
}

/// The connection to the node at `socket`, by the file of its certificate.
pub(super) fn channel(socket: SocketAddr, certificate: &Path) -> Result<Channel, ClientError> {
    let fault = |reason: String| ClientError::Certificate { path: certificate.to_owned(), reason };
    let pem = read(certificate)?;
    let pinned = CertificateDer::from_pem_slice(&pem).map_err(|error| fault(error.to_string()))?;
    line::channel(socket, pinned).map_err(|error| fault(error.to_string()))
}

fn read(path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path).map_err(|source| ClientError::File { path: path.to_owned(), source })
}

/// An amount as lnd's messages have it.
fn signed(amount: Sat) -> i64 {
    i64::try_from(amount.sat()).unwrap_or(i64::MAX)
}

/// An amount as lnd's messages have it, which no balance of which is below nothing.
fn unsigned(amount: i64) -> Sat {
    Sat::new(u64::try_from(amount).unwrap_or(0))
}
