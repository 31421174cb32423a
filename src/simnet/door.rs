//! [`NodeDoor`]: how to reach a node, by the files that lnd keeps in its folder.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{LndVersion, folder};
use crate::ids::NodeId;

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
        folder::certificate(&self.folder)
    }

    /// The file of its certificate's key.
    pub fn certificate_key(&self) -> PathBuf {
        folder::certificate_key(&self.folder)
    }

    /// The macaroon that may do everything.
    pub fn macaroon(&self) -> PathBuf {
        folder::macaroon(&self.folder, "admin")
    }
}
