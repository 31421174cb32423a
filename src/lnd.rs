//! [`Lnd`]: one Lightning node that we hold the credentials of, over its gRPC.
//!
//! Translates between the node and the core's vocabulary; decides nothing, repeats nothing that
//! moves money. The node's messages stop at this folder.

mod channels;
mod connect;
mod convert;
mod error;
mod follow;
mod hints;
mod invoices;
mod mailbox;
mod meter;
mod payments;
mod permissions;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::{Response, Status};

use self::connect::Line;
pub use self::error::{LndError, Remedy};
pub use self::meter::Meter;
use crate::core::invoice::Network;
use crate::ids::NodeId;
use crate::rpc::invoicesrpc::invoices_client::InvoicesClient;
use crate::rpc::lnrpc::lightning_client::LightningClient;
use crate::rpc::lnrpc::{GetInfoRequest, SignMessageRequest};
use crate::rpc::routerrpc::router_client::RouterClient;

/// How long a node may take over an answer. Payments and subscriptions are not bound by it.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// The largest message that is accepted: a list of some 50,000 channels.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Where a node is and how to get in.
#[derive(Clone)]
pub struct Endpoint {
    /// Host and port of its gRPC.
    pub socket: String,
    /// Its certificate in PEM; `None` where a public authority vouches for it.
    pub certificate: Option<Vec<u8>>,
    /// The macaroon, in binary.
    pub macaroon: Vec<u8>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// What a node says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Info {
    /// Its public key.
    pub id: NodeId,
    /// The name that it gives itself.
    pub alias: String,
    /// Which lnd it runs.
    pub version: String,
    /// Whether it tells of each change of a balance (lnd 0.21 and later).
    pub supports_channel_updates: bool,
    /// The chain that it follows.
    pub network: Network,
    /// The block that it has come to.
    pub height: u32,
    /// Whether that is the newest one, as far as it knows.
    pub is_synced: bool,
}

/// One Lightning node that we hold the credentials of. Clones share one connection.
#[derive(Clone, Debug)]
pub struct Lnd {
    socket: Arc<str>,
    line: Line,
    /// The block height that the node last told, and when.
    height: Arc<Mutex<Option<(Instant, u32)>>>,
}

impl Lnd {
    /// The node at `endpoint`. Nothing is connected before the first call; must be called inside
    /// a Tokio runtime.
    pub fn new(endpoint: &Endpoint) -> Result<Self, LndError> {
        Ok(Self {
            socket: endpoint.socket.as_str().into(),
            line: Line::new(endpoint)?,
            height: Arc::default(),
        })
    }

    /// The same node, whose calls `meter` counts.
    #[must_use]
    pub fn metered(self, meter: Meter) -> Self {
        Self { line: self.line.metered(meter), ..self }
    }

    /// What the node says of itself.
    pub async fn info(&self) -> Result<Info, LndError> {
        let mut client = self.lightning();
        let answer = self.ask(permissions::GET_INFO, client.get_info(GetInfoRequest {})).await?;
        let info = convert::info(answer)?;
        self.remember_height(Some(info.height));
        Ok(info)
    }

    /// The node's own signature of `text`, in zbase32: whoever has both can tell the node's key.
    pub async fn sign_message(&self, text: &str) -> Result<String, LndError> {
        let request = SignMessageRequest { msg: text.as_bytes().to_vec() };
        let mut client = self.lightning();
        let answer = self.ask(permissions::SIGN_MESSAGE, client.sign_message(request)).await?;
        Ok(answer.signature)
    }

    /// Waits for the answer to a call of `method`, but not for ever.
    async fn ask<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, LndError> {
        let answer = tokio::time::timeout(ANSWER_TIME_MAX, call).await;
        match answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in 30 s"))) {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => Err(self.error(method, status)),
        }
    }

    /// What the failure of a call of `method` means.
    fn error(&self, method: &'static str, status: Status) -> LndError {
        LndError::new(&self.socket, method, status)
    }

    /// The error of a subscription that the node ended without a word.
    fn ended(&self, method: &'static str) -> LndError {
        self.error(method, Status::unavailable("the node ended the subscription"))
    }

    fn lightning(&self) -> LightningClient<Line> {
        LightningClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn router(&self) -> RouterClient<Line> {
        RouterClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn invoices(&self) -> InvoicesClient<Line> {
        InvoicesClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn remember_height(&self, height: Option<u32>) {
        let seen = height.map(|height| (Instant::now(), height));
        *self.height.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// The height that was told within `age`, if any was.
    fn remembered_height(&self, age: Duration) -> Option<u32> {
        let seen = *self.height.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|(at, _)| at.elapsed() < age).map(|(_, height)| height)
    }
}
