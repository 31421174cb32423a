//! Payments to be sent, made by the core itself: nothing else can make one.

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};

use tightrope::core::Core;
use tightrope::core::action::Action;
use tightrope::core::authorize::Authorized;
use tightrope::core::channel::{Channel, Commitment, Constraints};
use tightrope::core::event::{Event, OwnNode};
use tightrope::core::invoice::Network;
use tightrope::core::ledger::Ledger;
use tightrope::core::policy::{Limits, Policy, Settings};
use tightrope::ids::{ChannelPoint, NodeId, Scid};
use tightrope::time::Time;
use tightrope::units::Msat;

/// The id of the channel that is paid over.
pub(crate) const SCID: Scid = Scid::new(869_059_488_412_139_521);
/// The preimage's hash is the payment's.
pub(crate) const PREIMAGE: [u8; 32] = [7; 32];
/// The payee's token against probing.
pub(crate) const SECRET: [u8; 32] = [9; 32];

const NOW: Time = Time::from_unix_ms(1_800_000_000_000);

/// The node of the `n`th secret key.
pub(crate) fn node(n: u8) -> (SecretKey, NodeId) {
    let key = SecretKey::from_slice(&[n; 32]).expect("a secret key");
    (key, NodeId::new(key.public_key(&Secp256k1::new()).serialize()))
}

/// A payment of 300,000 sat from the second node to the first, over [`SCID`].
pub(crate) fn payment() -> Authorized {
    let base = Policy { pause_min: Duration::ZERO, ..Policy::default() };
    let limits = Limits::new(base, Vec::new());
    let ledger = Ledger::new(limits.period_max());
    let settings = Settings { limits, dry_run: false, ..Settings::default() };
    let mut core = Core::new(settings, ledger, NOW, [0; 32]);
    let mut actions = core.handle(NOW, Event::Started);
    let (alice, bob) = (node(1), node(2));
    for (id, other, local, remote) in
        [(alice.1, bob.1, 200_000, 800_000), (bob.1, alice.1, 800_000, 200_000)]
    {
        let alias = String::new();
        let own = OwnNode {
            id,
            alias,
            network: Network::Regtest,
            rebalances: true,
            can_hold: false,
            proof: None,
        };
        actions.extend(core.handle(NOW, Event::NodeConnected(own)));
        let channels = vec![channel(other, local, remote)];
        let listed = Event::ChannelsListed { node: id, with: None, channels };
        actions.extend(core.handle(NOW, listed));
    }
    let asked = actions.into_iter().find_map(|action| {
        let Action::CreateInvoice { rebalance, amount, memo, .. } = action else { return None };
        Some((rebalance, amount, memo))
    });
    let (rebalance, amount, memo) = asked.expect("an invoice is asked for");
    let invoice = invoice(&alice.0, memo, amount);
    let paid = core.handle(NOW, Event::InvoiceCreated { rebalance, invoice, wall: NOW });
    let payment = paid.into_iter().find_map(|action| {
        let Action::Pay(payment) = action else { return None };
        Some(payment)
    });
    payment.expect("a payment")
}

fn channel(counterparty: NodeId, local: u64, remote: u64) -> Channel {
    let bounds = Constraints {
        reserve: Msat::ZERO,
        htlc_min: Msat::new(1),
        in_flight_max: Msat::MAX,
        htlcs_max: 483,
    };
    Channel {
        point: ChannelPoint::new([1; 32], 0),
        counterparty,
        scid: SCID,
        other_scids: Vec::new(),
        peer_scid: SCID,
        capacity: Msat::new(1_001_000_000),
        local: Msat::new(local * 1000),
        remote: Msat::new(remote * 1000),
        htlcs: Vec::new(),
        updates: 1,
        is_active: true,
        is_ordinary: true,
        is_initiator: false,
        commitment: Commitment::Anchors,
        fee_per_kw: 0,
        ours: bounds,
        theirs: bounds,
    }
}

fn invoice(key: &SecretKey, memo: String, amount: Msat) -> String {
    let sign = |hash: &_| Secp256k1::new().sign_ecdsa_recoverable(hash, key);
    InvoiceBuilder::new(Currency::Regtest)
        .description(memo)
        .payment_hash(sha256::Hash::hash(&PREIMAGE))
        .payment_secret(PaymentSecret(SECRET))
        .duration_since_epoch(NOW.since(Time::default()))
        .expiry_time(Duration::from_secs(60))
        .min_final_cltv_expiry_delta(80)
        .amount_milli_satoshis(amount.msat())
        .build_signed(sign)
        .expect("a proper invoice")
        .to_string()
}
