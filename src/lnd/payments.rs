//! Sending a payment, once, and asking what became of it.
//!
//! Whatever comes back, it is told as an outcome: an error after the payment was handed over says
//! nothing about the payment, so it is `Unknown`, and nobody may send it again.

use std::time::Duration;

use super::permissions::{SEND_TO_ROUTE, TRACK_PAYMENT};
use super::{Lnd, LndError};
use crate::core::authorize::Authorized;
use crate::core::outcome::{Failure, Outcome};
use crate::ids::PaymentHash;
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::PaymentFailureReason;
use crate::rpc::lnrpc::failure::FailureCode;
use crate::rpc::lnrpc::htlc_attempt::HtlcStatus;
use crate::rpc::lnrpc::payment::PaymentStatus;
use crate::rpc::routerrpc::{SendToRouteRequest, TrackPaymentRequest};

/// How old a block height may be to route by: the padding covers what is found meanwhile.
const HEIGHT_AGE_MAX: Duration = Duration::from_secs(60);
/// How many blocks a lock is longer than it must be, as lnd's own payments have it
/// (`routing.BlockPadding`): blocks found on the way do not fail the payment.
const BLOCK_PADDING: u64 = 3;
/// How long the node may take to tell a payment's state, which it does at once.
const STATE_TIME_MAX: Duration = Duration::from_secs(30);

impl Lnd {
    /// Pays: sends one HTLC over the one channel, and waits for its end for as long as it takes.
    /// Dropping this does not stop the payment.
    pub async fn pay(&self, payment: &Authorized) -> Outcome {
        let height = match self.height().await {
            Ok(height) => height,
            Err(error) => return Outcome::NotSent { detail: error.to_string() },
        };
        let Some(route) = route(payment, height) else {
            return Outcome::NotSent { detail: format!("no route can say {}", payment.amount()) };
        };
        let request = SendToRouteRequest {
            payment_hash: payment.hash().as_bytes().to_vec(),
            route: Some(route),
            skip_temp_err: false,
        };
        let outcome = match self.router().send_to_route_v2(request).await {
            Ok(answer) => attempted(answer.get_ref()),
            Err(status) => unknown(&self.error(SEND_TO_ROUTE, status)),
        };
        self.doubt_height(&outcome);
        outcome
    }

    /// What the node knows of a payment at this moment.
    pub async fn track(&self, hash: PaymentHash) -> Outcome {
        let state = self.first_state(hash);
        match tokio::time::timeout(STATE_TIME_MAX, state).await {
            Ok(outcome) => {
                self.doubt_height(&outcome);
                outcome
            }
            Err(_) => Outcome::Unknown { detail: "the node told no state".to_owned() },
        }
    }

    /// Forgets the block height after a failure: one that was too old fails a payment too.
    fn doubt_height(&self, outcome: &Outcome) {
        if matches!(outcome, Outcome::Failed(_)) {
            self.remember_height(None);
        }
    }

    /// The state of a payment that the node tells first, which is the present one.
    async fn first_state(&self, hash: PaymentHash) -> Outcome {
        let request = TrackPaymentRequest {
            payment_hash: hash.as_bytes().to_vec(),
            no_inflight_updates: false,
        };
        let failed = |status| match self.error(TRACK_PAYMENT, status) {
            error if error.is_not_found() => Outcome::NotFound,
            error => unknown(&error),
        };
        let mut states = match self.router().track_payment_v2(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return failed(status),
        };
        match states.message().await {
            Ok(Some(payment)) => tracked(&payment),
            Ok(None) => unknown(&self.ended(TRACK_PAYMENT)),
            Err(status) => failed(status),
        }
    }

    /// A block height to route by.
    async fn height(&self) -> Result<u32, LndError> {
        match self.remembered_height(HEIGHT_AGE_MAX) {
            Some(height) => Ok(height),
            None => Ok(self.info().await?.height),
        }
    }
}

