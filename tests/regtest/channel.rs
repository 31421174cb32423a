//! [`Link`]: a channel between two nodes of a network, and payments over exactly that channel.

use std::time::Duration;

use tightrope::ids::{ChannelPoint, NodeId};
use tightrope::rpc::lnrpc::channel_point::FundingTxid;
use tightrope::rpc::lnrpc::htlc_attempt::HtlcStatus;
use tightrope::rpc::{lnrpc, routerrpc};

use super::network::{Network, SAT_PER_VBYTE};
use super::rpc::Rpc;
use super::wait;

/// How many blocks make a channel public.
const CONFIRMATIONS: u32 = 6;
/// How often a node is asked for an HTLC that is there for some 50 ms.
const HTLC_STEP: Duration = Duration::from_millis(2);
/// How long a channel may take to open, close, or come to rest.
const CHANNEL_LIMIT: Duration = Duration::from_secs(60);
/// How many blocks the payee must be left; what lnd asks for itself.
const FINAL_DELTA: u32 = 80;
/// How many blocks may come while a payment is on its way; what lnd reckons with itself.
const BLOCK_PADDING: u32 = 3;

/// What channel is to be opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    /// The place of the node that opens and funds it.
    pub(crate) from: usize,
    /// The place of the other one.
    pub(crate) to: usize,
    /// What it is funded with, in sat.
    pub(crate) sat: i64,
    /// What of that belongs to the other from the start, in sat.
    pub(crate) push_sat: i64,
    /// Whether it is not announced.
    pub(crate) private: bool,
}

impl Open {
    /// A public channel of which each end has the half.
    pub(crate) const fn even(from: usize, to: usize, sat: i64) -> Self {
        Self { from, to, sat, push_sat: sat / 2, private: false }
    }
}

/// An open channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// Its name.
    pub(crate) point: ChannelPoint,
    /// The place of the node that opened it.
    pub(crate) from: usize,
    /// The place of the other one.
    pub(crate) to: usize,
}

impl Link {
    /// The other end.
    pub(crate) fn beyond(self, place: usize) -> usize {
        if place == self.from { self.to } else { self.from }
    }
}

/// What the two ends of a channel have, in sat, by the word of one of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Balances {
    /// This end.
    pub(crate) local: i64,
    /// The other.
    pub(crate) remote: i64,
}

impl Balances {
    /// Each end has the half, to the sat.
    pub(crate) fn assert_even(self) {
        self.assert_share(500_000);
    }

    /// This end has the given share in parts per million, to the sat.
    pub(crate) fn assert_share(self, ppm: i64) {
        let target = self.target(ppm);
        assert!((self.local - target).abs() <= 1, "{self:?} instead of {target} sat");
    }

    const fn target(self, ppm: i64) -> i64 {
        (self.local + self.remote) * ppm / 1_000_000
    }
}

impl Network {
    /// Opens channels together, and waits until they can be used at both ends.
    pub(crate) async fn open(&self, wanted: &[Open]) -> Vec<Link> {
        let mut links = Vec::new();
        for open in wanted {
            let Open { from, to, .. } = *open;
            let request = lnrpc::OpenChannelRequest {
                node_pubkey: self[to].id().as_bytes().to_vec(),
                local_funding_amount: open.sat,
                push_sat: open.push_sat,
                private: open.private,
                sat_per_vbyte: SAT_PER_VBYTE,
                spend_unconfirmed: true,
                ..Default::default()
            };
            let opened = self[from].rpc().lightning().open_channel_sync(request).await;
            let point = point(opened.expect("a channel").into_inner());
            links.push(Link { point, from, to });
        }
        self.chain.wait_for_mempool(links.len()).await;
        self.mine(CONFIRMATIONS).await;
        for link in &links {
            self.wait_until_active(*link).await;
        }
        links
    }

    /// Opens one channel.
    pub(crate) async fn open_one(&self, wanted: Open) -> Link {
        self.open(&[wanted]).await[0]
    }

    /// Waits until both ends can use a channel.
    ///
    /// lnd calls it active up to a second before it finds a way over it, for it looks but once a
    /// second whether the other end is ready, and only then puts the channel into its graph.
    pub(crate) async fn wait_until_active(&self, link: Link) {
        for place in [link.from, link.to] {
            let node = &self[place];
            let what = format!("{} is active at {}", link.point, node.alias());
            wait::until(&what, CHANNEL_LIMIT, async || {
                let channel = node.channel(link.point).await?;
                (channel.active && node.finds_way(channel.chan_id).await).then_some(())
            })
            .await;
        }
    }

