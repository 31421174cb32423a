//! What the operator hears of `why`, `pause` and `resume`, from a run with a core of its own.

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::audit;
use crate::control::Pause;
use crate::core::channel::Channel;
use crate::core::event::{Heard, OwnNode};
use crate::core::fixture::{self, NODE_A, NODE_B, NODE_C};
use crate::core::invoice::Network;
use crate::core::ledger::Ledger;
use crate::core::message::{Hello, Message};
use crate::core::record::{Entry, Record};
use crate::daemon::keys::Keys;
use crate::daemon::{Mode, Source};
use crate::ids::{NodeId, PeerKey};
use crate::time::Time;

/// The peer that speaks for Bob, and one as the original.
const PEER: PeerKey = PeerKey::new([0x66; 32]);
const LEGACY: PeerKey = PeerKey::new([0x77; 32]);

#[tokio::test]
async fn what_is_paused_and_resumed_is_said_and_so_is_what_still_holds() {
    let mut asking = Asking::new().meet();
    check(asking.pause("alice").await, r#"paused until it is resumed: the node "alice" (0a0a…)"#);
    check(
        asking.resume("all").await,
        "no: there is no pause of everything; paused: the node \"alice\" (0a0a…) until it is \
         resumed (resume what you mean by its key)",
    );
    check(asking.pause("ALL").await, "paused until it is resumed: everything (all)");
    check(
        asking.resume("alice").await,
        r#"resumed: the node "alice" (0a0a…); still paused: everything (all) until it is resumed"#,
    );
    check(asking.resume("all").await, "resumed: everything (all); nothing is paused any more");
    check(asking.resume("all").await, "no: nothing is paused");
    // What came to nothing left no record.
    let recorded = asking.restart().await.recorded;
    let is_paused = |entry: &Entry| matches!(entry, Entry::Paused(_));
    assert_eq!(recorded.iter().map(is_paused).collect::<Vec<_>>(), [true, true, false, false]);
}

/// What could not be written is not said to be done.
#[tokio::test]
async fn a_pause_whose_record_is_lost_is_not_said_to_hold() {
    let mut asking = Asking::new().meet();
    asking.run.executor.audit.clone().close().await;
    let (answer, said) = oneshot::channel();
    let pause = Pause { scope: "all".to_owned(), for_ms: None, reason: None };
    let asked = Asked { question: Question::Pause(pause), answer };
    asking.run.serve(Wanted::Answer(asked), &mut asking.desk);
    said.await.expect_err("nothing is said");
}

#[tokio::test]
async fn a_pause_of_each_kind_outlives_a_restart_and_is_resumed_before_anybody_comes() {
    let mut asking = Asking::new().meet();
    check(asking.pause("bob").await, r#"paused until it is resumed: the node "bob" (0b0b…)"#);
    check(
        asking.pause("66666666").await,
        r#"paused until it is resumed: the peer that speaks for "bob" (6666…)"#,
    );
    check(
        asking.pause("alice:0:0:2").await,
        r#"paused until it is resumed: the channel 0x0x2 of "alice" with "bob" (0202…:0)"#,
    );
    asking.pause_for("all", Some(3_600_000), None).await;
    let mut asking = asking.restart().await;
    for (name, kind) in [("0b0b0b0b", "node"), ("66666666", "peer"), ("02020202", "channel")] {
        let said = asking.resume(name).await;
        assert!(said.starts_with(&format!("resumed: the {kind} (")), "{said}");
        assert!(said.contains("; still paused: everything (all) until 2"), "{said}");
    }
    check(asking.resume("all").await, "resumed: everything (all); nothing is paused any more");
}

#[tokio::test]
async fn what_is_not_there_can_be_paused_by_its_whole_key_alone() {
    let mut asking = Asking::new();
    let unknown = r#"unknown "alice", near [], silent ["127.0.0.1:1"]"#;
    check(asking.pause("alice").await, unknown);
    for (key, said) in [
        (NODE_A.to_string(), "the node (0a0a…)"),
        (PEER.to_string(), "the peer (6666…)"),
        (fixture::point(1).to_string(), "the channel (0101…:0)"),
    ] {
        let done = format!("paused until it is resumed: {said}, which is not known at this moment");
        check(asking.pause(&key).await, &done);
    }
    let asking = &mut asking.meet();
    let said = asking.resume("alice").await;
    assert!(said.starts_with(r#"resumed: the node "alice" (0a0a…); still paused: "#), "{said}");
}

#[tokio::test]
async fn a_pause_that_takes_the_place_of_another_says_so() {
    let mut asking = Asking::new().meet();
    asking.pause_for("alice", None, Some("mov\u{1b}ing")).await;
    let said = asking.pause_for("alice", Some(600_000), None).await;
    let [new, old] = said.split("; ").collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert!(new.starts_with("paused until 2"), "{new}");
    check(
        old.to_owned(),
        r#"it was paused until it is resumed because of "mov\u{1b}ing" until now"#,
    );
}

#[tokio::test]
async fn a_legacy_peer_is_refused_and_what_it_speaks_for_is_offered() {
    let mut asking = Asking::new().meet();
    check(
        asking.pause(&LEGACY.to_string()).await,
        "no: the peer that speaks for \"carol\" (7777…) is a legacy one: it has a new key after \
         each start, and the pause would not hold for that (pause what it speaks for instead: \
         the node \"carol\" (0c0c…))",
    );
    check(asking.resume("all").await, "no: nothing is paused");
}

#[tokio::test]
async fn a_name_that_means_several_things_is_answered_with_names_that_mean_one() {
    let mut asking = Asking::new().meet();
    check(
        asking.why("bob").await,
        "\"bob\": 0101…:0 is the channel 0x0x1 of \"alice\" with \"bob\", 0202…:0 is the channel \
         0x0x2 of \"alice\" with \"bob\" and 0 more",
    );
    check(asking.why("carol").await, "why 6363…:0");
    asking.hear(PeerKey::new([0x88; 32]), fixture::node(1).1, "bob", Some(1));
    check(
        asking.pause("bob").await,
        r#""bob": 031b… is the node "bob", 0b0b… is the node "bob" and 0 more"#,
    );
    asking.list(30);
    let said = asking.why("alice").await;
    assert!(said.ends_with(" and 15 more"), "{said}");
}

#[tokio::test]
async fn what_is_near_an_unknown_name_is_told_and_a_node_without_a_channel_is_one() {
    let mut asking = Asking::new().meet();
    check(
        asking.why("0x0x3").await,
        r#"unknown "0x0x3", near ["0x0x1", "0x0x2", "0x0x99"], silent ["127.0.0.1:1"]"#,
    );
    let wrong = fixture::point(2).to_string().replace(":0", ":1");
    check(
        asking.why(&wrong).await,
        r#"unknown "0202…:1", near ["0202…:0"], silent ["127.0.0.1:1"]"#,
    );
    asking.hear(PEER, fixture::node(1).1, "dave", Some(1));
    check(
        asking.why("dave").await,
        r#"no: the node "dave" (031b…) has no channel that is known at this moment"#,
    );
    check(
        asking.pause("").await,
        r#"unknown "", near ["bob", "dave", "0x0x1"], silent ["127.0.0.1:1"]"#,
    );
}

#[tokio::test]
async fn an_alias_pauses_nobody_else_and_what_is_paused_is_said() {
    let mut asking = Asking::new().meet();
    asking.hear(PEER, NODE_B, "0x0x1", Some(1));
    check(
        asking.pause("0x0x1").await,
        r#"paused until it is resumed: the channel 0x0x1 of "alice" with "0x0x1" (0101…:0)"#,
    );
    asking.hear(PEER, NODE_B, "alice\" (0a0a…)", Some(1));
    check(
        asking.pause("0b0b0b0b").await,
        r#"paused until it is resumed: the node "alice\" (0a0a…)" (0b0b…)"#,
    );
}

fn check(said: String, expected: &str) {
    assert_eq!(said, expected);
}

/// A run whose node Alice has channels with Bob, a peer's, and one with Carol, a legacy peer's.
struct Asking {
    run: Run,
    desk: Desk,
    /// What was on disk when it started.
    recorded: Vec<Entry>,
    folder: TempDir,
}

impl Asking {
    fn new() -> Self {
        Self::start(tempfile::tempdir().expect("a folder"))
    }

    fn start(folder: TempDir) -> Self {
        let config = super::super::fixture::config(folder.path(), &json!({}));
        let files = crate::daemon::files(&config);
        let mut ledger = Ledger::new(config.settings.limits.period_max());
        let mut recorded = Vec::new();
        let fold = |record: Record| {
            ledger.apply(&record);
            recorded.push(record.entry);
        };
        let (audit, _) = audit::open(&files, fold).expect("opens");
        let keys = Keys::open(&files.storage).expect("has keys");
        let desk = Desk::new(config.clone(), Source::unchanging(config));
        let run = Run::start(&desk, Mode::Forever, audit, ledger, None, keys).expect("starts");
        let mut asking = Self { run, desk, recorded, folder };
        asking.run.handle(Event::Started);
        asking
    }

    /// Has the nodes and the peers come.
    fn meet(mut self) -> Self {
        let (alias, network) = ("alice".to_owned(), Network::Regtest);
        let node =
            OwnNode { id: NODE_A, alias, network, rebalances: true, can_hold: true, proof: None };
        self.run.handle(Event::NodeConnected(node));
        self.hear(PEER, NODE_B, "bob", Some(1));
        self.hear(LEGACY, NODE_C, "carol", None);
        self.list(2);
        self
    }

    /// Alice lists so many channels with Bob, and one with Carol.
    fn list(&mut self, with_bob: u8) {
        let with_carol = Channel { counterparty: NODE_C, ..fixture::channel(99, 500, 500) };
        let with_bob = (1..=with_bob).map(|n| fixture::channel(n, 500, 500));
        let channels = with_bob.chain([with_carol]).collect();
        self.run.handle(Event::ChannelsListed { node: NODE_A, with: None, channels });
    }

    /// The same on what is durable, before anybody has come.
    async fn restart(self) -> Self {
        let Self { run, folder, .. } = self;
        run.executor.cancel.cancel();
        run.executor.tasks.close();
        run.executor.tasks.wait().await;
        run.executor.audit.clone().close().await;
        drop(run);
        Self::start(folder)
    }

    fn hear(&mut self, peer: PeerKey, node: NodeId, alias: &str, version: Option<u64>) {
        let hello = Hello { node, alias: alias.to_owned(), version, proof: None };
        let (message, at) = (Message::Hello(hello), Time::default());
        self.run.handle(Event::PeerConnected { peer });
        let heard = Heard { peer, message, sent_at: at, wall: at, evidence: None };
        self.run.handle(Event::Heard(heard));
    }

    async fn ask(&mut self, question: Question) -> Answer {
        let (answer, said) = oneshot::channel();
        self.run.serve(Wanted::Answer(Asked { question, answer }), &mut self.desk);
        said.await.expect("an answer")
    }

    async fn why(&mut self, channel: &str) -> String {
        words(self.ask(Question::Why { channel: channel.to_owned() }).await)
    }

    async fn pause(&mut self, scope: &str) -> String {
        self.pause_for(scope, None, None).await
    }

    async fn pause_for(
        &mut self,
        scope: &str,
        for_ms: Option<u64>,
        reason: Option<&str>,
    ) -> String {
        let (scope, reason) = (scope.to_owned(), reason.map(str::to_owned));
        words(self.ask(Question::Pause(Pause { scope, for_ms, reason })).await)
    }

    async fn resume(&mut self, scope: &str) -> String {
        words(self.ask(Question::Resume { scope: scope.to_owned() }).await)
    }
}

/// What an answer says, keys and points by their beginning.
fn words(answer: Answer) -> String {
    let text = match answer {
        Answer::Done(done) => done.done,
        Answer::Why(why) => format!("why {}", why.point),
        Answer::Faulty(faulty) => format!("no: {}", faulty.faults.join("; ")),
        Answer::Unknown(unknown) => {
            format!(
                "unknown {:?}, near {:?}, silent {:?}",
                unknown.unknown, unknown.nearest, unknown.silent
            )
        }
        Answer::Ambiguous(several) => {
            let meanings = several.meanings.iter().map(|it| format!("{} is {}", it.name, it.what));
            let meanings: Vec<String> = meanings.collect();
            format!("{:?}: {} and {} more", several.ambiguous, meanings.join(", "), several.more)
        }
        Answer::Status(_) | Answer::Metrics(_) => "something else".to_owned(),
    };
    text.split_inclusive(|c: char| !c.is_ascii_hexdigit()).map(shortened).collect()
}

/// A key or a transaction's id by its beginning; other words as they are.
fn shortened(word: &str) -> String {
    let digits = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
    if digits.len() < 64 {
        word.to_owned()
    } else {
        digits[..4].to_owned() + "…" + &word[digits.len()..]
    }
}
