//! The edge to LND, against nodes in process that do as each test's script says.

mod authorized;
pub(crate) mod fake;
mod invoices;
mod refusing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};

use tightrope::core::event::Event;
use tightrope::core::outcome::{Failure, Outcome};
use tightrope::core::policy::{Limits, Policy};
use tightrope::ids::NodeId;
use tightrope::lnd::{Endpoint, Info, Lnd, LndError, Remedy};
use tightrope::rpc::lnrpc::channel_event_update::Channel as Told;
use tightrope::rpc::lnrpc::channel_point::FundingTxid;
use tightrope::rpc::lnrpc::htlc_attempt::HtlcStatus;
use tightrope::rpc::lnrpc::payment::PaymentStatus;
use tightrope::rpc::{lnrpc, routerrpc};

use fake::{Fake, PATIENCE, node_id};
use refusing::Break;

/// Where a test lets the safety list be: beyond its end.
const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn the_nodes_own_certificate_is_trusted_as_it_is() {
    let fake = Fake::start(true).await;
    let info = fake.lnd().info().await.expect("an answer");
    assert_eq!((info.id, info.height, info.alias.as_str()), (node_id(), 450, "fake"));
    assert!(info.supports_channel_updates && info.is_synced);
}

#[tokio::test]
async fn any_other_certificate_is_refused() {
    let fake = Fake::start(true).await;
    for certificate in [Some(fake::certificate().0.into_bytes()), None] {
        let endpoint = Endpoint { certificate, ..fake.endpoint.clone() };
        let error = Lnd::new(&endpoint).expect("an endpoint").info().await.expect_err("refused");
        assert!(matches!(error, LndError::Certificate { .. }), "{error}");
        assert_eq!(error.remedy(), Remedy::Mend);
    }
    assert_eq!(fake.count("GetInfo"), 0, "nothing is said to a stranger");
}

