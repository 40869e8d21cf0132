//! `id`, `key` or `total`, `type`, `accept`, `position` and `split` of a source.

use super::raw::{Entry, Section, or};
use crate::extract::{
    INSTANT_UNITS, IdRule, KeyRule, Location, Pattern, Pointer, PositionRule, Rules, StateAt,
};
use crate::limits;

/// The key that all events of a source have with `total = true`.
const ALL: &str = "all";

pub(super) fn rules(section: &Section<'_>) -> Option<Rules> {
    let id = section.required("id").and_then(|entry| id(&entry));
    let total = total(section);
    let key_entry = if total.is_some() { section.get("key") } else { section.required("key") };
    let key = match &total {
        Some(total) => only_key(total, key_entry.as_ref()),
        None => key_entry.as_ref().and_then(key),
    };
    let event_type = or(section.get("type"), None, |entry| location(entry).map(Some));
    let accept = accept(section);
    let position = position(section);
    let split = or(section.get("split"), None, |entry| split(entry).map(Some));
    let depends_on = or(section.get("depends_on"), None, |entry| {
        entry.section()?.required("key").as_ref().and_then(self::key).map(Some)
    });
    if let (Some(KeyRule::ByType(_)), Some(None), Some(entry)) = (&key, &event_type, &key_entry) {
        entry.error("a key by type needs `type`, which says where the type is");
    }
    Some(Rules {
        id: id?,
        key: key?,
        event_type: event_type?,
        accept: accept?,
        position: position?,
        split: split?,
        depends_on: depends_on?,
    })
}

fn location(entry: &Entry<'_>) -> Option<Location> {
    entry.parsed(Location::parse)
}

pub(super) fn id(entry: &Entry<'_>) -> Option<IdRule> {
    match entry.text()? {
        "sha256" => Some(IdRule::Sha256),
        "none" => Some(IdRule::None),
        _ => location(entry).map(IdRule::At),
    }
}

/// Where `total = true` is written, if it is.
pub(super) fn total<'a>(section: &Section<'a>) -> Option<Entry<'a>> {
    section.get("total").filter(|entry| entry.boolean() == Some(true))
}

/// One order over everything: rule K6.
fn only_key(total: &Entry<'_>, key: Option<&Entry<'_>>) -> Option<KeyRule> {
    if let Some(key) = key {
        key.error("`total = true` makes the whole source one resource; remove it or the key");
        return None;
    }
    total.warn(
        "one order over everything: each destination has one attempt at a time, and an event that \
         fails or is missing keeps all behind it waiting",
    );
    Some(KeyRule::Parts(vec![Location::Const(ALL.to_owned())]))
}

pub(super) fn key(entry: &Entry<'_>) -> Option<KeyRule> {
    if !entry.is_array() {
        return parts(entry).map(KeyRule::Parts);
    }
    let rules = entry.list(limits::KEY_RULES)?;
    let rules: Vec<_> = rules.iter().map(key_rule).collect();
    rules.into_iter().collect::<Option<_>>().map(KeyRule::ByType)
}

fn key_rule(entry: &Entry<'_>) -> Option<(Pattern, Vec<Location>)> {
    let section = entry.section()?;
    let pattern = section.required("type").and_then(|entry| entry.parsed(Pattern::parse));
    let parts = section.required("at").and_then(|entry| parts(&entry));
    Some((pattern?, parts?))
}

/// One location, or `{ join = […] }`.
fn parts(entry: &Entry<'_>) -> Option<Vec<Location>> {
    if !entry.is_table() {
        return location(entry).map(|location| vec![location]);
    }
    let join = entry.section()?.required("join")?;
    let parts: Vec<_> = join.list(limits::JOIN_PARTS)?.iter().map(location).collect();
    parts.into_iter().collect()
}

fn accept(section: &Section<'_>) -> Option<Vec<Pattern>> {
    patterns(section, "accept")
}

/// A list of patterns of event types; everything without one.
pub(super) fn patterns(section: &Section<'_>, name: &str) -> Option<Vec<Pattern>> {
    let Some(entry) = section.get(name) else { return Some(vec![Pattern::any()]) };
    let patterns = entry.list(limits::TYPE_PATTERNS)?;
    let patterns: Vec<_> = patterns.iter().map(|entry| entry.parsed(Pattern::parse)).collect();
    patterns.into_iter().collect()
}

fn position(section: &Section<'_>) -> Option<PositionRule> {
    or(section.get("position"), PositionRule::None, |entry| {
        if entry.is_table() {
            return position_table(entry);
        }
        entry.choice(&[("none", ())]).map(|()| PositionRule::None)
    })
}

