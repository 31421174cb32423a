//! Reads the records of peers that a node of the DHT gives out.
//!
//! Any node may answer anything, so no room is made at its word: the DHT crate's own reading of
//! this reply would make room for as many records as it claims to hold, and the process would end.

use std::net::Ipv4Addr;

use peeroxide_dht::messages::Ipv4Peer;

use crate::ids::PeerKey;

/// How many records a node of the DHT gives out, and keeps, of one topic. What lies beyond in a
/// reply is no honest node's.
pub(super) const RECORDS_MAX: usize = 20;

/// A key, and the number of its relays.
const RECORD_BYTES_MIN: usize = 33;

/// An IPv4 address and a port.
const RELAY_BYTES: usize = 6;

/// A peer, and the nodes of the DHT that reach it.
pub(super) type Record = (PeerKey, Vec<Ipv4Peer>);

/// The records in the reply to a lookup; `None` where it is none.
pub(super) fn decode(reply: &[u8]) -> Option<Vec<Record>> {
    let mut rest = reply;
    let count = number_of(&mut rest, RECORD_BYTES_MIN)?;
    (0..count.min(RECORDS_MAX)).map(|_| record(&mut rest)).collect()
}

fn record(rest: &mut &[u8]) -> Option<Record> {
    let key = PeerKey::new(*first_chunk(rest)?);
    let relays = (0..number_of(rest, RELAY_BYTES)?).map(|_| {
        let host = Ipv4Addr::from(*first_chunk::<4>(rest)?).to_string();
        let port = u16::from_le_bytes(*first_chunk(rest)?);
        Some(Ipv4Peer { host, port })
    });
    Some((key, relays.collect::<Option<_>>()?))
}

/// How many things of at least so many bytes each are to follow, if there are as many bytes.
fn number_of(rest: &mut &[u8], bytes_each: usize) -> Option<usize> {
    let count = usize::try_from(uint(rest)?).ok()?;
    (count <= rest.len() / bytes_each).then_some(count)
}

/// A number of variable length: its only byte, or what follows a byte that says how long it is.
fn uint(rest: &mut &[u8]) -> Option<u64> {
    Some(match *rest.split_off_first()? {
        0xfd => u16::from_le_bytes(*first_chunk(rest)?).into(),
        0xfe => u32::from_le_bytes(*first_chunk(rest)?).into(),
        0xff => u64::from_le_bytes(*first_chunk(rest)?),
        byte => byte.into(),
    })
}

/// Takes the first `N` bytes.
fn first_chunk<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (first, others) = rest.split_first_chunk()?;
    *rest = others;
    Some(first)
}

#[cfg(test)]
mod tests {
    use peeroxide_dht::hyperdht_messages::{
        HyperPeer, LookupRawReply, encode_lookup_raw_reply_to_bytes,
    };

    use super::*;

    /// A reply with so many records of so many relays each.
    fn reply(records: u8, relays: u16) -> Vec<u8> {
        let relay = |port| Ipv4Peer { host: "203.0.113.7".to_owned(), port };
        let peer = |n| HyperPeer {
            public_key: [n; 32],
            relay_addresses: (0..relays).map(relay).collect(),
        };
        let reply = LookupRawReply { peers: (0..records).map(peer).collect(), bump: 7 };
        encode_lookup_raw_reply_to_bytes(&reply).expect("is encoded")
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        for (records, relays) in [(0, 0), (1, 0), (1, 3), (20, 3), (3, 300)] {
            let read = decode(&reply(records, relays)).expect("is a reply");
            assert_eq!(read.len(), usize::from(records));
            for (n, (key, addresses)) in (0..).zip(&read) {
                assert_eq!(*key, PeerKey::new([n; 32]));
                assert_eq!(addresses.len(), usize::from(relays));
                assert!(addresses.iter().zip(0..).all(|(relay, port)| relay.port == port));
            }
        }
    }

    #[test]
    fn no_more_records_are_read_than_a_node_keeps() {
        assert_eq!(decode(&reply(21, 1)).map(|records| records.len()), Some(RECORDS_MAX));
    }

    #[test]
    fn a_reply_that_claims_more_than_it_holds_is_refused() {
        for count in [10_000_000_000, u64::MAX >> 1, u64::MAX] {
            let mut claim = vec![0xff];
            claim.extend(count.to_le_bytes());
            assert_eq!(decode(&claim), None, "{count} records");
            let mut record = vec![1];
            record.extend([9; 32]);
            record.extend(&claim);
            assert_eq!(decode(&record), None, "{count} relays");
        }
        let whole = reply(2, 2);
        for length in 0..whole.len() - 1 {
            assert_eq!(decode(&whole[..length]), None, "{length} bytes of it");
        }
    }
}
