//! `tightrope status --watch`: the status again and again, on a screen or as lines.
//!
//! Asking and showing go on side by side, so that a daemon that is slow does not hold up the keys.
//! A daemon that is gone is waited for. The terminal is restored however this ends.

mod lines;
mod screen;
mod view;

use std::process::ExitCode;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::Event;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use self::view::{Flow, View};
use super::super::keys::Keys;
use crate::control::{Client, ClientError, Status};
use crate::ids::ChannelPoint;

/// How often the screen's figures are asked for.
const REFRESH: Duration = Duration::from_secs(1);

/// What the daemon told.
#[derive(Debug)]
struct Told {
    status: Result<Status, ClientError>,
    /// The sentences about the channel that was wanted.
    why: Option<(ChannelPoint, Result<Vec<String>, ClientError>)>,
}

/// Watches until the operator has seen enough.
pub(super) fn run(client: &Client) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        // It restores the terminal on a panic too.
        let mut terminal = ratatui::try_init()?;
        let keys = Keys::read();
        let watched = runtime.block_on(on_screen(client, &mut terminal, keys));
        ratatui::try_restore()?;
        watched?;
    } else {
        runtime.block_on(lines::print(client))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows a screen until a key or a signal ends it.
async fn on_screen(
    client: &Client,
    terminal: &mut DefaultTerminal,
    mut keys: Keys,
) -> anyhow::Result<()> {
    let mut view = View::default();
    let (want, wanted) = watch::channel(None);
    let (tell, mut told) = mpsc::channel(1);
    let asking = ask(client, wanted, tell);
    tokio::pin!(asking);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        terminal.draw(|frame| screen::draw(frame, &mut view))?;
        tokio::select! {
            // Asking ends when nobody is told any longer, which is later than this.
            () = &mut asking => return Ok(()),
            Some(told) = told.recv() => view.heard(told),
            event = keys.events.recv() => match event {
                Some(Event::Key(key)) => {
                    if view.press(key) == Flow::Leave {
                        return Ok(());
                    }
                    // The channel that is looked at is asked for at once.
                    want.send_if_modified(|wanted| {
                        let is_other = *wanted != view.wanted();
                        *wanted = view.wanted();
                        is_other
                    });
                }
                // A resize: the next frame fits.
                Some(_) => {}
                // The terminal is gone.
                None => return Ok(()),
            },
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
        }
    }
}

/// Asks once a second, and at once when another channel is wanted.
async fn ask(
    client: &Client,
    mut wanted: watch::Receiver<Option<ChannelPoint>>,
    told: mpsc::Sender<Told>,
) {
    loop {
        let channel = *wanted.borrow_and_update();
        let status = client.status().await;
        let why = match channel {
            Some(point) if status.is_ok() => {
                let why = client.why(&point.to_string()).await;
                Some((point, why.map(|why| why.sentences)))
            }
            Some(_) | None => None,
        };
        if told.send(Told { status, why }).await.is_err() {
            return;
        }
        if let Ok(Err(_)) = timeout(REFRESH, wanted.changed()).await {
            // Nobody will want another channel.
            sleep(REFRESH).await;
        }
    }
}
