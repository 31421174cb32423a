//! Commands are done to a network that runs, and what came of it is told.

use std::mem::discriminant;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::command::{Alias, ChannelName, Command, Fault, FaultKind, Opening, nearest};
use super::report::{Balance, NodeBalance, Report};
use super::scenario::Traffic;
use super::world::channel::{Channel, Phase, Side};
use super::world::fault::Fault as NodeFault;
use super::world::htlc::Shown;
use super::world::invoice::{Lock, NewInvoice};
use super::world::node::Node;
use super::world::payment::{AttemptState, Hop, NewPayment, PaymentState, Route};
use super::world::traffic::Traffic as Flow;
use super::world::{CloseError, InvoiceError, NewChannel, OpenError, PayError, Terms, World};
use super::{Net, NodeDoor, SimnetError};
use crate::ids::{ChannelPoint, NodeId, PaymentHash};
use crate::units::{Msat, Sat};

/// How long a payment may take until it is told that it is still on its way.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a payment by an invoice is tried, in s.
const TRIES_S: u32 = 60;
/// The most parts of a payment, as lnd has it.
const PARTS_MAX: u32 = 16;
/// For how many blocks money may be locked, as lnd has it.
const CLTV_MAX: u32 = 2_016;
/// How many blocks the payee is left by a payment in one hop, with some that may come meanwhile.
const CLTV: u32 = 83;
/// What a transaction pays, in sat per vbyte.
pub(super) const SAT_PER_VBYTE: u64 = 2;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such node.
    #[error("there is no node {alias}{}", meant(nearest.as_deref()))]
    NoNode {
        /// What was asked for.
        alias: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// There is no such channel.
    #[error("{name} is no open channel: the two have {}", how(*open))]
    NoChannel {
        /// What was asked for.
        name: String,
        /// How many are open.
        open: usize,
    },
    /// A node does not do it.
    #[error("{node} does not: {why}")]
    Refused {
        /// Which node.
        node: String,
        /// What it says.
        why: String,
    },
    /// A node cannot be stopped or started.
    #[error(transparent)]
    Node(#[from] SimnetError),
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; do you mean {nearest}?"))
}

const fn how(open: usize) -> &'static str {
    match open {
        0 => "none; open one, and mine 1",
        1 => "one; leave out its number",
        _ => "several; say which, such as bob#1",
    }
}

impl Net {
    /// Does what a line says.
    pub(super) async fn run(self: &Arc<Self>, command: &Command) -> Result<Report, CommandError> {
        match command {
            Command::Pay { payer, payee, amount } => {
                self.pay(payer.as_str(), payee.as_str(), *amount).await
            }
            Command::Drift { channel, amount } => self.drift(channel, *amount).await,
            Command::Open(opening) => self.open(opening),
            Command::Close(name) => {
                let (channel, node) = self.channel(name)?;
                self.with(|world| world.close(node, channel, false))
                    .map_err(|why: CloseError| refused(name.from.as_str(), &why))?;
                Ok(Report::Closing { channel })
            }
            Command::Mine { blocks } => {
                let height = self.mine(*blocks);
                Ok(Report::Mined { blocks: *blocks, height })
            }
            Command::Fault(fault) => self.break_something(fault),
            Command::Clear { node } => {
                let node = node.as_ref().map(|node| self.node(node.as_str())).transpose()?;
                self.mend_everything(node)?;
                Ok(Report::Mended)
            }
            Command::Balances => {
                let nodes = self.doors();
                Ok(Report::Balances(self.with(|world| balances(world, &nodes))))
            }
        }
    }

    /// Begins a stream of payments.
    pub(super) fn add_traffic(&self, traffic: &Traffic) -> Result<(), CommandError> {
        let payer = self.node(traffic.payer.as_str())?;
        let payee = self.node(traffic.payee.as_str())?;
        let Traffic { every, sizes, .. } = *traffic;
        self.with(|world| world.add_traffic(Flow { payer, payee, every, sizes }));
        Ok(())
    }

    /// Waits until each channel that has a block can be used.
    pub(super) async fn channels_are_ready(&self) {
        let is_waiting = |channel: &Channel| channel.phase == Phase::Confirmed;
        let ready =
            self.shared.until(|world| (!world.channels.values().any(is_waiting)).then_some(()));
        ready.await;
    }