/// The one hop over the one channel, at no fee; `None` where a number is beyond LND's.
fn route(payment: &Authorized, height: u32) -> Option<lnrpc::Route> {
    let amount = i64::try_from(payment.amount().msat()).ok()?;
    let lock = u64::from(height).checked_add(payment.min_final_cltv())?;
    let lock = u32::try_from(lock.checked_add(BLOCK_PADDING)?).ok()?;
    let hop = lnrpc::Hop {
        chan_id: payment.scid().as_u64(),
        // Named, the key spares the node a look into its graph, where private channels lack.
        pub_key: payment.payee().to_string(),
        amt_to_forward_msat: amount,
        fee_msat: 0,
        expiry: lock,
        mpp_record: Some(lnrpc::MppRecord {
            payment_addr: payment.secret().as_bytes().to_vec(),
            total_amt_msat: amount,
        }),
        ..Default::default()
    };
    Some(lnrpc::Route {
        total_time_lock: lock,
        hops: vec![hop],
        total_fees_msat: 0,
        total_amt_msat: amount,
        ..Default::default()
    })
}

/// What became of the payment whose only attempt this is.
fn attempted(attempt: &lnrpc::HtlcAttempt) -> Outcome {
    match HtlcStatus::try_from(attempt.status) {
        Ok(HtlcStatus::Succeeded) => Outcome::Settled,
        Ok(HtlcStatus::Failed) => {
            let code = attempt.failure.as_ref().map_or(0, |failure| failure.code);
            Outcome::Failed(failure(code))
        }
        Ok(HtlcStatus::InFlight) => Outcome::InFlight { has_attempts: true },
        Err(_) => Outcome::Unknown { detail: format!("an attempt of status {}", attempt.status) },
    }
}

/// What the node knows of a payment.
fn tracked(payment: &lnrpc::Payment) -> Outcome {
    match PaymentStatus::try_from(payment.status) {
        Ok(PaymentStatus::Succeeded) => Outcome::Settled,
        Ok(PaymentStatus::Failed) => Outcome::Failed(reason(payment)),
        Ok(PaymentStatus::Initiated) => Outcome::InFlight { has_attempts: false },
        Ok(PaymentStatus::InFlight) => Outcome::InFlight {
            has_attempts: payment.htlcs.iter().any(|htlc| htlc.status() != HtlcStatus::Failed),
        },
        Ok(PaymentStatus::Unknown) | Err(_) => {
            Outcome::Unknown { detail: format!("a payment of status {}", payment.status) }
        }
    }
}

/// Why a payment failed: the reason of its last attempt, or, without one, the node's own.
fn reason(payment: &lnrpc::Payment) -> Failure {
    let last = payment.htlcs.iter().rev().find_map(|htlc| htlc.failure.as_ref());
    match (last, payment.failure_reason()) {
        (Some(last), _) if last.code != FailureCode::Reserved as i32 => failure(last.code),
        (_, PaymentFailureReason::FailureReasonInsufficientBalance) => Failure::InsufficientBalance,
        (_, PaymentFailureReason::FailureReasonIncorrectPaymentDetails) => {
            Failure::IncorrectPaymentDetails
        }
        (_, _) => Failure::Other { number: payment.failure_reason.saturating_neg() },
    }
}

/// The failure that LND numbers `code`.
fn failure(code: i32) -> Failure {
    match FailureCode::try_from(code) {
        Ok(FailureCode::TemporaryChannelFailure) => Failure::TemporaryChannelFailure,
        Ok(FailureCode::IncorrectOrUnknownPaymentDetails) => Failure::IncorrectPaymentDetails,
        Ok(
            FailureCode::ExpiryTooSoon
            | FailureCode::FinalExpiryTooSoon
            | FailureCode::FinalIncorrectCltvExpiry,
        ) => Failure::ExpiryTooSoon,
        Ok(
            FailureCode::ChannelDisabled
            | FailureCode::UnknownNextPeer
            | FailureCode::PermanentChannelFailure,
        ) => Failure::ChannelUnavailable,
        Ok(FailureCode::AmountBelowMinimum) => Failure::AmountBelowMinimum,
        _ => Failure::Other { number: code },
    }
}