    /// Closes a channel in agreement, and waits until neither end lists it.
    pub(crate) async fn close(&self, link: Link) {
        // lnd closes no channel with an HTLC on it.
        self.agreed_balances(link, link.from).await;
        let txid = link.point.to_string();
        let (txid, vout) = txid.split_once(':').expect("a channel point");
        let request = lnrpc::CloseChannelRequest {
            channel_point: Some(lnrpc::ChannelPoint {
                funding_txid: Some(FundingTxid::FundingTxidStr(txid.to_owned())),
                output_index: vout.parse().expect("an output"),
            }),
            sat_per_vbyte: SAT_PER_VBYTE,
            ..Default::default()
        };
        let updates = self[link.from].rpc().lightning().close_channel(request).await;
        let mut updates = updates.expect("a close").into_inner();
        updates.message().await.expect("news of the close").expect("that it is pending");
        self.chain.wait_for_mempool(1).await;
        self.mine(CONFIRMATIONS).await;
        for place in [link.from, link.to] {
            let what = format!("{} has forgotten {}", self[place].alias(), link.point);
            wait::until(&what, CHANNEL_LIMIT, async || {
                self[place].channel(link.point).await.is_none().then_some(())
            })
            .await;
        }
    }

    /// The channel as the node at `place` sees it.
    pub(crate) async fn view(&self, link: Link, place: usize) -> lnrpc::Channel {
        let channel = self[place].channel(link.point).await;
        channel.unwrap_or_else(|| panic!("{} has no {}", self[place].alias(), link.point))
    }

    /// The balances as the node at `place` sees them, once no HTLC is in flight there.
    pub(crate) async fn balances(&self, link: Link, place: usize) -> Balances {
        let what = format!("nothing is in flight on {}", link.point);
        wait::until(&what, CHANNEL_LIMIT, async || {
            let channel = self.view(link, place).await;
            channel.pending_htlcs.is_empty().then_some(Balances {
                local: channel.local_balance,
                remote: channel.remote_balance,
            })
        })
        .await
    }

    /// The balances once both ends say the same and nothing is in flight, seen from `place`.
    pub(crate) async fn agreed_balances(&self, link: Link, place: usize) -> Balances {
        let what = format!("both ends agree on {}", link.point);
        wait::until(&what, CHANNEL_LIMIT, async || {
            let near = self.balances(link, place).await;
            let far = self.balances(link, link.beyond(place)).await;
            (near.local == far.remote && near.remote == far.local).then_some(near)
        })
        .await
    }

    /// Waits until both ends agree that each has the half, in however many steps.
    pub(crate) async fn comes_to_be_even(&self, link: Link, limit: Duration) {
        let what = format!("{} is even", link.point);
        wait::until(&what, limit, async || {
            let balances = self.agreed_balances(link, link.from).await;
            ((balances.local - balances.target(500_000)).abs() <= 1).then_some(())
        })
        .await;
    }

    /// Waits until an HTLC is on its way, by the word of the node at `place`; or has been settled
    /// and left the channel even, should it have been that quick.
    pub(crate) async fn wait_for_htlc(&self, link: Link, place: usize) {
        let what = format!("an HTLC is on its way over {}", link.point);
        wait::until_by(HTLC_STEP, &what, CHANNEL_LIMIT, async || {
            let channel = self[place].channel(link.point).await?;
            let (local, remote) = (channel.local_balance, channel.remote_balance);
            let is_even = 10 * local >= 9 * remote && 10 * remote >= 9 * local;
            (!channel.pending_htlcs.is_empty() || is_even).then_some(())
        })
        .await;
    }

    /// The way over exactly this channel, for traffic from outside the daemon.
    pub(crate) async fn way(&self, link: Link, payer: usize) -> Way {
        let payee = &self[link.beyond(payer)];
        Way {
            payer: self[payer].rpc().clone(),
            payee: payee.rpc().clone(),
            payee_id: payee.id(),
            chan_id: self.view(link, payer).await.chan_id,
        }
    }

    /// Pays from the node at `payer` over exactly this channel, which must carry it.
    pub(crate) async fn drift(&self, link: Link, payer: usize, sat: i64) {
        let paid = self.way(link, payer).await.pay(sat).await;
        paid.unwrap_or_else(|failure| panic!("{sat} sat over {}: {failure}", link.point));
    }
}

