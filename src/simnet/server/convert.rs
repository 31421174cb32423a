//! The world in LND's messages, field by field as a real lnd fills them.

use std::collections::HashMap;

use crate::ids::ChannelPoint;
use crate::rpc::lnrpc;
use crate::time::Time;
use crate::units::{Msat, Sat};

pub(super) mod channels;
pub(super) mod graph;
pub(super) mod htlcs;
pub(super) mod invoices;
pub(super) mod node;
pub(super) mod payments;

/// Features that lnd knows, by their bits (BOLT 9).
const FEATURES: [(u32, &str); 18] = [
    (0, "data-loss-protect"),
    (5, "upfront-shutdown-script"),
    (7, "gossip-queries"),
    (8, "tlv-onion"),
    (9, "tlv-onion"),
    (12, "static-remote-key"),
    (14, "payment-addr"),
    (15, "payment-addr"),
    (17, "multi-path-payments"),
    (23, "anchors-zero-fee-htlc-tx"),
    (25, "route-blinding"),
    (27, "shutdown-any-segwit"),
    (30, "amp"),
    (31, "amp"),
    (35, "quiescence"),
    (39, "onion-messages"),
    (44, "explicit-commitment-type"),
    (261, "accountable-x"),
];
/// Those of an invoice.
pub(super) const OF_INVOICES: [u32; 4] = [8, 14, 17, 25];

/// Features as LND tells them.
pub(super) fn features(bits: impl IntoIterator<Item = u32>) -> HashMap<u32, lnrpc::Feature> {
    let told = |bit: u32| {
        let name = FEATURES.iter().find(|(known, _)| *known == bit).map(|(_, name)| *name);
        lnrpc::Feature {
            name: name.unwrap_or("unknown").to_owned(),
            is_required: bit.is_multiple_of(2),
            is_known: name.is_some(),
        }
    };
    bits.into_iter().map(|bit| (bit, told(bit))).collect()
}

/// An amount in sat, as LND tells most.
pub(super) fn sat(amount: Sat) -> i64 {
    signed(amount.sat())
}

/// An amount in msat, as LND tells some.
pub(super) fn msat(amount: Msat) -> i64 {
    signed(amount.msat())
}

/// A number that LND tells with a sign.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A point in time, in s since the epoch.
pub(super) fn seconds(time: Time) -> i64 {
    signed(time.unix_ms() / 1_000)
}

/// A point in time, in ns since the epoch.
pub(super) fn nanoseconds(time: Time) -> i64 {
    signed(time.unix_ms().saturating_mul(1_000_000))
}

/// A transaction's id in the order of the wire.
pub(super) fn txid(mut displayed: [u8; 32]) -> Vec<u8> {
    displayed.reverse();
    displayed.to_vec()
}

/// A transaction's id as it is displayed.
pub(super) fn hex(displayed: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(displayed)
}

/// A channel's funding output.
pub(super) fn point(point: ChannelPoint) -> lnrpc::ChannelPoint {
    let bytes = lnrpc::channel_point::FundingTxid::FundingTxidBytes(txid(point.txid()));
    lnrpc::ChannelPoint { funding_txid: Some(bytes), output_index: point.vout() }
}
