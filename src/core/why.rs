//! Why something or nothing happens on a channel, told in sentences from all sides that we know.

use super::Core;
use super::peer::Party;
use super::report::{ChannelReport, OpenReport, OpenState, Why};
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
            sentences.push(standing(side));
            sentences.extend(self.doing(side, &open));
            sentences.extend(self.other_end(side));
        }
        sentences.extend(open.iter().map(|open| under_way(open, self.now)));
        Why { point, sides, open, sentences }
    }

    /// What our side does, and why.
    fn doing(&self, side: &ChannelReport, open: &[OpenReport]) -> Vec<String> {
        let name = name(&side.alias, &side.node.to_string());
        let Some(rest) = &side.rest else {
            let asks = open.iter().any(|open| open.paid_to == side.node);
            return if asks { vec![format!("{name} asks to be paid.")] } else { Vec::new() };
        };
        let mut sentence = format!("{name} does not ask: {}. {}", rest.reason, rest.mend);
        if let Some(until) = rest.until {
            sentence.push_str(&format!(" It may ask again {}.", at(until, self.now)));
        }
        vec![sentence]
    }

    /// What we know of the other end.
    fn other_end(&self, side: &ChannelReport) -> Vec<String> {
        let name = name(&side.counterparty_alias, &side.counterparty.to_string());
        let mut sentences = Vec::new();
        match self.party(side.counterparty) {
            None => sentences.push(format!(
                "No peer speaks for {name}: it is not of the cluster, or its daemon is away."
            )),
            Some(Party::Ours) => {}
            Some(Party::Peer { peer, version }) => {
                let kind = if version.is_some() { "a peer" } else { "a legacy peer" };
                sentences.push(format!("{name} is spoken for by {kind}, {peer}."));
                if let Some(policy) = self.roster.policy(peer, side.point) {
                    let pause =
                        if policy.is_paused { ", and is paused by its operator" } else { "" };
                    sentences.push(format!(
                        "{name} wants {} and asks {} below that; \
                         it pays at most {} at once{pause}.",
                        policy.balance_point, policy.deadzone, policy.payment_max
                    ));
                }
            }
        }
        let word = self.sides.get(&(side.point, side.node)).and_then(|it| it.by_peer.as_ref());
        sentences.extend(word.map(|word| format!("Its last word was: {word}.")));
        sentences
    }
}

/// How a side stands.
fn standing(side: &ChannelReport) -> String {
    let name = name(&side.alias, &side.node.to_string());
    let threshold = side.balance_point.saturating_sub(side.deadzone);
    let share = side.share.map_or_else(|| "an unreadable share".to_owned(), |it| it.to_string());
    let target = match side.target {
        Some(target) => format!("; a rebalance would lift it to {target}"),
        None => String::new(),
    };
    format!(
        "{name} has {} of {} on {}, {share}; it asks below {threshold}{target}.",
        side.local,
        side.local.saturating_add(side.remote).saturating_add(side.in_flight),
        side.scid
    )
}

/// What is under way.
fn under_way(open: &OpenReport, now: Time) -> String {
    let what = match open.state {
        OpenState::AwaitingInvoice => "waits for its node's invoice",
        OpenState::AwaitingPayment => "was offered and is not paid yet",
        OpenState::Waiting => "was asked of us and waits for HTLCs in flight",
        OpenState::Dispatched => "is on its way",
        OpenState::Unknown => "was sent, and its node has not told the outcome: it is asked",
        OpenState::Stuck => {
            "is in flight by its node's word and not on the channel: a restart of lnd may end it"
        }
    };
    format!("A payment of {} {what}, {}.", open.amount, at(open.since, now))
}

/// A node's name, or the beginning of its key.
fn name(alias: &str, key: &str) -> String {
    if alias.is_empty() { key.chars().take(10).collect() } else { alias.to_owned() }
}

/// A point in time, from `now`.
fn at(time: Time, now: Time) -> String {
    let whole = |span: std::time::Duration| std::time::Duration::from_secs(span.as_secs());
    if time > now {
        format!("in {}", humantime::format_duration(whole(time.since(now))))
    } else {
        format!("{} ago", humantime::format_duration(whole(now.since(time))))
    }
}
