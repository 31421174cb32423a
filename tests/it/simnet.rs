//! Simulated nodes as clients see them: the daemon's own edge, and plain gRPC.

mod network;
#[path = "../regtest/rpc.rs"]
#[expect(dead_code, reason = "the suites on nodes use more of it")]
mod rpc;

use tightrope::ids::Preimage;
use tightrope::lnd::{Lnd, LndError};
use tightrope::rpc::lnrpc::channel_event_update::UpdateType;
use tightrope::rpc::lnrpc::close_status_update::Update as Closing;
use tightrope::rpc::lnrpc::htlc_attempt::HtlcStatus;
use tightrope::rpc::lnrpc::invoice::InvoiceState;
use tightrope::rpc::lnrpc::open_status_update::Update as Opening;
use tightrope::rpc::lnrpc::payment::PaymentStatus;
use tightrope::rpc::lnrpc::{self, PaymentFailureReason};
use tightrope::rpc::routerrpc::htlc_event::{Event, EventType};
use tightrope::rpc::{invoicesrpc, routerrpc};
use tightrope::simnet::LndVersion::{V20, V21};
use tonic::{Code, Status};

use network::{Network, next};

#[tokio::test]
async fn the_daemons_edge_finds_all_that_it_needs() {
    let network = Network::start(&[("alice", V21), ("bob", V20)]);
    let whole = network.bake("alice", Lnd::PERMISSIONS).await.expect("a macaroon");
    let alice = network.lnd("alice", whole);
    let info = alice.info().await.expect("a node");
    assert_eq!((info.id, info.alias.as_str()), (network.door("alice").id, "alice"));
    assert!(info.supports_channel_updates && info.is_synced);
    assert_eq!(alice.missing_permissions().await.expect("a node"), Vec::<&str>::new());
    assert!(alice.can_hold().await.expect("a node"));
    assert!(!alice.sign_message("a text").await.expect("a signature").is_empty());

    let whole = network.bake("bob", Lnd::PERMISSIONS).await.expect("a macaroon");
    assert!(!network.lnd("bob", whole).info().await.expect("a node").supports_channel_updates);
}

#[tokio::test]
async fn a_call_that_the_macaroon_does_not_permit_is_refused_as_lnd_does() {
    let network = Network::start(&[("alice", V21)]);
    let lacking = "/lnrpc.Lightning/AddInvoice";
    let calls: Vec<&str> =
        Lnd::PERMISSIONS.iter().copied().filter(|call| *call != lacking).collect();
    let poor = network.bake("alice", &calls).await.expect("a macaroon");
    let missing = network.lnd("alice", poor.clone()).missing_permissions().await;
    assert_eq!(missing.expect("a node"), [lacking]);

    let told = |status: Status| (status.code(), status.message().to_owned());
    let refused = network.bake("alice", &["/lnrpc.Lightning/MakeCoffee"]).await;
    assert!(refused.expect_err("no such call").message().starts_with("invalid permission action"));
    let info = network.stranger("alice").lightning().get_info(lnrpc::GetInfoRequest {}).await;
    let expected = (Code::Unknown, "expected 1 macaroon, got 0".to_owned());
    assert_eq!(told(info.expect_err("a stranger")), expected);
    let rpc = network.rpc_with("alice", "readonly");
    let refused = rpc.lightning().add_invoice(lnrpc::Invoice::default()).await;
    let expected = (Code::Unknown, "permission denied".to_owned());
    assert_eq!(told(refused.expect_err("a reader")), expected);
    let mut rpc = network.stranger("alice");
    let mut flipped = poor;
    *flipped.last_mut().expect("bytes") ^= 1;
    rpc.show_bytes(&flipped);
    let refused = rpc.lightning().get_info(lnrpc::GetInfoRequest {}).await;
    let expected = "verification failed: signature mismatch after caveat verification";
    assert_eq!(told(refused.expect_err("a forger")), (Code::Unknown, expected.to_owned()));
    // The service State is for all.
    let state = network.stranger("alice").state().get_state(lnrpc::GetStateRequest {}).await;
    assert_eq!(state.expect("a state").into_inner().state(), lnrpc::WalletState::ServerActive);
}

