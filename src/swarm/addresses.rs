//! Which addresses are told to peers, and which of a peer's is dialed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use peeroxide_dht::messages::Ipv4Peer;

/// The most addresses that are told: what a handshake carries goes into one datagram.
const ADDRESSES_MAX: usize = 8;

/// The addresses to tell a peer, out of those by which the DHT knows us.
///
/// None has port 0, which is what the DHT knows of a NAT that picks ports at random: Node's
/// dialer dies of it. Who listens on loopback tells nothing else, and who does not never tells
/// loopback; who listens on one address tells no other of this machine.
pub(super) fn advertised(known: Vec<Ipv4Peer>, local: &[IpAddr], host: IpAddr) -> Vec<Ipv4Peer> {
    let is_told = |address: &Ipv4Peer| {
        let Ok(ip) = address.host.parse::<IpAddr>() else { return false };
        let is_elsewhere = ip != host && local.contains(&ip);
        address.port != 0
            && ip.is_loopback() == host.is_loopback()
            && (host.is_unspecified() || !is_elsewhere)
    };
    let mut told: Vec<Ipv4Peer> = Vec::new();
    for address in known {
        if is_told(&address) && !told.contains(&address) {
            told.push(address);
        }
    }
    told.truncate(ADDRESSES_MAX);
    told
}

/// Where to dial a peer that says that its port is open.
///
/// `seen` is where the DHT sees it. Behind the NAT that we are behind too, its own addresses may
/// be the only ones that reach it; elsewhere, only a public one can.
pub(super) fn to_dial(
    advertised: &[Ipv4Peer],
    seen: &Ipv4Peer,
    shares_our_nat: bool,
) -> Option<SocketAddr> {
    let usable = || advertised.iter().filter_map(socket).filter(|a| !a.ip().is_loopback());
    let private = || usable().find(|address| is_private(address.ip()));
    let public = || usable().find(|address| !is_private(address.ip()));
    let seen = socket(seen)?;
    if seen.ip().is_loopback() {
        return Some(seen);
    }
    let first = if shares_our_nat { private().or_else(public) } else { public() };
    Some(first.unwrap_or(seen))
}

/// The address as a socket address; `None` for what nobody can be sent to.
pub(super) fn socket(address: &Ipv4Peer) -> Option<SocketAddr> {
    let ip: Ipv4Addr = address.host.parse().ok()?;
    (address.port != 0 && !ip.is_unspecified()).then(|| SocketAddr::new(ip.into(), address.port))
}

/// Whether only neighbours can reach the address (RFC 1918, RFC 3927, RFC 6598).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let is_shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
            ip.is_private() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(text: &str) -> Vec<Ipv4Peer> {
        let peer = |text: &str| {
            let (host, port) = text.split_once(':').expect("host:port");
            Ipv4Peer { host: host.to_owned(), port: port.parse().expect("a port") }
        };
        text.split_whitespace().map(peer).collect()
    }

    #[test]
    fn only_addresses_that_reach_us_are_told() {
        let check = |host: &str, known: &str, expected: &str| {
            let local = ["192.168.1.2", "10.0.0.2"].map(|ip| ip.parse().expect("an address"));
            let told = advertised(peers(known), &local, host.parse().expect("an address"));
            assert_eq!(told, peers(expected), "{known} on {host}");
        };
        check("0.0.0.0", "203.0.113.7:1 192.168.1.2:1", "203.0.113.7:1 192.168.1.2:1");
        check("0.0.0.0", "203.0.113.7:0 192.168.1.2:1", "192.168.1.2:1");
        check("0.0.0.0", "127.0.0.1:1 203.0.113.7:1 203.0.113.7:1", "203.0.113.7:1");
        check("127.0.0.1", "127.0.0.1:1 192.168.1.2:1 203.0.113.7:1", "127.0.0.1:1");
        let all = "203.0.113.7:1 192.168.1.2:1 10.0.0.2:1";
        check("192.168.1.2", all, "203.0.113.7:1 192.168.1.2:1");
        check("0.0.0.0", "nonsense:1", "");
    }

    #[test]
    fn the_address_that_can_be_reached_is_dialed() {
        let check = |advertised: &str, seen: &str, shares_our_nat: bool, expected: Option<&str>| {
            let seen = &peers(seen)[0];
            let dialed = to_dial(&peers(advertised), seen, shares_our_nat);
            assert_eq!(dialed.map(|address| address.to_string()).as_deref(), expected);
        };
        let both = "192.168.1.2:1 203.0.113.7:2";
        check(both, "203.0.113.7:3", false, Some("203.0.113.7:2"));
        check(both, "203.0.113.7:3", true, Some("192.168.1.2:1"));
        check("192.168.1.2:1", "203.0.113.7:3", false, Some("203.0.113.7:3"));
        check("203.0.113.7:0", "203.0.113.7:3", false, Some("203.0.113.7:3"));
        check("127.0.0.1:1", "203.0.113.7:3", true, Some("203.0.113.7:3"));
        check("192.168.1.2:1", "127.0.0.1:3", true, Some("127.0.0.1:3"));
        check("", "203.0.113.7:0", false, None);
    }
}
