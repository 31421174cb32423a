//! Channels as lines name them: one that is there, and one that is to be opened.

use std::fmt;
use std::num::NonZeroU16;

use super::alias::Alias;
use super::words::{Complaint, Misread, Words, number, sat};
use crate::units::{Msat, Ppm, Sat};

/// A channel between two nodes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelName {
    /// Who acts: the payer, or who closes it.
    pub from: Alias,
    /// The counterparty.
    pub to: Alias,
    /// Which of the channels between the two, in the order of their opening, from 1; the only one
    /// where none is named.
    pub nth: Option<NonZeroU16>,
}

impl ChannelName {
    /// Reads `FROM TO` or `FROM TO#N`.
    pub(super) fn read(words: &mut Words<'_>) -> Result<Self, Misread> {
        let from = words.read(Alias::read)?;
        let column = words.peek().map_or(0, |word| word.column);
        let (to, nth) = words.read(|text| match text.split_once('#') {
            None => Ok((Alias::read(text)?, None)),
            Some((to, nth)) => {
                let wanted = "channel: write NODE#N with N from 1, such as bob#2";
                let nth = number(nth, 1, u16::MAX).and_then(NonZeroU16::new);
                Ok((Alias::read(to)?, Some(nth.ok_or_else(|| Complaint::not(text, wanted))?)))
            }
        })?;
        differ(words, column, &from, &to)?;
        Ok(Self { from, to, nth })
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.from, self.to)?;
        self.nth.map_or(Ok(()), |nth| write!(f, "#{nth}"))
    }
}

/// Reads two nodes.
pub(in crate::simnet) fn pair(words: &mut Words<'_>) -> Result<(Alias, Alias), Misread> {
    let one = words.read(Alias::read)?;
    let column = words.peek().map_or(0, |word| word.column);
    let other = words.read(Alias::read)?;
    differ(words, column, &one, &other)?;
    Ok((one, other))
}

fn differ(words: &Words<'_>, column: usize, one: &Alias, other: &Alias) -> Result<(), Misread> {
    if one == other {
        return Err(words.misread(column, Complaint::Itself(one.to_string())));
    }
    Ok(())
}

/// A channel that is to be opened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opening {
    /// Who funds it.
    pub opener: Alias,
    /// The counterparty.
    pub other: Alias,
    /// What it is funded with.
    pub capacity: Sat,
    /// What of it the counterparty begins with.
    pub push: Push,
    /// Whether nobody else is told of it.
    pub is_private: bool,
    /// What both sides ask for forwarding; the node's default where it is not said.
    pub fee: Option<Fee>,
}

/// What the counterparty begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Push {
    /// Nothing.
    Nothing,
    /// Half of the capacity.
    Even,
    /// So much.
    Amount(Sat),
}

/// What is asked for forwarding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fee {
    /// For each HTLC.
    pub base: Msat,
    /// Of its amount.
    pub rate: Ppm,
}

impl Opening {
    /// Reads what follows `open` and `channel`.
    pub(in crate::simnet) fn read(words: &mut Words<'_>) -> Result<Self, Misread> {
        let (opener, other) = pair(words)?;
        let capacity = words.read(sat)?;
        let push = if words.take("even") {
            Push::Even
        } else if words.take("push") {
            Push::Amount(words.read(sat)?)
        } else {
            Push::Nothing
        };
        let (mut is_private, mut fee) = (false, None);
        loop {
            if !is_private && words.take("private") {
                is_private = true;
            } else if fee.is_none() && words.take("fee") {
                let base = words.read(|text| {
                    let wanted = "fee: write msat for each payment, such as 1000";
                    number(text, 0, u64::from(u32::MAX)).ok_or_else(|| Complaint::not(text, wanted))
                })?;
                let rate = words.read(|text| {
                    let wanted = "fee: write parts per million, such as 100";
                    let rate = number(text, 0, Ppm::ONE.ppm()).and_then(Ppm::new);
                    rate.ok_or_else(|| Complaint::not(text, wanted))
                })?;
                fee = Some(Fee { base: Msat::new(base), rate });
            } else {
                return Ok(Self { opener, other, capacity, push, is_private, fee });
            }
        }
    }

    /// What the counterparty begins with.
    pub const fn pushed(&self) -> Sat {
        match self.push {
            Push::Nothing => Sat::new(0),
            Push::Even => Sat::new(self.capacity.sat() / 2),
            Push::Amount(amount) => amount,
        }
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.opener, self.other, self.capacity.sat())?;
        match self.push {
            Push::Nothing => {}
            Push::Even => write!(f, " even")?,
            Push::Amount(amount) => write!(f, " push {}", amount.sat())?,
        }
        if self.is_private {
            write!(f, " private")?;
        }
        let Some(fee) = self.fee else { return Ok(()) };
        write!(f, " fee {} {}", fee.base.msat(), fee.rate.ppm())
    }
}
