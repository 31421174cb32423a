//! [`Process`]: a child that never outlives us.
//!
//! It is killed when the value that stands for it is dropped. Where we die ourselves, however that
//! is, nobody drops anything: so a child is started through [`on_leash`], by which the kernel kills
//! it with us (on Linux), and which then becomes the program.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The hidden command of our own binary that calls [`on_leash`].
pub const LEASH: &str = "leash";

/// What the names of variables begin with that are meant for us, and not for a child of ours.
const OURS: [&str; 3] = ["TIGHTROPE", "NOTIFY_SOCKET", "WATCHDOG_"];

/// A program that could not be started or asked.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It does not start.
    #[error("{} cannot be started (can this user run it?)", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What it says cannot be kept.
    #[error("{} cannot be written (is the disk full?)", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A running program. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `program`; what it says is appended to `output`. Must be called on the thread that
    /// lives as long as we do.
    pub fn start(
        program: &Path,
        arguments: impl IntoIterator<Item = OsString>,
        output: &Path,
    ) -> Result<Self, ProcessError> {
        let fault = |source| ProcessError::Start { program: program.to_owned(), source };
        let file = open(output)?;
        let errors = file.try_clone().map_err(fault)?;
        let mut command = Command::new(std::env::current_exe().map_err(fault)?);
        command.arg(LEASH).arg(std::process::id().to_string()).arg(program).arg("--");
        command.args(arguments);
        for (name, _) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            if OURS.iter().any(|start| upper.starts_with(start)) {
                command.env_remove(name);
            }
        }
        // In a group of its own, so that Ctrl-C reaches us alone, who end things in order.
        command.process_group(0).stdin(Stdio::null()).stdout(file).stderr(errors);
        Ok(Self { child: command.spawn().map_err(fault)? })
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        // It fails only where it has ended already.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        // It fails only for what is no child of ours.
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn open(path: &Path) -> Result<File, ProcessError> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|source| ProcessError::Output { path: path.to_owned(), source })
}

/// Becomes `program`, which the kernel kills when the process `parent` ends. Returns why it could
/// not.
pub fn on_leash(parent: u32, program: &Path, arguments: &[OsString]) -> io::Error {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getppid, set_parent_process_death_signal};
        if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
            return error.into();
        }
        let raw = getppid().map(Pid::as_raw_nonzero).and_then(|pid| u32::try_from(pid.get()).ok());
        if raw != Some(parent) {
            return io::Error::other("whoever wanted it is gone");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = parent;
    Command::new(program).args(arguments).exec()
}
