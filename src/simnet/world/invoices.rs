//! Invoices are made, settled and cancelled by their node.

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::PublicKey;
use lightning_invoice::{
    Currency, InvoiceBuilder, PaymentSecret, RouteHint, RouteHintHop, RoutingFees,
};

use crate::ids::{NodeId, PaymentHash, Preimage};
use crate::time::Time;
use crate::units::Msat;

use super::channel::{Channel, Side};
use super::invoice::{Invoice, InvoiceState, Lock, NewInvoice};
use super::node::{LndVersion, Node, SECP256K1};
use super::notice::Notice;
use super::{Due, World};

/// How long an invoice can be paid where nobody says, as lnd has it.
const TO_LIVE: Duration = Duration::from_secs(86_400);
/// How many blocks the payee must be left where nobody says, as lnd has it.
const CLTV: u32 = 80;
/// How many channels are named at most, as lnd has it.
const HINTS_MAX: usize = 20;
/// The fewest that may be asked for.
const fn least_cltv(version: LndVersion) -> u32 {
    match version {
        LndVersion::V20 => 18,
        LndVersion::V21 => 24,
    }
}

/// Why an invoice is not made, settled or cancelled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum InvoiceError {
    /// There is one under this hash.
    #[error("invoice with payment hash already exists")]
    Exists,
    /// There is none.
    #[error("unable to locate invoice")]
    Unknown,
    /// It was settled.
    #[error("invoice already settled")]
    Settled,
    /// It was cancelled.
    #[error("invoice already canceled")]
    Canceled,
    /// Nothing was paid for it that could be taken.
    #[error("invoice still open")]
    Open,
    /// The payee would be left too few blocks.
    #[error("CLTV delta of {asked} must be greater than minimum of {least}")]
    CltvTooSmall {
        /// What was asked for.
        asked: u32,
        /// What the node insists on.
        least: u32,
    },
    /// What BOLT 11 does not allow.
    #[error("{0}")]
    Unfit(String),
}

impl World {
    /// Makes an invoice.
    pub(crate) fn add_invoice(
        &mut self,
        id: NodeId,
        wanted: NewInvoice,
    ) -> Result<&Invoice, InvoiceError> {
        let now = self.now;
        let hints = if wanted.is_private { self.hints(id) } else { Vec::new() };
        let node = self.nodes.get_mut(&id).ok_or(InvoiceError::Unknown)?;
        let cltv = wanted.cltv.unwrap_or(CLTV);
        let least = least_cltv(node.version);
        if cltv < least {
            return Err(InvoiceError::CltvTooSmall { asked: cltv, least });
        }
        let index = u64::try_from(node.invoices.len()).unwrap_or(u64::MAX) + 1;
        let preimage = match wanted.lock {
            Lock::Own => Some(Preimage::new(node.derive(&[b"preimage", &index.to_be_bytes()]))),
            Lock::Known(preimage) => Some(preimage),
            Lock::Held(_) => None,
        };
        let hash = match (wanted.lock, preimage) {
            (Lock::Held(hash), _) => hash,
            (_, Some(preimage)) => preimage.hash(),
            (Lock::Own | Lock::Known(_), None) => return Err(InvoiceError::Unknown),
        };
        if node.invoices.contains_key(&hash) {
            return Err(InvoiceError::Exists);
        }
        let mut invoice = Invoice {
            add_index: index,
            settle_index: 0,
            secret: node.derive(&[b"secret", hash.as_bytes()]),
            amount: wanted.amount,
            made: node.clock(now),
            to_live: wanted.to_live.unwrap_or(TO_LIVE),
            cltv,
            is_private: wanted.is_private,
            is_held: matches!(wanted.lock, Lock::Held(_)),
            request: String::new(),
            state: InvoiceState::Open,
            htlcs: Vec::new(),
            memo: wanted.memo,
            hash,
            preimage,
        };
        invoice.request = request(node, &invoice, hints).map_err(InvoiceError::Unfit)?;
        let to_live = invoice.to_live;
        node.invoices.insert(hash, invoice);
        self.plan(to_live, Due::Expiry(id, hash));
        self.tell(Notice::Invoice { node: id, hash });
        self.invoice(id, hash).ok_or(InvoiceError::Unknown)
    }