    /// Pays an invoice over whatever route there is.
    async fn pay(&self, payer: &str, payee: &str, sat: Sat) -> Result<Report, CommandError> {
        let (from, to) = (self.node(payer)?, self.node(payee)?);
        let (_, _, request) = self.invoice(payee, to, sat)?;
        let payment = NewPayment {
            request,
            amount: Msat::ZERO,
            first: Vec::new(),
            last: None,
            fee_max: Msat::MAX,
            parts_max: PARTS_MAX,
            patience_s: TRIES_S,
            cltv_max: CLTV_MAX,
            may_pay_itself: false,
        };
        let hash = self
            .with(|world| world.send_payment(from, payment))
            .map_err(|why: PayError| refused(payer, &why))?;
        self.outcome(from, hash).await
    }

    /// Pays over exactly one channel.
    async fn drift(&self, name: &ChannelName, sat: Sat) -> Result<Report, CommandError> {
        let (channel, payer) = self.channel(name)?;
        let payee = self.node(name.to.as_str())?;
        let (hash, secret, _) = self.invoice(name.to.as_str(), payee, sat)?;
        let begun = self.with(|world| {
            let scid = world.channels.get(&channel).and_then(|channel| channel.scid)?;
            let (amount, expiry) = (sat.msat(), world.chain.height + CLTV);
            let route = Route {
                time_lock: expiry,
                amount,
                hops: vec![Hop { scid, node: payee, amount, expiry }],
                shown: Shown { secret: Some(secret), total: amount },
            };
            Some(world.send_to_route(payer, hash, route))
        });
        match begun {
            Some(Ok(_)) => self.outcome(payer, hash).await,
            Some(Err(why)) => Err(refused(name.from.as_str(), &why)),
            None => Err(no_channel(name, 0)),
        }
    }

    fn open(&self, opening: &Opening) -> Result<Report, CommandError> {
        let (from, to) = (self.node(opening.opener.as_str())?, self.node(opening.other.as_str())?);
        let terms = opening.fee.map_or_else(Terms::default, |fee| Terms {
            fee_base: Some(fee.base),
            fee_ppm: Some(fee.rate.ppm().into()),
            htlc_min: None,
        });
        let wanted = NewChannel {
            from,
            to,
            capacity: opening.capacity,
            push: opening.pushed(),
            is_private: opening.is_private,
            sat_per_vbyte: SAT_PER_VBYTE,
            terms,
        };
        let opened: Result<ChannelPoint, OpenError> = self.with(|world| {
            let point = world.open(wanted)?;
            // What a line says of the fee, it says of both ends.
            let policy = world.channels.get(&point).map(|channel| channel.policies.opener);
            if let Some(policy) = policy.filter(|_| opening.fee.is_some()) {
                world.set_policy(to, point, policy);
            }
            Ok(point)
        });
        let channel = opened.map_err(|why| refused(opening.opener.as_str(), &why))?;
        Ok(Report::Opening { channel })
    }

    /// Waits for the end of a payment.
    async fn outcome(&self, payer: NodeId, hash: PaymentHash) -> Result<Report, CommandError> {
        let begun = Instant::now();
        let end = self.shared.until(|world| {
            let payment = world.payment(payer, hash)?;
            let route = payment.attempts.iter().rev().find(|it| it.state != AttemptState::InFlight);
            let hops = route.map_or(0, |attempt| attempt.route.hops.len());
            let last = route.map(|attempt| attempt.state);
            (payment.state != PaymentState::InFlight)
                .then(|| (payment.state, payment.amount, payment.fee(), hops, last))
        });
        let Ok((state, amount, fee, hops, last)) = timeout(PATIENCE, end).await else {
            return Ok(Report::InFlight { hash });
        };
        Ok(match (state, last) {
            (PaymentState::Failed(_), Some(AttemptState::Failed(failure))) => {
                Report::NotPaid { why: failure.code.as_str_name(), after: failure.source }
            }
            (PaymentState::Failed(reason), _) => {
                Report::NotPaid { why: reason.as_str_name(), after: 0 }
            }
            (PaymentState::Succeeded(_) | PaymentState::InFlight, _) => {
                Report::Paid { amount, fee, hops, took: begun.elapsed() }
            }
        })
    }

