//! LND's service `Invoices`: invoices that are held, and one that is watched.

use std::time::Duration;

use tonic::codegen::BoxStream;
use tonic::{Code, Request, Response, Status};

use super::events::{Pick, begun, follow};
use super::{Node, convert};
use crate::ids::{PaymentHash, Preimage};
use crate::rpc::invoicesrpc::invoices_server::Invoices;
use crate::rpc::invoicesrpc::lookup_invoice_msg::InvoiceRef;
use crate::rpc::lnrpc::invoice::InvoiceState;
use crate::rpc::{invoicesrpc, lnrpc};
use crate::simnet::world::InvoiceError;
use crate::simnet::world::invoice::{Lock, NewInvoice};
use crate::units::{Msat, Sat};

/// How many bytes lnd keeps of a memo.
const MEMO_MAX: usize = 1_024;
/// How many groups of 5 bits a field of an invoice has at most (BOLT 11).
const FIELD_GROUPS_MAX: usize = 1_023;

#[tonic::async_trait]
impl Invoices for Node {
    async fn subscribe_single_invoice(
        &self,
        request: Request<invoicesrpc::SubscribeSingleInvoiceRequest>,
    ) -> Result<Response<BoxStream<lnrpc::Invoice>>, Status> {
        let hash = hash(&request.get_ref().r_hash)?;
        let (known, heard) = self.shared.listen(self.id, |world, streams| {
            let known = world.invoice(self.id, hash).map(convert::invoices::invoice);
            (known, streams.invoices.subscribe())
        });
        if let Some(known) = known.as_ref().filter(|known| is_final(known)) {
            return Ok(Response::new(Box::pin(futures_util::stream::iter([Ok(known.clone())]))));
        }
        let told = follow(known.into_iter().collect(), heard, move |invoice| {
            if invoice.r_hash != hash.as_bytes() {
                Pick::Skip
            } else if is_final(&invoice) {
                Pick::End(invoice)
            } else {
                Pick::Tell(invoice)
            }
        });
        Ok(Response::new(begun(told).await))
    }

    async fn cancel_invoice(
        &self,
        request: Request<invoicesrpc::CancelInvoiceMsg>,
    ) -> Result<Response<invoicesrpc::CancelInvoiceResp>, Status> {
        let hash = hash(&request.get_ref().payment_hash)?;
        let cancelled = self.shared.with(|world, _| world.cancel_invoice(self.id, hash));
        match cancelled {
            Ok(()) | Err(InvoiceError::Canceled) => {
                Ok(Response::new(invoicesrpc::CancelInvoiceResp {}))
            }
            Err(error) => Err(Status::unknown(error.to_string())),
        }
    }

    async fn add_hold_invoice(
        &self,
        request: Request<invoicesrpc::AddHoldInvoiceRequest>,
    ) -> Result<Response<invoicesrpc::AddHoldInvoiceResp>, Status> {
        let asked = request.into_inner();
        if !asked.description_hash.is_empty() || !asked.route_hints.is_empty() {
            return Err(Status::unimplemented("a simulated node invoices by memo alone"));
        }
        let wanted = NewInvoice {
            memo: memo(asked.memo)?,
            amount: amount(asked.value, asked.value_msat)?,
            to_live: to_live(asked.expiry)?,
            cltv: cltv(asked.cltv_expiry)?,
            is_private: asked.private,
            lock: Lock::Held(hash(&asked.hash)?),
        };
        self.shared.with(|world, _| {
            let made = world.add_invoice(self.id, wanted);
            let made = made.map_err(|error| Status::unknown(error.to_string()))?;
            Ok(Response::new(invoicesrpc::AddHoldInvoiceResp {
                payment_request: made.request.clone(),
                add_index: made.add_index,
                payment_addr: made.secret.to_vec(),
            }))
        })
    }

