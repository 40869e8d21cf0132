//! What is wrong or doubtful in a configuration: file, line, key, reason.

use std::fmt;

/// Whether a finding prevents the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The start is refused.
    Error,
    /// The start goes on; `check` prints it.
    Warning,
}

/// One finding. Never quotes a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Does it prevent the start?
    pub severity: Severity,
    /// The file as it was named.
    pub file: String,
    /// From 1; 0 where it is of no line.
    pub line: usize,
    /// The key, `sources.billing.hold.wait`; empty for a fault of the syntax.
    pub key: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        formatter.write_str(&self.file)?;
        if self.line > 0 {
            write!(formatter, ":{}", self.line)?;
        }
        write!(formatter, ": {severity}: ")?;
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        formatter.write_str(&self.reason)
    }
}
