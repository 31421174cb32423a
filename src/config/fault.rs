//! What can be wrong with a configuration, told all at once.
//!
//! A [`Fault`] stops the daemon, a [`Warning`] does not. Both name the key, say what is wrong and
//! how to mend it, and never repeat a value that could be a secret.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no configuration: every fault that was found.
#[derive(Debug, thiserror::Error)]
#[error("{}", list(dir, faults))]
pub struct ConfigError {
    /// The folder that was read.
    pub dir: PathBuf,
    /// The faults, in the order of their keys; never empty.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no such folder.
    #[error("the folder {} does not exist (--config or TIGHTROPE_CONFIG_DIR names the one with \
        local.json)", dir.display())]
    NoFolder {
        /// The folder.
        dir: PathBuf,
    },
    /// A file that is there cannot be read.
    #[error("{}: {} (it should be a file that the user who runs tightrope may read)",
        path.display(), source.kind())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not JSON.
    #[error("{}: {} (mend the JSON there; it has no comments and no trailing commas)",
        path.display(), source)]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line and column.
        source: SyntaxError,
    },
    /// A key that nobody knows.
    #[error("{key}: unknown key ({})", match nearest {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => "see docs/config.md for the keys".to_owned(),
    })]
    Unknown {
        /// The key as it was written, with its path.
        key: String,
        /// The known key that is most like it.
        nearest: Option<String>,
    },
    /// A value that cannot be meant.
    #[error("{key}: {what} ({mend})")]
    Value {
        /// The key, with its path.
        key: String,
        /// What is wrong.
        what: String,
        /// What to do about it.
        mend: String,
    },
}

/// Why a text is not JSON.
#[derive(Debug, thiserror::Error)]
pub enum SyntaxError {
    /// It is not well formed.
    #[error("{0}")]
    Json(serde_json::Error),
    /// It is well formed, and not an object.
    #[error("the file should hold one JSON object")]
    NotAnObject,
}

impl Fault {
    /// The key or the file that is at fault.
    pub fn key(&self) -> String {
        match self {
            Self::NoFolder { dir: path }
            | Self::Unreadable { path, .. }
            | Self::Syntax { path, .. } => path.display().to_string(),
            Self::Unknown { key, .. } | Self::Value { key, .. } => key.clone(),
        }
    }
}

/// Something that the operator should know, though it stops nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// The key, with its path.
    pub key: String,
    /// What it is about, and what to do.
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// At most one for a key and what is within it: what follows from a fault is not told.
    faults: Vec<Fault>,
    /// In the order in which they were found.
    pub(super) warnings: Vec<Warning>,
}

impl Findings {
    /// Adds a fault, unless its key or one around it already has one.
    pub(super) fn add(&mut self, fault: Fault) {
        if !self.is_known(&fault.key()) {
            self.faults.push(fault);
        }
    }

    /// Adds that the value of `key` is wrong.
    pub(super) fn fault(&mut self, key: &str, what: impl Into<String>, mend: impl Into<String>) {
        self.add(Fault::Value { key: key.to_owned(), what: what.into(), mend: mend.into() });
    }

    /// Adds something to know about `key`.
    pub(super) fn warn(&mut self, key: &str, what: impl Into<String>) {
        self.warnings.push(Warning { key: key.to_owned(), what: what.into() });
    }

    /// Whether a fault of `key`, or of one around it, is known.
    fn is_known(&self, key: &str) -> bool {
        self.faults.iter().any(|fault| {
            let within = key.strip_prefix(&fault.key());
            within.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Whether there is a fault.
    pub(super) const fn is_faulty(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Whether a file could not be read, or the folder was not there.
    pub(super) fn is_unread(&self) -> bool {
        self.faults.iter().any(|fault| match fault {
            Fault::NoFolder { .. } | Fault::Unreadable { .. } | Fault::Syntax { .. } => true,
            Fault::Unknown { .. } | Fault::Value { .. } => false,
        })
    }

    /// All faults, for want of a configuration.
    pub(super) fn into_error(mut self, dir: &Path) -> ConfigError {
        self.faults.sort_by_cached_key(|fault| in_order(&fault.key()));
        ConfigError { dir: dir.to_owned(), faults: self.faults }
    }
}

/// A key that sorts the tenth item after the ninth.
fn in_order(key: &str) -> Vec<(usize, String)> {
    let parts = key.split(['[', ']']);
    parts.map(|part| (part.parse().unwrap_or_default(), part.to_owned())).collect()
}

/// The faults as a list under a headline.
fn list(dir: &Path, faults: &[Fault]) -> String {
    let headline = match faults {
        [_] => format!("the configuration in {} has a fault:", dir.display()),
        _ => format!("the configuration in {} has {} faults:", dir.display(), faults.len()),
    };
    faults.iter().fold(headline, |text, fault| format!("{text}\n  {fault}"))
}
