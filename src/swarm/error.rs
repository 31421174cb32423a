//! [`SwarmError`] and [`SendError`]: why the swarm cannot be entered, why a message is not carried.

use std::net::{IpAddr, SocketAddr};

use peeroxide_dht::hyperdht::HyperDhtError;

use super::{MESSAGE_BYTES_MAX, Settings};

/// Why the swarm cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// The DHT speaks IPv4 only.
    #[error("{host} is no IPv4 address (should be 0.0.0.0, or an IPv4 address of this machine)")]
    NotIpv4 {
        /// The address to listen on.
        host: IpAddr,
    },
    /// A node of the DHT is known by the address that it listens on, so that must be one.
    #[error("{address} cannot be reached (should be this machine's address, as others see it)")]
    NoAddress {
        /// The address to listen on.
        address: SocketAddr,
    },
    /// A bootstrap node is not named as it must be.
    #[error("{node:?} names no bootstrap node (should be host:port, such as 203.0.113.7:49737)")]
    BadBootstrap {
        /// What is there instead.
        node: String,
    },
    /// No peer at all is allowed.
    #[error("no peer may be connected (should be at least one)")]
    NoPeers,
    /// The UDP port cannot be had.
    #[error("udp {address} cannot be listened on (should be free, and an address of this machine)")]
    Listen {
        /// Where the DHT was to listen.
        address: SocketAddr,
        /// What the DHT says.
        #[source]
        source: Box<HyperDhtError>,
    },
    /// Our node of the DHT has ended, though nobody ended it.
    #[error("our DHT node has died (is started again)")]
    NodeDied,
    /// No node of the DHT answers.
    #[error("no DHT node answers over {bootstrap} (should be reachable from here by UDP)")]
    NoNodes {
        /// Whom we asked first.
        bootstrap: String,
    },
}

/// Why a message is not carried.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SendError {
    /// The peer takes less than it is sent.
    #[error("the peer's queue is full")]
    Full,
    /// The peer is not connected.
    #[error("the peer is not connected")]
    Gone,
    /// The message is over [`MESSAGE_BYTES_MAX`].
    #[error("a message of {bytes} bytes cannot be sent (should be at most {MESSAGE_BYTES_MAX})")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// Refuses settings with which the swarm could never be entered.
pub(super) fn check(settings: &Settings) -> Result<(), SwarmError> {
    if !settings.host.is_ipv4() {
        return Err(SwarmError::NotIpv4 { host: settings.host });
    }
    if settings.peers_max == 0 {
        return Err(SwarmError::NoPeers);
    }
    let is_named = |node: &str| {
        node.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0)
        })
    };
    match settings.bootstrap.iter().find(|node| !is_named(node)) {
        Some(node) => Err(SwarmError::BadBootstrap { node: node.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, bootstrap: &str, peers_max: usize, expected: Option<&str>) {
        let settings = Settings {
            bootstrap: vec![bootstrap.to_owned()],
            host: host.parse().expect("an address"),
            port: 0,
            peers_max,
            firewalled: false,
        };
        let complaint = super::check(&settings).err().map(|error| error.to_string());
        let first_words = complaint.as_deref().map(|text| text.split(" (").next().unwrap_or(text));
        assert_eq!(first_words, expected);
    }

    #[test]
    fn settings_that_can_never_work_are_named() {
        check("127.0.0.1", "203.0.113.7:49737", 1, None);
        check("0.0.0.0", "node1.example.org:1", 64, None);
        check("::1", "a:1", 1, Some("::1 is no IPv4 address"));
        check("0.0.0.0", "a:1", 0, Some("no peer may be connected"));
        for node in ["a", "a:", ":1", "a:0", "a:65536", ""] {
            let complaint = format!("{node:?} names no bootstrap node");
            check("0.0.0.0", node, 1, Some(&complaint));
        }
    }
}
