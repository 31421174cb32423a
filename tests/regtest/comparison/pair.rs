//! [`Pair`]: two nodes that share channels, and whoever asks them and notes what they answer.

use tightrope::rpc::lnrpc::htlc_attempt::HtlcStatus;
use tightrope::rpc::{invoicesrpc, lnrpc, routerrpc};
use tonic::Status;

use super::recorder::Recorder;
use crate::harness::channel::Link;
use crate::harness::network::{ALICE, BOB, Network};

/// How many blocks the payee is left; what lnd asks for itself.
const FINAL_DELTA: u32 = 80;
/// How many blocks may come while a payment is on its way.
const BLOCK_PADDING: u32 = 3;

/// Two nodes.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) network: Network,
    pub(crate) recorder: Recorder,
}

/// One HTLC, as it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) link: Link,
    pub(crate) payer: usize,
    pub(crate) msat: i64,
    /// What the payee is told to expect, where it is something else.
    pub(crate) total_msat: Option<i64>,
    /// How many blocks after the payer's height it is given back.
    pub(crate) delta: u32,
    /// Another channel than the link.
    pub(crate) chan_id: Option<u64>,
}

impl Payment {
    /// A good one.
    pub(crate) const fn over(link: Link, payer: usize, sat: i64) -> Self {
        let delta = FINAL_DELTA + BLOCK_PADDING;
        let msat = sat * 1000;
        Self { link, payer, msat, total_msat: None, delta, chan_id: None }
    }
}

impl Pair {
    /// Asks both nodes for all that the daemon asks them for.
    pub(crate) async fn look(&self, link: Option<Link>) {
        for place in [ALICE, BOB] {
            self.look_from(place, link).await;
        }
    }

    /// Asks one of them.
    pub(crate) async fn look_from(&self, place: usize, link: Option<Link>) {
        let (node, recorder) = (&self.network[place], &self.recorder);
        let mut lightning = node.rpc().lightning();
        let answer = lightning.get_info(lnrpc::GetInfoRequest {}).await;
        recorder.note(node, "GetInfo", answer).expect("it answers");
        let answer = lightning.list_channels(lnrpc::ListChannelsRequest::default()).await;
        recorder.note(node, "ListChannels", answer).expect("it answers");
        let Some(link) = link else { return };
        let chan_point = link.point.to_string();
        let request = lnrpc::ChanInfoRequest { chan_point, ..Default::default() };
        let answer = lightning.get_chan_info(request).await;
        recorder.note(node, "GetChanInfo", answer).expect("it knows the channel");
    }

    /// Makes an invoice and pays it, and asks for all that is to be known of both.
    pub(crate) async fn pay(&self, payment: Payment) -> Result<(), String> {
        let payee = payment.link.beyond(payment.payer);
        let (hash, addr) = self.invoice(payee, payment.msat / 1000).await;
        let watch = self.recorder.watch(&self.network[payee], hash.clone());
        self.recorder.quiet().await;
        let payer = payment.payer;
        let attempt = self.send(payment, hash.clone(), addr).await;
        let attempt = attempt.map_err(|status| status.to_string())?;
        self.recorder.quiet().await;
        watch.abort();
        self.lookup(payee, hash.clone()).await.map_err(|status| status.to_string())?;
        self.track(payer, hash).await;
        match attempt.status() {
            HtlcStatus::Succeeded => Ok(()),
            status @ (HtlcStatus::Failed | HtlcStatus::InFlight) => {
                Err(format!("{status:?}: {:?}", attempt.failure))
            }
        }
    }

    /// An invoice of a node: its hash and its payment secret. The other decodes it.
    pub(crate) async fn invoice(&self, place: usize, sat: i64) -> (Vec<u8>, Vec<u8>) {
        let invoice = lnrpc::Invoice {
            memo: "a story".to_owned(),
            value_msat: sat * 1000,
            expiry: 600,
            ..Default::default()
        };
        let (node, other) = (&self.network[place], &self.network[1 - place]);
        let answer = node.rpc().lightning().add_invoice(invoice).await;
        let made = self.recorder.note(node, "AddInvoice", answer).expect("an invoice");
        let request = lnrpc::PayReqString { pay_req: made.payment_request };
        let answer = other.rpc().lightning().decode_pay_req(request).await;
        self.recorder.note(other, "DecodePayReq", answer).expect("a good invoice");
        (made.r_hash, made.payment_addr)
    }

    /// An invoice that is held.
    pub(crate) async fn hold(
        &self,
        place: usize,
        hash: Vec<u8>,
        sat: i64,
    ) -> Result<invoicesrpc::AddHoldInvoiceResp, Status> {
        let request = invoicesrpc::AddHoldInvoiceRequest {
            memo: "held".to_owned(),
            hash,
            value_msat: sat * 1000,
            expiry: 600,
            cltv_expiry: u64::from(FINAL_DELTA),
            ..Default::default()
        };
        let node = &self.network[place];
        let answer = node.rpc().invoices().add_hold_invoice(request).await;
        self.recorder.note(node, "AddHoldInvoice", answer)
    }

    /// Sends one HTLC over the channel, and waits for its end.
    pub(crate) async fn send(
        &self,
        payment: Payment,
        payment_hash: Vec<u8>,
        payment_addr: Vec<u8>,
    ) -> Result<lnrpc::HtlcAttempt, Status> {
        let Payment { link, payer, msat, total_msat, delta, chan_id } = payment;
        let (node, other) = (&self.network[payer], &self.network[link.beyond(payer)]);
        let info = node.rpc().lightning().get_info(lnrpc::GetInfoRequest {}).await;
        let expiry = info.expect("it answers").into_inner().block_height + delta;
        let scid = match chan_id {
            Some(scid) => scid,
            None => self.network.view(link, payer).await.chan_id,
        };
        let total_amt_msat = total_msat.unwrap_or(msat);
        let hop = lnrpc::Hop {
            chan_id: scid,
            pub_key: other.id().to_string(),
            amt_to_forward_msat: msat,
            expiry,
            mpp_record: Some(lnrpc::MppRecord { payment_addr, total_amt_msat }),
            ..Default::default()
        };
        let route = lnrpc::Route {
            total_time_lock: expiry,
            total_amt_msat: msat,
            hops: vec![hop],
            ..Default::default()
        };
        let route = Some(route);
        let request = routerrpc::SendToRouteRequest { payment_hash, route, skip_temp_err: false };
        let answer = node.rpc().router().send_to_route_v2(request).await;
        self.recorder.note(node, "SendToRouteV2", answer)
    }

    /// Looks an invoice up.
    pub(crate) async fn lookup(&self, place: usize, r_hash: Vec<u8>) -> Result<(), Status> {
        let node = &self.network[place];
        let answer = node.rpc().lightning().lookup_invoice(lnrpc::PaymentHash { r_hash }).await;
        self.recorder.note(node, "LookupInvoice", answer).map(drop)
    }

    /// Asks what became of a payment.
    pub(crate) async fn track(&self, place: usize, payment_hash: Vec<u8>) {
        let node = &self.network[place];
        let request = routerrpc::TrackPaymentRequest { payment_hash, no_inflight_updates: false };
        let mut router = node.rpc().router();
        let stream = async move { router.track_payment_v2(request).await };
        let told = self.recorder.follow(node, "TrackPaymentV2", stream);
        self.recorder.quiet().await;
        told.abort();
    }
}
