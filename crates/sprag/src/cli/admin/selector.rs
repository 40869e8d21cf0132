//! Which lanes or dead letters: the conditions of a command line.

use crate::cli::Failure;
use crate::clock::Clock;
use crate::config::units;
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// Conditions; what is selected meets all that are given.
#[derive(Debug, Args)]
pub(in crate::cli) struct SelectorArguments {
    /// Of this destination
    #[arg(long, value_name = "NAME", global = true)]
    destination: Option<String>,
    /// Of this source
    #[arg(long, value_name = "NAME", global = true)]
    source: Option<String>,
    /// Of keys like this, as Sprag prints them; * stands for anything
    #[arg(long, value_name = "PATTERN", global = true)]
    key: Option<String>,
    /// For this reason: what came of the last try (503, 5xx, unreachable, unknown, …), halted,
    /// parked; given-up, backlog-full, late, conflict, invalid
    #[arg(long, value_name = "REASON", global = true)]
    reason: Option<String>,
    /// From this time on: 2h ago, or 2026-11-25T21:35:00Z
    #[arg(long, value_name = "TIME", global = true)]
    since: Option<String>,
    /// Before this time: 2h ago, or 2026-11-25T21:35:00Z
    #[arg(long, value_name = "TIME", global = true)]
    until: Option<String>,
}

/// Conditions as the API takes them.
#[derive(Debug)]
pub(in crate::cli) struct Selector<'a> {
    pub(in crate::cli) destination: Option<&'a str>,
    source: Option<&'a str>,
    key: Option<&'a str>,
    reason: Option<&'a str>,
    since: Option<String>,
    until: Option<String>,
}

impl SelectorArguments {
    pub(in crate::cli) fn read(&self) -> Result<Selector<'_>, Failure> {
        Ok(Selector {
            destination: self.destination.as_deref(),
            source: self.source.as_deref(),
            key: self.key.as_deref(),
            reason: self.reason.as_deref(),
            since: self.since.as_deref().map(moment).transpose()?,
            until: self.until.as_deref().map(moment).transpose()?,
        })
    }

    /// As the members of a body; everything only where that is said.
    pub(in crate::cli) fn body(&self, all: bool) -> Result<Value, Failure> {
        let selector = self.read()?;
        let is_empty = selector.parameters().iter().all(|(_, value)| value.is_none());
        if is_empty && !all {
            return Err(Failure::new(
                "without a name or a condition everything is meant: then say --all",
            ));
        }
        let mut body = json!({ "all": all });
        for (name, value) in selector.parameters() {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        Ok(body)
    }
}

impl Selector<'_> {
    pub(in crate::cli) fn parameters(&self) -> [(&'static str, Option<&str>); 6] {
        [
            ("destination", self.destination),
            ("source", self.source),
            ("key", self.key),
            ("reason", self.reason),
            ("since", self.since.as_deref()),
            ("until", self.until.as_deref()),
        ]
    }
}

/// A time as the API takes it; a duration is so long ago.
pub(in crate::cli) fn moment(text: &str) -> Result<String, Failure> {
    let ago = text.strip_suffix(" ago").unwrap_or(text).trim();
    let Ok(ago) = units::duration(ago) else {
        let time = text.parse::<jiff::Timestamp>().map(|_| text.to_owned());
        return time.map_err(|_| {
            Failure::new(format!("{text:?} is no time: 2h ago is one, or 2026-11-25T21:35:00Z"))
        });
    };
    let now = Clock::start().now().clock.0;
    let ago = u64::try_from(ago.as_micros()).unwrap_or(u64::MAX);
    let micros = i64::try_from(now.saturating_sub(ago)).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_microsecond(micros).map_err(Failure::new)?;
    Ok(time.to_string())
}

/// A duration for people: two of its units at the most.
pub(in crate::cli) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).as_secs();
    let (days, hours, minutes) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min {} s", whole % 60),
        (0, hours) => format!("{hours} h {minutes} min"),
        (days, hours) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_time_so_long_ago() {
        assert!(moment("yesterday").unwrap_err().0.contains("\"yesterday\" is no time"));
        assert_eq!(moment("2026-11-25T21:35:00Z").unwrap(), "2026-11-25T21:35:00Z");
        let (short, long) = (moment("1m").unwrap(), moment("2h ago").unwrap());
        assert!(long < short && long.ends_with('Z'), "{long} {short}");
    }

    #[test]
    fn durations_are_short() {
        let texts = [1.25, 59.9, 61.0, 7_322.0, 200_000.0].map(duration);
        assert_eq!(texts, ["1.2 s", "59.9 s", "1 min 1 s", "2 h 2 min", "2 d 7 h"]);
    }
}
