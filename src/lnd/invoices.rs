//! Making, holding, watching, settling and cancelling invoices.

use std::time::Duration;

use tokio::sync::mpsc;

use super::permissions::{
    ADD_HOLD_INVOICE, ADD_INVOICE, CANCEL_INVOICE, LOOKUP_INVOICE, SETTLE_INVOICE,
    SUBSCRIBE_SINGLE_INVOICE,
};
use super::{Lnd, LndError};
use crate::core::event::{Held, InvoiceEnd};
use crate::ids::{PaymentHash, Preimage, Scid};
use crate::rpc::invoicesrpc::{
    AddHoldInvoiceRequest, CancelInvoiceMsg, SettleInvoiceMsg, SubscribeSingleInvoiceRequest,
};
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::InvoiceHtlcState;
use crate::rpc::lnrpc::invoice::InvoiceState;
use crate::units::Msat;

/// How often an invoice is looked up on a node that does not tell of it.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(2);
/// How long the node may take to tell an invoice's state at the start: it does so at once,
/// unless there is no such invoice, when it says nothing for ever.
const FIRST_STATE_TIME_MAX: Duration = Duration::from_secs(5);

impl Lnd {
    /// Makes an invoice and returns it in BOLT 11.
    pub async fn create_invoice(
        &self,
        memo: &str,
        amount: Msat,
        expiry: Duration,
        min_final_cltv: u64,
    ) -> Result<String, LndError> {
        let request = lnrpc::Invoice {
            memo: memo.to_owned(),
            value_msat: signed(amount.msat())?,
            expiry: signed(expiry.as_secs())?,
            cltv_expiry: min_final_cltv,
            ..Default::default()
        };
        let mut client = self.lightning();
        Ok(self.ask(ADD_INVOICE, client.add_invoice(request)).await?.payment_request)
    }

    /// Makes an invoice whose preimage the node does not know, and returns it in BOLT 11. What is
    /// paid lies at the node until [`Lnd::settle_invoice`] or [`Lnd::cancel_invoice`]. An error
    /// where the node has an invoice with that hash.
    pub async fn create_held_invoice(
        &self,
        hash: PaymentHash,
        memo: &str,
        amount: Msat,
        expiry: Duration,
        min_final_cltv: u64,
    ) -> Result<String, LndError> {
        let request = AddHoldInvoiceRequest {
            memo: memo.to_owned(),
            hash: hash.as_bytes().to_vec(),
            value_msat: signed(amount.msat())?,
            expiry: signed(expiry.as_secs())?,
            cltv_expiry: min_final_cltv,
            ..Default::default()
        };
        let mut client = self.invoices();
        Ok(self.ask(ADD_HOLD_INVOICE, client.add_hold_invoice(request)).await?.payment_request)
    }

    /// Takes what a held invoice was paid with. One that is settled already stays so; one that is
    /// not paid, or is cancelled, cannot be.
    pub async fn settle_invoice(&self, preimage: Preimage) -> Result<(), LndError> {
        let request = SettleInvoiceMsg { preimage: preimage.as_bytes().to_vec() };
        let mut client = self.invoices();
        self.ask(SETTLE_INVOICE, client.settle_invoice(request)).await.map(drop)
    }

    /// Cancels an invoice, and gives back what a held one was paid with. One that is cancelled
    /// already stays so; one that is settled cannot be. Of one that the node does not have, or
    /// has forgotten since, [`LndError::is_not_found`] tells.
    pub async fn cancel_invoice(&self, hash: PaymentHash) -> Result<(), LndError> {
        let request = CancelInvoiceMsg { payment_hash: hash.as_bytes().to_vec() };
        let mut client = self.invoices();
        self.ask(CANCEL_INVOICE, client.cancel_invoice(request)).await.map(drop)
    }

    /// Waits until an invoice is settled or cancelled. An invoice that the node does not know
    /// counts as cancelled: nodes may be set to forget those.
    ///
    /// Whenever the node says that it holds what the invoice was paid with, `held` is told: also
    /// at once, if that is so already, and possibly more than once. Nobody need listen there.
    pub async fn follow_invoice(
        &self,
        hash: PaymentHash,
        held: &mpsc::Sender<Held>,
    ) -> Result<InvoiceEnd, LndError> {
        match self.invoice_told(hash, held).await {
            Err(error) if error.is_unavailable_to_us() => self.invoice_looked_up(hash, held).await,
            end => end,
        }
    }

    /// Follows an invoice by listening.
    async fn invoice_told(
        &self,
        hash: PaymentHash,
        held: &mpsc::Sender<Held>,
    ) -> Result<InvoiceEnd, LndError> {
        let error = |status| self.error(SUBSCRIBE_SINGLE_INVOICE, status);
        let request = SubscribeSingleInvoiceRequest { r_hash: hash.as_bytes().to_vec() };
        let mut client = self.invoices();
        let mut opening = std::pin::pin!(client.subscribe_single_invoice(request));
        let opened = tokio::time::timeout(FIRST_STATE_TIME_MAX, &mut opening).await;
        let stream = match opened {
            Ok(stream) => stream,
            Err(_) => match self.look_up(hash).await? {
                State::Ended(end) => return Ok(end),
                State::Open | State::Held(_) => opening.await,
            },
        };
        let mut states = stream.map_err(error)?.into_inner();
        while let Some(invoice) = states.message().await.map_err(error)? {
            match state(&invoice) {
                State::Open => {}
                State::Held(paid) => tell(paid, held).await,
                State::Ended(end) => return Ok(end),
            }
        }
        Err(self.ended(SUBSCRIBE_SINGLE_INVOICE))
    }

