//! Which lanes or dead letters a request is about: names and times of the API as the store knows
//! them.

use sprag_core::time::UnixMicros;

use super::names::Names;
use super::request::{invalid, moment};
use crate::extract::Pattern;
use crate::problem::Problem;
use crate::state::Selection;

/// The conditions of a request; each is optional and all that are there must be met.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Selector<'a> {
    pub(super) destination: Option<&'a str>,
    pub(super) source: Option<&'a str>,
    pub(super) key: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    pub(super) since: Option<&'a str>,
    pub(super) until: Option<&'a str>,
}

/// The conditions of a request that has them as members of these names.
macro_rules! of {
    ($wanted:expr) => {
        $crate::admin::selector::Selector {
            destination: $wanted.destination.as_deref(),
            source: $wanted.source.as_deref(),
            key: $wanted.key.as_deref(),
            reason: $wanted.reason.as_deref(),
            since: $wanted.since.as_deref(),
            until: $wanted.until.as_deref(),
        }
    };
}
pub(super) use of;

impl Selector<'_> {
    /// Whether it has no condition, and so selects everything.
    pub(super) fn is_empty(&self) -> bool {
        let Self { destination, source, key, reason, since, until } = self;
        [destination, source, key, reason, since, until].into_iter().all(Option::is_none)
    }

    pub(super) fn read(&self, names: &Names) -> Result<Selection, Problem> {
        let time = |name, text: Option<&str>| text.map(|text| moment(name, text)).transpose();
        let pattern =
            |text| Pattern::parse(text).map_err(|problem| invalid(format!("key: {problem}")));
        Ok(Selection {
            destination: self.destination.map(|name| names.destination_id(name)).transpose()?,
            source: self.source.map(|name| names.source_id(name)).transpose()?,
            key: self.key.map(pattern).transpose()?,
            reason: self.reason.map(str::to_owned),
            since: time("since", self.since)?,
            until: time("until", self.until)?,
        })
    }

    /// A selection for many commands: everything only where that is said.
    pub(super) fn read_all_if(&self, names: &Names, all: bool) -> Result<Selection, Problem> {
        if self.is_empty() && !all {
            return Err(invalid(
                "without a condition everything is meant: then say \"all\": true".to_owned(),
            ));
        }
        self.read(names)
    }
}

/// Reasons an unknown one is told apart from. A misspelled reason must not select nothing.
pub(super) fn known_reason(reason: Option<&str>, known: &[&str]) -> Result<(), Problem> {
    let Some(reason) = reason else { return Ok(()) };
    let status = reason.len() == 3
        && reason.starts_with(|first: char| first.is_ascii_digit())
        && (reason.ends_with("xx") || reason.bytes().all(|byte| byte.is_ascii_digit()));
    if known.contains(&reason) || (status && known.contains(&"5xx")) {
        return Ok(());
    }
    Err(invalid(format!("reason is one of {}", known.join(", "))))
}

/// What a lane can have stopped for; a status or a class of them stands for answers.
pub(super) const LANE_REASONS: &[&str] = &[
    "halted",
    "parked",
    "unreachable",
    "address-not-allowed",
    "unknown",
    "unreadable",
    "not-acknowledged-in-time",
    "4xx",
    "5xx",
    "503",
];

/// Why an event is a dead letter.
pub(super) const LETTER_REASONS: &[&str] =
    &["given-up", "backlog-full", "late", "conflict", "invalid"];

/// A time as the API gives it.
pub(super) fn shown(micros: Option<UnixMicros>) -> Option<String> {
    micros.and_then(super::answer::time)
}
