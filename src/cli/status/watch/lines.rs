//! The watch where there is no screen: a line every few seconds, for a file or a pipe.

use std::io::{self, Write};
use std::time::Duration;

use tokio::time::sleep;

use super::super::text::line;
use crate::control::Client;

/// How far the lines are apart.
const PAUSE: Duration = Duration::from_secs(5);

/// Prints lines until nobody reads them. While no daemon answers, that is said once.
pub(super) async fn print(client: &Client) -> io::Result<()> {
    let mut last_error = None;
    loop {
        let said = match client.status().await {
            Ok(status) => {
                last_error = None;
                Some(line(&status))
            }
            Err(error) => {
                let error = Some(format!("no status: {error}"));
                let is_told = error == last_error;
                last_error.clone_from(&error);
                error.filter(|_| !is_told)
            }
        };
        if let Some(line) = said {
            let mut stdout = io::stdout().lock();
            match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                printed => printed?,
            }
        }
        sleep(PAUSE).await;
    }
}
