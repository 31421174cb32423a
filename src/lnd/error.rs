//! [`LndError`]: why a node did not do what it was asked.
//!
//! Only what an operator or the daemon acts upon is told apart. What became of a payment is no
//! error but an outcome, made in `payments.rs`.

use std::error::Error;

use tonic::{Code, Status};

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LndError {
    /// The endpoint cannot be used as it is configured.
    #[error("{part}: expected {expected}")]
    BadEndpoint {
        /// The setting.
        part: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// No answer came: the connection failed, broke, or stayed silent.
    #[error(
        "{socket} does not answer: {} (should be where lnd listens for gRPC, its rpclisten)",
        root_cause(.status)
    )]
    Unreachable {
        /// Where the node was looked for.
        socket: String,
        /// What came instead of an answer.
        status: Status,
    },
    /// Another certificate was presented than the one that is trusted.
    #[error(
        "{socket} presents a certificate that is not trusted (should be the tls.cert that is \
         configured: copy it again if lnd made a new one)"
    )]
    Certificate {
        /// Where it was presented.
        socket: String,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// The node runs, but cannot do anything yet.
    #[error(
        "{socket} is not ready: {} (if it does not start by itself, lncli unlock)",
        .status.message()
    )]
    Locked {
        /// Where the node is.
        socket: String,
        /// What it said.
        status: Status,
    },
    /// The macaroon does not allow the call.
    #[error(
        "the macaroon does not permit {method}: {} (should be the node's own, baked with \
         uri:{method})",
        .status.message()
    )]
    Permission {
        /// What was called.
        method: &'static str,
        /// What the node said.
        status: Status,
    },
    /// The node said no.
    #[error("{method} was refused: {}", .status.message())]
    Refused {
        /// What was called.
        method: &'static str,
        /// What the node said.
        status: Status,
    },
    /// The node's answer makes no sense.
    #[error("the node's {what} cannot be read: {found:?}")]
    Unreadable {
        /// What was to be read.
        what: &'static str,
        /// What was found.
        found: String,
    },
    /// The one who wanted to know has gone.
    #[error("nobody listens to the node's channels any more")]
    Unheard,
}

/// What can be done about an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remedy {
    /// It may pass by itself: try again later.
    Retry,
    /// The operator must mend something, and may do so while the daemon runs.
    Mend,
    /// Trying again is of no use.
    GiveUp,
}

/// How lnd begins its answers while its wallet is locked or its services are starting.
const NOT_READY: [&str; 4] =
    ["wallet locked", "wallet not created", "waiting to start", "the RPC server is in the process"];
/// What stands in lnd's answers to a macaroon that it does not take. It gives them no code.
const NOT_PERMITTED: [&str; 7] = [
    "permission denied",
    "macaroon",
    "unmarshal v2",
    "verification failed",
    "caveat",
    "invalid ID",
    "root key with id",
];
/// What stands in lnd's answers about an invoice that it does not have. It gives most of them no
/// code.
const NOT_FOUND: [&str; 2] = ["unable to locate invoice", "there are no existing invoices"];

impl LndError {
    /// What can be done about it.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Unreachable { .. }
            | Self::Locked { .. }
            | Self::Refused { .. }
            | Self::Unreadable { .. } => Remedy::Retry,
            Self::Certificate { .. } | Self::Permission { .. } => Remedy::Mend,
            Self::BadEndpoint { .. } | Self::Unheard => Remedy::GiveUp,
        }
    }

    /// Tells apart what a call of `method` at `socket` came back with.
    pub(super) fn new(socket: &str, method: &'static str, status: Status) -> Self {
        let socket = socket.to_owned();
        if let Some(source) = certificate_fault(&status) {
            return Self::Certificate { socket, source };
        }
        let is_from_the_node = status.source().is_none();
        let message = status.message();
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
                Self::Unreachable { socket, status }
            }
            _ if !is_from_the_node => Self::Unreachable { socket, status },
            _ if NOT_READY.iter().any(|words| message.contains(words)) => {
                Self::Locked { socket, status }
            }
            Code::Unimplemented if message.contains("unknown service lnrpc.Lightning") => {
                Self::Locked { socket, status }
            }
            Code::Unauthenticated | Code::PermissionDenied => Self::Permission { method, status },
            Code::Unknown if NOT_PERMITTED.iter().any(|words| message.contains(words)) => {
                Self::Permission { method, status }
            }
            Code::Ok
            | Code::Unknown
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => Self::Refused { method, status },
        }
    }

    /// Whether the node said that it does not know what it was asked about.
    pub fn is_not_found(&self) -> bool {
        let Self::Refused { status, .. } = self else { return false };
        status.code() == Code::NotFound
            || status.code() == Code::Unknown
                && NOT_FOUND.iter().any(|words| status.message().contains(words))
    }

    /// Whether the node was built without the method, or withholds it from us.
    pub(super) fn is_unavailable_to_us(&self) -> bool {
        match self {
            Self::Permission { .. } => true,
            Self::Refused { status, .. } => status.code() == Code::Unimplemented,
            Self::BadEndpoint { .. }
            | Self::Unreachable { .. }
            | Self::Certificate { .. }
            | Self::Locked { .. }
            | Self::Unreadable { .. }
            | Self::Unheard => false,
        }
    }
}

