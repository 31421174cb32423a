//! Loopback ports that nobody else takes while they are held.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Where the search begins and ends: below the ports that Linux gives to outgoing connections.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// How many ports this process has looked at.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// A TCP port on 127.0.0.1, also while nobody listens: a node finds it free after a restart.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    /// The UDP port of the same number, which none of the nodes uses, is the lock.
    _lock: UdpSocket,
}

impl Port {
    /// Claims a port that is free.
    pub(crate) fn claim() -> Self {
        // Processes begin at different places, so they seldom meet.
        let begin = u16::try_from(std::process::id() % u32::from(COUNT)).expect("below the count");
        for _ in 0..COUNT {
            let step = LOOKED_AT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + (begin + step) % COUNT;
            let Ok(lock) = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)) else { continue };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Self { number, _lock: lock };
            }
        }
        panic!("no free port from {FIRST} on");
    }

    /// The address to listen on and to connect to.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}
