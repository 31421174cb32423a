//! Why something or nothing happens on a channel, told in sentences from all sides that we know.
//!
//! What a reason is, its `Display` says, and what would change it, [`super::mend`]. Here they are
//! put together with who, how much and when.

use std::time::Duration;

use super::Core;
use super::absent::Away;
use super::decide::Rest;
use super::peer::Party;
use super::record::{Pause, Scope};
use super::report::{ChannelReport, OpenReport, OpenState, Why};
use super::side::Side;
use super::timer::Timer;
use crate::ids::ChannelPoint;
use crate::time::Time;

impl Core {
    /// Why something or nothing happens on a channel that one of our nodes has.
    pub fn why(&self, point: ChannelPoint) -> Why {
        let sides: Vec<ChannelReport> = self.channel_reports(point).collect();
        let mut open = self.open_reports();
        open.retain(|open| open.point == point);
        let mut sentences = Vec::new();
        for side in &sides {
            sentences.push(self.standing(side));
            sentences.extend(self.doing(side, &open));
            sentences.extend(self.done(side));
            sentences.extend(self.other_end(side));
        }
        match sides.first() {
            Some(side) => {
                let pauses = self.pauses_of([side.node, side.counterparty], point);
                sentences.extend(pauses.map(|pause| self.paused_by(pause)));
            }
            None => sentences.extend(self.absent(point)),
        }
        sentences.extend(open.iter().map(|open| self.under_way(open)));
        Why { point, sides, open, sentences }
    }

    /// How a side stands.
    fn standing(&self, side: &ChannelReport) -> String {
        let share =
            side.share.map_or_else(|| "an unreadable share".to_owned(), |it| it.to_string());
        let name = self.called(side.node);
        let mut sentence =
            format!("{name} has {} of {} on {}, {share}", side.local, side.total(), side.scid);
        if self.watched.contains_key(&side.point) {
            sentence.push_str(&format!("; it asks below {}", side.threshold()));
        }
        if let Some(target) = side.target {
            sentence.push_str(&format!("; a rebalance would lift it to {target}"));
        }
        sentence + "."
    }

    /// What our side does, and why.
    fn doing(&self, side: &ChannelReport, open: &[OpenReport]) -> Option<String> {
        let name = self.called(side.node);
        if let Some(open) = open.iter().find(|open| open.paid_to == side.node) {
            let payer = self.called(open.paid_by);
            return Some(format!("{name} asks {payer} to pay {}.", open.amount));
        }
        let rest = side.rest.as_ref()?;
        let mut sentence = format!("{name} does not ask: {}. {}", rest.reason, rest.mend);
        if let Some(until) = rest.until {
            sentence.push_str(&format!(" It may ask again {}.", self.at(until)));
        }
        if let Some(Rest::AwaitingSnapshot) = self.kept(side).and_then(|kept| kept.rest.as_ref())
            && let Some(at) = self.timers.at(Timer::SnapshotMissing(side.point))
        {
            sentence.push_str(&format!(" The next question is due {}.", self.at(at)));
        }
        Some(sentence)
    }

    /// What our side did last: as payee, as payer, and as a payer that would not pay.
    fn done(&self, side: &ChannelReport) -> Vec<String> {
        let name = self.called(side.node);
        let mut sentences = Vec::new();
        if let Some(asked) = self.ledger.asked(side.node, side.point) {
            let (amount, ago) = (asked.amount, self.at(asked.at));
            sentences.push(match &asked.reason {
                None => format!("{name} was last paid {amount}, {ago}."),
                Some(cause) => {
                    let told = side.rest.as_ref().is_some_and(|rest| rest.mend == cause.mend());
                    let mend = if told { String::new() } else { format!(" {}", cause.mend()) };
                    format!("{name} last asked for {amount} and got nothing, {ago}: {cause}.{mend}")
                }
            });
        }
        if let Some(paid) = self.ledger.paid(side.node, side.point) {
            let (amount, ago) = (paid.amount, self.at(paid.at));
            sentences.push(match paid.reason {
                None => format!("{name} last paid {amount}, {ago}."),
                Some(failure) => {
                    let mend = failure.mend();
                    format!("{name} last sent {amount} in vain, {ago}: {failure}. {mend}")
                }
            });
        }
        if let Some(down) = self.kept(side).and_then(|kept| kept.turned_down.as_ref()) {
            let (ago, refusal, mend) = (self.at(down.at), &down.refusal, down.refusal.mend());
            let retry_at = refusal.retry_at().filter(|at| *at > self.now);
            let retry = retry_at.map(|at| format!(" It may be asked again {}.", self.at(at)));
            let retry = retry.unwrap_or_default();
            sentences.push(format!("{name} would not pay, {ago}: {refusal}. {mend}{retry}"));
        }
        sentences
    }