    async fn settle_invoice(
        &self,
        request: Request<invoicesrpc::SettleInvoiceMsg>,
    ) -> Result<Response<invoicesrpc::SettleInvoiceResp>, Status> {
        let preimage = preimage(&request.get_ref().preimage)?;
        let settled = self.shared.with(|world, _| world.settle_invoice(self.id, preimage));
        match settled {
            Ok(()) | Err(InvoiceError::Settled) => {
                Ok(Response::new(invoicesrpc::SettleInvoiceResp {}))
            }
            Err(error) => Err(Status::unknown(error.to_string())),
        }
    }

    async fn lookup_invoice_v2(
        &self,
        request: Request<invoicesrpc::LookupInvoiceMsg>,
    ) -> Result<Response<lnrpc::Invoice>, Status> {
        match &request.get_ref().invoice_ref {
            Some(InvoiceRef::PaymentHash(bytes)) => self.look_up(hash(bytes)?),
            Some(InvoiceRef::PaymentAddr(_) | InvoiceRef::SetId(_)) | None => {
                Err(Status::invalid_argument("a simulated node finds invoices by payment_hash"))
            }
        }
    }
}

impl Node {
    /// The invoice of this hash.
    pub(super) fn look_up(&self, hash: PaymentHash) -> Result<Response<lnrpc::Invoice>, Status> {
        let known = self
            .shared
            .with(|world, _| world.invoice(self.id, hash).map(convert::invoices::invoice));
        known
            .map(Response::new)
            .ok_or_else(|| Status::new(Code::NotFound, InvoiceError::Unknown.to_string()))
    }
}

/// Whether an invoice is what it will be for ever.
fn is_final(invoice: &lnrpc::Invoice) -> bool {
    match invoice.state() {
        InvoiceState::Settled | InvoiceState::Canceled => true,
        InvoiceState::Open | InvoiceState::Accepted => false,
    }
}

/// A hash as it is given.
pub(super) fn hash(bytes: &[u8]) -> Result<PaymentHash, Status> {
    PaymentHash::from_slice(bytes)
        .map_err(|_| Status::unknown(format!("invalid hash length of {}, want 32", bytes.len())))
}

/// A preimage as it is given.
pub(super) fn preimage(bytes: &[u8]) -> Result<Preimage, Status> {
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| {
        Status::unknown(format!("invalid preimage length of {}, want 32", bytes.len()))
    })?;
    Ok(Preimage::new(bytes))
}

/// A memo as it is given, which must have a place in the invoice.
pub(super) fn memo(memo: String) -> Result<String, Status> {
    let length = memo.len();
    if length > MEMO_MAX {
        let why = format!("memo too large: {length} bytes (maxsize={MEMO_MAX})");
        return Err(Status::unknown(why));
    }
    let groups = (8 * length).div_ceil(5);
    if groups > FIELD_GROUPS_MAX {
        let why = format!("data length too big to fit within 10 bits: {groups}");
        return Err(Status::unknown(why));
    }
    Ok(memo)
}

/// An amount that is given in one of two units.
pub(super) fn amount(sat: i64, msat: i64) -> Result<Msat, Status> {
    let negative = |_| Status::unknown("amount cannot be negative");
    let (sat, msat) =
        (u64::try_from(sat).map_err(negative)?, u64::try_from(msat).map_err(negative)?);
    match (sat, msat) {
        (0, msat) => Ok(Msat::new(msat)),
        (sat, 0) => Ok(Sat::new(sat).msat()),
        (_, _) => Err(Status::unknown("sat and msat arguments are mutually exclusive")),
    }
}

/// How long an invoice can be paid; nought: as long as lnd has it.
pub(super) fn to_live(seconds: i64) -> Result<Option<Duration>, Status> {
    let seconds = u64::try_from(seconds)
        .map_err(|_| Status::unknown(format!("expiry of {seconds} seconds is negative")))?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

/// How many blocks the payee must be left; nought: as many as lnd has it.
pub(super) fn cltv(blocks: u64) -> Result<Option<u32>, Status> {
    let blocks = u32::try_from(blocks)
        .map_err(|_| Status::unknown(format!("CLTV delta of {blocks} is too large")))?;
    Ok((blocks > 0).then_some(blocks))
}
