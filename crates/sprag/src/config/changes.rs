//! What a configuration changes of another: what must wait for a restart, and what is told of the rest.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::Config;

/// How another value of a key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// With a reload (SIGHUP), and with a restart.
    Reload,
    /// With a restart.
    Restart,
    /// It does not: history was written with it (rule K8, L7), or the data directory made with it (K2).
    Never,
}

/// How another value of this key takes effect.
pub(super) fn change_of(path: &str) -> Change {
    const RESTART: &[&str] = &[
        "server.listen",
        "server.admin",
        "server.data",
        "log.engine",
        "log.body_codec",
        "limits.connections",
        "limits.disk_reserve",
    ];
    const NEVER: &[&str] = &[
        "server.partitions",
        "sources.*.id",
        "sources.*.key",
        "sources.*.key[]",
        "sources.*.total",
        "sources.*.split",
        "sources.*.position",
        "sources.*.contract",
        "sources.*.first",
        "sources.*.strict_first",
        "destinations.*.start",
    ];
    let is_of = |known: &str| {
        path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    match path {
        path if RESTART.contains(&path) => Change::Restart,
        // Whether a step is forced tells nothing of its place.
        "sources.*.position.link.forced" | "sources.*.position.values" => Change::Reload,
        _ if NEVER.iter().any(|known| is_of(known)) => Change::Never,
        _ => Change::Reload,
    }
}

/// The keys whose values cannot follow while the process runs and that are other than they were.
#[must_use]
pub fn needs_restart(was: &Config, is: &Config) -> Vec<&'static str> {
    let changed = [
        ("server.listen", was.server.listen != is.server.listen),
        ("server.admin", was.server.admin != is.server.admin),
        ("server.data", was.server.data != is.server.data),
        ("server.partitions", was.server.partitions != is.server.partitions),
        ("log.engine", was.engine != is.engine),
        ("log.body_codec", was.body_codec != is.body_codec),
        ("limits.connections", was.limits.connections != is.limits.connections),
        ("limits.disk_reserve", was.limits.disk_reserve != is.limits.disk_reserve),
        // Without one a random token is made and printed, at a start only.
        ("admin.token", was.admin_token.is_some() && is.admin_token.is_none()),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

/// What is other than it was: `sources.billing changed`, `limits changed`. Never quotes a value.
#[must_use]
pub fn changes(was: &Config, is: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    named("sources", &was.sources, &is.sources, &mut changes);
    let retired = |config: &Config| config.retired.clone();
    for name in retired(is).iter().filter(|name| !was.retired.contains(name)) {
        changes.push(format!("destinations.{name} retired"));
    }
    named("destinations", &was.destinations, &is.destinations, &mut changes);
    changes.retain(|change| {
        let removed =
            change.strip_prefix("destinations.").and_then(|is| is.strip_suffix(" removed"));
        removed.is_none_or(|name| !is.retired.iter().any(|retired| retired == name))
    });
    let others = [
        ("limits changed", was.limits != is.limits),
        ("retention changed", was.retention != is.retention),
        ("admin.token changed", was.admin_token != is.admin_token),
    ];
    changes.extend(others.into_iter().filter(|(_, is)| *is).map(|(what, _)| what.to_owned()));
    changes
}

fn named<T: PartialEq>(
    section: &str,
    was: &BTreeMap<String, T>,
    is: &BTreeMap<String, T>,
    changes: &mut Vec<String>,
) {
    for (name, value) in is {
        match was.get(name) {
            None => changes.push(format!("{section}.{name} added")),
            Some(known) if known != value => changes.push(format!("{section}.{name} changed")),
            Some(_) => {}
        }
    }
    let removed = was.keys().filter(|name| !is.contains_key(*name));
    changes.extend(removed.map(|name| format!("{section}.{name} removed")));
}

/// The line on which a key stands, from 1; 0 where it does not.
#[must_use]
pub fn line_of(text: &str, key: &str) -> usize {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut table = Some(document.get_ref());
    let mut at = None;
    for part in key.split('.') {
        let found =
            table.and_then(|table| table.iter().find(|(name, _)| name.get_ref().as_ref() == part));
        let Some((name, value)) = found else {
            // Another name is of another line; of a key that is left out, its table's is told.
            at = at.filter(|_| !matches!(key.split('.').next(), Some("sources" | "destinations")));
            break;
        };
        at = Some(name.span().start);
        table = match value.get_ref() {
            DeValue::Table(inner) => Some(inner),
            _ => None,
        };
    }
    let before = at.and_then(|at| text.get(..at));
    before.map_or(0, |before| 1 + before.bytes().filter(|byte| *byte == b'\n').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_key_is_told_or_that_of_its_table() {
        let text = "[server]\nlisten = \"127.0.0.1:1\"\n\n[sources.a]\nid = \"none\"\n";
        let lines = ["server.listen", "server.admin", "sources.a", "sources.b", "limits.keys"];
        assert_eq!(lines.map(|key| line_of(text, key)), [2, 1, 4, 0, 0]);
    }

    #[test]
    fn every_marked_key_is_one() {
        let known = |key: &str| super::super::reference::KEYS.iter().any(|is| is.path == key);
        for (key, change) in [
            ("server.listen", Change::Restart),
            ("log.body_codec", Change::Restart),
            ("limits.disk_reserve", Change::Restart),
            ("server.partitions", Change::Never),
            ("sources.*.position.sequence", Change::Never),
            ("sources.*.key[].at.join", Change::Never),
            ("sources.*.total", Change::Never),
            ("destinations.*.start", Change::Never),
            ("destinations.*.url", Change::Reload),
        ] {
            assert!(known(key), "{key}");
            assert_eq!(change_of(key), change, "{key}");
        }
    }
}
