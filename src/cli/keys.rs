//! [`Keys`]: what is pressed, for whoever shows a screen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc;

/// How long the keys' thread waits before it looks whether it is still wanted.
const KEYS_WAIT: Duration = Duration::from_millis(100);

/// How long that thread may take to end.
const KEYS_END: Duration = Duration::from_millis(300);

/// How many keys may wait to be taken: more than anybody types within a frame.
const KEYS_MAX: usize = 64;

/// The keys that are pressed, read by a thread of their own: waiting for a terminal blocks.
#[derive(Debug)]
pub(super) struct Keys {
    /// Each key, and each other thing that a terminal tells.
    pub(super) events: mpsc::Receiver<Event>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Keys {
    /// Reads them from here on.
    pub(super) fn read() -> Self {
        let (sender, events) = mpsc::channel(KEYS_MAX);
        let is_over = Arc::new(AtomicBool::new(false));
        let is_read = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            while !is_read.load(Ordering::Relaxed) {
                let sent = match event::poll(KEYS_WAIT) {
                    Ok(true) => event::read().ok().map(|event| sender.try_send(event)),
                    Ok(false) => continue,
                    Err(_) => None,
                };
                // Keys that nobody has time for are lost; a terminal that is gone ends it.
                match sent {
                    Some(Ok(()) | Err(mpsc::error::TrySendError::Full(_))) => {}
                    Some(Err(mpsc::error::TrySendError::Closed(_))) | None => return,
                }
            }
        });
        Self { events, is_over, thread }
    }
}

impl Drop for Keys {
    /// Waits for the thread as long as it may wait itself. Where the terminal is gone, crossterm
    /// reads its end again and again and the thread never ends; the process does.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let begin = Instant::now();
        while !self.thread.is_finished() && begin.elapsed() < KEYS_END {
            std::thread::sleep(KEYS_WAIT / 10);
        }
    }
}