#[tokio::test]
async fn an_authority_that_is_trusted_vouches_for_a_name_and_a_time() {
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).expect("a certificate").pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    for (name, last_year, is_trusted) in
        [("127.0.0.1", 2100, true), ("192.0.2.1", 2100, false), ("127.0.0.1", 2001, false)]
    {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut leaf = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
        leaf.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let leaf = leaf.signed_by(&key, &issuer).expect("a certificate").pem();
        let fake = Fake::start_as(&leaf, &key.serialize_pem(), true).await;
        let certificate = Some(root.clone().into_bytes());
        let endpoint = Endpoint { certificate, ..fake.endpoint.clone() };
        match Lnd::new(&endpoint).expect("an endpoint").info().await {
            Ok(_) => assert!(is_trusted, "{name} until {last_year}"),
            Err(error) => {
                assert!(matches!(error, LndError::Certificate { .. }), "{error}");
                assert!(!is_trusted, "{name} until {last_year}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_is_named() {
    let good = Fake::start(true).await.endpoint.clone();
    for (endpoint, expected) in [
        (Endpoint { socket: "localhost".to_owned(), ..good.clone() }, "socket: expected host:port"),
        (Endpoint { certificate: Some(b"no PEM".to_vec()), ..good.clone() }, "cert: expected"),
        (Endpoint { macaroon: Vec::new(), ..good.clone() }, "macaroon: expected"),
    ] {
        let error = Lnd::new(&endpoint).expect_err("malformed").to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let debug = format!("{good:?} {:?}", Lnd::new(&good).expect("an endpoint"));
    assert!(!debug.contains("0201abcd") && !debug.contains("171"), "{debug}");
}

#[tokio::test]
async fn what_keeps_a_node_from_answering_is_told_apart() {
    let fake = Fake::start(true).await;
    let stranger = Endpoint { macaroon: vec![2, 1], ..fake.endpoint.clone() };
    let error = Lnd::new(&stranger).expect("an endpoint").info().await.expect_err("refused");
    assert!(matches!(error, LndError::Permission { method, .. } if method.ends_with("GetInfo")));

    fake.script.lock().unwrap().is_locked = true;
    let error = fake.lnd().info().await.expect_err("locked");
    assert!(matches!(error, LndError::Locked { .. }), "{error}");
    assert_eq!(error.remedy(), Remedy::Retry);

    let endpoint = fake.endpoint.clone();
    drop(fake);
    let error = Lnd::new(&endpoint).expect("an endpoint").info().await.expect_err("gone");
    assert!(matches!(error, LndError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(&endpoint.socket), "{error}");
}

#[tokio::test]
async fn a_macaroon_that_lacks_something_is_told_what() {
    let fake = Fake::start(true).await;
    assert_eq!(fake.lnd().missing_permissions().await.expect("answers"), [""; 0]);
    fake.script.lock().unwrap().denied =
        ["AddInvoice", "SubscribeChannelEvents", "SendToRouteV2 without a route"].into();
    let missing = fake.lnd().missing_permissions().await.expect("answers");
    let expected = [
        "/lnrpc.Lightning/SubscribeChannelEvents",
        "/lnrpc.Lightning/AddInvoice",
        "/routerrpc.Router/SendToRouteV2",
    ];
    assert_eq!(missing, expected);
    assert!(expected.iter().all(|method| Lnd::PERMISSIONS.contains(method)));
    assert!(fake.script.lock().unwrap().sent.is_empty(), "nothing was sent");
}

#[test]
fn the_readme_bakes_the_macaroon_that_the_daemon_needs() {
    let readme = include_str!("../../README.md");
    let named: BTreeSet<_> =
        readme.split_whitespace().filter_map(|word| word.strip_prefix("uri:")).collect();
    assert_eq!(named, Lnd::PERMISSIONS.iter().copied().collect());
}

#[tokio::test]
async fn a_payment_goes_over_the_one_channel_in_one_hop_at_no_fee() {
    let fake = Fake::start(true).await;
    fake.script.lock().unwrap().attempt = Some(attempt(HtlcStatus::Succeeded, 0));
    let payment = authorized::payment();
    let amount = i64::try_from(payment.amount().msat()).unwrap();
    assert_eq!(fake.lnd().pay(&payment).await, Outcome::Settled);
    let lock = 450 + 80 + 3;
    let hop = lnrpc::Hop {
        chan_id: authorized::SCID.as_u64(),
        pub_key: authorized::node(1).1.to_string(),
        amt_to_forward_msat: amount,
        expiry: lock,
        mpp_record: Some(lnrpc::MppRecord {
            total_amt_msat: amount,
            payment_addr: authorized::SECRET.to_vec(),
        }),
        ..Default::default()
    };
    let route = lnrpc::Route {
        total_time_lock: lock,
        total_amt_msat: amount,
        hops: vec![hop],
        ..Default::default()
    };
    let expected = routerrpc::SendToRouteRequest {
        payment_hash: payment.hash().as_bytes().to_vec(),
        route: Some(route),
        skip_temp_err: false,
    };
    assert_eq!(fake.script.lock().unwrap().sent, [expected]);
}

#[tokio::test]
async fn a_payment_whose_answer_is_lost_is_unknown_and_not_sent_again() {
    let fake = Fake::start(true).await;
    let (lnd, payment) = (fake.lnd(), authorized::payment());
    let hash = payment.hash();
    let lost = async {
        fake.called("SendToRouteV2", 1).await;
        fake.cut();
    };
    let (outcome, ()) = tokio::join!(lnd.pay(&payment), lost);
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");

    // The connection is made again, and the payment is asked about instead.
    assert_eq!(lnd.track(hash).await, Outcome::NotFound);
    let state = |status: PaymentStatus, htlcs| lnrpc::Payment {
        status: status.into(),
        htlcs,
        ..Default::default()
    };
    let in_flight = state(PaymentStatus::InFlight, vec![attempt(HtlcStatus::InFlight, 0)]);
    fake.script.lock().unwrap().states = vec![in_flight];
    assert_eq!(lnd.track(hash).await, Outcome::InFlight { has_attempts: true });
    fake.script.lock().unwrap().states = vec![state(PaymentStatus::Succeeded, Vec::new())];
    assert_eq!(lnd.track(hash).await, Outcome::Settled);
    assert_eq!(fake.count("SendToRouteV2"), 1);
}

#[tokio::test]
async fn what_http2_calls_safe_to_repeat_is_not_repeated() {
    for how in [Break::RefusedStream, Break::GoAway] {
        let (endpoint, mut asked, server) = refusing::start(how).await;
        let lnd = Lnd::new(&endpoint).expect("an endpoint");
        let outcome = lnd.pay(&authorized::payment()).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{how:?}: {outcome:?}");
        // Whatever was sent again would have come before this.
        lnd.info().await.expect("the connection is made again");
        server.abort();
        let mut paths = Vec::new();
        while let Some(path) = asked.recv().await {
            paths.push(path);
        }
        let get_info = "/lnrpc.Lightning/GetInfo";
        assert_eq!(paths, [get_info, "/routerrpc.Router/SendToRouteV2", get_info], "{how:?}");
    }
}

#[tokio::test]
async fn the_height_is_asked_for_again_after_a_failed_payment_only() {
    let fake = Fake::start(true).await;
    let lnd = fake.lnd();
    let pay = async |attempt| {
        fake.script.lock().unwrap().attempt = Some(attempt);
        lnd.pay(&authorized::payment()).await
    };
    let arrived = || attempt(HtlcStatus::Succeeded, 0);
    assert_eq!(pay(arrived()).await, Outcome::Settled);
    assert_eq!(pay(arrived()).await, Outcome::Settled);
    assert_eq!(fake.count("GetInfo"), 1);
    let outcome = pay(attempt(HtlcStatus::Failed, 1)).await;
    assert_eq!(outcome, Outcome::Failed(Failure::IncorrectPaymentDetails));
    fake.script.lock().unwrap().height = 451;
    assert_eq!(pay(arrived()).await, Outcome::Settled);
    assert_eq!(fake.count("GetInfo"), 2);
    let sent = fake.script.lock().unwrap().sent.clone();
    let locks = sent.iter().map(|it| it.route.as_ref().unwrap().total_time_lock);
    assert_eq!(locks.collect::<Vec<_>>(), [533, 533, 533, 534]);

    // A failure that is only learnt later says as much.
    let status = PaymentStatus::Failed.into();
    fake.script.lock().unwrap().states = vec![lnrpc::Payment { status, ..Default::default() }];
    lnd.track(authorized::payment().hash()).await;
    assert_eq!(pay(arrived()).await, Outcome::Settled);
    assert_eq!(fake.count("GetInfo"), 3);
}

#[tokio::test]
async fn without_a_height_nothing_is_sent() {
    let fake = Fake::start(true).await;
    fake.script.lock().unwrap().is_locked = true;
    let outcome = fake.lnd().pay(&authorized::payment()).await;
    assert!(matches!(outcome, Outcome::NotSent { .. }), "{outcome:?}");
    assert_eq!(fake.count("SendToRouteV2"), 0);
}

#[tokio::test]
async fn following_subscribes_before_it_lists_and_passes_updates_on() {
    let fake = Fake::start(true).await;
    fake.script.lock().unwrap().channels = vec![channel(1, 3), lnrpc::Channel::default()];
    let mut following = follow(&fake, NEVER).await;
    // What cannot be read is left out; the list comes twice, for events told before they came.
    assert_eq!(following.next().await, "all: 1@3");
    assert_eq!(following.next().await, "all: 1@3");
    let updated = lnrpc::ChannelCommitUpdate { channel: Some(channel(1, 4)) };
    fake.tell(event(Told::UpdatedChannel(updated))).await;
    assert_eq!(following.next().await, "1@4");
    // An update needs no list, and nobody needs to hear of HTLCs.
    let expected = ["GetInfo", "SubscribeChannelEvents", "ListChannels", "ListChannels"];
    assert_eq!(fake.calls(), expected);
}

#[tokio::test]
async fn nothing_is_passed_on_before_the_first_list() {
    let fake = Fake::start(true).await;
    let lists = Arc::new(Semaphore::new(0));
    fake.script.lock().unwrap().lists = Some(Arc::clone(&lists));
    fake.script.lock().unwrap().channels = vec![channel(1, 3), channel(2, 3)];
    let mut following = follow(&fake, NEVER).await;
    fake.called("ListChannels", 1).await;
    let updated = lnrpc::ChannelCommitUpdate { channel: Some(channel(1, 4)) };
    fake.tell(event(Told::UpdatedChannel(updated))).await;
    // The answer comes over the same connection, behind the update.
    following.lnd.info().await.expect("an answer");
    lists.add_permits(2);
    let first = following.next().await;
    assert!(first.starts_with("all:"), "{first}");
}

#[tokio::test]
async fn hints_cause_one_list_of_the_counterparty() {
    let fake = Fake::start(true).await;
    fake.script.lock().unwrap().channels = vec![channel(1, 3), channel(2, 3)];
    let mut following = follow(&fake, NEVER).await;
    following.next().await;
    following.next().await;
    // The bytes of a transaction id come reversed, which these are either way.
    let funding_txid = Some(FundingTxid::FundingTxidBytes(vec![1; 32]));
    let point = lnrpc::ChannelPoint { funding_txid, output_index: 0 };
    fake.script.lock().unwrap().channels[0].active = false;
    fake.tell(event(Told::InactiveChannel(point.clone()))).await;
    fake.tell(event(Told::ActiveChannel(point))).await;
    assert_eq!(following.next().await, "with 1: 1@3!");
    assert_eq!(fake.count("ListChannels"), 3);

    fake.script.lock().unwrap().channels.remove(1);
    let summary = lnrpc::ChannelCloseSummary {
        remote_pubkey: counterparty(2).to_string(),
        ..Default::default()
    };
    fake.tell(event(Told::ClosedChannel(summary))).await;
    assert_eq!(following.next().await, "with 2:");
}

#[tokio::test]
async fn a_node_before_0_21_is_listed_when_its_htlcs_change() {
    let fake = Fake::start(true).await;
    fake.script.lock().unwrap().version = "0.20.2-beta commit=v0.20.2-beta";
    fake.script.lock().unwrap().channels = vec![channel(1, 3), channel(2, 3)];
    let mut following = follow(&fake, NEVER).await;
    following.next().await;
    following.next().await;
    fake.script.lock().unwrap().channels[1].num_updates = 5;
    fake.called("SubscribeHtlcEvents", 1).await;
    for _ in 0..3 {
        let outgoing_channel_id = 2;
        fake.tell_htlc(routerrpc::HtlcEvent { outgoing_channel_id, ..Default::default() }).await;
    }
    assert_eq!(following.next().await, "with 2: 2@5");
    assert_eq!(fake.count("ListChannels"), 3);
}

#[tokio::test]
async fn a_list_is_made_now_and_then_whatever_was_told() {
    let fake = Fake::start(true).await;
    let mut following = follow(&fake, Duration::from_millis(20)).await;
    for _ in 0..4 {
        assert_eq!(following.next().await, "all:");
    }
}

#[tokio::test]
async fn a_shorter_refresh_rate_holds_at_once() {
    let fake = Fake::start(true).await;
    let mut following = follow(&fake, NEVER).await;
    following.next().await;
    // The second list comes whatever the rate.
    following.next().await;
    following.limits.send_modify(|limits| limits.base.refresh = Duration::from_millis(5));
    assert_eq!(following.next().await, following.next().await);
}

#[tokio::test]
async fn following_ends_with_the_connection() {
    let fake = Fake::start(true).await;
    let mut following = follow(&fake, NEVER).await;
    following.next().await;
    fake.cut();
    let ended = tokio::time::timeout(PATIENCE, &mut following.ended).await.expect("in time");
    let error = ended.expect("it ran");
    assert!(matches!(error, LndError::Unreachable { .. }), "{error}");
}

/// A node that is followed.
struct Following {
    lnd: Lnd,
    events: mpsc::Receiver<Event>,
    limits: watch::Sender<Limits>,
    ended: tokio::task::JoinHandle<LndError>,
}

/// Follows the channels of `fake`, and waits until it subscribed.
async fn follow(fake: &Fake, refresh: Duration) -> Following {
    let lnd = fake.lnd();
    let info: Info = lnd.info().await.expect("an answer");
    let (out, events) = mpsc::channel(1);
    let followed = lnd.clone();
    let limits = Limits::new(Policy { refresh, ..Policy::default() }, Vec::new());
    let (changes, limits) = watch::channel(limits);
    let ended = tokio::spawn(async move { followed.follow(node_id(), &info, limits, out).await });
    fake.called("SubscribeChannelEvents", 1).await;
    Following { lnd, events, limits: changes, ended }
}

impl Following {
    /// The next event: `n@updates` for the `n`th channel, `!` where it is inactive, and the
    /// scope before a list.
    async fn next(&mut self) -> String {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("in time");
        let shown = |channel: &tightrope::core::channel::Channel| {
            let mark = if channel.is_active { "" } else { "!" };
            format!("{}@{}{mark}", channel.scid.as_u64(), channel.updates)
        };
        let event = event.expect("an event");
        if let Event::ChannelUpdated { channel, .. } = &event {
            return shown(channel);
        }
        let Event::ChannelsListed { with, channels, .. } = event else {
            panic!("none of following: {event:?}");
        };
        let scope =
            with.map_or_else(|| "all".to_owned(), |it| format!("with {}", it.as_bytes()[1]));
        let list: Vec<_> = channels.iter().map(|it| format!(" {}", shown(it))).collect();
        format!("{scope}:{}", list.concat())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.ended.abort();
    }
}

/// The `n`th counterparty.
fn counterparty(n: u8) -> NodeId {
    NodeId::new([n; 33])
}

/// The `n`th channel, with the `n`th counterparty, after so many updates.
fn channel(n: u8, num_updates: u64) -> lnrpc::Channel {
    let bounds = Some(lnrpc::ChannelConstraints::default());
    lnrpc::Channel {
        active: true,
        remote_pubkey: counterparty(n).to_string(),
        channel_point: format!("{}:0", data_encoding::HEXLOWER.encode(&[n; 32])),
        chan_id: n.into(),
        capacity: 1_000_000,
        num_updates,
        chan_status_flags: "ChanStatusDefault".to_owned(),
        local_constraints: bounds,
        remote_constraints: bounds,
        ..Default::default()
    }
}

fn event(told: Told) -> lnrpc::ChannelEventUpdate {
    lnrpc::ChannelEventUpdate { channel: Some(told), ..Default::default() }
}

fn attempt(status: HtlcStatus, code: i32) -> lnrpc::HtlcAttempt {
    let failure = Some(lnrpc::Failure { code, ..Default::default() });
    lnrpc::HtlcAttempt { status: status.into(), failure, ..Default::default() }
}
