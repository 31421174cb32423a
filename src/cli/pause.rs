//! `tightrope pause` and `tightrope resume`: the operator's word that nothing new is to be paid.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;

use super::door::{Door, say_done, wait};
use crate::control::{PAUSE_MAX, Pause};
use crate::time::{SpanError, parse_span, whole_ms};

/// What is to be paused, and how.
#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    /// Where: all; a node by its alias or key; a channel by any of its ids (700123x1x0,
    /// 700123:1:0, LND's chan_id, alias:id) or its funding output; a peer by its key. Of a key, the
    /// first 8 digits are enough. A legacy peer has a new key after each start: pause its nodes.
    #[arg(default_value = "all", value_parser = NonEmptyStringValueParser::new())]
    scope: String,
    /// For how long, such as 2h; until resume where this is missing.
    #[arg(long = "for", value_name = "TIME", value_parser = span, allow_hyphen_values = true)]
    length: Option<Duration>,
    /// Why, for those who ask later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    door: Door,
}

/// What may be paid again.
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    /// Which pause: named as it was paused, or by the key that why and status show. all lifts the
    /// pause of all, and no other.
    #[arg(default_value = "all", value_parser = NonEmptyStringValueParser::new())]
    scope: String,
    #[command(flatten)]
    door: Door,
}

/// Stops new payments.
pub(super) fn pause(args: PauseArgs, dir: &Path) -> anyhow::Result<ExitCode> {
    let client = args.door.client(dir)?;
    let PauseArgs { scope, length, reason, door: _ } = args;
    let pause = Pause { scope, for_ms: length.map(whole_ms), reason };
    say_done(&wait(client.pause(&pause))?)?;
    Ok(ExitCode::SUCCESS)
}

/// Allows them again.
pub(super) fn resume(args: &ResumeArgs, dir: &Path) -> anyhow::Result<ExitCode> {
    let client = args.door.client(dir)?;
    say_done(&wait(client.resume(&args.scope))?)?;
    Ok(ExitCode::SUCCESS)
}

/// A length of time that is worth a pause.
fn span(text: &str) -> Result<Duration, String> {
    match parse_span(text) {
        Ok(span) if whole_ms(span) == 0 => Err("a pause of no length pauses nothing".to_owned()),
        Ok(span) if span > PAUSE_MAX => {
            Err("over ten years: leave --for out, and it holds until tightrope resume".to_owned())
        }
        read => read.map_err(|error: SpanError| error.to_string()),
    }
}
