//! Making, watching and cancelling invoices.

use std::time::Duration;

use super::permissions::{ADD_INVOICE, CANCEL_INVOICE, LOOKUP_INVOICE, SUBSCRIBE_SINGLE_INVOICE};
use super::{Lnd, LndError};
use crate::core::event::InvoiceEnd;
use crate::ids::{PaymentHash, Scid};
use crate::rpc::invoicesrpc::{CancelInvoiceMsg, SubscribeSingleInvoiceRequest};
use crate::rpc::lnrpc;
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
        let unreadable =
            || LndError::Unreadable { what: "amount to ask", found: amount.to_string() };
        let request = lnrpc::Invoice {
            memo: memo.to_owned(),
            value_msat: i64::try_from(amount.msat()).map_err(|_| unreadable())?,
            expiry: i64::try_from(expiry.as_secs()).map_err(|_| unreadable())?,
            cltv_expiry: min_final_cltv,
            ..Default::default()
        };
        let mut client = self.lightning();
        Ok(self.ask(ADD_INVOICE, client.add_invoice(request)).await?.payment_request)
    }

    /// Cancels an invoice. One that is cancelled already stays so; one that is settled cannot be.
    pub async fn cancel_invoice(&self, hash: PaymentHash) -> Result<(), LndError> {
        let request = CancelInvoiceMsg { payment_hash: hash.as_bytes().to_vec() };
        let mut client = self.invoices();
        self.ask(CANCEL_INVOICE, client.cancel_invoice(request)).await.map(drop)
    }

    /// Waits until an invoice is settled or cancelled. An invoice that the node does not know
    /// counts as cancelled: nodes may be set to forget those.
    pub async fn invoice_end(&self, hash: PaymentHash) -> Result<InvoiceEnd, LndError> {
        match self.invoice_told(hash).await {
            Err(error) if error.is_unavailable_to_us() => self.invoice_looked_up(hash).await,
            end => end,
        }
    }

    /// Waits for the end of an invoice by listening.
    async fn invoice_told(&self, hash: PaymentHash) -> Result<InvoiceEnd, LndError> {
        let error = |status| self.error(SUBSCRIBE_SINGLE_INVOICE, status);
        let request = SubscribeSingleInvoiceRequest { r_hash: hash.as_bytes().to_vec() };
        let mut client = self.invoices();
        let mut opening = std::pin::pin!(client.subscribe_single_invoice(request));
        let opened = tokio::time::timeout(FIRST_STATE_TIME_MAX, &mut opening).await;
        let stream = match opened {
            Ok(stream) => stream,
            Err(_) => match self.look_up(hash).await? {
                Some(end) => return Ok(end),
                None => opening.await,
            },
        };
        let mut states = stream.map_err(error)?.into_inner();
        while let Some(invoice) = states.message().await.map_err(error)? {
            if let Some(end) = ended(&invoice) {
                return Ok(end);
            }
        }
        Err(self.ended(SUBSCRIBE_SINGLE_INVOICE))
    }

    /// Waits for the end of an invoice by asking now and then.
    async fn invoice_looked_up(&self, hash: PaymentHash) -> Result<InvoiceEnd, LndError> {
        loop {
            if let Some(end) = self.look_up(hash).await? {
                return Ok(end);
            }
            tokio::time::sleep(LOOKUP_INTERVAL).await;
        }
    }

    /// What became of an invoice, if it has ended.
    async fn look_up(&self, hash: PaymentHash) -> Result<Option<InvoiceEnd>, LndError> {
        let request = lnrpc::PaymentHash { r_hash: hash.as_bytes().to_vec() };
        let mut client = self.lightning();
        match self.ask(LOOKUP_INVOICE, client.lookup_invoice(request)).await {
            Ok(invoice) => Ok(ended(&invoice)),
            Err(error) if error.is_not_found() => Ok(Some(InvoiceEnd::Canceled)),
            Err(error) => Err(error),
        }
    }
}

/// What became of `invoice`, if it has ended.
fn ended(invoice: &lnrpc::Invoice) -> Option<InvoiceEnd> {
    match invoice.state() {
        InvoiceState::Open | InvoiceState::Accepted => None,
        InvoiceState::Canceled => Some(InvoiceEnd::Canceled),
        InvoiceState::Settled => Some(InvoiceEnd::Settled {
            paid: Msat::new(u64::try_from(invoice.amt_paid_msat).unwrap_or_default()),
            over: invoice
                .htlcs
                .iter()
                .filter(|htlc| htlc.state() == lnrpc::InvoiceHtlcState::Settled)
                .map(|htlc| Scid::new(htlc.chan_id))
                .collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settled_invoice_tells_what_arrived_and_where() {
        let htlc = |chan_id, state: lnrpc::InvoiceHtlcState| lnrpc::InvoiceHtlc {
            chan_id,
            state: state.into(),
            ..Default::default()
        };
        let invoice = lnrpc::Invoice {
            state: InvoiceState::Settled.into(),
            amt_paid_msat: 7_000,
            htlcs: vec![
                htlc(1, lnrpc::InvoiceHtlcState::Canceled),
                htlc(2, lnrpc::InvoiceHtlcState::Settled),
            ],
            ..Default::default()
        };
        let end = InvoiceEnd::Settled { paid: Msat::new(7_000), over: vec![Scid::new(2)] };
        assert_eq!(ended(&invoice), Some(end));
    }

    #[test]
    fn an_invoice_under_way_has_not_ended() {
        for state in [InvoiceState::Open, InvoiceState::Accepted] {
            let invoice = lnrpc::Invoice { state: state.into(), ..Default::default() };
            assert_eq!(ended(&invoice), None);
        }
        let state = InvoiceState::Canceled.into();
        let invoice = lnrpc::Invoice { state, ..Default::default() };
        assert_eq!(ended(&invoice), Some(InvoiceEnd::Canceled));
    }
}
