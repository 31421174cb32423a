//! Macaroons as lnd bakes and checks them: what a caller may do, provable by whoever knows a key.
//!
//! A macaroon names permissions and is signed by a chain of HMACs, so that anybody can narrow one
//! by a caveat and nobody can widen it. What is refused is refused in lnd's own words, which
//! clients read. Which permission a method needs is the business of `permissions`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use hmac::{Hmac, Mac};
use prost::Message;
use sha2::Sha256;

use self::bytes::{Sealed, Unreadable};
use super::permissions::{self, Permission};
use crate::time::Time;

mod bytes;

/// What the key of the chain is derived with from a root key, by the format.
const KEY_GENERATOR: &[u8] = b"macaroons-key-generator";
/// What every macaroon of lnd says of where it is from.
const LOCATION: &str = "lnd";
/// The first byte of an identifier: the version of what follows.
const IDENTIFIER_VERSION: u8 = 3;

/// Bakes a node's macaroons, and knows them again.
#[derive(Clone)]
pub(crate) struct Oven {
    /// What the keys of all macaroons are derived from.
    root_key: [u8; 32],
}

impl std::fmt::Debug for Oven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Oven(..)")
    }
}

/// Who shows a macaroon, for the caveats that ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    /// When the node thinks it is.
    pub(crate) now: Time,
    /// Where the call comes from.
    pub(crate) address: IpAddr,
}

/// Why a macaroon is not taken, in lnd's words.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum MacaroonError {
    /// It is no macaroon.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// The identifier is not one of lnd's.
    #[error("invalid ID")]
    Identifier,
    /// The identifier begins as one of lnd's and is none.
    #[error("cannot retrieve macaroon: cannot unmarshal macaroon id: {0}")]
    Permissions(prost::DecodeError),
    /// It was baked elsewhere, or changed.
    #[error("verification failed: signature mismatch after caveat verification")]
    Signature,
    /// One of its caveats does not hold.
    #[error("caveat {caveat:?} not satisfied: {reason}")]
    Caveat {
        /// The whole caveat.
        caveat: String,
        /// Why it does not hold.
        reason: &'static str,
    },
    /// It permits other things.
    #[error("permission denied")]
    Denied,
}

/// What an identifier holds after its version.
#[derive(Clone, PartialEq, Message)]
struct Identifier {
    #[prost(bytes = "vec", tag = "1")]
    nonce: Vec<u8>,
    /// The root key's number, in digits.
    #[prost(bytes = "vec", tag = "2")]
    storage_id: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    ops: Vec<Op>,
}

/// What may be done to one kind of thing.
#[derive(Clone, PartialEq, Message)]
struct Op {
    #[prost(string, tag = "1")]
    entity: String,
    #[prost(string, repeated, tag = "2")]
    actions: Vec<String>,
}

impl Oven {
    /// An oven of this root key.
    pub(crate) const fn new(root_key: [u8; 32]) -> Self {
        Self { root_key }
    }

    /// Bakes a macaroon that permits `permissions`, under the root key of this number.
    ///
    /// The `nonce` tells it from another that permits the same.
    pub(crate) fn bake(
        &self,
        root_key_id: u64,
        nonce: [u8; 16],
        permissions: &[Permission],
    ) -> Vec<u8> {
        let mut actions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for permission in permissions {
            actions.entry(&permission.entity).or_default().push(&permission.action);
        }
        let ops = actions.into_iter().map(|(entity, mut actions)| {
            actions.sort_unstable();
            actions.dedup();
            let actions = actions.into_iter().map(str::to_owned).collect();
            Op { entity: entity.to_owned(), actions }
        });
        let storage_id = root_key_id.to_string().into_bytes();
        let identifier =
            Identifier { nonce: nonce.to_vec(), storage_id, ops: ops.collect() }.encode_to_vec();
        let mut id = vec![IDENTIFIER_VERSION];
        id.extend(identifier);
        let signature = sign(&self.key(&root_key_id.to_string().into_bytes()), &id);
        Sealed { location: LOCATION.to_owned(), id, caveats: Vec::new(), signature }.to_bytes()
    }

