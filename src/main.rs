//! The entry point: reads the command line, runs one command, turns errors into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    tightrope::cli::main()
}
