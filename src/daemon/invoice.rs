//! What is done with an invoice at its payee's node: made, watched, held payments taken or given
//! back. Each is a task that lasts until the node has answered.

use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::sync::{mpsc, watch};

use super::input::Input;
use super::tell;
use crate::clock;
use crate::core::event::{Event, Held};
use crate::core::record::InvoiceKind;
use crate::ids::{PaymentHash, Preimage, RebalanceId};
use crate::lnd::{Lnd, LndError};
use crate::units::Msat;

/// How long until a lost watch over an invoice, or a call about what a node holds, is taken up
/// again.
const RETRY: Duration = Duration::from_secs(2);
/// What a task says when its node has not answered since the start.
const NOT_CONNECTED: &str = "the node does not answer";

/// What makes the preimages of held invoices.
#[derive(Clone, Copy)]
pub(super) struct HoldKey([u8; 32]);

impl std::fmt::Debug for HoldKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HoldKey(..)")
    }
}

impl HoldKey {
    pub(super) const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The preimage of an attempt's held invoice: the same after every restart.
    pub(super) fn preimage(&self, rebalance: RebalanceId) -> Preimage {
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        hmac.update(rebalance.as_bytes());
        Preimage::new(hmac.finalize().into_bytes().into())
    }
}

/// An invoice to be made.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) rebalance: RebalanceId,
    pub(super) amount: Msat,
    pub(super) memo: String,
    pub(super) expiry: Duration,
    pub(super) min_final_cltv: u64,
    pub(super) kind: InvoiceKind,
}

/// Has an invoice made.
pub(super) async fn create(lnd: Option<Lnd>, wanted: Wanted, key: HoldKey) -> Event {
    let Wanted { rebalance, amount, memo, expiry, min_final_cltv, kind } = wanted;
    let Some(lnd) = lnd else {
        return Event::InvoiceNotCreated { rebalance, error: NOT_CONNECTED.to_owned() };
    };
    let made = match kind {
        InvoiceKind::Plain => lnd.create_invoice(&memo, amount, expiry, min_final_cltv).await,
        InvoiceKind::Held => {
            let hash = key.preimage(rebalance).hash();
            lnd.create_held_invoice(hash, &memo, amount, expiry, min_final_cltv).await
        }
    };
    match made {
        Ok(invoice) => Event::InvoiceCreated { rebalance, invoice, wall: clock::wall() },
        Err(error) => Event::InvoiceNotCreated { rebalance, error: tell::chain(&error) },
    }
}

/// Watches an invoice to its end, however often the connection is lost, and reports what its node
/// holds on the way. Each try is over the newest connection: an older one may lack a new
/// certificate or macaroon.
pub(super) async fn follow(
    newest: watch::Receiver<Lnd>,
    hash: PaymentHash,
    inputs: mpsc::Sender<Input>,
) -> Event {
    let (held, mut holding) = mpsc::channel::<Held>(1);
    let report = async {
        while let Some(held) = holding.recv().await {
            // The loop is gone only when the run has ended, and this task with it.
            drop(inputs.send(Input::Done(Event::InvoiceHeld { hash, held })).await);
        }
    };
    let watch = async {
        loop {
            let lnd = newest.borrow().clone();
            match lnd.follow_invoice(hash, &held).await {
                Ok(end) => return Event::InvoiceEnded { hash, end },
                Err(error) => {
                    tracing::debug!(%hash, error = tell::chain(&error), "invoice out of sight");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    };
    tokio::select! {
        end = watch => end,
        () = report => unreachable!("the watch holds a sender"),
    }
}

/// What becomes of a held payment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// It is taken.
    Settle(Preimage),
    /// It is given back.
    GiveBack(PaymentHash),
}

impl Fate {
    /// To take the payment under `hash`, if the key that it was made from is still there.
    pub(super) fn settle(preimage: Preimage, hash: PaymentHash) -> Self {
        if preimage.hash() == hash { Self::Settle(preimage) } else { Self::GiveBack(hash) }
    }

    const fn deed(&self) -> &'static str {
        match self {
            Self::Settle(_) => "taken",
            Self::GiveBack(_) => "given back",
        }
    }

    fn hash(&self) -> PaymentHash {
        match self {
            Self::Settle(preimage) => preimage.hash(),
            Self::GiveBack(hash) => *hash,
        }
    }
}

/// Calls until the node has done it, or the invoice has ended otherwise. A no is not the end: what
/// a node holds must not lie there because of one error.
pub(super) async fn end_held(newest: watch::Receiver<Lnd>, fate: Fate) {
    let mut is_told = false;
    loop {
        let lnd = newest.borrow().clone();
        let answer = match fate {
            Fate::Settle(preimage) => lnd.settle_invoice(preimage).await,
            Fate::GiveBack(hash) => lnd.cancel_invoice(hash).await,
        };
        match answer {
            Ok(()) => return,
            Err(LndError::Refused { .. })
                if matches!(lnd.has_ended(fate.hash()).await, Ok(true)) =>
            {
                return;
            }
            Err(error) => {
                let (deed, hash, error) = (fate.deed(), fate.hash(), tell::chain(&error));
                // Told once: it goes on like this until the node answers.
                if std::mem::replace(&mut is_told, true) {
                    tracing::debug!(%hash, error, "a held payment is not {deed} yet");
                } else {
                    tracing::warn!(%hash, error, "a held payment is not {deed}: trying again");
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preimage_follows_from_the_key_and_the_attempt_alone() {
        let of = |key, id| HoldKey::new([key; 32]).preimage(RebalanceId::new([id; 16])).hash();
        assert_eq!(of(1, 1), of(1, 1));
        assert_ne!(of(1, 1), of(1, 2));
        assert_ne!(of(1, 1), of(2, 1));
        assert_eq!(format!("{:?}", HoldKey::new([7; 32])), "HoldKey(..)");
    }
}