    /// Whether `macaroon` permits `caller` to call `method`, such as `/lnrpc.Lightning/GetInfo`.
    pub(crate) fn check(
        &self,
        macaroon: &[u8],
        method: &str,
        caller: Caller,
    ) -> Result<(), MacaroonError> {
        let sealed = Sealed::from_bytes(macaroon)?;
        let Some((&IDENTIFIER_VERSION, identifier)) = sealed.id.split_first() else {
            return Err(MacaroonError::Identifier);
        };
        let identifier = Identifier::decode(identifier).map_err(MacaroonError::Permissions)?;
        let key = self.key(&identifier.storage_id);
        let signed = sealed.caveats.iter().fold(sign(&key, &sealed.id), |signature, caveat| {
            // Each signs with the signature before it, so that caveats can be added, not removed.
            sign(&signature, caveat)
        });
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&signed[..], &sealed.signature[..])) {
            return Err(MacaroonError::Signature);
        }
        for caveat in &sealed.caveats {
            check_caveat(&String::from_utf8_lossy(caveat), caller)?;
        }
        let permits = |entity: &str, action: &str| {
            let ops = identifier.ops.iter().filter(|op| op.entity == entity);
            ops.flat_map(|op| &op.actions).any(|it| it == action)
        };
        let has_all = permissions::needed(method).is_some_and(|needed| {
            needed.iter().all(|permission| permits(&permission.entity, &permission.action))
        });
        if has_all || permits(permissions::URI, method) {
            Ok(())
        } else {
            Err(MacaroonError::Denied)
        }
    }

    /// The key of the chain of the macaroons of one root key.
    fn key(&self, storage_id: &[u8]) -> [u8; 32] {
        sign(KEY_GENERATOR, &sign(&self.root_key, storage_id))
    }
}

/// Adds a caveat to a macaroon, as whoever holds one can.
#[cfg(test)]
pub(crate) fn narrow(macaroon: &[u8], caveat: &str) -> Result<Vec<u8>, MacaroonError> {
    let mut sealed = Sealed::from_bytes(macaroon)?;
    sealed.signature = sign(&sealed.signature, caveat.as_bytes());
    sealed.caveats.push(caveat.as_bytes().to_vec());
    Ok(sealed.to_bytes())
}

/// Whether a caveat holds. One that is not known does not.
fn check_caveat(caveat: &str, caller: Caller) -> Result<(), MacaroonError> {
    let (condition, argument) = caveat.split_once(' ').unwrap_or((caveat, ""));
    let reason = match condition {
        "time-before" => match humantime::parse_rfc3339(argument) {
            Ok(end) if UNIX_EPOCH + Duration::from_millis(caller.now.unix_ms()) < end => {
                return Ok(());
            }
            Ok(_) => "macaroon has expired",
            Err(_) => "cannot parse time",
        },
        "ipaddr" if argument.parse() == Ok(caller.address) => return Ok(()),
        "ipaddr" => "macaroon locked to different IP address",
        _ => "caveat not recognized",
    };
    Err(MacaroonError::Caveat { caveat: caveat.to_owned(), reason })
}