    /// What a payer must be told of the channels of a node that nobody knows.
    fn hints(&self, id: NodeId) -> Vec<RouteHint> {
        let private = self.channels_of(id).filter(|(it, _)| it.is_private && it.is_active);
        let hint = |(channel, side): (&Channel, Side)| {
            let (other, policy) = (channel.ends[side.other()], channel.policies[side.other()]);
            let ppm = u32::try_from(policy.fee_ppm).ok()?;
            let fees = RoutingFees {
                base_msat: u32::try_from(policy.fee_base.msat()).ok()?,
                proportional_millionths: ppm,
            };
            Some(RouteHint(vec![RouteHintHop {
                src_node_id: PublicKey::from_slice(other.as_bytes()).ok()?,
                short_channel_id: channel.scid?.as_u64(),
                fees,
                cltv_expiry_delta: u16::try_from(policy.time_lock_delta).ok()?,
                htlc_minimum_msat: None,
                htlc_maximum_msat: None,
            }]))
        };
        private.filter_map(hint).take(HINTS_MAX).collect()
    }

    /// An invoice of a node.
    pub(crate) fn invoice(&self, node: NodeId, hash: PaymentHash) -> Option<&Invoice> {
        self.node(node)?.invoices.get(&hash)
    }

    pub(super) fn invoice_mut(&mut self, node: NodeId, hash: PaymentHash) -> Option<&mut Invoice> {
        self.nodes.get_mut(&node)?.invoices.get_mut(&hash)
    }

    /// Takes what is held, by saying the preimage.
    pub(crate) fn settle_invoice(
        &mut self,
        id: NodeId,
        preimage: Preimage,
    ) -> Result<(), InvoiceError> {
        let hash = preimage.hash();
        let invoice = self.invoice_mut(id, hash);
        let invoice = invoice.ok_or(InvoiceError::Unknown)?;
        match invoice.state {
            InvoiceState::Open => Err(InvoiceError::Open),
            InvoiceState::Canceled => Err(InvoiceError::Canceled),
            InvoiceState::Settled { .. } => Err(InvoiceError::Settled),
            InvoiceState::Accepted => {
                invoice.preimage = Some(preimage);
                self.take_payment(id, hash);
                Ok(())
            }
        }
    }

    /// Has an invoice be paid no more, and gives back what came for it; as often as one likes.
    pub(crate) fn cancel_invoice(
        &mut self,
        id: NodeId,
        hash: PaymentHash,
    ) -> Result<(), InvoiceError> {
        match self.invoice(id, hash).ok_or(InvoiceError::Unknown)?.state {
            InvoiceState::Settled { .. } => Err(InvoiceError::Settled),
            InvoiceState::Canceled => Ok(()),
            InvoiceState::Open | InvoiceState::Accepted => {
                self.give_back(id, hash);
                Ok(())
            }
        }
    }

    /// An invoice has come to its end, paid or not.
    pub(super) fn expire(&mut self, id: NodeId, hash: PaymentHash) {
        let invoice = self.invoice(id, hash);
        if invoice.is_some_and(|invoice| invoice.state == InvoiceState::Open) {
            self.give_back(id, hash);
        }
    }
}

/// An invoice as it is given to the payer.
fn request(node: &Node, invoice: &Invoice, hints: Vec<RouteHint>) -> Result<String, String> {
    let since_epoch = invoice.made.since(Time::default()).as_secs();
    let builder = InvoiceBuilder::new(Currency::Regtest)
        .description(invoice.memo.clone())
        .payment_hash(sha256::Hash::from_byte_array(*invoice.hash.as_bytes()))
        .payment_secret(PaymentSecret(invoice.secret))
        .duration_since_epoch(Duration::from_secs(since_epoch))
        .expiry_time(invoice.to_live)
        .min_final_cltv_expiry_delta(invoice.cltv.into())
        .basic_mpp();
    let builder = hints.into_iter().fold(builder, InvoiceBuilder::private_route);
    let builder = match invoice.amount {
        Msat::ZERO => builder,
        amount => builder.amount_milli_satoshis(amount.msat()),
    };
    let sign = |digest: &_| SECP256K1.sign_ecdsa_recoverable(digest, &node.key);
    let signed = builder.build_signed(sign).map_err(|error| error.to_string())?;
    Ok(signed.to_string())
}
