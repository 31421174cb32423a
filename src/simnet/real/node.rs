//! [`Node`]: one real lnd.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::btcd::Btcd;
use super::{RealError, client, ports, until};
use crate::ids::NodeId;
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::state_client::StateClient;
use crate::simnet::client::{Client, Info, SAT_PER_VBYTE};
use crate::simnet::folder;
use crate::simnet::process::Process;
use crate::simnet::{LndVersion, NodeDoor};

/// An lnd with a wallet of its own. It may be down; its folder and its ports stay.
#[derive(Debug)]
pub(super) struct Node {
    alias: String,
    folder: PathBuf,
    binary: PathBuf,
    chain: Vec<String>,
    listen: SocketAddr,
    serve: SocketAddr,
    process: Option<Process>,
    /// Once it has served.
    known: Option<(Client, NodeId)>,
}

impl Node {
    /// A node that is not started.
    pub(super) fn new(
        alias: &str,
        folder: PathBuf,
        binaries: &Path,
        btcd: &Btcd,
    ) -> Result<Self, RealError> {
        let made = std::fs::create_dir(&folder);
        made.map_err(|source| RealError::File { path: folder.clone(), source })?;
        Ok(Self {
            alias: alias.to_owned(),
            folder,
            binary: binaries.join("lnd-0.21"),
            chain: btcd.flags_for_lnd(),
            listen: ports::free()?,
            serve: ports::free()?,
            process: None,
            known: None,
        })
    }

    /// Starts it, and waits until it serves.
    pub(super) async fn start(&mut self) -> Result<(), RealError> {
        self.spawn()?;
        self.wait_for_service().await
    }

    /// Starts it.
    pub(super) fn spawn(&mut self) -> Result<(), RealError> {
        let own = [
            format!("--lnddir={}", self.folder.display()),
            format!("--alias={}", self.alias),
            format!("--listen={}", self.listen),
            format!("--rpclisten={}", self.serve),
        ];
        let flags = [
            "--norest",
            "--noseedbackup",
            "--nobootstrap",
            "--tlsdisableautofill",
            "--bitcoin.defaultchanconfs=1",
            "--trickledelay=50",
            "--gossip.sub-batch-delay=5ms",
            "--maxpendingchannels=20",
            "--debuglevel=info",
            "--logging.no-commit-hash",
            // What real nodes have, and lnd's test builds have not by default.
            "--protocol.anchors",
        ];
        let flags = flags.into_iter().map(str::to_owned);
        let arguments = self.chain.iter().cloned().chain(own).chain(flags).map(OsString::from);
        let output = self.folder.join("lnd.out");
        self.process = Some(Process::start(&self.binary, arguments, &output)?);
        Ok(())
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    /// Waits until it serves all its calls.
    pub(super) async fn wait_for_service(&mut self) -> Result<(), RealError> {
        let certificate = folder::certificate(&self.folder);
        let what = format!("{} serves", self.alias);
        until(&what, &self.folder, async || {
            let channel = client::channel(self.serve, &certificate)?;
            let answer = StateClient::new(channel).get_state(lnrpc::GetStateRequest {}).await;
            let is_up = |answer: tonic::Response<lnrpc::GetStateResponse>| {
                answer.into_inner().state() == lnrpc::WalletState::ServerActive
            };
            Ok(answer.is_ok_and(is_up).then_some(()))
        })
        .await?;
        let client =
            Client::new(self.serve, &certificate, &folder::macaroon(&self.folder, "admin"))?;
        let id = client.info().await?.id;
        self.known = Some((client, id));
        Ok(())
    }

    /// Waits until it has the newest block.
    pub(super) async fn wait_for_sync(&self) -> Result<(), RealError> {
        let what = format!("{} is synced", self.alias);
        until(&what, &self.folder, async || {
            let Info { is_synced, .. } = self.known()?.0.info().await?;
            Ok(is_synced.then_some(()))
        })
        .await
    }

    /// How to reach it.
    pub(super) fn door(&self) -> Result<NodeDoor, RealError> {
        Ok(NodeDoor {
            alias: self.alias.clone(),
            id: self.known()?.1,
            version: LndVersion::V21,
            socket: self.serve,
            folder: self.folder.clone(),
        })
    }

    /// A new address of its wallet.
    pub(super) async fn address(&self) -> Result<String, RealError> {
        let client = &self.known()?.0;
        let request = lnrpc::NewAddressRequest::default();
        let answer = client.lightning().new_address(request).await;
        Ok(client.answered("NewAddress", answer)?.address)
    }

    /// Gives to others, by their addresses.
    pub(super) async fn give(&self, gifts: HashMap<String, i64>) -> Result<(), RealError> {
        let client = &self.known()?.0;
        let request = lnrpc::SendManyRequest {
            addr_to_amount: gifts,
            sat_per_vbyte: SAT_PER_VBYTE,
            ..Default::default()
        };
        let answer = client.lightning().send_many(request).await;
        client.answered("SendMany", answer)?;
        Ok(())
    }

    /// Waits until its wallet has money to spend.
    pub(super) async fn wait_for_money(&self) -> Result<(), RealError> {
        let what = format!("{} has money", self.alias);
        until(&what, &self.folder, async || {
            let client = &self.known()?.0;
            let answer = client.lightning().wallet_balance(lnrpc::WalletBalanceRequest {}).await;
            let balance = client.answered("WalletBalance", answer)?.confirmed_balance;
            Ok((balance > 0).then_some(()))
        })
        .await
    }

    /// Connects to another node, and waits until both know of it.
    pub(super) async fn connect(&self, other: &Self) -> Result<(), RealError> {
        let (client, id) = self.known()?;
        let (their_client, their_id) = other.known()?;
        let addr = lnrpc::LightningAddress {
            pubkey: their_id.to_string(),
            host: other.listen.to_string(),
        };
        let request = lnrpc::ConnectPeerRequest { addr: Some(addr), perm: false, timeout: 10 };
        // It is an error where the other one was quicker.
        drop(client.lightning().connect_peer(request).await);
        let what = format!("{} and {} are connected", self.alias, other.alias);
        until(&what, &self.folder, async || {
            let has = has_peer(client, *their_id).await? && has_peer(their_client, *id).await?;
            Ok(has.then_some(()))
        })
        .await
    }

    fn known(&self) -> Result<&(Client, NodeId), RealError> {
        self.known.as_ref().ok_or_else(|| RealError::TooSlow {
            what: format!("{} serves", self.alias),
            folder: self.folder.clone(),
        })
    }
}

async fn has_peer(client: &Client, id: NodeId) -> Result<bool, RealError> {
    let answer = client.lightning().list_peers(lnrpc::ListPeersRequest {}).await;
    let peers = client.answered("ListPeers", answer)?.peers;
    Ok(peers.iter().any(|peer| peer.pub_key == id.to_string()))
}
