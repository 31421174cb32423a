//! Calls that are refused: the status and the words of each.

use tightrope::lnd::Lnd;
use tightrope::rpc::{invoicesrpc, lnrpc, routerrpc};

use super::pair::Pair;
use crate::harness::channel::Link;
use crate::harness::network::{ALICE, BOB};
use crate::harness::node::Node;

/// Makes all of them.
pub(crate) async fn tell(pair: &Pair, link: Link) {
    let node = &pair.network[ALICE];
    pair.recorder.act("refusal: unknown invoices and payments");
    let _ = pair.lookup(ALICE, vec![9; 32]).await;
    let _ = pair.lookup(ALICE, vec![9; 31]).await;
    pair.recorder.quiet().await;
    pair.track(ALICE, vec![9; 32]).await;
    of_held_invoices(pair, node).await;
    of_invoices(pair, node).await;
    of_channels(pair, node, link).await;
    of_macaroons(pair, node).await;
    signatures(pair).await;
}

async fn of_held_invoices(pair: &Pair, node: &Node) {
    let recorder = &pair.recorder;
    let mut invoices = node.rpc().invoices();
    recorder.act("refusal: held invoices");
    let unheard = recorder.watch(node, vec![9; 32]);
    recorder.quiet().await;
    unheard.abort();
    let settle = |n| invoicesrpc::SettleInvoiceMsg { preimage: vec![n; 32] };
    let answer = invoices.settle_invoice(settle(99)).await;
    let _ = recorder.note(node, "SettleInvoice", answer);
    let cancel = |payment_hash| invoicesrpc::CancelInvoiceMsg { payment_hash };
    let answer = invoices.cancel_invoice(cancel(vec![9; 32])).await;
    let _ = recorder.note(node, "CancelInvoice", answer);
    let hash = tightrope::ids::Preimage::new([98; 32]).hash().as_bytes().to_vec();
    for _ in 0..2 {
        let _ = pair.hold(ALICE, hash.clone(), 1_000).await;
    }
    let answer = invoices.settle_invoice(settle(98)).await;
    let _ = recorder.note(node, "SettleInvoice", answer);
    for _ in 0..2 {
        let answer = invoices.cancel_invoice(cancel(hash.clone())).await;
        let _ = recorder.note(node, "CancelInvoice", answer);
    }
    let answer = invoices.settle_invoice(settle(98)).await;
    let _ = recorder.note(node, "SettleInvoice", answer);
    // Bob's, of the story's beginning: it was taken.
    let bob = &pair.network[BOB];
    let taken = tightrope::ids::Preimage::new([1; 32]).hash().as_bytes().to_vec();
    let answer = bob.rpc().invoices().cancel_invoice(cancel(taken)).await;
    let _ = recorder.note(bob, "CancelInvoice", answer);
    let answer = bob.rpc().invoices().settle_invoice(settle(1)).await;
    let _ = recorder.note(bob, "SettleInvoice", answer);
    recorder.quiet().await;
}

async fn of_invoices(pair: &Pair, node: &Node) {
    let recorder = &pair.recorder;
    recorder.act("refusal: invoices");
    let mut lightning = node.rpc().lightning();
    for invoice in [
        lnrpc::Invoice { value_msat: 1_000, cltv_expiry: 10, ..Default::default() },
        lnrpc::Invoice { value_msat: -1, ..Default::default() },
        lnrpc::Invoice { value: 1, value_msat: 1, ..Default::default() },
        lnrpc::Invoice { value: -1, ..Default::default() },
        lnrpc::Invoice { value: 1, memo: "m".repeat(639), ..Default::default() },
        lnrpc::Invoice { value: 1, memo: "m".repeat(640), ..Default::default() },
        lnrpc::Invoice { value: 1, memo: "m".repeat(1_024), ..Default::default() },
        lnrpc::Invoice { value: 1, memo: "m".repeat(1_025), ..Default::default() },
        lnrpc::Invoice::default(),
    ] {
        let answer = lightning.add_invoice(invoice).await;
        let _ = recorder.note(node, "AddInvoice", answer);
    }
    for pay_req in ["", "lnbcrt1", "nonsense"] {
        let request = lnrpc::PayReqString { pay_req: pay_req.to_owned() };
        let answer = lightning.decode_pay_req(request).await;
        let _ = recorder.note(node, "DecodePayReq", answer);
    }
    recorder.quiet().await;
}

