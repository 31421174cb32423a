//! [`Node`]: one Lightning node: its keys, its wallet, its invoices and its payments.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use bitcoin::hashes::{Hash, sha256d};
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{All, Message, Secp256k1, SecretKey};
use data_encoding::{Encoding, Specification};
use sha2::{Digest, Sha256};

use crate::ids::{NodeId, PaymentHash};
use crate::time::Time;
use crate::units::Sat;

use super::fault::Faults;
use super::invoice::Invoice;
use super::payment::Payment;

/// What LND puts before a text, so that it can sign nothing else by mistake.
const PREFIX: &[u8] = b"Lightning Signed Message:";
/// The first byte of a signature by a compressed key, before the recovery id is added.
const COMPRESSED: i32 = 31;
/// What a node has in its wallet at first: ten bitcoin.
pub(crate) const GIFT: Sat = Sat::new(1_000_000_000);

pub(super) static SECP256K1: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// The alphabet of z-base-32.
static ZBASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("ybndrfg8ejkmcpqxot1uwisza345h769");
    specification.encoding().expect("32 symbols, all different")
});

/// A release of lnd, where releases differ in what a client sees.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LndVersion {
    /// The last that does not tell of changed balances, and heeds `outgoing_chan_id`.
    V20,
    /// The first that tells.
    #[default]
    V21,
}

impl LndVersion {
    /// What the node says of itself.
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::V20 => "0.20.2-beta commit=v0.20.2-beta",
            Self::V21 => "0.21.2-beta commit=v0.21.2-beta",
        }
    }
}

impl fmt::Display for LndVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V20 => "0.20",
            Self::V21 => "0.21",
        })
    }
}

/// What was wrong with the text of a version.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a version of lnd: 0.20 or 0.21")]
pub struct LndVersionError;

impl FromStr for LndVersion {
    type Err = LndVersionError;

    fn from_str(text: &str) -> Result<Self, LndVersionError> {
        match text {
            "0.20" => Ok(Self::V20),
            "0.21" => Ok(Self::V21),
            _ => Err(LndVersionError),
        }
    }
}

/// A Lightning node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Its public key.
    pub(crate) id: NodeId,
    /// The name that it gives itself.
    pub(crate) alias: String,
    /// What it runs.
    pub(crate) version: LndVersion,
    /// Whether it runs.
    pub(crate) is_up: bool,
    /// What is wrong with it.
    pub(crate) faults: Faults,
    /// What it has on the chain, to spend.
    pub(crate) confirmed: Sat,
    /// What it is owed.
    pub(crate) invoices: BTreeMap<PaymentHash, Invoice>,
    /// What it pays.
    pub(crate) payments: BTreeMap<PaymentHash, Payment>,
    /// How many of its invoices were settled.
    pub(super) settled: u64,
    /// How many payments it has begun.
    begun: u64,
    /// How many attempts to pay it has made.
    attempts: u64,
    pub(super) key: SecretKey,
}

impl Node {
    /// The node that a network of this seed has under this alias.
    pub(super) fn new(seed: u64, alias: &str, version: LndVersion) -> Self {
        let key = key(seed, alias);
        Self {
            id: NodeId::new(key.public_key(&SECP256K1).serialize()),
            alias: alias.to_owned(),
            version,
            is_up: true,
            faults: Faults::default(),
            confirmed: GIFT,
            invoices: BTreeMap::new(),
            payments: BTreeMap::new(),
            settled: 0,
            begun: 0,
            attempts: 0,
            key,
        }
    }

    /// Its signature under a text, as LND's `SignMessage` makes it.
    pub(crate) fn sign(&self, text: &[u8]) -> String {
        let digest = sha256d::Hash::hash(&[PREFIX, text].concat());
        let message = Message::from_digest(digest.to_byte_array());
        let signed = SECP256K1.sign_ecdsa_recoverable(&message, &self.key);
        let (id, compact) = signed.serialize_compact();
        let first = u8::try_from(COMPRESSED + id.to_i32()).unwrap_or(u8::MAX);
        ZBASE32.encode(&[&[first], compact.as_slice()].concat())
    }

    /// The number of its next payment.
    pub(super) const fn next_payment(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    /// The number of its next attempt to pay.
    pub(super) const fn next_attempt(&mut self) -> u64 {
        self.attempts += 1;
        self.attempts
    }

    /// What its clock shows at `now`.
    pub(crate) fn clock(&self, now: Time) -> Time {
        Time::from_unix_ms(now.unix_ms().saturating_add_signed(self.faults.clock_ms))
    }

    /// Bytes that only this node can make, and always makes of the same words: its randomness.
    pub(super) fn derive(&self, words: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(self.key.secret_bytes());
        for word in words {
            hash.update(word.len().to_be_bytes());
            hash.update(word);
        }
        hash.finalize().into()
    }
}

/// The secret key of the node of this alias. About one in 2^128 hashes is none.
fn key(seed: u64, alias: &str) -> SecretKey {
    let mut hash = Sha256::digest([&seed.to_be_bytes(), alias.as_bytes()].concat());
    loop {
        if let Ok(key) = SecretKey::from_slice(&hash) {
            return key;
        }
        hash = Sha256::digest(hash);
    }
}

/// Whose signature under a text it is, if it is one.
pub(crate) fn signer(signature: &str, text: &[u8]) -> Option<NodeId> {
    let bytes = ZBASE32.decode(signature.as_bytes()).ok()?;
    let (first, compact) = bytes.split_first()?;
    let id = RecoveryId::from_i32(i32::from(*first).checked_sub(COMPRESSED)?).ok()?;
    let signature = RecoverableSignature::from_compact(compact, id).ok()?;
    let digest = sha256d::Hash::hash(&[PREFIX, text].concat());
    let message = Message::from_digest(digest.to_byte_array());
    let key = SECP256K1.recover_ecdsa(&message, &signature).ok()?;
    Some(NodeId::new(key.serialize()))
}