/// The HMAC of `text` under `key`.
fn sign(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut hmac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes any key");
    hmac.update(text);
    hmac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET_INFO: &str = "/lnrpc.Lightning/GetInfo";
    const ADD_INVOICE: &str = "/lnrpc.Lightning/AddInvoice";

    /// The example of the library that the format comes from.
    #[test]
    fn the_chain_of_signatures_is_the_formats() {
        let root_key = b"this is our super secret key; only we should know it";
        let hex = |bytes: [u8; 32]| data_encoding::HEXLOWER.encode(&bytes);
        let first = sign(&sign(KEY_GENERATOR, root_key), b"we used our secret key");
        assert_eq!(hex(first), "e3d9e02908526c4c0039ae15114115d97fdd68bf2ba379b342aaf0f617d0552f");
        let second = sign(&first, b"account = 3735928559");
        assert_eq!(hex(second), "1efe4763f290dbce0c1d08477367e11f4eee456a64933cf662d79772dbb82128");
    }

    /// Of a real lnd, but for its nonce and its signature.
    #[test]
    fn it_is_baked_to_the_byte_as_lnd_does() {
        let invoice = "0201036c6e640258030a105ce047a0553623701032ef366f77e7191201301a160a076164\
                       6472657373120472656164120577726974651a170a08696e766f6963657312047265616412\
                       0577726974651a0f0a076f6e636861696e1204726561640000";
        let nonce = *b"\x5c\xe0\x47\xa0\x55\x36\x23\x70\x10\x32\xef\x36\x6f\x77\xe7\x19";
        let baked = Oven::new([7; 32]).bake(0, nonce, &permissions::invoice());
        let (head, signature) = baked.split_at(baked.len() - 34);
        assert_eq!(data_encoding::HEXLOWER.encode(head), invoice);
        assert_eq!(signature[..2], [6, 32]);
    }

    #[test]
    fn a_macaroon_permits_what_it_names_and_no_more() {
        check(&permissions::admin(), "", GET_INFO, "taken");
        check(&permissions::admin(), "", "/lnrpc.Lightning/BakeMacaroon", "taken");
        check(&permissions::readonly(), "", GET_INFO, "taken");
        check(&permissions::readonly(), "", ADD_INVOICE, "permission denied");
        check(&permissions::invoice(), "", ADD_INVOICE, "taken");
        check(&permissions::invoice(), "", GET_INFO, "permission denied");
        let uri = [Permission::new(permissions::URI, GET_INFO)];
        check(&uri, "", GET_INFO, "taken");
        check(&uri, "", ADD_INVOICE, "permission denied");
        // It takes both of the two that it needs.
        let half = [Permission::new("onchain", "write")];
        check(&half, "", "/lnrpc.Lightning/OpenChannel", "permission denied");
    }

    #[test]
    fn a_caveat_must_hold() {
        let soon = "time-before 2001-09-09T01:46:41.5Z";
        check(&permissions::admin(), soon, GET_INFO, "taken");
        let past = "time-before 2001-09-09T01:46:40Z";
        let told = format!("caveat {past:?} not satisfied: macaroon has expired");
        check(&permissions::admin(), past, GET_INFO, &told);
        check(&permissions::admin(), "ipaddr 127.0.0.1", GET_INFO, "taken");
        let told =
            "caveat \"ipaddr 10.0.0.1\" not satisfied: macaroon locked to different IP address";
        check(&permissions::admin(), "ipaddr 10.0.0.1", GET_INFO, told);
        let told = "caveat \"weather fine\" not satisfied: caveat not recognized";
        check(&permissions::admin(), "weather fine", GET_INFO, told);
    }

    #[test]
    fn every_bit_counts() {
        let oven = Oven::new([7; 32]);
        let baked = oven.bake(0, [1; 16], &permissions::admin());
        for bit in 0..baked.len() * 8 {
            let mut flipped = baked.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // The location is a hint to people, and not signed.
            let is_hint = (1..6).contains(&(bit / 8));
            let taken = oven.check(&flipped, GET_INFO, caller()).is_ok();
            assert!(!taken || is_hint, "bit {bit}");
        }
    }

    #[test]
    fn a_macaroon_of_another_node_or_key_is_told() {
        let baked = Oven::new([8; 32]).bake(0, [1; 16], &permissions::admin());
        let refused = Oven::new([7; 32]).check(&baked, GET_INFO, caller());
        assert_eq!(refused, Err(MacaroonError::Signature));
        let oven = Oven::new([7; 32]);
        let numbered = oven.bake(5, [1; 16], &permissions::admin());
        assert_eq!(oven.check(&numbered, GET_INFO, caller()), Ok(()));
    }

    /// Checks what becomes of a call with a macaroon of these permissions and this caveat.
    #[track_caller]
    fn check(permissions: &[Permission], caveat: &str, method: &str, expected: &str) {
        let oven = Oven::new([7; 32]);
        let mut macaroon = oven.bake(0, [1; 16], permissions);
        if !caveat.is_empty() {
            macaroon = narrow(&macaroon, caveat).expect("a macaroon");
        }
        let found = oven.check(&macaroon, method, caller());
        assert_eq!(found.map_or_else(|error| error.to_string(), |()| "taken".to_owned()), expected);
    }

    fn caller() -> Caller {
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        Caller { now: Time::from_unix_ms(1_000_000_001_000), address }
    }
}
