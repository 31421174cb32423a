//! Names of things: nodes, channels, payments, rebalances.
//!
//! Each is a small type that is valid once it exists, prints as operators know it, and reads back
//! from what it prints. None says anything about the thing that it names.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// What was wrong with the text of an id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected {expected}")]
pub struct IdError {
    /// The form that was wanted.
    pub expected: &'static str,
}

/// Serialises a type as the text that it prints, and reads it back by parsing.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Parse(PhantomData))
            }
        }
    };
}

/// Reads a type by parsing the text that stands for it, without copying that.
struct Parse<T>(PhantomData<T>);

impl<T: FromStr<Err = IdError>> Visitor<'_> for Parse<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// A byte string of fixed length that is written in hex.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $length:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, PartialEq, Ord, PartialOrd, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Wraps the bytes.
            pub const fn new(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// Its first eight digits: as much as a mask leaves of it, and enough to know it by.
            pub fn shortened(&self) -> String {
                let mut digits = self.to_string();
                digits.truncate(8);
                digits
            }

            /// Wraps a slice that has the right length.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
                bytes.try_into().map(Self).map_err(|_| IdError { expected: $expected })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                from_hex(text).map(Self).ok_or(IdError { expected: $expected })
            }
        }

        serde_as_text!($name);
    };
}

hex_id! {
    /// A Lightning node, by its compressed public key (BOLT 7 `node_id`).
    NodeId, 33, "a node's public key of 66 hex digits"
}
hex_id! {
    /// The hash that a payment is locked to, and its name (BOLT 11 `p`).
    PaymentHash, 32, "a payment hash of 64 hex digits"
}
hex_id! {
    /// The payee's token against probing, which the payer hands back (BOLT 11 `s`).
    PaymentSecret, 32, "a payment secret of 64 hex digits"
}
hex_id! {
    /// A peer: another Tightrope, by the Ed25519 key that it meets others under in the swarm.
    PeerKey, 32, "a peer's public key of 64 hex digits"
}
hex_id! {
    /// What the peers of a cluster meet under in the swarm, derived from their secret.
    Topic, 32, "a topic of 64 hex digits"
}
hex_id! {
    /// One attempt of a payee to have a channel rebalanced.
    RebalanceId, 16, "a rebalance id of 32 hex digits"
}

/// What a payee gives away to be paid: whoever knows it can take the payment. It is written
/// nowhere, so it has no text.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Preimage([u8; 32]);

impl Preimage {
    /// Wraps the bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The hash that a payment is locked to which this opens: its SHA-256 (BOLT 2).
    pub fn hash(&self) -> PaymentHash {
        PaymentHash(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for Preimage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Preimage(..)")
    }
}

/// The bytes that are written in hex; `None` where it is not hex of that many.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_long_enough = HEXLOWER_PERMISSIVE.decode_len(text.len()) == Ok(N);
    let is_hex =
        is_long_enough && HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut bytes).is_ok();
    is_hex.then_some(bytes)
}

/// A short channel id (BOLT 7): block height, transaction index and output in 64 bits.
/// Shown as `700123x1x0`. An alias has the same form and names no transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Scid(u64);

impl Scid {
    /// Wraps the number that LND calls `chan_id`.
    pub const fn new(scid: u64) -> Self {
        Self(scid)
    }

    /// The number that LND calls `chan_id`.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Scid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.0 >> 40, (self.0 >> 16) & 0xff_ffff, self.0 & 0xffff)
    }
}

impl FromStr for Scid {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { expected: "a channel id such as 700123x1x0" };
        let mut parts = text.split('x');
        let mut part = |bits: u32| -> Result<u64, IdError> {
            let digits = parts.next().filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
            let number: u64 = digits.ok_or(error)?.parse().map_err(|_| error)?;
            if number >> bits == 0 { Ok(number) } else { Err(error) }
        };
        let scid = (part(24)? << 40) | (part(24)? << 16) | part(16)?;
        if parts.next().is_some() { Err(error) } else { Ok(Self(scid)) }
    }
}

serde_as_text!(Scid);

/// The funding output of a channel, equal at both of its ends: the name of the channel.
/// Shown as `txid:vout`, the transaction id in display order (reversed bytes).
#[derive(Clone, Copy, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct ChannelPoint {
    /// The funding transaction's id, in display order.
    txid: [u8; 32],
    /// The index of its output.
    vout: u32,
}

impl ChannelPoint {
    /// The output `vout` of the transaction `txid`, given in display order.
    pub const fn new(txid: [u8; 32], vout: u32) -> Self {
        Self { txid, vout }
    }

    /// The transaction's id, in display order.
    pub const fn txid(&self) -> [u8; 32] {
        self.txid
    }

    /// The index of the output.
    pub const fn vout(&self) -> u32 {
        self.vout
    }
}

impl fmt::Display for ChannelPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", HEXLOWER_PERMISSIVE.encode(&self.txid), self.vout)
    }
}

impl fmt::Debug for ChannelPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelPoint({self})")
    }
}

impl FromStr for ChannelPoint {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = IdError { expected: "a channel point such as <64 hex digits>:0" };
        let (txid, vout) = text.split_once(':').ok_or(error)?;
        Ok(Self { txid: from_hex(txid).ok_or(error)?, vout: vout.parse().map_err(|_| error)? })
    }
}

serde_as_text!(ChannelPoint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scid_prints_as_operators_know_it() {
        let scid = Scid::new(869_059_488_412_139_521);
        assert_eq!(scid.to_string(), "790405x3965x1");
        assert_eq!("790405x3965x1".parse(), Ok(scid));
        for bad in ["", "1x2", "1x2x3x4", "16777216x0x0", "0x0x65536", "+1x2x3", "ax2x3"] {
            assert!(bad.parse::<Scid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_channel_point_reads_back() {
        let text = format!("{}:7", "0f".repeat(32));
        let point: ChannelPoint = text.parse().expect("a channel point");
        assert_eq!(point.to_string(), text);
        assert!("0f:7".parse::<ChannelPoint>().is_err());
    }

    #[test]
    fn a_node_id_says_what_it_expects() {
        let error = "02ab".parse::<NodeId>().expect_err("too short");
        assert_eq!(error.to_string(), "expected a node's public key of 66 hex digits");
    }

    #[test]
    fn a_preimage_opens_its_hash_and_shows_itself_to_nobody() {
        let preimage = Preimage::new([0; 32]);
        let hash = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        assert_eq!(preimage.hash().to_string(), hash);
        assert_eq!(format!("{preimage:?}"), "Preimage(..)");
    }
}
