//! Daemons and documents for the tests of the wire, and a signer of our own: written from the
//! protocol's text, it shares nothing with the code under test.

use bitcoin::hashes::{Hash, sha256d};
use bitcoin::secp256k1::{Message as Digest, Secp256k1, SecretKey};
use data_encoding::{HEXLOWER, Specification};
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tightrope::core::message::{Hello, Message, PayInvoice, PaymentResult, PeerPolicy};
use tightrope::ids::{NodeId, PaymentHash, PeerKey, RebalanceId};
use tightrope::time::Time;
use tightrope::units::{Ppm, Sat};
use tightrope::wire::Seal;

/// The cluster's secret.
pub(crate) const SECRET: &[u8] = b"a secret of the golden files";

/// The wall clock.
pub(crate) const NOW: Time = Time::from_unix_ms(1_648_741_762_439);

/// The seed of Alice's identity, who speaks for nodes 1 and 2.
const ALICE: [u8; 32] = [1; 32];

pub(crate) fn alice() -> Seal {
    Seal::new(SECRET.to_vec(), ALICE)
}

pub(crate) fn bob() -> Seal {
    Seal::new(SECRET.to_vec(), [2; 32])
}

pub(crate) fn node_of(number: u8) -> NodeId {
    let key = SecretKey::from_slice(&[number; 32]).expect("a key");
    NodeId::new(key.public_key(&Secp256k1::new()).serialize())
}

/// What LND's `SignMessage` answers on a node.
pub(crate) fn sign(number: u8, text: &str) -> String {
    let key = SecretKey::from_slice(&[number; 32]).expect("a key");
    let digest = sha256d::Hash::hash(format!("Lightning Signed Message:{text}").as_bytes());
    let digest = Digest::from_digest(digest.to_byte_array());
    let (id, compact) = Secp256k1::new().sign_ecdsa_recoverable(&digest, &key).serialize_compact();
    let first = 31 + u8::try_from(id.to_i32()).expect("is below 4");
    let mut specification = Specification::new();
    specification.symbols.push_str("ybndrfg8ejkmcpqxot1uwisza345h769");
    let zbase32 = specification.encoding().expect("an alphabet");
    zbase32.encode(&[&[first], compact.as_slice()].concat())
}

/// A document as the original sends it. The keys of `message` are ASCII.
pub(crate) fn signed(from: &Seal, message: &Value, at: Time) -> String {
    json!({"message": message, "timestamp": at.unix_ms(), "signature": mac(from, message, at)})
        .to_string()
}

/// The same, attested for `to`.
pub(crate) fn attested(from: &Seal, to: PeerKey, message: &Value, at: Time) -> String {
    let mut message = message.clone();
    message.sort_all_objects();
    let canonical = json!({"message": message, "timestamp": at.unix_ms()}).to_string();
    let text = format!("tightrope/1 attestation\n{canonical}\n{to}");
    let attestation = SigningKey::from_bytes(&ALICE).sign(text.as_bytes()).to_bytes();
    json!({"message": message, "timestamp": at.unix_ms(), "signature": mac(from, &message, at),
        "attestation": HEXLOWER.encode(&attestation)})
    .to_string()
}

fn mac(from: &Seal, message: &Value, at: Time) -> String {
    let mut message = message.clone();
    message["timestamp"] = at.unix_ms().into();
    message["publicKey"] = bs58::encode(from.me().as_bytes()).into_string().into();
    let mut keys: Vec<&String> = message.as_object().expect("an object").keys().collect();
    keys.sort();
    let pairs = keys.into_iter().map(|key| {
        let value = &message[key];
        let number = value.as_f64().map(|n| ryu_js::Buffer::new().format(n).to_owned());
        let text = value.as_str().map(str::to_owned);
        format!("{key}={}", text.or(number).unwrap_or_else(|| value.to_string()))
    });
    let text = pairs.collect::<Vec<_>>().join("&");
    let mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("a key").chain_update(text);
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// The fields of a legacy request.
pub(crate) fn request() -> Value {
    json!({"type": "payInvoice", "invoice": "lnbcrt200u1...", "tokens": "20000",
        "channelId": "700123x1x0", "paidTo": node_of(1).to_string(),
        "paidBy": node_of(3).to_string()})
}

/// One of each message with all of its fields, and some with as few as may be.
pub(crate) fn samples() -> Vec<Message> {
    let node = node_of(1);
    let hello = Hello {
        node,
        alias: "Zoë ⚡".to_owned(),
        version: Some(1),
        proof: Some(sign(1, &alice().claim(node))),
    };
    let point = format!("{}:7", "0f".repeat(32)).parse().expect("a channel point");
    let request = PayInvoice {
        invoice: "lnbcrt200u1pjq...".to_owned(),
        tokens: Some(Sat::new(20_000)),
        scid: Some("700123x1x0".parse().expect("a channel id")),
        point: Some(point),
        paid_to: node,
        paid_by: node_of(3),
        rebalance: Some(RebalanceId::new([0xab; 16])),
    };
    let paid = PaymentResult {
        request: request.clone(),
        is_allowed: true,
        reason: None,
        retry_in: None,
        hash: Some(PaymentHash::new([0xcd; 32])),
        is_confirmed: true,
        refusal: None,
        max: None,
    };
    let refused = PaymentResult {
        is_allowed: false,
        reason: Some("maxTransactionSize allows 10000 sat".to_owned()),
        retry_in: Some(std::time::Duration::from_secs(60)),
        hash: None,
        is_confirmed: false,
        refusal: Some("maxTransactionSize".to_owned()),
        max: Some(Sat::new(10_000)),
        ..paid.clone()
    };
    let failed = PaymentResult {
        is_allowed: true,
        reason: Some("the channel could not carry the payment at that moment".to_owned()),
        refusal: Some("temporaryChannelFailure".to_owned()),
        max: None,
        hash: paid.hash,
        ..refused.clone()
    };
    let policy = PeerPolicy {
        point,
        balance_point: Ppm::new(500_000).expect("a share"),
        deadzone: Ppm::new(100_000).expect("a share"),
        payment_max: Sat::new(1_000_000).msat(),
        is_paused: false,
    };
    vec![
        Message::Hello(hello),
        Message::PayInvoice(request),
        Message::PaymentResult(paid),
        Message::PaymentResult(refused),
        Message::PaymentResult(failed),
        Message::Policy(policy),
    ]
}
