//! What the desk does with questions that were given up, and with reloads that overtake each other.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::daemon::fixture;

/// A desk whose configuration is read once the sender says which one it is.
fn desk(folder: &TempDir) -> (Desk, Sender<u32>) {
    let (sender, payments_max) = channel();
    let payments_max: Mutex<Receiver<u32>> = Mutex::new(payments_max);
    let dir = folder.path().to_owned();
    let load = move |payments_max: u32| {
        fixture::config(&dir, &json!({ "maxTransactionsPerPeriod": payments_max }))
    };
    let config = load(20);
    let read = Box::new(move || Ok(load(payments_max.lock().unwrap().recv().unwrap())));
    let source = Source { read, ..Source::unchanging(config.clone()) };
    (Desk::new(config, source), sender)
}

/// The next configuration that was read: its number of payments, and how many wait for it.
async fn reread(desk: &mut Desk) -> (u32, usize) {
    let Wanted::Reread(reread) = desk.next().await else { panic!("nobody asks") };
    let config = reread.config.expect("is good");
    (config.settings.limits.base.payments_max, reread.askers.len())
}

#[tokio::test]
async fn what_was_asked_and_given_up_is_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, _read) = desk(&folder);
    let (sender, questions) = mpsc::channel(2);
    desk.questions = Some(questions);
    let (answer, given_up) = oneshot::channel();
    drop(given_up);
    sender.send(Asked { question: Question::Reload, answer }).await.unwrap();
    let (answer, _waiting) = oneshot::channel();
    sender.send(Asked { question: Question::Status, answer }).await.unwrap();
    let Wanted::Answer(asked) = desk.next().await else { panic!("nothing was read") };
    assert_eq!(asked.question, Question::Status);
}

/// Whoever asks while the configuration is being read gets what stands there after that; and no
/// older one is taken in after a newer.
#[tokio::test]
async fn a_reload_that_is_asked_for_during_another_is_done_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, read) = desk(&folder);
    let (one, _one) = oneshot::channel();
    let (two, _two) = oneshot::channel();
    let (three, _three) = oneshot::channel();
    desk.reread(Some(one));
    desk.reread(Some(two));
    desk.reread(Some(three));
    read.send(1).unwrap();
    read.send(2).unwrap();
    assert_eq!(reread(&mut desk).await, (1, 1));
    assert_eq!(reread(&mut desk).await, (2, 2));
    assert!(desk.reading.is_none() && desk.again.is_none());
}

/// What is asked for stays asked for though the loop was about something else.
#[tokio::test]
async fn a_reload_outlives_those_who_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, read) = desk(&folder);
    desk.source.again.notify_one();
    tokio::select! {
        biased;
        _ = desk.next() => panic!("nothing was read yet"),
        () = tokio::task::yield_now() => {}
    }
    read.send(3).unwrap();
    assert_eq!(reread(&mut desk).await, (3, 0));
}
