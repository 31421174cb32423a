//! LND's service `Router`: payments, and what passes the node.

use futures_util::stream::{self, StreamExt};
use tokio::sync::broadcast::{self, error::RecvError};
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::events::{Pick, follow};
use super::invoices::{amount, hash};
use super::{Node, convert};
use crate::ids::{NodeId, PaymentHash, Scid};
use crate::rpc::lnrpc::htlc_attempt::HtlcStatus;
use crate::rpc::lnrpc::payment::PaymentStatus;
use crate::rpc::routerrpc::htlc_event::Event;
use crate::rpc::routerrpc::router_server::Router;
use crate::rpc::{lnrpc, routerrpc};
use crate::simnet::world::PayError;
use crate::simnet::world::node::LndVersion;
use crate::simnet::world::payment::NewPayment;

/// How long a payment may begin new attempts where nobody says, from lnd 0.21 on.
const PATIENCE_S: u32 = 60;
/// How many parts a payment may have where nobody says.
const PARTS: u32 = 16;
/// For how many blocks money may be locked at most.
const CLTV_MAX: u32 = 2_016;

#[tonic::async_trait]
impl Router for Node {
    async fn send_to_route_v2(
        &self,
        request: Request<routerrpc::SendToRouteRequest>,
    ) -> Result<Response<lnrpc::HtlcAttempt>, Status> {
        let routerrpc::SendToRouteRequest { payment_hash, route, .. } = request.into_inner();
        let route = route.ok_or_else(|| Status::unknown("unable to send, no routes provided"))?;
        let hash = hash(&payment_hash)?;
        let (attempt, mut heard) = self.shared.listen(self.id, |world, streams| {
            let route =
                convert::payments::given(world, self.id, &route).map_err(Status::unknown)?;
            let heard = streams.payments.subscribe();
            let attempt = world.send_to_route(self.id, hash, route).map_err(refused)?;
            Ok::<_, Status>((attempt, heard))
        })?;
        let ended = self.outcome(hash, attempt, &mut heard).await?;
        self.lose_answer()?;
        Ok(Response::new(ended))
    }

    async fn send_payment_v2(
        &self,
        request: Request<routerrpc::SendPaymentRequest>,
    ) -> Result<Response<BoxStream<lnrpc::Payment>>, Status> {
        let asked = request.into_inner();
        let is_terse = asked.no_inflight_updates;
        let (begin, heard, hash) = self.shared.listen(self.id, |world, streams| {
            let version = world.node(self.id).map(|node| node.version).unwrap_or_default();
            let heard = streams.payments.subscribe();
            let hash = world.send_payment(self.id, wanted(asked, version)?).map_err(refused)?;
            let begin = world.payment(self.id, hash);
            let begin = begin.map(|payment| convert::payments::payment(world, payment));
            Ok::<_, Status>((begin, heard, hash))
        })?;
        let told = track(begin, heard, hash, is_terse);
        let node = self.clone();
        let told = told.map(move |update| {
            // The answer that counts is the last.
            let update = update?;
            if is_final(&update) {
                node.lose_answer()?;
            }
            Ok(update)
        });
        Ok(Response::new(Box::pin(told)))
    }

    async fn track_payment_v2(
        &self,
        request: Request<routerrpc::TrackPaymentRequest>,
    ) -> Result<Response<BoxStream<lnrpc::Payment>>, Status> {
        let request = request.into_inner();
        let hash = hash(&request.payment_hash)?;
        let (begin, heard) = self.shared.listen(self.id, |world, streams| {
            let payment = world.payment(self.id, hash);
            let begin = payment.map(|payment| convert::payments::payment(world, payment));
            (begin, streams.payments.subscribe())
        });
        if begin.is_none() {
            return Err(Status::not_found("payment isn't initiated"));
        }
        Ok(Response::new(track(begin, heard, hash, request.no_inflight_updates)))
    }

    async fn subscribe_htlc_events(
        &self,
        _: Request<routerrpc::SubscribeHtlcEventsRequest>,
    ) -> Result<Response<BoxStream<routerrpc::HtlcEvent>>, Status> {
        let heard = self.shared.listen(self.id, |_, streams| streams.htlcs.subscribe());
        let first = routerrpc::HtlcEvent {
            event: Some(Event::SubscribedEvent(routerrpc::SubscribedEvent {})),
            ..Default::default()
        };
        Ok(Response::new(follow(vec![first], heard, Pick::Tell)))
    }
}

