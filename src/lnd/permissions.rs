//! The calls that the daemon makes, by name, and whether a macaroon permits them.

use std::time::Duration;

use super::{Lnd, LndError};
use crate::rpc::invoicesrpc::{
    AddHoldInvoiceRequest, CancelInvoiceMsg, SettleInvoiceMsg, SubscribeSingleInvoiceRequest,
};
use crate::rpc::lnrpc::{
    ChanInfoRequest, ChannelEventSubscription, Invoice, ListChannelsRequest, PaymentHash,
    SignMessageRequest,
};
use crate::rpc::routerrpc::{SendToRouteRequest, SubscribeHtlcEventsRequest, TrackPaymentRequest};

pub(super) const GET_INFO: &str = "/lnrpc.Lightning/GetInfo";
pub(super) const LIST_CHANNELS: &str = "/lnrpc.Lightning/ListChannels";
pub(super) const SUBSCRIBE_CHANNEL_EVENTS: &str = "/lnrpc.Lightning/SubscribeChannelEvents";
pub(super) const GET_CHAN_INFO: &str = "/lnrpc.Lightning/GetChanInfo";
pub(super) const ADD_INVOICE: &str = "/lnrpc.Lightning/AddInvoice";
pub(super) const LOOKUP_INVOICE: &str = "/lnrpc.Lightning/LookupInvoice";
pub(super) const SIGN_MESSAGE: &str = "/lnrpc.Lightning/SignMessage";
pub(super) const SUBSCRIBE_SINGLE_INVOICE: &str = "/invoicesrpc.Invoices/SubscribeSingleInvoice";
pub(super) const CANCEL_INVOICE: &str = "/invoicesrpc.Invoices/CancelInvoice";
pub(super) const ADD_HOLD_INVOICE: &str = "/invoicesrpc.Invoices/AddHoldInvoice";
pub(super) const SETTLE_INVOICE: &str = "/invoicesrpc.Invoices/SettleInvoice";
pub(super) const SEND_TO_ROUTE: &str = "/routerrpc.Router/SendToRouteV2";
pub(super) const TRACK_PAYMENT: &str = "/routerrpc.Router/TrackPaymentV2";
pub(super) const SUBSCRIBE_HTLC_EVENTS: &str = "/routerrpc.Router/SubscribeHtlcEvents";

/// How long a subscription must stay open to count as permitted. A refusal comes at once, while
/// a quiet node answers nothing before its next event.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(2);

impl Lnd {
    /// All calls that the daemon makes: what its macaroon must permit, and need not exceed.
    pub const PERMISSIONS: &[&str] = &[
        GET_INFO,
        LIST_CHANNELS,
        SUBSCRIBE_CHANNEL_EVENTS,
        GET_CHAN_INFO,
        ADD_INVOICE,
        LOOKUP_INVOICE,
        SIGN_MESSAGE,
        SUBSCRIBE_SINGLE_INVOICE,
        CANCEL_INVOICE,
        ADD_HOLD_INVOICE,
        SETTLE_INVOICE,
        SEND_TO_ROUTE,
        TRACK_PAYMENT,
        SUBSCRIBE_HTLC_EVENTS,
    ];