/// What the TLS handshake found wrong with the node's certificate, if that is what failed.
fn certificate_fault(status: &Status) -> Option<rustls::Error> {
    causes(status).find_map(|cause| {
        // An `io::Error` hides what it carries from `source`.
        let carried = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let fault = match carried {
            Some(carried) => carried.downcast_ref::<rustls::Error>(),
            None => cause.downcast_ref::<rustls::Error>(),
        }?;
        matches!(fault, rustls::Error::InvalidCertificate(_)).then(|| fault.clone())
    })
}

/// The innermost reason that `status` gives.
fn root_cause(status: &Status) -> String {
    match causes(status).last().map(ToString::to_string) {
        // What rustls says of it is true, and long.
        Some(cause) if cause.contains("close_notify") => "the connection broke".to_owned(),
        Some(cause) => cause,
        None => status.message().to_owned(),
    }
}

/// The errors behind `status`, from the outside in.
fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(status.source(), |cause: &&(dyn Error + 'static)| (*cause).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lnd_says_is_told_apart() {
        check(Status::unknown("wallet locked, unlock it to enable full RPC access"), "locked");
        check(Status::unimplemented("unknown service lnrpc.Lightning"), "locked");
        check(Status::unknown("the RPC server is in the process of starting up, .."), "locked");
        check(Status::unknown("permission denied"), "permission");
        check(Status::unknown("expected 1 macaroon, got 0"), "permission");
        check(Status::unknown("unmarshal v2: section extends past end of buffer"), "permission");
        check(Status::unknown("verification failed: signature mismatch"), "permission");
        check(Status::unauthenticated("no"), "permission");
        check(Status::unimplemented("unknown service invoicesrpc.Invoices"), "refused");
        check(Status::unknown("unable to send, no routes provided"), "refused");
        check(Status::unavailable("the connection closed"), "unreachable");
        check(Status::deadline_exceeded("too late"), "unreachable");
    }

    #[test]
    fn an_error_says_how_to_mend_it() {
        let status = Status::unknown("permission denied");
        let error = LndError::new("127.0.0.1:10009", "/lnrpc.Lightning/GetInfo", status);
        assert_eq!(
            error.to_string(),
            "the macaroon does not permit /lnrpc.Lightning/GetInfo: permission denied (should be \
             the node's own, baked with uri:/lnrpc.Lightning/GetInfo)"
        );
        assert_eq!(error.remedy(), Remedy::Mend);
    }

    /// Checks what kind of error is made of `status`.
    #[track_caller]
    fn check(status: Status, expected: &str) {
        let kind = match LndError::new("127.0.0.1:10009", "/lnrpc.Lightning/GetInfo", status) {
            LndError::Locked { .. } => "locked",
            LndError::Permission { .. } => "permission",
            LndError::Refused { .. } => "refused",
            LndError::Unreachable { .. } => "unreachable",
            LndError::BadEndpoint { .. }
            | LndError::Certificate { .. }
            | LndError::Unreadable { .. }
            | LndError::Unheard => "another",
        };
        assert_eq!(kind, expected);
    }
}