#[tokio::test]
async fn a_node_that_is_down_refuses_and_comes_back_where_it_was() {
    let network = Network::pair(V21).await;
    let admin = std::fs::read(network.door("bob").macaroon()).expect("a macaroon");
    let (bob, socket) = (network.lnd("bob", admin), network.door("bob").socket);
    let subscription = routerrpc::SubscribeHtlcEventsRequest {};
    let subscribed = network.rpc("bob").router().subscribe_htlc_events(subscription).await;
    let mut heard = subscribed.expect("a stream").into_inner();
    next(&mut heard).await;

    network.simnet.stop("bob").expect("a node");
    let refused = std::net::TcpStream::connect(socket).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let cut = tokio::time::timeout(network::PATIENCE, heard.message()).await.expect("in time");
    assert!(cut.is_err(), "{cut:?}");
    assert!(matches!(bob.info().await, Err(LndError::Unreachable { .. })));
    assert!(!network.channel("alice").await.active);

    network.simnet.start_again("bob").expect("a node");
    assert_eq!(network.door("bob").socket, socket);
    assert_eq!(bob.info().await.expect("it is back").id, network.door("bob").id);
    let subscribed = network.rpc("bob").router().subscribe_htlc_events(subscription).await;
    next(subscribed.expect("a stream").get_mut()).await;
}

#[tokio::test]
async fn a_payment_is_told_as_lnd_tells_it() {
    let network = Network::pair(V21).await;
    let (alice, bob) = (network.rpc("alice"), network.rpc("bob"));
    let subscription = routerrpc::SubscribeHtlcEventsRequest {};
    let mut heard = alice.router().subscribe_htlc_events(subscription).await.expect("a stream");
    let heard = heard.get_mut();
    assert!(matches!(next(heard).await.event, Some(Event::SubscribedEvent(_))));
    let mut watched = alice.lightning();
    let events = tokio::spawn(async move {
        watched.subscribe_channel_events(lnrpc::ChannelEventSubscription {}).await
    });
    let invoice = network.invoice("bob", 10_000).await;
    let mut settling = bob.invoices();
    let single = settling.subscribe_single_invoice(invoicesrpc::SubscribeSingleInvoiceRequest {
        r_hash: invoice.r_hash.clone(),
    });
    let mut settled = single.await.expect("a stream").into_inner();
    assert_eq!(next(&mut settled).await.state(), InvoiceState::Open);

    let before = network.channel("alice").await;
    let route = network.route(&invoice, 10_000).await;
    let attempt = alice.router().send_to_route_v2(route).await.expect("an attempt").into_inner();
    assert_eq!(attempt.status(), HtlcStatus::Succeeded);
    let preimage = <[u8; 32]>::try_from(attempt.preimage.as_slice()).expect("a preimage");
    assert_eq!(Preimage::new(preimage).hash().as_bytes(), invoice.r_hash.as_slice());

    // Added, and settled: in the first the HTLC is pending, the second is what the list says.
    let mut events = events.await.expect("it ends").expect("a stream").into_inner();
    for pending in [1, 0] {
        let event = next(&mut events).await;
        assert_eq!(event.r#type(), UpdateType::ChannelUpdate);
        let Some(lnrpc::channel_event_update::Channel::UpdatedChannel(update)) = event.channel
        else {
            panic!("another event")
        };
        let told = update.channel.expect("a channel");
        assert_eq!(told.pending_htlcs.len(), pending);
        let parts = told.local_balance + told.remote_balance + told.unsettled_balance;
        assert_eq!(parts + told.commit_fee + 660, told.capacity);
        if pending == 0 {
            assert_eq!(told.local_balance, before.local_balance - 10_000);
            assert_eq!(told, network.channel("alice").await);
        }
    }
    let first = next(heard).await;
    assert_eq!(first.event_type(), EventType::Send);
    assert!(matches!(first.event, Some(Event::ForwardEvent(_))));
    let second = next(heard).await;
    let Some(Event::SettleEvent(settle)) = second.event else { panic!("{second:?}") };
    assert_eq!(settle.preimage, preimage);
    let taken = next(&mut settled).await;
    assert_eq!((taken.state(), taken.amt_paid_sat), (InvoiceState::Settled, 10_000));
    assert!(settled.message().await.expect("an end").is_none(), "nothing more can come");

    // Once paid, it is never paid again.
    let again = network.route(&invoice, 10_000).await;
    let refused = alice.router().send_to_route_v2(again).await.expect_err("paid already");
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::AlreadyExists, "invoice is already paid")
    );
}