impl Node {
    /// Waits for the end of an attempt. It goes on, whether anybody waits or not.
    async fn outcome(
        &self,
        hash: PaymentHash,
        attempt: u64,
        heard: &mut broadcast::Receiver<lnrpc::Payment>,
    ) -> Result<lnrpc::HtlcAttempt, Status> {
        let name = hash.to_string();
        let mut payment = self.payment(hash)?;
        loop {
            let mut attempts = payment.htlcs.into_iter();
            match attempts.find(|htlc| htlc.attempt_id == attempt) {
                Some(htlc) if htlc.status() != HtlcStatus::InFlight => return Ok(htlc),
                Some(_) | None => {}
            }
            payment = loop {
                match heard.recv().await {
                    Ok(payment) if payment.payment_hash == name => break payment,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => break self.payment(hash)?,
                    Err(RecvError::Closed) => {
                        return Err(Status::unavailable("the network has ended"));
                    }
                }
            };
        }
    }

    /// A payment as it is.
    fn payment(&self, hash: PaymentHash) -> Result<lnrpc::Payment, Status> {
        let found = self.shared.with(|world, _| {
            let payment = world.payment(self.id, hash)?;
            Some(convert::payments::payment(world, payment))
        });
        found.ok_or_else(|| Status::not_found("payment isn't initiated"))
    }

    /// Loses the answer to a payment, where somebody wants that.
    fn lose_answer(&self) -> Result<(), Status> {
        let is_lost = self
            .shared
            .with(|world, _| world.node(self.id).is_some_and(|node| node.faults.loses_answers));
        if is_lost { Err(Status::unavailable("the answer was lost")) } else { Ok(()) }
    }
}

/// Why a payment is not begun, as lnd tells it.
fn refused(error: PayError) -> Status {
    match error {
        PayError::AlreadyPaid | PayError::InTransition => Status::already_exists(error.to_string()),
        PayError::Forgotten
        | PayError::Invoice(_)
        | PayError::Itself
        | PayError::NoHops
        | PayError::TooMuch { .. } => Status::unknown(error.to_string()),
    }
}

/// The states of a payment, from what it is to what it will be.
fn track(
    begin: Option<lnrpc::Payment>,
    heard: broadcast::Receiver<lnrpc::Payment>,
    hash: PaymentHash,
    is_terse: bool,
) -> BoxStream<lnrpc::Payment> {
    if let Some(ended) = begin.as_ref().filter(|payment| is_final(payment)) {
        return Box::pin(stream::iter([Ok(ended.clone())]));
    }
    let name = hash.to_string();
    let begin = begin.filter(|_| !is_terse).into_iter().collect();
    follow(begin, heard, move |payment| {
        if payment.payment_hash != name {
            Pick::Skip
        } else if is_final(&payment) {
            Pick::End(payment)
        } else if is_terse {
            Pick::Skip
        } else {
            Pick::Tell(payment)
        }
    })
}

/// Whether a payment is what it will be for ever.
fn is_final(payment: &lnrpc::Payment) -> bool {
    match payment.status() {
        PaymentStatus::Succeeded | PaymentStatus::Failed => true,
        PaymentStatus::Unknown | PaymentStatus::InFlight | PaymentStatus::Initiated => false,
    }
}

/// A payment as it is asked for.
fn wanted(asked: routerrpc::SendPaymentRequest, version: LndVersion) -> Result<NewPayment, Status> {
    if asked.payment_request.is_empty() {
        return Err(Status::unimplemented("a simulated node pays payment requests alone"));
    }
    let mut first: Vec<Scid> = asked.outgoing_chan_ids.into_iter().map(Scid::new).collect();
    let patience = match (version, u32::try_from(asked.timeout_seconds)) {
        (LndVersion::V20, Ok(0)) => {
            return Err(Status::unknown("timeout_seconds must be specified"));
        }
        (LndVersion::V21, Ok(0)) => PATIENCE_S,
        (_, Ok(seconds)) => seconds,
        (_, Err(_)) => return Err(Status::unknown("timeout_seconds must not be negative")),
    };
    // lnd ignores the field from 0.21 on, in silence: it has left its protos.
    if version == LndVersion::V20 && asked.outgoing_chan_id != 0 {
        first.push(Scid::new(asked.outgoing_chan_id));
    }
    let last = match asked.last_hop_pubkey.as_slice() {
        [] => None,
        key => Some(NodeId::from_slice(key).map_err(|error| Status::unknown(error.to_string()))?),
    };
    let cltv_max = match u32::try_from(asked.cltv_limit) {
        Ok(0) => CLTV_MAX,
        Ok(limit) if limit <= CLTV_MAX => limit,
        Ok(limit) => {
            return Err(Status::unknown(format!(
                "total time lock of {limit} exceeds max allowed {CLTV_MAX}"
            )));
        }
        Err(_) => return Err(Status::unknown("cltv_limit must not be negative")),
    };
    Ok(NewPayment {
        request: asked.payment_request,
        amount: amount(asked.amt, asked.amt_msat)?,
        first,
        last,
        fee_max: amount(asked.fee_limit_sat, asked.fee_limit_msat)?,
        parts_max: if asked.max_parts == 0 { PARTS } else { asked.max_parts },
        patience_s: patience,
        cltv_max,
        may_pay_itself: asked.allow_self_payment,
    })
}
