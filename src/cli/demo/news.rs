//! [`News`]: what the demo has to show, and the [`Teller`] that it goes through.

use tokio::sync::mpsc;

use super::node::C;
use crate::control::Status;
use crate::ids::{ChannelPoint, NodeId};
use crate::units::{Msat, Ppm};

/// How much news may wait to be shown: the teller waits for the show, which is never far behind.
const NEWS_MAX: usize = 64;

/// Something to show.
#[derive(Debug)]
pub(super) enum News {
    /// A chapter begins.
    Chapter(Chapter),
    /// Somebody did something.
    Line(Line),
    /// How the channels stand, by the nodes' own word.
    Channels(Vec<Bar>),
    /// How the daemons stand, Alice's first; nothing of one that does not answer.
    Daemons([Option<Box<Status>>; 2]),
}

/// A part of the story.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chapter {
    /// Which one it is.
    pub(super) number: usize,
    /// Its name.
    pub(super) title: &'static str,
    /// What happens in it.
    pub(super) sentence: &'static str,
}

/// What somebody did.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Who.
    pub(super) who: Who,
    /// What.
    pub(super) text: String,
}

/// Who does something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Who {
    /// The people and nodes around the daemons.
    World,
    /// Alice's daemon.
    Alice,
    /// Bob's daemon.
    Bob,
}

/// A channel as it stands.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    /// Which one.
    pub(super) point: ChannelPoint,
    /// Where it stands among all.
    pub(super) order: usize,
    /// The end that is named first.
    pub(super) node: NodeId,
    /// What it is called here.
    pub(super) name: String,
    /// What the end that is named first has.
    pub(super) near: Msat,
    /// What the other end has.
    pub(super) far: Msat,
    /// The share of the first.
    pub(super) share: Option<Ppm>,
}

impl Who {
    /// Both owners.
    pub(super) const OWNERS: [Self; 2] = [Self::Alice, Self::Bob];

    /// Whose the node at `place` is.
    pub(super) const fn of(place: usize) -> Self {
        if place < C { Self::Alice } else { Self::Bob }
    }

    /// What it is called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::World => "",
            Self::Alice => "Alice",
            Self::Bob => "Bob",
        }
    }
}

/// Tells news to whoever shows it.
#[derive(Clone, Debug)]
pub(super) struct Teller(mpsc::Sender<News>);

impl Teller {
    /// A teller, and where its news arrives.
    pub(super) fn new() -> (Self, mpsc::Receiver<News>) {
        let (sender, receiver) = mpsc::channel(NEWS_MAX);
        (Self(sender), receiver)
    }

    /// Tells something. Where nobody listens any longer, it is over anyway.
    pub(super) async fn tell(&self, news: News) {
        drop(self.0.send(news).await);
    }

    /// Tells what somebody did.
    pub(super) async fn say(&self, who: Who, text: impl Into<String>) {
        self.tell(News::Line(Line { who, text: text.into() })).await;
    }
}