/// One direction of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    payer: Rpc,
    payee: Rpc,
    payee_id: NodeId,
    chan_id: u64,
}

impl Way {
    /// Pays over exactly this channel, in one hop.
    pub(crate) async fn pay(&self, sat: i64) -> Result<(), String> {
        self.pay_at(self.height().await?, sat).await
    }

    /// The payer's height.
    pub(crate) async fn height(&self) -> Result<u32, String> {
        let info = self.payer.lightning().get_info(lnrpc::GetInfoRequest {}).await;
        Ok(info.map_err(|status| status.to_string())?.into_inner().block_height)
    }

    /// Pays as [`Way::pay`] does, at a height that is known: two calls.
    pub(crate) async fn pay_at(&self, height: u32, sat: i64) -> Result<(), String> {
        self.send(height, sat).await.map_err(|status| status.to_string())?
    }

    async fn send(&self, height: u32, sat: i64) -> Result<Result<(), String>, tonic::Status> {
        let amount_msat = sat * 1000;
        let invoice = lnrpc::Invoice {
            memo: "a payment from outside".to_owned(),
            value_msat: amount_msat,
            cltv_expiry: u64::from(FINAL_DELTA),
            ..Default::default()
        };
        let made = self.payee.lightning().add_invoice(invoice).await?.into_inner();
        let due = Due {
            hash: made.r_hash,
            payment_addr: made.payment_addr,
            amount_msat,
            expiry: height + FINAL_DELTA + BLOCK_PADDING,
        };
        self.send_due(due).await
    }

    /// Pays an invoice of the payee over exactly this channel, and waits for the end of that,
    /// which comes late where the invoice is held.
    pub(crate) async fn pay_invoice(&self, invoice: &str) -> Result<(), String> {
        let height = self.height().await?;
        let pay_req = invoice.to_owned();
        let decoded = self.payer.lightning().decode_pay_req(lnrpc::PayReqString { pay_req }).await;
        let decoded = decoded.map_err(|status| status.to_string())?.into_inner();
        let delta = u32::try_from(decoded.cltv_expiry).map_err(|error| error.to_string())?;
        let hash = data_encoding::HEXLOWER.decode(decoded.payment_hash.as_bytes());
        let due = Due {
            hash: hash.map_err(|error| error.to_string())?,
            payment_addr: decoded.payment_addr,
            amount_msat: decoded.num_msat,
            expiry: height + delta + BLOCK_PADDING,
        };
        self.send_due(due).await.map_err(|status| status.to_string())?
    }

    async fn send_due(&self, due: Due) -> Result<Result<(), String>, tonic::Status> {
        let Due { hash, payment_addr, amount_msat, expiry } = due;
        let record = lnrpc::MppRecord { payment_addr, total_amt_msat: amount_msat };
        let hop = lnrpc::Hop {
            chan_id: self.chan_id,
            pub_key: self.payee_id.to_string(),
            amt_to_forward_msat: amount_msat,
            expiry,
            mpp_record: Some(record),
            ..Default::default()
        };
        let route = lnrpc::Route {
            total_time_lock: expiry,
            total_amt_msat: amount_msat,
            hops: vec![hop],
            ..Default::default()
        };
        let request = routerrpc::SendToRouteRequest {
            payment_hash: hash,
            route: Some(route),
            skip_temp_err: false,
        };
        let attempt = self.payer.router().send_to_route_v2(request).await?.into_inner();
        Ok(match attempt.status() {
            HtlcStatus::Succeeded => Ok(()),
            HtlcStatus::Failed | HtlcStatus::InFlight => Err(format!("{:?}", attempt.failure)),
        })
    }
}

/// What one HTLC must carry to pay an invoice.
struct Due {
    hash: Vec<u8>,
    payment_addr: Vec<u8>,
    amount_msat: i64,
    /// The height at which it is given back.
    expiry: u32,
}

fn point(opened: lnrpc::ChannelPoint) -> ChannelPoint {
    let vout = opened.output_index;
    match opened.funding_txid.expect("a funding transaction") {
        FundingTxid::FundingTxidBytes(mut bytes) => {
            bytes.reverse();
            ChannelPoint::new(bytes.try_into().expect("32 bytes"), vout)
        }
        FundingTxid::FundingTxidStr(txid) => {
            format!("{txid}:{vout}").parse().expect("a channel point")
        }
    }
}
