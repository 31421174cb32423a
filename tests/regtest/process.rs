//! [`Process`]: a child that never outlives us.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running program. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `program`; what it says is appended to `output`.
    pub(crate) fn spawn(program: &Path, arguments: &[String], output: &Path) -> Self {
        Self::spawn_with(program, arguments, [output, output], Stdio::null())
    }

    /// Starts a program that can be told something; its complaints go to the second file.
    pub(crate) fn spawn_listening(
        program: &Path,
        arguments: &[String],
        outputs: [&Path; 2],
    ) -> Self {
        Self::spawn_with(program, arguments, outputs, Stdio::piped())
    }

    fn spawn_with(program: &Path, arguments: &[String], outputs: [&Path; 2], input: Stdio) -> Self {
        let [output, errors] = outputs.map(append);
        // setpriv has the kernel kill the program when this thread ends, however it ends, and
        // then becomes the program.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .stdin(input)
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        Self { child }
    }

    /// Tells it a line, if it listens.
    pub(crate) fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("a program that listens");
        writeln!(input, "{line}").expect("a program that runs");
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop (SIGTERM).
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a process that runs");
    }

    /// How it ended, if it did.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Ends it at once (SIGKILL).
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn append(path: &Path) -> File {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()))
}
