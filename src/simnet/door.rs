//! [`NodeDoor`]: how to reach a node, by the files that lnd keeps in its folder.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::LndVersion;
use crate::ids::NodeId;

/// Where below a node's folder lnd has the macaroon that may do everything.
pub(super) const MACAROON: &str = "data/chain/bitcoin/regtest/admin.macaroon";

/// How to reach a node.
#[derive(Clone, Debug)]
pub struct NodeDoor {
    /// The name that it gives itself.
    pub alias: String,
    /// Its public key.
    pub id: NodeId,
    /// Which lnd it is.
    pub version: LndVersion,
    /// Where its gRPC listens.
    pub socket: SocketAddr,
    /// What lnd calls its folder.
    pub folder: PathBuf,
}

impl NodeDoor {
    /// The file of its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("tls.cert")
    }

    /// The file of its certificate's key.
    pub fn certificate_key(&self) -> PathBuf {
        self.folder.join("tls.key")
    }

    /// The macaroon that may do everything.
    pub fn macaroon(&self) -> PathBuf {
        self.folder.join(MACAROON)
    }
}