async fn of_channels(pair: &Pair, node: &Node, link: Link) {
    let recorder = &pair.recorder;
    recorder.act("refusal: channels");
    let mut lightning = node.rpc().lightning();
    let unknown = "00".repeat(32) + ":0";
    for (chan_id, chan_point) in [(1 << 40, ""), (0, ""), (0, unknown.as_str()), (0, "nonsense")] {
        let chan_point = chan_point.to_owned();
        let answer = lightning.get_chan_info(lnrpc::ChanInfoRequest { chan_id, chan_point }).await;
        let _ = recorder.note(node, "GetChanInfo", answer);
    }
    let scid = pair.network.view(link, ALICE).await.chan_id;
    let request = lnrpc::ChanInfoRequest { chan_id: scid, ..Default::default() };
    let answer = lightning.get_chan_info(request).await;
    let _ = recorder.note(node, "GetChanInfo", answer);
    for peer in [vec![2; 33], vec![2; 5], pair.network[BOB].id().as_bytes().to_vec()] {
        let request = lnrpc::ListChannelsRequest { peer, ..Default::default() };
        let answer = lightning.list_channels(request).await;
        let _ = recorder.note(node, "ListChannels", answer);
    }
    let bob = pair.network[BOB].id().as_bytes().to_vec();
    for (node_pubkey, local_funding_amount) in [
        (bob.clone(), 19_999),
        (bob, 100_000_000_000),
        (node.id().as_bytes().to_vec(), 100_000),
        (vec![2; 33], 100_000),
    ] {
        let request = lnrpc::OpenChannelRequest {
            node_pubkey,
            local_funding_amount,
            sat_per_vbyte: 2,
            ..Default::default()
        };
        let answer = lightning.open_channel_sync(request).await;
        let _ = recorder.note(node, "OpenChannelSync", answer);
    }
    let request = routerrpc::SendToRouteRequest { payment_hash: vec![1; 32], ..Default::default() };
    let answer = node.rpc().router().send_to_route_v2(request).await;
    let _ = recorder.note(node, "SendToRouteV2", answer);
    let route = Some(lnrpc::Route::default());
    let request =
        routerrpc::SendToRouteRequest { payment_hash: vec![1; 32], route, ..Default::default() };
    let answer = node.rpc().router().send_to_route_v2(request).await;
    let _ = recorder.note(node, "SendToRouteV2", answer);
    recorder.quiet().await;
}

/// Each call that the daemon makes, with a macaroon that does not allow it, with one that is
/// broken, and with none.
async fn of_macaroons(pair: &Pair, node: &Node) {
    let recorder = &pair.recorder;
    let poor = node.bake(&["/lnrpc.Lightning/GetInfo"]).await;
    let mut broken = poor.clone();
    let last = broken.pop().expect("a macaroon is long");
    broken.push(if last == '0' { '1' } else { '0' });
    let other = pair.network[BOB].bake(Lnd::PERMISSIONS).await;
    for (act, macaroon) in [
        ("too poor", Some(poor.as_str())),
        ("broken", Some(broken.as_str())),
        ("of another node", Some(other.as_str())),
        ("no hex", Some("nonsense")),
        ("empty", Some("")),
        ("none", None),
    ] {
        recorder.act(&format!("refusal: macaroon: {act}"));
        let rpc = node.rpc().with(macaroon);
        let mut lightning = rpc.lightning();
        let answer = lightning.get_info(lnrpc::GetInfoRequest {}).await;
        let _ = recorder.note(node, "GetInfo", answer);
        let answer = lightning.list_channels(lnrpc::ListChannelsRequest::default()).await;
        let _ = recorder.note(node, "ListChannels", answer);
        let answer = lightning.add_invoice(lnrpc::Invoice::default()).await;
        let _ = recorder.note(node, "AddInvoice", answer);
        let request = lnrpc::ChannelEventSubscription {};
        let stream = async move { lightning.subscribe_channel_events(request).await };
        let told = recorder.follow(node, "SubscribeChannelEvents", stream);
        let request = routerrpc::SendToRouteRequest::default();
        let answer = rpc.router().send_to_route_v2(request).await;
        let _ = recorder.note(node, "SendToRouteV2", answer);
        let request = routerrpc::SubscribeHtlcEventsRequest {};
        let mut router = rpc.router();
        let stream = async move { router.subscribe_htlc_events(request).await };
        let also = recorder.follow(node, "SubscribeHtlcEvents", stream);
        recorder.quiet().await;
        told.abort();
        also.abort();
    }
    recorder.act("refusal: a permission that is not");
    let permission = lnrpc::MacaroonPermission {
        entity: "uri".to_owned(),
        action: "/lnrpc.Lightning/No".to_owned(),
    };
    let request =
        lnrpc::BakeMacaroonRequest { permissions: vec![permission], ..Default::default() };
    let answer = node.rpc().lightning().bake_macaroon(request).await;
    let _ = recorder.note(node, "BakeMacaroon", answer);
    let answer = node.rpc().lightning().bake_macaroon(lnrpc::BakeMacaroonRequest::default()).await;
    let _ = recorder.note(node, "BakeMacaroon", answer);
}

/// What one node signs, and what the other says of it.
async fn signatures(pair: &Pair) {
    pair.recorder.act("signatures");
    let (alice, bob) = (&pair.network[ALICE], &pair.network[BOB]);
    let request = lnrpc::SignMessageRequest { msg: b"a story".to_vec() };
    let answer = alice.rpc().lightning().sign_message(request).await;
    let signed = pair.recorder.note(alice, "SignMessage", answer).expect("a signature");
    for (msg, signature) in [
        (b"a story".to_vec(), signed.signature.clone()),
        (b"another".to_vec(), signed.signature),
        (b"a story".to_vec(), "nonsense".to_owned()),
    ] {
        let request = lnrpc::VerifyMessageRequest { msg, signature };
        let answer = bob.rpc().lightning().verify_message(request).await;
        let _ = pair.recorder.note(bob, "VerifyMessage", answer);
    }
}
