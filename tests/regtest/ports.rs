//! Loopback ports that nobody else takes while they are held.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Where the search begins and ends: below the ports that Linux gives to outgoing connections.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// How many ports this process has looked at.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// A TCP or UDP port on 127.0.0.1, also while nobody listens: a node finds it free after a restart.
#[derive(Debug)]
pub(crate) struct Port<Lock = UdpSocket> {
    number: u16,
    /// The port of the same number in the other protocol, which is not used, is the lock.
    _lock: Lock,
}

impl Port {
    /// Claims a TCP port that is free.
    pub(crate) fn claim() -> Self {
        Self::find(|address| {
            let lock = UdpSocket::bind(address).ok()?;
            TcpListener::bind(address).is_ok().then_some(lock)
        })
    }
}

impl Port<TcpListener> {
    /// Claims a UDP port that is free.
    pub(crate) fn claim_udp() -> Self {
        Self::find(|address| {
            let lock = TcpListener::bind(address).ok()?;
            UdpSocket::bind(address).is_ok().then_some(lock)
        })
    }
}

impl<Lock> Port<Lock> {
    /// The first port that `lock` can take.
    fn find(lock: impl Fn((Ipv4Addr, u16)) -> Option<Lock>) -> Self {
        // Processes begin at different places, so they seldom meet.
        let begin = u16::try_from(std::process::id() % u32::from(COUNT)).expect("below the count");
        for _ in 0..COUNT {
            let step = LOOKED_AT.fetch_add(1, Ordering::Relaxed) % COUNT;
            let number = FIRST + (begin + step) % COUNT;
            if let Some(lock) = lock((Ipv4Addr::LOCALHOST, number)) {
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