/// The outcome of a payment that only an error came back of.
fn unknown(error: &LndError) -> Outcome {
    Outcome::Unknown { detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart_by_lnds_numbers() {
        for (code, expected) in [
            (FailureCode::TemporaryChannelFailure, Failure::TemporaryChannelFailure),
            (FailureCode::IncorrectOrUnknownPaymentDetails, Failure::IncorrectPaymentDetails),
            (FailureCode::ExpiryTooSoon, Failure::ExpiryTooSoon),
            (FailureCode::FinalExpiryTooSoon, Failure::ExpiryTooSoon),
            (FailureCode::FinalIncorrectCltvExpiry, Failure::ExpiryTooSoon),
            (FailureCode::ChannelDisabled, Failure::ChannelUnavailable),
            (FailureCode::UnknownNextPeer, Failure::ChannelUnavailable),
            (FailureCode::PermanentChannelFailure, Failure::ChannelUnavailable),
            (FailureCode::AmountBelowMinimum, Failure::AmountBelowMinimum),
            (FailureCode::InternalFailure, Failure::Other { number: 997 }),
            (FailureCode::Reserved, Failure::Other { number: 0 }),
        ] {
            assert_eq!(failure(code.into()), expected, "{}", code.as_str_name());
        }
        assert_eq!(failure(4_711), Failure::Other { number: 4_711 });
    }

    #[test]
    fn a_payment_under_way_says_whether_an_htlc_is_out() {
        check(PaymentStatus::Initiated, &[], Outcome::InFlight { has_attempts: false });
        check(PaymentStatus::InFlight, &[], Outcome::InFlight { has_attempts: false });
        let failed = HtlcStatus::Failed;
        check(PaymentStatus::InFlight, &[failed], Outcome::InFlight { has_attempts: false });
        let both = [failed, HtlcStatus::InFlight];
        check(PaymentStatus::InFlight, &both, Outcome::InFlight { has_attempts: true });
        check(PaymentStatus::Succeeded, &[HtlcStatus::Succeeded], Outcome::Settled);
    }

    #[test]
    fn a_failed_payment_gives_its_last_attempts_reason() {
        let attempt = |code: FailureCode| lnrpc::HtlcAttempt {
            status: HtlcStatus::Failed.into(),
            failure: Some(lnrpc::Failure { code: code.into(), ..Default::default() }),
            ..Default::default()
        };
        let payment = lnrpc::Payment {
            status: PaymentStatus::Failed.into(),
            failure_reason: PaymentFailureReason::FailureReasonError.into(),
            htlcs: vec![attempt(FailureCode::TemporaryChannelFailure)],
            ..Default::default()
        };
        assert_eq!(tracked(&payment), Outcome::Failed(Failure::TemporaryChannelFailure));
        let without = lnrpc::Payment { htlcs: Vec::new(), ..payment };
        assert_eq!(tracked(&without), Outcome::Failed(Failure::Other { number: -3 }));
        let reason = PaymentFailureReason::FailureReasonInsufficientBalance.into();
        let poor = lnrpc::Payment { failure_reason: reason, ..without };
        assert_eq!(tracked(&poor), Outcome::Failed(Failure::InsufficientBalance));
    }

    #[test]
    fn a_status_of_the_future_leaves_the_payment_unknown() {
        let attempt = lnrpc::HtlcAttempt { status: 9, ..Default::default() };
        assert!(matches!(attempted(&attempt), Outcome::Unknown { .. }));
        let payment = lnrpc::Payment { status: 9, ..Default::default() };
        assert!(matches!(tracked(&payment), Outcome::Unknown { .. }));
        assert!(matches!(tracked(&lnrpc::Payment::default()), Outcome::Unknown { .. }));
    }

    /// Checks what a payment of `status` with attempts of `statuses` is taken for.
    #[track_caller]
    fn check(status: PaymentStatus, statuses: &[HtlcStatus], expected: Outcome) {
        let htlc = |status: &HtlcStatus| lnrpc::HtlcAttempt {
            status: (*status).into(),
            ..Default::default()
        };
        let payment = lnrpc::Payment {
            status: status.into(),
            htlcs: statuses.iter().map(htlc).collect(),
            ..Default::default()
        };
        assert_eq!(tracked(&payment), expected);
    }
}