    /// Those of [`Lnd::PERMISSIONS`] that the macaroon lacks. Makes every call, each with
    /// arguments that the node turns down or that change nothing.
    pub async fn missing_permissions(&self) -> Result<Vec<&'static str>, LndError> {
        // First, so that a node that does not answer is not asked fourteen times.
        let mut missing: Vec<_> = lacking(self.info().await)?.into_iter().collect();
        missing.extend(self.lacking_of_lightning().await?);
        missing.extend(self.lacking_of_invoices().await?);
        missing.extend(self.lacking_of_router().await?);
        Ok(missing)
    }

    /// Whether invoices can be held here: the node was built for it, and the macaroon permits
    /// all that it takes. Makes the calls as [`Lnd::missing_permissions`] does.
    pub async fn can_hold(&self) -> Result<bool, LndError> {
        for tried in self.try_invoices().await {
            match tried {
                Err(error) if error.is_unavailable_to_us() => return Ok(false),
                Ok(()) | Err(LndError::Refused { .. } | LndError::Unreadable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn lacking_of_lightning(&self) -> Result<Vec<&'static str>, LndError> {
        let mut client = self.lightning();
        // No node has this key, so no channel is listed.
        let list = ListChannelsRequest { peer: vec![0; 33], ..Default::default() };
        let edge = ChanInfoRequest { chan_id: 1, ..Default::default() };
        // A negative amount is turned down, and so is a signature of nothing.
        let negative = Invoice { value_msat: -1, ..Default::default() };
        let lookup = PaymentHash { r_hash: vec![0; 32] };
        let nothing = SignMessageRequest::default();
        let lacking = [
            lacking(self.ask(LIST_CHANNELS, client.list_channels(list)).await)?,
            lacking(self.try_channel_events().await)?,
            lacking(self.ask(GET_CHAN_INFO, client.get_chan_info(edge)).await)?,
            lacking(self.ask(ADD_INVOICE, client.add_invoice(negative)).await)?,
            lacking(self.ask(LOOKUP_INVOICE, client.lookup_invoice(lookup)).await)?,
            lacking(self.ask(SIGN_MESSAGE, client.sign_message(nothing)).await)?,
        ];
        Ok(lacking.into_iter().flatten().collect())
    }

    async fn try_channel_events(&self) -> Result<(), LndError> {
        let mut client = self.lightning();
        let call = client.subscribe_channel_events(ChannelEventSubscription {});
        match tokio::time::timeout(REFUSAL_TIME_MAX, call).await {
            Ok(Err(status)) => Err(self.error(SUBSCRIBE_CHANNEL_EVENTS, status)),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    async fn lacking_of_invoices(&self) -> Result<Vec<&'static str>, LndError> {
        let lacking = self.try_invoices().await.map(lacking);
        Ok(lacking.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The hash or the preimage is missing, so all of these are turned down.
    async fn try_invoices(&self) -> [Result<(), LndError>; 4] {
        let mut client = self.invoices();
        let watch = SubscribeSingleInvoiceRequest::default();
        let cancel = CancelInvoiceMsg::default();
        let hold = AddHoldInvoiceRequest::default();
        let settle = SettleInvoiceMsg::default();
        let watched = client.subscribe_single_invoice(watch).await.map(drop);
        [
            watched.map_err(|status| self.error(SUBSCRIBE_SINGLE_INVOICE, status)),
            self.ask(CANCEL_INVOICE, client.cancel_invoice(cancel)).await.map(drop),
            self.ask(ADD_HOLD_INVOICE, client.add_hold_invoice(hold)).await.map(drop),
            self.ask(SETTLE_INVOICE, client.settle_invoice(settle)).await.map(drop),
        ]
    }

    /// The route or the hash is missing, so nothing is sent and nothing is tracked.
    async fn lacking_of_router(&self) -> Result<Vec<&'static str>, LndError> {
        let mut client = self.router();
        let send = SendToRouteRequest::default();
        let track = TrackPaymentRequest::default();
        let events = SubscribeHtlcEventsRequest {};
        let lacking = [
            lacking(self.ask(SEND_TO_ROUTE, client.send_to_route_v2(send)).await)?,
            lacking(self.ask(TRACK_PAYMENT, client.track_payment_v2(track)).await)?,
            lacking(self.ask(SUBSCRIBE_HTLC_EVENTS, client.subscribe_htlc_events(events)).await)?,
        ];
        Ok(lacking.into_iter().flatten().collect())
    }
}

/// The method that the macaroon does not permit, if that is why there is no answer. That the
/// node turned the arguments down, or was built without the method, is as good as an answer.
fn lacking<T>(tried: Result<T, LndError>) -> Result<Option<&'static str>, LndError> {
    match tried {
        Ok(_) | Err(LndError::Refused { .. } | LndError::Unreadable { .. }) => Ok(None),
        Err(LndError::Permission { method, .. }) => Ok(Some(method)),
        Err(error) => Err(error),
    }
}