/// `{ sequence = … }`, `{ version = … }`, `{ timestamp = …, unit = … }`, `{ fields = …, unit = … }` or
/// `{ clock = …, node = … }`, `{ state = …, … }` or `{ link = { before = …, after = … } }`.
fn position_table(entry: &Entry<'_>) -> Option<PositionRule> {
    let section = entry.section()?;
    let unit = section.get("unit");
    if let Some(state) = section.get("state") {
        return state_of(&section, &state, unit.as_ref());
    }
    if let Some(link) = section.get("link") {
        return link_of(&section, &link);
    }
    let kinds =
        ["sequence", "version", "timestamp", "fields", "clock"].map(|name| section.get(name));
    if kinds.iter().flatten().count() != 1 {
        entry.error(
            "one of `sequence`, `version`, `timestamp`, `fields`, `clock`, `state`, `link` is needed",
        );
        return None;
    }
    let [sequence, version, timestamp, fields, clock] = kinds;
    if let (Some(unit), None, None) = (&unit, &timestamp, &fields) {
        unit.error("only a timestamp, or the times of fields, have a unit");
    }
    if let (Some(node), None) = (section.get("node"), &clock) {
        node.error("only a clock has a node");
    }
    if let (Some(values), None) = (section.get("values"), &fields) {
        values.error("only fields have values");
    }
    if let Some(entry) = fields {
        return fields_of(&entry, unit, section.get("values"));
    }
    if let Some(entry) = clock {
        return clock_of(&entry, section.required("node"));
    }
    let [sequence, version, timestamp] =
        [sequence, version, timestamp].map(|at| at.map(|at| location(&at)));
    if let Some(at) = sequence {
        return at.map(PositionRule::Sequence);
    }
    if let Some(at) = version {
        return at.map(PositionRule::Version);
    }
    let unit = section.required("unit").and_then(|entry| entry.choice(&INSTANT_UNITS));
    Some(PositionRule::Timestamp { at: timestamp??, unit: unit? })
}

/// `body:/pointer` of the object; without a unit its values are versions.
fn fields_of(
    entry: &Entry<'_>,
    unit: Option<Entry<'_>>,
    values: Option<Entry<'_>>,
) -> Option<PositionRule> {
    let at = location(entry)?;
    if !matches!(at, Location::Body(_)) {
        entry.error("body:/pointer of an object is needed: by name the version of each field");
        return None;
    }
    let unit = or(unit, None, |entry| entry.choice(&INSTANT_UNITS).map(Some));
    let values = or(values, None, |entry| values_of(entry).map(Some));
    Some(PositionRule::Fields { at, unit: unit?, values: values? })
}

/// `body:/pointer` of the object whose members are the values of the fields.
fn values_of(entry: &Entry<'_>) -> Option<Pointer> {
    match location(entry)? {
        Location::Body(values) if values.segments().len() < limits::POINTER_SEGMENTS => {
            Some(values)
        }
        _ => {
            let most = limits::POINTER_SEGMENTS - 1;
            entry.error(format!(
                "body:/pointer of an object is needed, {most} segments at the most: by name the value of each field"
            ));
            None
        }
    }
}

/// `body:/pointer` of the object, and where its node is.
fn clock_of(entry: &Entry<'_>, node: Option<Entry<'_>>) -> Option<PositionRule> {
    let (at, node) = (location(entry), node.and_then(|node| location(&node)));
    let (at, node) = (at?, node?);
    if !matches!(at, Location::Body(_)) {
        entry.error(
            "body:/pointer of an object is needed: by node how many of its events are known",
        );
        return None;
    }
    Some(PositionRule::Clock { at, node })
}

/// Where the state is, and how new it is where the source says that.
fn state_of(
    section: &Section<'_>,
    state: &Entry<'_>,
    unit: Option<&Entry<'_>>,
) -> Option<PositionRule> {
    for other in
        ["sequence", "fields", "values", "link"].iter().filter_map(|name| section.get(name))
    {
        other.error("beside a state there is only a `version` or a `timestamp`: how new it is");
    }
    let (version, timestamp) = (section.get("version"), section.get("timestamp"));
    if let (Some(timestamp), true) = (&timestamp, version.is_some()) {
        timestamp.error("a state has a `version` or a `timestamp`, not both");
    }
    if let (Some(unit), None) = (unit, &timestamp) {
        unit.error("only a timestamp, or the times of fields, have a unit");
    }
    let unit = match timestamp {
        Some(_) => section.required("unit")?.choice(&INSTANT_UNITS).map(Some)?,
        None => None,
    };
    let at = match timestamp.or(version) {
        Some(entry) => Some(StateAt { at: location(&entry)?, unit }),
        None => None,
    };
    Some(PositionRule::State { state: location(state)?, at })
}

/// Where the hashes are of what was before and what is after, and what says that the one does not build on the other.
fn link_of(section: &Section<'_>, link: &Entry<'_>) -> Option<PositionRule> {
    let others = ["sequence", "version", "timestamp", "fields", "values", "clock", "node", "unit"];
    for other in others.iter().filter_map(|name| section.get(name)) {
        other.error("beside a link there is nothing else");
    }
    let link = link.section()?;
    let at = |name| link.required(name).and_then(|entry| location(&entry));
    let (before, after) = (at("before"), at("after"));
    let forced = or(link.get("forced"), None, |entry| match location(entry)? {
        at @ Location::Body(_) => Some(Some(at)),
        _ => {
            entry.error("body:/pointer of a boolean is needed");
            None
        }
    });
    Some(PositionRule::Link { before: before?, after: after?, forced: forced? })
}

/// `body:/pointer` of the array.
fn split(entry: &Entry<'_>) -> Option<Pointer> {
    match location(entry)? {
        Location::Body(pointer) => Some(pointer),
        _ => {
            entry.error("body:/pointer of an array is needed; `body:` is the whole body");
            None
        }
    }
}