    /// An invoice of a node.
    fn invoice(
        &self,
        alias: &str,
        node: NodeId,
        sat: Sat,
    ) -> Result<(PaymentHash, [u8; 32], String), CommandError> {
        let wanted = NewInvoice {
            memo: "a payment by hand".to_owned(),
            amount: sat.msat(),
            to_live: None,
            cltv: None,
            is_private: false,
            lock: Lock::Own,
        };
        let made: Result<_, InvoiceError> = self.with(|world| {
            let made = world.add_invoice(node, wanted)?;
            Ok((made.hash, made.secret, made.request.clone()))
        });
        made.map_err(|why| refused(alias, &why))
    }

    /// Has something go wrong, and mends it in time where that is said.
    fn break_something(self: &Arc<Self>, fault: &Fault) -> Result<Report, CommandError> {
        let broken = self.broken(&fault.kind)?;
        // What was to mend the same thing earlier would mend this one.
        self.forget_mends(|it| it.is_same(&broken));
        self.begin(&broken)?;
        if let Some(lasts) = fault.lasts {
            let (net, called_off) = (self.clone(), self.ended.child_token());
            self.mends().push((broken, called_off.clone()));
            self.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = called_off.cancelled() => {}
                    // A port that somebody else took meanwhile leaves the node down, as it would
                    // lnd.
                    () = sleep(lasts) => drop(net.mend(&broken)),
                }
            });
        }
        Ok(Report::Broken { fault: fault.to_string() })
    }

    /// Calls off the mends that are to come of such faults.
    fn forget_mends(&self, is_such: impl Fn(&Broken) -> bool) {
        self.mends().retain(|(broken, called_off)| {
            let is_such = is_such(broken);
            if is_such {
                called_off.cancel();
            }
            !is_such
        });
    }

    fn mends(&self) -> MutexGuard<'_, Vec<(Broken, CancellationToken)>> {
        // A panic while it was held has broken a test, and nothing here.
        self.mends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault of a line, with the nodes that it names.
    fn broken(&self, kind: &FaultKind) -> Result<Broken, CommandError> {
        let at = |alias: &Alias, fault| {
            Ok::<_, CommandError>(Broken::Node(self.node(alias.as_str())?, fault))
        };
        match kind {
            FaultKind::Slow { node, by } => at(node, NodeFault::Slow(*by)),
            FaultKind::Refuse(node) => at(node, NodeFault::Refuse),
            FaultKind::LostAnswer(node) => at(node, NodeFault::LoseAnswers),
            FaultKind::Unknown(node) => at(node, NodeFault::Forget),
            FaultKind::Stale(node) => at(node, NodeFault::Stale),
            FaultKind::Height { node, blocks } => at(node, NodeFault::Height(*blocks)),
            FaultKind::Clock { node, ahead_ms } => at(node, NodeFault::Clock(*ahead_ms)),
            FaultKind::Stuck(one, other) => {
                Ok(Broken::Stuck(self.node(one.as_str())?, self.node(other.as_str())?))
            }
            FaultKind::Disconnect(one, other) => {
                Ok(Broken::Apart(self.node(one.as_str())?, self.node(other.as_str())?))
            }
            FaultKind::Restart(node) => Ok(Broken::Down(self.node(node.as_str())?)),
        }
    }

    fn begin(&self, broken: &Broken) -> Result<(), CommandError> {
        match *broken {
            Broken::Node(node, fault) => self.with(|world| world.add_fault(node, fault)),
            Broken::Stuck(one, other) => self.with(|world| world.stick(one, other, true)),
            Broken::Apart(one, other) => self.with(|world| world.disconnect(one, other)),
            Broken::Down(node) => self.stop(node),
        }
        Ok(())
    }

    fn mend(&self, broken: &Broken) -> Result<(), CommandError> {
        match *broken {
            Broken::Node(node, fault) => self.with(|world| world.mend_fault(node, fault)),
            Broken::Stuck(one, other) => self.with(|world| world.stick(one, other, false)),
            Broken::Apart(one, other) => {
                self.with(|world| world.connect(one, other));
            }
            Broken::Down(node) => self.start_again(node)?,
        }
        Ok(())
    }

    /// Mends all that is wrong with a node, or with all of them.
    fn mend_everything(&self, node: Option<NodeId>) -> Result<(), CommandError> {
        self.forget_mends(|broken| node.is_none_or(|node| broken.concerns(node)));
        self.with(|world| world.mend_all(node));
        for door in self.doors() {
            if node.is_none_or(|node| node == door.id) {
                self.start_again(door.id)?;
            }
        }
        Ok(())
    }

    /// The node of this name.
    fn node(&self, alias: &str) -> Result<NodeId, CommandError> {
        self.with(|world| {
            if let Some(node) = world.named(alias) {
                return Ok(node.id);
            }
            let known: Vec<&str> = world.nodes.values().map(|node| node.alias.as_str()).collect();
            let nearest = nearest(alias, &known);
            let nearest = nearest.map(str::to_owned);
            Err(CommandError::NoNode { alias: alias.to_owned(), nearest })
        })
    }

    /// The channel of this name, and the node that is to act.
    fn channel(&self, name: &ChannelName) -> Result<(ChannelPoint, NodeId), CommandError> {
        let (from, to) = (self.node(name.from.as_str())?, self.node(name.to.as_str())?);
        self.with(|world| {
            let between = |(channel, side): &(&Channel, Side)| channel.ends[side.other()] == to;
            let mut between: Vec<_> = world.channels_of(from).filter(between).collect();
            between.sort_unstable_by_key(|(channel, _)| channel.number);
            let is_open = |(channel, _): &&(&Channel, Side)| channel.is_open();
            let open = between.iter().filter(is_open).count();
            let chosen = match name.nth {
                Some(nth) => between.get(usize::from(nth.get()) - 1).filter(is_open),
                None if open == 1 => between.iter().find(is_open),
                None => None,
            };
            let (channel, _) = chosen.ok_or_else(|| no_channel(name, open))?;
            Ok((channel.point, from))
        })
    }
}

