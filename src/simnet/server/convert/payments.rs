//! Payments, their attempts and their routes.

use crate::ids::{NodeId, Preimage, Scid};
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::PaymentFailureReason;
use crate::rpc::lnrpc::failure::FailureCode;
use crate::rpc::lnrpc::htlc_attempt::HtlcStatus;
use crate::rpc::lnrpc::payment::PaymentStatus;
use crate::simnet::world::World;
use crate::simnet::world::htlc::Shown;
use crate::simnet::world::payment::{
    Attempt, AttemptState, Failure, Hop, Payment, PaymentState, Route,
};
use crate::units::Msat;

use super::{hex, msat, nanoseconds, sat, seconds};

/// A payment.
pub(in super::super) fn payment(world: &World, payment: &Payment) -> lnrpc::Payment {
    let none = PaymentFailureReason::FailureReasonNone;
    // lnd tells 32 noughts where it has none.
    let unknown = Preimage::new([0; 32]);
    let (status, preimage, reason) = match payment.state {
        PaymentState::InFlight => (PaymentStatus::InFlight, unknown, none),
        PaymentState::Succeeded(preimage) => (PaymentStatus::Succeeded, preimage, none),
        PaymentState::Failed(reason) => (PaymentStatus::Failed, unknown, reason),
    };
    let fee = payment.fee();
    lnrpc::Payment {
        payment_hash: payment.hash.to_string(),
        value: sat(payment.amount.sat()),
        creation_date: seconds(payment.begun),
        fee: sat(fee.sat()),
        payment_preimage: hex(preimage.as_bytes()),
        value_sat: sat(payment.amount.sat()),
        value_msat: msat(payment.amount),
        payment_request: payment.request.clone().unwrap_or_default(),
        status: status.into(),
        fee_sat: sat(fee.sat()),
        fee_msat: msat(fee),
        creation_time_ns: nanoseconds(payment.begun),
        htlcs: payment.attempts.iter().map(|it| attempt(world, it)).collect(),
        payment_index: payment.index,
        failure_reason: reason.into(),
    }
}

/// An attempt of a payment.
pub(in super::super) fn attempt(world: &World, attempt: &Attempt) -> lnrpc::HtlcAttempt {
    let (status, preimage, failed) = match attempt.state {
        AttemptState::InFlight => (HtlcStatus::InFlight, Vec::new(), None),
        AttemptState::Settled(preimage) => {
            (HtlcStatus::Succeeded, preimage.as_bytes().to_vec(), None)
        }
        AttemptState::Failed(why) => (HtlcStatus::Failed, Vec::new(), Some(failure(world, why))),
    };
    lnrpc::HtlcAttempt {
        status: status.into(),
        route: Some(route(&attempt.route)),
        attempt_time_ns: nanoseconds(attempt.begun),
        resolve_time_ns: attempt.resolved.map_or(0, nanoseconds),
        failure: failed,
        preimage,
        attempt_id: attempt.id,
    }
}

fn failure(world: &World, failure: Failure) -> lnrpc::Failure {
    let mut told = lnrpc::Failure {
        code: failure.code.into(),
        failure_source_index: failure.source,
        ..Default::default()
    };
    if failure.code == FailureCode::IncorrectOrUnknownPaymentDetails {
        told.height = world.chain.height;
    }
    told
}

/// A route.
fn route(route: &Route) -> lnrpc::Route {
    let mut incoming = route.amount;
    let mut hops = Vec::new();
    for (index, hop) in route.hops.iter().enumerate() {
        let is_last = index + 1 == route.hops.len();
        let fee = incoming.saturating_sub(hop.amount);
        hops.push(lnrpc::Hop {
            chan_id: hop.scid.as_u64(),
            // What comes to it, as lnd has it.
            chan_capacity: sat(incoming.sat()),
            amt_to_forward: sat(hop.amount.sat()),
            fee: sat(fee.sat()),
            expiry: hop.expiry,
            amt_to_forward_msat: msat(hop.amount),
            fee_msat: msat(fee),
            pub_key: hop.node.to_string(),
            tlv_payload: true,
            mpp_record: route.shown.secret.filter(|_| is_last).map(|secret| lnrpc::MppRecord {
                payment_addr: secret.to_vec(),
                total_amt_msat: msat(route.shown.total),
            }),
            ..Default::default()
        });
        incoming = hop.amount;
    }
    lnrpc::Route {
        total_time_lock: route.time_lock,
        total_fees: sat(route.fees().sat()),
        total_amt: sat(route.amount.sat()),
        hops,
        total_fees_msat: msat(route.fees()),
        total_amt_msat: msat(route.amount),
        first_hop_amount_msat: msat(route.amount),
    }
}

/// A route that a client gives; an error in words where it is none.
pub(in super::super) fn given(
    world: &World,
    payer: NodeId,
    told: &lnrpc::Route,
) -> Result<Route, String> {
    let positive = |amount: i64, what: &str| {
        let amount = u64::try_from(amount).map_err(|_| format!("{what} must not be negative"))?;
        Ok::<_, String>(Msat::new(amount))
    };
    let mut hops: Vec<Hop> = Vec::new();
    for hop in &told.hops {
        let scid = Scid::new(hop.chan_id);
        let before = hops.last().map_or(payer, |hop| hop.node);
        let node = if hop.pub_key.is_empty() {
            let channel = world.channel_by_scid(scid).ok_or("edge not found")?;
            let side = channel.side(before).ok_or("channel edge does not match expected node")?;
            channel.ends[side.other()]
        } else {
            let unreadable = |_| format!("cannot decode pubkey {}", hop.pub_key);
            hop.pub_key.parse().map_err(unreadable)?
        };
        let amount = positive(hop.amt_to_forward_msat, "amt_to_forward_msat")?;
        hops.push(Hop { scid, node, amount, expiry: hop.expiry });
    }
    let record = told.hops.last().and_then(|hop| hop.mpp_record.as_ref());
    let amount = positive(told.total_amt_msat, "total_amt_msat")?;
    let arrives = hops.last().map_or(Msat::ZERO, |hop| hop.amount);
    let shown = match record {
        Some(record) => Shown {
            secret: Some(
                <[u8; 32]>::try_from(record.payment_addr.as_slice())
                    .map_err(|_| "payment_addr must be 32 bytes".to_owned())?,
            ),
            total: positive(record.total_amt_msat, "total_amt_msat")?,
        },
        None => Shown { secret: None, total: arrives },
    };
    Ok(Route { time_lock: told.total_time_lock, amount, hops, shown })
}
