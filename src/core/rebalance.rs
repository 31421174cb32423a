//! One attempt as the payee sees it, from opening to the end.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::payment::Failure;
use super::refusal::Refusal;

/// Why an attempt ended without payment, as the payee sees it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Cause {
    /// Our node made no invoice.
    NoInvoice {
        /// What it said.
        detail: String,
    },
    /// The daemon stopped before the invoice was offered.
    Abandoned,
    /// The payer refused.
    Refused {
        /// Its reason.
        refusal: Refusal,
    },
    /// The payer paid, and the payment failed.
    PaymentFailed {
        /// The network's reason.
        failure: Failure,
    },
    /// The invoice expired or was cancelled unpaid.
    InvoiceCanceled,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInvoice { detail } => write!(f, "the node made no invoice: {detail}"),
            Self::Abandoned => f.write_str("the daemon stopped before the invoice was offered"),
            Self::Refused { refusal } => write!(f, "the payer refused: {refusal}"),
            Self::PaymentFailed { failure } => write!(f, "the payment failed: {failure}"),
            Self::InvoiceCanceled => f.write_str("the invoice expired unpaid"),
        }
    }
}