/// Something that is wrong, and where.
#[derive(Clone, Copy, Debug)]
pub(super) enum Broken {
    /// With a node.
    Node(NodeId, NodeFault),
    /// HTLCs between two get no answer.
    Stuck(NodeId, NodeId),
    /// Two are not connected.
    Apart(NodeId, NodeId),
    /// A node is down.
    Down(NodeId),
}

impl Broken {
    /// Whether the same thing is wrong at the same place, whatever its measure.
    fn is_same(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Node(one, fault), Self::Node(other, same)) => {
                one == other && discriminant(&fault) == discriminant(&same)
            }
            (Self::Stuck(one, two), Self::Stuck(a, b))
            | (Self::Apart(one, two), Self::Apart(a, b)) => {
                (one, two) == (a, b) || (one, two) == (b, a)
            }
            (Self::Down(one), Self::Down(other)) => one == other,
            (Self::Node(..) | Self::Stuck(..) | Self::Apart(..) | Self::Down(_), _) => false,
        }
    }

    /// Whether it is wrong with this node.
    fn concerns(&self, node: NodeId) -> bool {
        match *self {
            Self::Node(one, _) | Self::Down(one) => one == node,
            Self::Stuck(one, two) | Self::Apart(one, two) => one == node || two == node,
        }
    }
}

fn refused(node: &str, why: &impl ToString) -> CommandError {
    CommandError::Refused { node: node.to_owned(), why: why.to_string() }
}

fn no_channel(name: &ChannelName, open: usize) -> CommandError {
    CommandError::NoChannel { name: name.to_string(), open }
}

/// What everybody has, in the order of `nodes`.
fn balances(world: &World, nodes: &[NodeDoor]) -> Vec<NodeBalance> {
    let of = |node: &Node| {
        let mut channels: Vec<_> = world
            .channels_of(node.id)
            .filter(|(channel, _)| !matches!(channel.phase, Phase::Closed(..)))
            .collect();
        channels.sort_unstable_by_key(|(channel, _)| channel.number);
        let balance = |(channel, side): (&Channel, Side)| {
            let other = world.node(channel.ends[side.other()]);
            Balance {
                with: other.map_or_else(String::new, |node| node.alias.clone()),
                point: channel.point,
                scid: channel.scid,
                local: channel.balance(side, side),
                remote: channel.balance(side, side.other()),
                in_flight: channel.htlcs.values().map(|htlc| htlc.amount).sum(),
                is_active: channel.is_active,
            }
        };
        NodeBalance {
            alias: node.alias.clone(),
            is_up: node.is_up,
            on_chain: node.confirmed,
            channels: channels.into_iter().map(balance).collect(),
        }
    };
    nodes.iter().filter_map(|door| world.node(door.id)).map(of).collect()
}
