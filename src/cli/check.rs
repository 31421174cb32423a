//! `tightrope check`: what was understood, what the nodes say, what would be done.
#![expect(clippy::print_stdout, reason = "commands speak to people")]

use std::process::ExitCode;

use crate::config::Config;
use crate::daemon::check::{Report, check};

/// Checks, prints, and exits with 1 where a node cannot be used.
pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(&config.understood())?);
    for warning in &config.warnings {
        println!("warning: {warning}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(check(config))?;
    print(&report);
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) {
    for (index, node) in report.nodes.iter().enumerate() {
        let answer = node.answer.as_deref().unwrap_or("no answer");
        println!("lightningNodes[{index}] {}: {answer}", node.socket);
        if let Some(limits) = &node.limits {
            println!("  {limits}");
        }
        for fault in &node.faults {
            println!("  fault: {fault}");
        }
    }
    println!("peers:");
    for line in &report.peers {
        println!("  {line}");
    }
    match report.channels.len() {
        0 => println!("no channel between two nodes that answer"),
        sides => println!("{sides} channel sides between nodes that answer:"),
    }
    for channel in &report.channels {
        println!("  {channel}");
    }
}