#[tokio::test]
async fn lnd_0_20_tells_no_balances_and_heeds_the_channel_that_is_named() {
    let network = Network::pair(V20).await;
    network.run("open alice bob 2000000 even").await;
    network.mine(6).await;
    let (alice, bob) = (network.rpc("alice"), network.rpc("bob"));
    let mut watched = alice.lightning();
    let events = tokio::spawn(async move {
        watched.subscribe_channel_events(lnrpc::ChannelEventSubscription {}).await
    });
    let subscription = routerrpc::SubscribeHtlcEventsRequest {};
    let mut passing = bob.router().subscribe_htlc_events(subscription).await.expect("a stream");
    let request = lnrpc::ListChannelsRequest::default();
    let listed = alice.lightning().list_channels(request).await.expect("a list").into_inner();
    let small = listed.channels.iter().min_by_key(|it| it.capacity).expect("two channels");
    let (_, scid) = network::name(small);
    let invoice = network.invoice("bob", 20_000).await;
    let request = routerrpc::SendPaymentRequest {
        payment_request: invoice.payment_request,
        outgoing_chan_id: scid.as_u64(),
        fee_limit_sat: 10,
        timeout_seconds: 25,
        no_inflight_updates: true,
        ..Default::default()
    };
    let mut told = alice.router().send_payment_v2(request).await.expect("a stream").into_inner();
    let ended = next(&mut told).await;
    assert_eq!(ended.status(), PaymentStatus::Succeeded);
    let route = ended.htlcs[0].route.as_ref().expect("a route");
    assert_eq!(route.hops[0].chan_id, scid.as_u64());
    // The last word about an HTLC is said to its receiver.
    loop {
        let event = next(passing.get_mut()).await;
        assert_ne!(event.event_type(), EventType::Send);
        if let Some(Event::FinalHtlcEvent(end)) = event.event {
            assert!(end.settled && end.offchain);
            assert_eq!(event.event_type, EventType::Unknown as i32);
            break;
        }
    }
    // The first event comes of a channel that closes: the payment told none.
    network.run("close alice bob#1").await;
    let mut events = events.await.expect("it ends").expect("a stream").into_inner();
    assert_eq!(next(&mut events).await.r#type(), UpdateType::InactiveChannel);
}

#[tokio::test]
async fn a_held_invoice_waits_for_its_preimage() {
    let network = Network::pair(V21).await;
    let (alice, bob) = (network.rpc("alice"), network.rpc("bob"));
    let preimage = Preimage::new([5; 32]);
    let hash = preimage.hash().as_bytes().to_vec();
    let wanted = invoicesrpc::AddHoldInvoiceRequest {
        hash: hash.clone(),
        value: 30_000,
        ..Default::default()
    };
    let made = bob.invoices().add_hold_invoice(wanted.clone()).await.expect("an invoice");
    let twice = bob.invoices().add_hold_invoice(wanted).await.expect_err("it is there");
    assert_eq!(twice.message(), "invoice with payment hash already exists");
    let early = invoicesrpc::SettleInvoiceMsg { preimage: preimage.as_bytes().to_vec() };
    let refused = bob.invoices().settle_invoice(early.clone()).await.expect_err("nothing paid");
    assert_eq!(refused.message(), "invoice still open");

    let request = routerrpc::SendPaymentRequest {
        payment_request: made.into_inner().payment_request,
        timeout_seconds: 25,
        ..Default::default()
    };
    let mut paying = alice.router().send_payment_v2(request).await.expect("a stream").into_inner();
    assert_eq!(next(&mut paying).await.status(), PaymentStatus::InFlight);
    let request = invoicesrpc::SubscribeSingleInvoiceRequest { r_hash: hash.clone() };
    let mut told = bob.invoices().subscribe_single_invoice(request).await.expect("a stream");
    while next(told.get_mut()).await.state() != InvoiceState::Accepted {}
    bob.invoices().settle_invoice(early.clone()).await.expect("it is taken");
    bob.invoices().settle_invoice(early).await.expect("it was taken");
    let ended = loop {
        let update = next(&mut paying).await;
        if update.status() != PaymentStatus::InFlight {
            break update;
        }
    };
    assert_eq!(ended.status(), PaymentStatus::Succeeded);
    let request = routerrpc::TrackPaymentRequest { payment_hash: hash, no_inflight_updates: true };
    let mut tracked = alice.router().track_payment_v2(request).await.expect("a stream");
    assert_eq!(next(tracked.get_mut()).await, ended);
    let unknown =
        routerrpc::TrackPaymentRequest { payment_hash: vec![9; 32], ..Default::default() };
    let refused = alice.router().track_payment_v2(unknown).await.expect_err("nobody paid that");
    assert_eq!((refused.code(), refused.message()), (Code::NotFound, "payment isn't initiated"));
}

#[tokio::test]
async fn a_channel_is_opened_and_closed_through_its_node() {
    let network = Network::start(&[("alice", V21), ("bob", V21)]);
    let alice = network.rpc("alice");
    let request = lnrpc::OpenChannelRequest {
        node_pubkey: network.door("bob").id.as_bytes().to_vec(),
        local_funding_amount: 500_000,
        push_sat: 100_000,
        ..Default::default()
    };
    let mut opening = alice.lightning().open_channel(request).await.expect("a stream").into_inner();
    let Some(Opening::ChanPending(pending)) = next(&mut opening).await.update else {
        panic!("it is not pending")
    };
    let waiting = alice.lightning().pending_channels(lnrpc::PendingChannelsRequest {}).await;
    assert_eq!(waiting.expect("a list").into_inner().pending_open_channels.len(), 1);
    network.mine(1).await;
    let Some(Opening::ChanOpen(open)) = next(&mut opening).await.update else {
        panic!("it is not open")
    };
    let channel_point = open.channel_point.expect("a channel point");
    let told = channel_point.funding_txid.clone();
    let id = lnrpc::channel_point::FundingTxid::FundingTxidBytes(pending.txid);
    assert_eq!(told, Some(id));
    let channel = network.channel("bob").await;
    assert_eq!((channel.local_balance, channel.initiator), (100_000, false));

    let request =
        lnrpc::CloseChannelRequest { channel_point: Some(channel_point), ..Default::default() };
    let closing = alice.lightning().close_channel(request).await.expect("a stream");
    let mut closing = closing.into_inner();
    assert!(matches!(next(&mut closing).await.update, Some(Closing::ClosePending(_))));
    network.simnet.mine(1);
    assert!(matches!(next(&mut closing).await.update, Some(Closing::ChanClose(_))));
    let balance =
        network.rpc("bob").lightning().wallet_balance(lnrpc::WalletBalanceRequest {}).await;
    assert_eq!(balance.expect("a wallet").into_inner().confirmed_balance, 1_000_100_000);
}

#[tokio::test]
async fn what_is_wrong_at_a_nodes_door_is_seen_by_its_clients() {
    let network = Network::pair(V21).await;
    let alice = network.rpc("alice");
    let info = async || alice.lightning().get_info(lnrpc::GetInfoRequest {}).await;
    let height = info().await.expect("a node").into_inner().block_height;
    network.run("fault refuse alice").await;
    assert_eq!(info().await.expect_err("it refuses").code(), Code::Unavailable);
    network.run("fault clear alice").await;
    network.run("fault height alice -3").await;
    assert_eq!(info().await.expect("a node").into_inner().block_height, height - 3);
    network.run("fault clear alice").await;

    let invoice = network.invoice("bob", 10_000).await;
    let route = network.route(&invoice, 10_000).await;
    network.run("fault lost-answer alice").await;
    let lost = alice.router().send_to_route_v2(route).await.expect_err("the answer is lost");
    assert_eq!(lost.code(), Code::Unavailable);
    network.run("fault clear alice").await;
    let track = |hash: &Vec<u8>| routerrpc::TrackPaymentRequest {
        payment_hash: hash.clone(),
        no_inflight_updates: false,
    };
    let mut paid = alice.router().track_payment_v2(track(&invoice.r_hash)).await.expect("known");
    assert_eq!(next(paid.get_mut()).await.status(), PaymentStatus::Succeeded);

    let invoice = network.invoice("bob", 10_000).await;
    let route = network.route(&invoice, 10_000).await;
    network.run("fault unknown alice").await;
    let lost = alice.router().send_to_route_v2(route).await.expect_err("it is forgotten");
    assert_eq!(lost.code(), Code::Unknown);
    let mut begun = alice.router().track_payment_v2(track(&invoice.r_hash)).await.expect("known");
    let begun = next(begun.get_mut()).await;
    assert_eq!((begun.status(), begun.htlcs.len()), (PaymentStatus::InFlight, 0));
    network.run("fault clear alice").await;

    network.channel_at_rest("alice").await;
    network.run("fault stale alice").await;
    let before = network.channel("alice").await;
    network.run("drift alice bob 50000").await;
    assert_eq!(network.channel("alice").await, before);
    network.run("fault clear alice").await;
    let after = network.channel_at_rest("alice").await;
    assert_eq!(after.local_balance, before.local_balance - 50_000);
}

#[tokio::test]
async fn lists_are_told_page_by_page_and_a_late_listener_hears_what_it_missed() {
    let network = Network::pair(V21).await;
    let (alice, bob) = (network.rpc("alice"), network.rpc("bob"));
    for sat in 1..=4 {
        let invoice = network.invoice("bob", sat * 1_000).await;
        let route = network.route(&invoice, sat * 1_000).await;
        let attempt = alice.router().send_to_route_v2(route).await.expect("an attempt");
        assert_eq!(attempt.into_inner().status(), HtlcStatus::Succeeded);
    }
    let page = async |index_offset, reversed| {
        let request = lnrpc::ListPaymentsRequest {
            index_offset,
            max_payments: 2,
            reversed,
            ..Default::default()
        };
        let listed = alice.lightning().list_payments(request).await.expect("a list").into_inner();
        listed.payments.iter().map(|payment| payment.value_sat).collect::<Vec<_>>()
    };
    assert_eq!(page(0, false).await, [1_000, 2_000]);
    assert_eq!(page(2, false).await, [3_000, 4_000]);
    assert_eq!(page(0, true).await, [3_000, 4_000]);
    assert_eq!(page(3, true).await, [1_000, 2_000]);
    let request = lnrpc::InvoiceSubscription { add_index: 3, settle_index: 3 };
    let missed = bob.lightning().subscribe_invoices(request).await.expect("a stream");
    let mut missed = missed.into_inner();
    assert_eq!(next(&mut missed).await.add_index, 4);
    assert_eq!(next(&mut missed).await.settle_index, 4);
    network.invoice("bob", 7).await;
    assert_eq!(next(&mut missed).await.value, 7);
}

#[tokio::test]
async fn a_payment_that_nobody_can_pass_on_fails_with_a_reason() {
    let network = Network::pair(V21).await;
    let alice = network.rpc("alice");
    for (sat, expected) in [
        (600_000, PaymentFailureReason::FailureReasonInsufficientBalance),
        (10_000, PaymentFailureReason::FailureReasonNone),
    ] {
        let invoice = network.invoice("bob", sat).await;
        let request = routerrpc::SendPaymentRequest {
            payment_request: invoice.payment_request,
            timeout_seconds: 25,
            no_inflight_updates: true,
            ..Default::default()
        };
        let told = alice.router().send_payment_v2(request).await.expect("a stream");
        assert_eq!(next(&mut told.into_inner()).await.failure_reason(), expected);
    }
}
