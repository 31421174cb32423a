//! The watch on a terminal: what it shows, and that the terminal is as it was afterwards.

use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::*;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal with `status --watch` in it.
struct Screen {
    /// The end that a person looks at.
    person: OwnedFd,
    /// The end that the command has.
    terminal: OwnedFd,
    watch: Child,
}

impl Screen {
    fn new(stand: &Stand) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let person = openpt(flags).expect("a terminal");
        grantpt(&person).expect("it is ours");
        unlockpt(&person).expect("it opens");
        let path = ptsname(&person, Vec::new()).expect("its path");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = open(path.as_c_str(), flags, Mode::empty()).expect("its other end");
        let size = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).expect("a size");
        assert!(is_plain(&terminal), "as a shell has it");
        let end = || Stdio::from(terminal.try_clone().expect("another descriptor"));
        let watch = Command::new(env!("CARGO_BIN_EXE_tightrope"))
            .args(["status", "--watch", "--socket"])
            .arg(socket(&stand.folder))
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary runs");
        Self { person, terminal, watch }
    }

    /// Reads what is shown until `text` is among it.
    async fn shows(&self, text: &str) {
        let person = self.person.try_clone().expect("another descriptor");
        let text = text.to_owned();
        let reading = tokio::task::spawn_blocking(move || {
            let (mut shown, mut part) = (String::new(), [0; 4096]);
            while !shown.contains(&text) {
                let count = rustix::io::read(&person, &mut part).expect("something is shown");
                shown.push_str(&String::from_utf8_lossy(&part[..count]));
            }
        });
        timeout(PATIENCE, reading).await.expect("it is shown in time").expect("it is shown");
    }

    fn press(&self, keys: &str) {
        rustix::io::write(&self.person, keys.as_bytes()).expect("the keys are taken");
    }

    async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.watch.wait()).await;
        ended.expect("it ends in time").expect("its exit status")
    }
}

/// Whether keys are shown and sent by lines, as a shell wants them.
fn is_plain(terminal: &OwnedFd) -> bool {
    let modes = tcgetattr(terminal).expect("its modes").local_modes;
    modes.contains(LocalModes::ECHO | LocalModes::ICANON)
}

#[tokio::test]
async fn the_screen_shows_channels_and_leaves_the_terminal_as_it_was() {
    let stand = Stand::new(None, None);
    let mut screen = Screen::new(&stand);
    screen.shows("700124x12x1").await;
    assert!(!is_plain(&screen.terminal));
    screen.press("\r");
    // A word of the answer: only what changes is written.
    screen.shows("700123x1x0,").await;
    screen.press("q");
    // It leaves the other screen, so that what was there before is seen again.
    screen.shows("\u{1b}[?1049l").await;
    assert!(screen.ended().await.success());
    assert!(is_plain(&screen.terminal));
}

#[tokio::test]
async fn a_signal_restores_the_terminal_too() {
    let stand = Stand::new(None, None);
    let mut screen = Screen::new(&stand);
    screen.shows("700124x12x1").await;
    let id = screen.watch.id().expect("it runs");
    let id = rustix::process::Pid::from_raw(id.cast_signed()).expect("a process");
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("a signal");
    screen.shows("\u{1b}[?1049l").await;
    assert!(screen.ended().await.success());
    assert!(is_plain(&screen.terminal));
}

#[tokio::test]
async fn a_terminal_that_is_gone_ends_it() {
    let stand = Stand::new(None, None);
    let screen = Screen::new(&stand);
    screen.shows("700124x12x1").await;
    let Screen { person, terminal, mut watch } = screen;
    drop((person, terminal));
    let ended = timeout(PATIENCE, watch.wait()).await;
    assert!(!ended.expect("it ends in time").expect("its exit status").success());
}
