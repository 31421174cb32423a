//! A BOLT 11 invoice, read once at the door and judged elsewhere.
//!
//! Reading tells what the invoice says and that its payee signed it. Whether it may be paid is
//! for [`super::authorize`] alone.

use std::time::Duration;

use lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescriptionRef, Currency, RawTaggedField};
use serde::{Deserialize, Serialize};

use crate::ids::{ChannelPoint, NodeId, PaymentHash, PaymentSecret, RebalanceId};
use crate::time::Time;
use crate::units::Msat;

/// The chain that a node follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Network {
    /// Bitcoin's main chain.
    Mainnet,
    /// The public test chains; BOLT 11 gives them one prefix.
    Testnet,
    /// The signed test chain.
    Signet,
    /// A private chain for tests.
    Regtest,
}

/// What a well-formed, correctly signed invoice says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invoice {
    /// The chain that it is for.
    pub network: Network,
    /// The node that made it.
    pub payee: NodeId,
    /// The hash that the payment is locked to.
    pub hash: PaymentHash,
    /// What is asked; `None` leaves it to the payer.
    pub amount: Option<Msat>,
    /// The memo, where it stands in the invoice itself.
    pub memo: Option<String>,
    /// When it was made, by the payee's clock.
    pub made_at: Time,
    /// How long it may be paid after that.
    pub expiry: Duration,
    /// How many blocks the last hop must leave.
    pub min_final_cltv: u64,
    /// The payee's token against probing, which BOLT 11 requires.
    pub secret: PaymentSecret,
    /// Whether it asks to be reached over blinded paths.
    pub has_blinded_paths: bool,
}

/// Why an invoice could not be read.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
#[error("not a valid invoice: {detail}")]
pub struct InvoiceFault {
    /// What the reader of BOLT 11 said; names features that are required and unknown, a missing
    /// payment secret, a wrong signature.
    pub detail: String,
}

/// The memo of an invoice that is made to rebalance a channel, and of no other.
pub fn memo(point: ChannelPoint, rebalance: RebalanceId) -> String {
    format!("tightrope rebalance {point} {rebalance}")
}

/// The memo of every invoice of a legacy payee.
pub const LEGACY_MEMO: &str = "tightrope rebalance";

/// The number of the field in which LND names blinded paths (bLIP 39).
const BLINDED_PATH_TAG: u8 = 20;

impl Invoice {
    /// Reads `text`, and checks its checksum, signature, features and payment secret.
    pub fn decode(text: &str) -> Result<Self, InvoiceFault> {
        let fault = |detail: String| InvoiceFault { detail };
        let invoice: Bolt11Invoice = text
            .parse()
            .map_err(|e: lightning_invoice::ParseOrSemanticError| fault(e.to_string()))?;
        let memo = match invoice.description() {
            Bolt11InvoiceDescriptionRef::Direct(memo) => Some(memo.to_string()),
            Bolt11InvoiceDescriptionRef::Hash(_) => None,
        };
        let has_blinded_paths =
            invoice.clone().into_signed_raw().raw_invoice().data.tagged_fields.iter().any(
                |field| match field {
                    RawTaggedField::UnknownSemantics(words) => {
                        words.first().is_some_and(|tag| tag.to_u8() == BLINDED_PATH_TAG)
                    }
                    RawTaggedField::KnownSemantics(_) => false,
                },
            );
        Ok(Self {
            network: match invoice.currency() {
                Currency::Bitcoin => Network::Mainnet,
                Currency::BitcoinTestnet => Network::Testnet,
                Currency::Signet => Network::Signet,
                Currency::Regtest => Network::Regtest,
                Currency::Simnet => return Err(fault("it is for simnet".to_owned())),
            },
            payee: NodeId::new(invoice.get_payee_pub_key().serialize()),
            hash: PaymentHash::from_slice(invoice.payment_hash().as_ref())
                .map_err(|e| fault(e.to_string()))?,
            amount: invoice.amount_milli_satoshis().map(Msat::new),
            memo,
            made_at: Time::default() + invoice.duration_since_epoch(),
            expiry: invoice.expiry_time(),
            min_final_cltv: invoice.min_final_cltv_expiry_delta(),
            secret: PaymentSecret::new(invoice.payment_secret().0),
            has_blinded_paths,
        })
    }
}
