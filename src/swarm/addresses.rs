//! Which addresses are told to peers, and which of a peer's is dialed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use peeroxide_dht::messages::Ipv4Peer;

/// The most addresses that are told: what a handshake carries goes into one datagram.
const ADDRESSES_MAX: usize = 8;

/// The addresses to tell a peer, out of those by which the DHT knows us.
///
/// None has port 0, which is what the DHT knows of a NAT that picks ports at random: Node's
/// dialer dies of it. None is an address that is no machine's, such as the one that means all of
/// them. Who listens on loopback tells nothing else, and who does not never tells loopback; who
/// listens on one address tells no other of this machine.
pub(super) fn advertised(known: Vec<Ipv4Peer>, local: &[IpAddr], host: IpAddr) -> Vec<Ipv4Peer> {
    let is_told = |address: &Ipv4Peer| {
        let Some(ip) = usable(address, host).map(|address| address.ip()) else { return false };
        let is_elsewhere = ip != host && local.contains(&ip);
        ip.is_loopback() == host.is_loopback() && (host.is_unspecified() || !is_elsewhere)
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
/// `seen` is where a node of the DHT, which may lie, says that it sees it. Behind the NAT that we
/// are behind too, its own addresses may be the only ones that reach it; elsewhere, only a public
/// one can. We listen on `host`.
pub(super) fn to_dial(
    advertised: &[Ipv4Peer],
    seen: &Ipv4Peer,
    shares_our_nat: bool,
    host: IpAddr,
) -> Option<SocketAddr> {
    let remote = || {
        let addresses = advertised.iter().filter_map(|address| usable(address, host));
        addresses.filter(|address| !address.ip().is_loopback())
    };
    let private = || remote().find(|address| is_private(address.ip()));
    let public = || remote().find(|address| !is_private(address.ip()));
    let seen = usable(seen, host)?;
    if seen.ip().is_loopback() {
        return Some(seen);
    }
    let first = if shares_our_nat { private().or_else(public) } else { public() };
    Some(first.unwrap_or(seen))
}

/// The address as a socket address; `None` for what one who listens on `host` may not send to,
/// whoever says so: what is no machine's, and this machine where nothing of the DHT can be on it.
pub(super) fn usable(address: &Ipv4Peer, host: IpAddr) -> Option<SocketAddr> {
    socket(address).filter(|address| host.is_loopback() || !address.ip().is_loopback())
}

/// The address as a socket address; `None` for what is no machine's.
pub(super) fn socket(address: &Ipv4Peer) -> Option<SocketAddr> {
    let ip: Ipv4Addr = address.host.parse().ok()?;
    // This network, those of many machines, and those of the future (RFC 1122, RFC 1112).
    let is_nobodys = matches!(ip.octets()[0], 0 | 224..);
    (address.port != 0 && !is_nobodys).then(|| SocketAddr::new(ip.into(), address.port))
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
        let nobodys = "0.0.0.0:1 0.1.2.3:1 224.0.0.1:1 239.255.255.250:1 255.255.255.255:1";
        check("0.0.0.0", nobodys, "");
        check("127.0.0.1", nobodys, "");
    }

    #[test]
    fn the_address_that_can_be_reached_is_dialed() {
        let check_on =
            |host: &str, advertised: &str, seen: &str, shares_our_nat, expected: Option<&str>| {
                let (seen, host) = (&peers(seen)[0], host.parse().expect("an address"));
                let dialed = to_dial(&peers(advertised), seen, shares_our_nat, host);
                assert_eq!(dialed.map(|address| address.to_string()).as_deref(), expected);
            };
        let check = |advertised: &str, seen: &str, shares_our_nat, expected: Option<&str>| {
            check_on("0.0.0.0", advertised, seen, shares_our_nat, expected);
        };
        let both = "192.168.1.2:1 203.0.113.7:2";
        check(both, "203.0.113.7:3", false, Some("203.0.113.7:2"));
        check(both, "203.0.113.7:3", true, Some("192.168.1.2:1"));
        check("192.168.1.2:1", "203.0.113.7:3", false, Some("203.0.113.7:3"));
        check("203.0.113.7:0", "203.0.113.7:3", false, Some("203.0.113.7:3"));
        check("127.0.0.1:1", "203.0.113.7:3", true, Some("203.0.113.7:3"));
        let ours = "127.0.0.1";
        check_on(ours, "192.168.1.2:1", "127.0.0.1:3", true, Some("127.0.0.1:3"));
        check("", "203.0.113.7:0", false, None);
        // What a lying node says of where it sees the peer.
        for lie in ["127.0.0.1:22", "127.9.9.9:1", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1"]
        {
            check("203.0.113.7:2", lie, true, None);
        }
        check("239.0.0.1:1 0.0.0.0:2 203.0.113.7:2", "203.0.113.7:3", false, Some("203.0.113.7:2"));
    }
}