    /// What we know of the other end.
    fn other_end(&self, side: &ChannelReport) -> Vec<String> {
        let name = self.called(side.counterparty);
        let (peer, version) = match self.party(side.counterparty) {
            None => {
                let away = self.absent.unclaimed();
                if let Some((claim, Some(left_at))) = away.get(&side.counterparty) {
                    let left = self.at(*left_at);
                    let name = if claim.alias.is_empty() { &name } else { &claim.alias };
                    return vec![format!(
                        "The peer that spoke for {name} left {left}. \
                         The channel is left alone until one does again."
                    )];
                }
                return vec![format!(
                    "No peer speaks for {name}: it is not of the cluster, or its daemon is away. \
                     The channel is left alone until one does."
                )];
            }
            Some(Party::Ours) => return Vec::new(),
            Some(Party::Peer { peer, version }) => (peer, version),
        };
        let kind = if version.is_some() { "a peer" } else { "a legacy peer" };
        let policy = self.roster.policy(peer, side.point);
        let rules = match policy {
            Some(policy) => format!(
                "{name} wants {}, asks below {} and pays at most {} at once.",
                policy.balance_point,
                policy.threshold(),
                policy.payment_max
            ),
            None => format!("{name} has not told its rules for the channel."),
        };
        let mut sentences = vec![format!("{name} is spoken for by {kind}, {peer}."), rules];
        if policy.is_some_and(|policy| policy.is_paused) {
            sentences.push(format!("{name}'s operator has paused payments here."));
        }
        sentences
    }

    /// A pause, and what ends it.
    fn paused_by(&self, pause: &Pause) -> String {
        let place = match pause.scope {
            Scope::All => "everywhere".to_owned(),
            Scope::Node(node) => format!("on all channels of {}", self.called(node)),
            Scope::Peer(peer) => format!("with the peer {peer}"),
            Scope::Channel(_) => "on this channel".to_owned(),
        };
        let reason = match &pause.reason {
            Some(reason) => format!(", because of {reason:?}"),
            None => String::new(),
        };
        let end = match pause.until {
            Some(until) => format!("It ends {}, or with", self.at(until)),
            None => "It ends with".to_owned(),
        };
        let scope = pause.scope;
        format!("Our operator paused payments {place}{reason}. {end} tightrope resume {scope}.")
    }

    /// Why nothing new is known of a channel at this moment, and how it last stood.
    fn absent(&self, point: ChannelPoint) -> Vec<String> {
        let down = self.absent.sides().filter(|side| side.point == point);
        let told = |side: &ChannelReport| {
            let name = self.called(side.node);
            let seen = side.absent_since.map(|since| self.at(since)).unwrap_or_default();
            format!(
                "{name} does not answer, so nothing new is known of the channel: {name} had {} of \
                 {} on {}, {seen}. {}",
                side.local,
                side.total(),
                side.scid,
                Away::NodeDown.mend()
            )
        };
        down.map(told).collect()
    }

    /// What is under way, and what comes next.
    fn under_way(&self, open: &OpenReport) -> String {
        let next = |timer| match self.timers.at(timer) {
            Some(at) => self.at(at),
            None => "when it answers".to_owned(),
        };
        let tracked = || open.hash.map(|hash| next(Timer::Track(hash))).unwrap_or_default();
        let what = match open.state {
            OpenState::AwaitingInvoice => "the payee's node makes the invoice".to_owned(),
            OpenState::AwaitingPayment => {
                let expires_at = self.ledger.rebalances.get(&open.rebalance);
                let expires_at = expires_at.and_then(|open| open.expires_at());
                let life = expires_at.map(|at| self.at(at)).unwrap_or_default();
                format!("the invoice was offered and is not paid yet; it expires {life}")
            }
            OpenState::Waiting => {
                let end = next(Timer::OfferWaited(open.point));
                format!("the payer waits for HTLCs in flight, and decides {end} at the latest")
            }
            OpenState::Dispatched => "the payment is on its way".to_owned(),
            OpenState::Unknown => {
                format!("the payer's node has not told the outcome; it is asked {}", tracked())
            }
            OpenState::Stuck => format!(
                "the payment is in flight by its node's word and not on the channel: \
                 a restart of lnd may end it; the node is asked {}",
                tracked()
            ),
        };
        let [payee, payer] = [open.paid_to, open.paid_by].map(|node| self.called(node));
        let (amount, since) = (open.amount, self.at(open.since));
        format!("From {payer} to {payee}, {amount}, begun {since}: {what}.")
    }

    /// What is kept in mind about a side beyond what is reported of it.
    fn kept(&self, side: &ChannelReport) -> Option<&Side> {
        self.sides.get(&(side.point, side.node))
    }

    /// A point in time, from now, in whole seconds.
    fn at(&self, time: Time) -> String {
        let whole = |span: Duration| Duration::from_secs(span.as_secs());
        let (ahead, behind) = (whole(time.since(self.now)), whole(self.now.since(time)));
        if !ahead.is_zero() {
            format!("in {}", humantime::format_duration(ahead))
        } else if !behind.is_zero() {
            format!("{} ago", humantime::format_duration(behind))
        } else {
            "just now".to_owned()
        }
    }
}