    /// Follows an invoice by asking now and then.
    async fn invoice_looked_up(
        &self,
        hash: PaymentHash,
        held: &mpsc::Sender<Held>,
    ) -> Result<InvoiceEnd, LndError> {
        let mut told = None;
        loop {
            match self.look_up(hash).await? {
                State::Open => {}
                State::Held(paid) if told.as_ref() == Some(&paid) => {}
                State::Held(paid) => tell(told.insert(paid).clone(), held).await,
                State::Ended(end) => return Ok(end),
            }
            tokio::time::sleep(LOOKUP_INTERVAL).await;
        }
    }

    /// Whether an invoice is settled or cancelled, or the node does not have it.
    pub async fn has_ended(&self, hash: PaymentHash) -> Result<bool, LndError> {
        Ok(matches!(self.look_up(hash).await?, State::Ended(_)))
    }

    /// How an invoice stands.
    async fn look_up(&self, hash: PaymentHash) -> Result<State, LndError> {
        let request = lnrpc::PaymentHash { r_hash: hash.as_bytes().to_vec() };
        let mut client = self.lightning();
        match self.ask(LOOKUP_INVOICE, client.lookup_invoice(request)).await {
            Ok(invoice) => Ok(state(&invoice)),
            Err(error) if error.is_not_found() => Ok(State::Ended(InvoiceEnd::Canceled)),
            Err(error) => Err(error),
        }
    }
}

/// Tells `listener`, if there still is one.
async fn tell(held: Held, listener: &mpsc::Sender<Held>) {
    drop(listener.send(held).await);
}

/// A number as the node's signed fields take it.
fn signed(number: u64) -> Result<i64, LndError> {
    i64::try_from(number)
        .map_err(|_| LndError::Unreadable { what: "amount to ask", found: number.to_string() })
}

/// How an invoice stands.
#[derive(Clone, Debug, Eq, PartialEq)]
enum State {
    /// It is not paid, or not in full.
    Open,
    /// It is paid, and neither settled nor cancelled.
    Held(Held),
    Ended(InvoiceEnd),
}

fn state(invoice: &lnrpc::Invoice) -> State {
    let htlcs = |state| invoice.htlcs.iter().filter(move |htlc| htlc.state() == state);
    let over = |state| htlcs(state).map(|htlc| Scid::new(htlc.chan_id)).collect();
    match invoice.state() {
        InvoiceState::Open => State::Open,
        InvoiceState::Accepted => State::Held(Held {
            paid: htlcs(InvoiceHtlcState::Accepted).map(|htlc| Msat::new(htlc.amt_msat)).sum(),
            over: over(InvoiceHtlcState::Accepted),
        }),
        InvoiceState::Canceled => State::Ended(InvoiceEnd::Canceled),
        InvoiceState::Settled => State::Ended(InvoiceEnd::Settled {
            paid: Msat::new(u64::try_from(invoice.amt_paid_msat).unwrap_or_default()),
            over: over(InvoiceHtlcState::Settled),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_invoice_tells_what_arrived_and_where() {
        let invoice = lnrpc::Invoice {
            amt_paid_msat: 7_000,
            htlcs: vec![
                htlc(1, 7_000, InvoiceHtlcState::Canceled),
                htlc(2, 7_000, InvoiceHtlcState::Settled),
            ],
            ..Default::default()
        };
        let end = InvoiceEnd::Settled { paid: Msat::new(7_000), over: vec![Scid::new(2)] };
        check(&invoice, InvoiceState::Settled, &State::Ended(end));
    }

    #[test]
    fn a_held_invoice_tells_what_lies_there_and_where_it_came_from() {
        let invoice = lnrpc::Invoice {
            htlcs: vec![
                htlc(1, 3_000, InvoiceHtlcState::Accepted),
                htlc(2, 7_000, InvoiceHtlcState::Canceled),
                htlc(3, 4_000, InvoiceHtlcState::Accepted),
            ],
            ..Default::default()
        };
        let over = vec![Scid::new(1), Scid::new(3)];
        let held = State::Held(Held { paid: Msat::new(7_000), over });
        check(&invoice, InvoiceState::Accepted, &held);
        // Parts lie there while others are missing: the invoice stays open.
        check(&invoice, InvoiceState::Open, &State::Open);
        check(&invoice, InvoiceState::Canceled, &State::Ended(InvoiceEnd::Canceled));
    }

    fn htlc(chan_id: u64, amt_msat: u64, state: InvoiceHtlcState) -> lnrpc::InvoiceHtlc {
        lnrpc::InvoiceHtlc { chan_id, amt_msat, state: state.into(), ..Default::default() }
    }

    /// Checks how `invoice` stands once its state is `told`.
    #[track_caller]
    fn check(invoice: &lnrpc::Invoice, told: InvoiceState, expected: &State) {
        let invoice = lnrpc::Invoice { state: told.into(), ..invoice.clone() };
        assert_eq!(&state(&invoice), expected);
    }
}
