//! [`Said`]: a line about how things stand, and whether it is bad news.

/// A line.
#[derive(Debug)]
pub(super) struct Said {
    /// What it says.
    pub(super) text: String,
    /// How bad that is.
    pub(super) severity: Severity,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Severity {
    /// It is as it should be, or as the operator wants it.
    Calm,
    /// Somebody should look at it.
    Wrong,
}

impl Said {
    /// What is as it should be.
    pub(super) fn calm(text: impl Into<String>) -> Self {
        Self { text: text.into(), severity: Severity::Calm }
    }

    /// What somebody should look at.
    pub(super) fn wrong(text: impl Into<String>) -> Self {
        Self { text: text.into(), severity: Severity::Wrong }
    }

    /// The same, further to the right.
    pub(super) fn indented(self) -> Self {
        Self { text: format!("  {}", self.text), ..self }
    }
}
