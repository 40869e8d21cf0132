//! Which stopped lanes, or which dead letters: what an operator wants to deal with at once.

use sprag_core::id::{DestinationId, Key, SourceId};
use sprag_core::time::UnixMicros;

use crate::extract::Pattern;

/// All that meet every condition there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Of this destination.
    pub destination: Option<DestinationId>,
    /// Of this source.
    pub source: Option<SourceId>,
    /// Of keys whose encoded name is like this.
    pub key: Option<Pattern>,
    /// For this reason: what came of the last try (`503`, all of `5xx`, `unreachable`…) or the mode
    /// of a lane; why an event is a dead letter.
    pub reason: Option<String>,
    /// From this time on.
    pub since: Option<UnixMicros>,
    /// Before this time.
    pub until: Option<UnixMicros>,
}

impl Selection {
    /// Whether rows have to be looked at one by one: more than the destination is asked for.
    pub(super) fn has_conditions(&self) -> bool {
        let Self { destination: _, source, key, reason, since, until } = self;
        source.is_some() || key.is_some() || reason.is_some() || since.is_some() || until.is_some()
    }

    /// Whether a row is wanted. One of unknown time is none of a time that is asked for.
    pub(super) fn takes(&self, key: &Key, at: Option<UnixMicros>, reasons: &[&str]) -> bool {
        let in_time = |bound: Option<UnixMicros>, holds: fn(UnixMicros, UnixMicros) -> bool| {
            bound.is_none_or(|bound| at.is_some_and(|at| holds(at, bound)))
        };
        self.source.is_none_or(|source| source == key.source)
            && self.key.as_ref().is_none_or(|pattern| pattern.matches(&key.name))
            && self.reason.as_ref().is_none_or(|wanted| {
                reasons.iter().any(|reason| reason == wanted || is_of_class(reason, wanted))
            })
            && in_time(self.since, |at, bound| at >= bound)
            && in_time(self.until, |at, bound| at < bound)
    }
}

/// Whether `503` is of `5xx`.
fn is_of_class(reason: &str, class: &str) -> bool {
    let status = reason.len() == 3 && reason.bytes().all(|byte| byte.is_ascii_digit());
    status && class.strip_suffix("xx").is_some_and(|digit| digit == &reason[..1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn every_condition_must_be_met() {
        let key = Key { source: SourceId(1), name: Arc::from("acme/7") };
        let takes =
            |selection: Selection| selection.takes(&key, Some(UnixMicros(50)), &["503", "halted"]);
        let wanted =
            |reason: &str| Selection { reason: Some(reason.into()), ..Selection::default() };
        assert!(takes(Selection::default()));
        assert!(takes(wanted("503")) && takes(wanted("5xx")) && takes(wanted("halted")));
        assert!(!takes(wanted("4xx")) && !takes(wanted("unreachable")) && !takes(wanted("parked")));
        let like = |text: &str| {
            let key = Some(Pattern::parse(text).unwrap());
            Selection { key, ..wanted("5xx") }
        };
        assert!(takes(like("acme/*")) && !takes(like("b*")));
        let during = |since, until| Selection {
            since: Some(UnixMicros(since)),
            until: Some(UnixMicros(until)),
            ..Selection::default()
        };
        assert!(takes(during(50, 51)) && !takes(during(51, 60)) && !takes(during(0, 50)));
        let unknown = during(0, 60).takes(&key, None, &[]);
        assert!(!unknown && Selection::default().takes(&key, None, &[]));
        assert!(!takes(Selection { source: Some(SourceId(2)), ..Selection::default() }));
    }
}
