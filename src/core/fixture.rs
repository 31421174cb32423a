//! Nodes, channels and invoices for the core's unit tests.

use bitcoin::bech32::Fe32;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret, RawTaggedField};
use std::convert::Infallible;
use std::time::Duration;

use super::Core;
use super::channel::{Channel, Commitment, Constraints};
use super::decide::Rest;
use crate::ids::{ChannelPoint, NodeId, Scid};
use crate::time::{Time, whole_ms};
use crate::units::Msat;

/// A node, without a key.
pub(crate) const NODE_A: NodeId = NodeId::new([0xa; 33]);
/// Another node, without a key.
pub(crate) const NODE_B: NodeId = NodeId::new([0xb; 33]);
/// A third.
pub(crate) const NODE_C: NodeId = NodeId::new([0xc; 33]);

/// The funding output of the `n`th channel.
pub(crate) fn point(n: u8) -> ChannelPoint {
    ChannelPoint::new([n; 32], 0)
}

/// The `n`th channel as `NODE_A` sees it, with `NODE_B` at the other end, balances in sat.
pub(crate) fn channel(n: u8, local: u64, remote: u64) -> Channel {
    let bounds = Constraints {
        reserve: Msat::ZERO,
        htlc_min: Msat::new(1),
        in_flight_max: Msat::MAX,
        htlcs_max: 483,
    };
    Channel {
        point: point(n),
        counterparty: NODE_B,
        scid: Scid::new(n.into()),
        other_scids: Vec::new(),
        peer_scid: Scid::new(n.into()),
        capacity: Msat::new((local + remote) * 1000 + 1_000_000),
        local: Msat::new(local * 1000),
        remote: Msat::new(remote * 1000),
        htlcs: Vec::new(),
        updates: 0,
        is_active: true,
        is_ordinary: true,
        is_initiator: false,
        commitment: Commitment::Anchors,
        fee_per_kw: 0,
        ours: bounds,
        theirs: bounds,
    }
}

/// What an invoice for a test says; the defaults are those of a proper one.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) key: SecretKey,
    pub(crate) network: Currency,
    pub(crate) amount: Option<Msat>,
    pub(crate) memo: String,
    pub(crate) preimage: u8,
    pub(crate) made_at: Time,
    pub(crate) expiry: Duration,
    pub(crate) min_final_cltv: u64,
    pub(crate) has_blinded_paths: bool,
}

/// The `n`th secret key and its node.
pub(crate) fn node(n: u8) -> (SecretKey, NodeId) {
    let key = SecretKey::from_slice(&[n; 32]).expect("a secret key");
    (key, NodeId::new(key.public_key(&Secp256k1::new()).serialize()))
}

impl Wanted {
    /// A proper invoice of `key` for `amount`, made at `made_at`.
    pub(crate) fn new(key: SecretKey, memo: &str, amount: Msat, made_at: Time) -> Self {
        Self {
            key,
            network: Currency::Regtest,
            amount: Some(amount),
            memo: memo.to_owned(),
            preimage: 7,
            made_at,
            expiry: Duration::from_secs(60),
            min_final_cltv: 80,
            has_blinded_paths: false,
        }
    }

    /// The invoice in BOLT 11, signed by its key.
    pub(crate) fn text(&self) -> String {
        let made_at = Duration::from_secs(whole_ms(self.made_at.since(Time::default())) / 1000);
        let builder = InvoiceBuilder::new(self.network.clone())
            .description(self.memo.clone())
            .payment_hash(sha256::Hash::hash(&[self.preimage; 32]))
            .payment_secret(PaymentSecret([9; 32]))
            .duration_since_epoch(made_at)
            .expiry_time(self.expiry)
            .min_final_cltv_expiry_delta(self.min_final_cltv);
        let builder = match self.amount {
            Some(amount) => builder.amount_milli_satoshis(amount.msat()),
            None => builder,
        };
        let mut invoice = builder.build_raw().expect("a proper invoice");
        if self.has_blinded_paths {
            // The field's number, its length in two words, and one word of no meaning.
            let field = [20_u8, 0, 1, 0].map(|word| Fe32::try_from(word).expect("five bits"));
            invoice.data.tagged_fields.push(RawTaggedField::UnknownSemantics(field.to_vec()));
        }
        let sign = |hash: &_| -> Result<_, Infallible> {
            Ok(Secp256k1::new().sign_ecdsa_recoverable(hash, &self.key))
        };
        invoice.sign(sign).expect("a signature").to_string()
    }
}

/// One side of a watched channel.
#[derive(Debug)]
pub(crate) struct WatchedSide<'a> {
    /// Whose side it is.
    pub(crate) node: NodeId,
    /// The node's name.
    pub(crate) alias: &'a str,
    /// Why it does not ask; `None` while it does.
    pub(crate) rest: Option<&'a Rest>,
}

impl Core {
    /// Each side of each watched channel, and why it rests.
    pub(crate) fn sides(&self) -> impl Iterator<Item = WatchedSide<'_>> {
        self.watched.keys().flat_map(|point| {
            self.views.sides(*point).map(|(node, _)| WatchedSide {
                node,
                alias: self.alias(node),
                rest: self.sides.get(&(*point, node)).and_then(|side| side.rest.as_ref()),
            })
        })
    }
}
