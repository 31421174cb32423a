//! Invoices, and payment requests of whomever.

use std::str::FromStr;

use lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescriptionRef};

use crate::rpc::lnrpc;
use crate::rpc::lnrpc::InvoiceHtlcState;
use crate::rpc::lnrpc::invoice::InvoiceState as Told;
use crate::simnet::world::invoice::{Arrival, ArrivalState, Invoice, InvoiceState};
use crate::units::Msat;

use super::{OF_INVOICES, features, msat, sat, seconds, signed};

/// An invoice of a node.
pub(in super::super) fn invoice(invoice: &Invoice) -> lnrpc::Invoice {
    let (state, settled_at) = match invoice.state {
        InvoiceState::Open => (Told::Open, None),
        InvoiceState::Accepted => (Told::Accepted, None),
        InvoiceState::Settled { at } => (Told::Settled, Some(at)),
        InvoiceState::Canceled => (Told::Canceled, None),
    };
    // lnd counts what was paid once all of it is there, and still when it was given back.
    let paid = match invoice.state {
        InvoiceState::Accepted | InvoiceState::Settled { .. } => invoice.paid(),
        InvoiceState::Canceled => invoice.htlcs.iter().map(|htlc| htlc.amount).sum(),
        InvoiceState::Open => Msat::ZERO,
    };
    let mut htlcs: Vec<_> = invoice.htlcs.iter().map(htlc).collect();
    htlcs.sort_by_key(|htlc| htlc.htlc_index);
    lnrpc::Invoice {
        memo: invoice.memo.clone(),
        r_preimage: invoice.preimage.map_or_else(Vec::new, |it| it.as_bytes().to_vec()),
        r_hash: invoice.hash.as_bytes().to_vec(),
        value: sat(invoice.amount.sat()),
        settled: state == Told::Settled,
        creation_date: seconds(invoice.made),
        settle_date: settled_at.map_or(0, seconds),
        payment_request: invoice.request.clone(),
        expiry: signed(invoice.to_live.as_secs()),
        cltv_expiry: invoice.cltv.into(),
        private: invoice.is_private,
        add_index: invoice.add_index,
        settle_index: invoice.settle_index,
        amt_paid: msat(paid),
        amt_paid_sat: sat(paid.sat()),
        amt_paid_msat: msat(paid),
        state: state.into(),
        htlcs,
        value_msat: msat(invoice.amount),
        features: features(OF_INVOICES),
        payment_addr: invoice.secret.to_vec(),
        ..Default::default()
    }
}

fn htlc(arrival: &Arrival) -> lnrpc::InvoiceHtlc {
    let state = match arrival.state {
        ArrivalState::Accepted => InvoiceHtlcState::Accepted,
        ArrivalState::Settled => InvoiceHtlcState::Settled,
        ArrivalState::Canceled => InvoiceHtlcState::Canceled,
    };
    lnrpc::InvoiceHtlc {
        chan_id: arrival.scid.as_u64(),
        htlc_index: arrival.htlc.index,
        amt_msat: arrival.amount.msat(),
        accept_height: i32::try_from(arrival.accept_height).unwrap_or(i32::MAX),
        accept_time: seconds(arrival.accepted),
        resolve_time: arrival.resolved.map_or(0, seconds),
        expiry_height: i32::try_from(arrival.expiry_height).unwrap_or(i32::MAX),
        state: state.into(),
        mpp_total_amt_msat: arrival.total.msat(),
        ..Default::default()
    }
}

/// What a payment request says; an error in words where it says nothing.
pub(in super::super) fn request(text: &str) -> Result<lnrpc::PayReq, String> {
    let read = Bolt11Invoice::from_str(text)
        .map_err(|error| format!("failed converting data: {error}"))?;
    let amount = read.amount_milli_satoshis().unwrap_or(0);
    let (description, description_hash) = match read.description() {
        Bolt11InvoiceDescriptionRef::Direct(text) => (text.to_string(), String::new()),
        Bolt11InvoiceDescriptionRef::Hash(hash) => (String::new(), hash.0.to_string()),
    };
    let flags = read.features().map(|it| it.le_flags().to_vec()).unwrap_or_default();
    let bits = (0_u32..).zip(flags).flat_map(|(byte, flags)| {
        (0..8).filter(move |bit| flags & (1 << bit) != 0).map(move |bit| byte * 8 + bit)
    });
    Ok(lnrpc::PayReq {
        destination: super::hex(&read.recover_payee_pub_key().serialize()),
        payment_hash: read.payment_hash().to_string(),
        num_satoshis: signed(amount / 1_000),
        timestamp: signed(read.duration_since_epoch().as_secs()),
        expiry: signed(read.expiry_time().as_secs()),
        description,
        description_hash,
        cltv_expiry: signed(read.min_final_cltv_expiry_delta()),
        route_hints: read.route_hints().iter().map(hint).collect(),
        payment_addr: read.payment_secret().0.to_vec(),
        num_msat: signed(amount),
        features: features(bits),
        ..Default::default()
    })
}

fn hint(hint: &lightning_invoice::RouteHint) -> lnrpc::RouteHint {
    let hop = |hop: &lightning_invoice::RouteHintHop| lnrpc::HopHint {
        node_id: super::hex(&hop.src_node_id.serialize()),
        chan_id: hop.short_channel_id,
        fee_base_msat: hop.fees.base_msat,
        fee_proportional_millionths: hop.fees.proportional_millionths,
        cltv_expiry_delta: hop.cltv_expiry_delta.into(),
    };
    lnrpc::RouteHint { hop_hints: hint.0.iter().map(hop).collect() }
}
