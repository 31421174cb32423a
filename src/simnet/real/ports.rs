//! Ports of this machine that nobody listens on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use super::RealError;

/// Where the search begins and ends: below the ports that systems give to outgoing connections.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// How many ports this process has looked at: no port is given twice.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// A TCP port on 127.0.0.1.
pub(super) fn free() -> Result<SocketAddr, RealError> {
    // Processes begin at different places, so they seldom meet.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let step = LOOKED_AT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + (begin + step) % COUNT));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(RealError::NoPort { first: FIRST, last: FIRST + COUNT - 1 })
}
