//! `[sources.NAME]`: its parts, and what holds between them (rules K6 and C5).

use super::check_depends::depends_on;
use super::check_late::on_late;
use super::check_list::list;
use super::check_order::contract;
use super::check_refill::refill;
use super::check_rules::{rules, total};
use super::check_verify::verification;
use super::checked::{Contract, Handshake, Latest, OnInvalid, Source};
use super::raw::{Defaults, Entry, Section, or};
use super::{Named, check_rate};
use crate::extract::{IdRule, KeyRule, Location, PositionRule, Rules};
use crate::verify::Scheme;
use crate::{limits, preset};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

pub(super) fn sources(root: &Section<'_>) -> Named<Source> {
    let sources = super::named(root, "sources", source);
    if sources.is_empty() {
        root.error("at least one source is needed: [sources.NAME]");
    }
    sources
}

/// Keys that a preset gives together: with one of them written anew, the others mean nothing.
const ORDER: [&str; 13] = [
    "position",
    "contract",
    "first",
    "strict_first",
    "hold",
    "on_gap",
    "on_late",
    "late_to",
    "coalesce",
    "max_ahead",
    "settle",
    "ranks",
    "states",
];

/// The source with what its preset adds. A preset that does not exist is told; then what it would
/// have given is not, so nothing else is checked.
fn completed<'a>(section: &Section<'a>) -> Option<Section<'a>> {
    let Some(entry) = section.get("preset") else { return Some(section.clone()) };
    let names: Vec<(&str, &str)> =
        preset::all().iter().map(|preset| (preset.name, preset.name)).collect();
    let preset = preset::find(entry.choice(&names)?)?;
    let mut hidden = Vec::new();
    if section.get("position").is_some() || section.get("contract").is_some() {
        hidden.extend(ORDER);
    }
    // One order over everything takes the place of the preset's resources.
    if total(section).is_some() {
        hidden.push("key");
    }
    // Another scheme has other keys.
    if section.section("verify").get("scheme").is_some() {
        hidden.push("verify");
    }
    let (table, at) = (preset.source, entry.at());
    Some(section.clone().completed_by(Defaults { table, at, hidden, merged: &["verify", "hold"] }))
}

fn source(written: &Section<'_>) -> Option<Source> {
    let section = &completed(written)?;
    let verification = verification(section);
    let rules = rules(section);
    let position = rules.as_ref().map(|rules| &rules.position);
    let contract = contract(section, position);
    let on_late = on_late(section, contract.as_ref());
    let depends_on = depends_on(section, contract.as_ref());
    let refill = refill(section, rules.as_ref(), contract.as_ref());
    let rate = check_rate::rate(section, "rate");
    let dedupe = or(section.get("dedupe"), DAY * 7, |entry| {
        entry.duration(Duration::from_secs(1)..=DAY * 400)
    });
    let forget_after = or(section.get("forget_after"), None, |entry| {
        entry.duration(Duration::from_secs(1)..=DAY * 3_650).map(Some)
    });
    let expect_every = or(section.get("expect_every"), None, |entry| {
        entry.duration(Duration::from_secs(1)..=DAY * 400).map(Some)
    });
    let max_body = or(section.get("max_body"), 1 << 20, |entry| entry.size(1..=limits::BODY_BYTES));
    let list = list(section, rules.as_ref(), contract.as_ref(), dedupe);
    let handshake = handshake(section, verification.as_ref().map(|found| &found.scheme));
    let on_invalid = or(section.get("on_invalid"), OnInvalid::Refuse, |entry| {
        entry.choice(&[("refuse", OnInvalid::Refuse), ("dead-letter", OnInvalid::DeadLetter)])
    });
    let verification = verification?;
    let source = Source {
        scheme: verification.scheme,
        secrets: verification.secrets,
        tolerance: verification.tolerance,
        rules: rules?,
        contract: contract?,
        handshake: handshake?,
        on_invalid: on_invalid?,
        on_late: on_late?,
        rate: rate?,
        dedupe: dedupe?,
        forget_after: forget_after?,
        expect_every: expect_every?,
        max_body: max_body?,
        depends_on: depends_on?,
        refill: refill?,
        list: list?,
    };
    consistent(section, &source);
    Some(source)
}

/// Slack has one handshake and always uses it.
fn handshake(section: &Section<'_>, scheme: Option<&Scheme>) -> Option<Handshake> {
    let default = match scheme {
        Some(Scheme::Slack) => Handshake::Slack,
        _ => Handshake::None,
    };
    or(section.get("handshake"), default, |entry| {
        entry.choice(&[
            ("none", Handshake::None),
            ("slack", Handshake::Slack),
            ("cloudevents", Handshake::CloudEvents),
        ])
    })
}

fn consistent(section: &Section<'_>, source: &Source) {
    if source.rules.split.is_some() {
        same_for_all(section, &source.rules);
    }
    if let Err(problem) = source.extractor() {
        section.error(&problem.to_string());
    }
    let has_types = source.rules.event_type.is_some();
    if !has_types && !source.rules.accept.iter().any(crate::extract::Pattern::is_any) {
        section.error("`accept` names types, so `type` must say where the type is");
    }
    if let Contract::Settle(settle) = &source.contract {
        if !has_types && !settle.ranks.is_empty() {
            section.error("`ranks` names types, so `type` must say where the type is");
        }
        if source.dedupe < settle.settle {
            section.error(
                "`dedupe` is shorter than `settle`: a repeat of what settles would be a new event",
            );
        }
        if source.rules.id == IdRule::None {
            section.error(
                "contract \"settle\" tells repeats by their id, for an instant may be that of several events; \
                 without one of the source `id = \"sha256\"` takes the digest of the body",
            );
        }
    }
    if let (Contract::Links(_), IdRule::None) = (&source.contract, &source.rules.id) {
        section.error(
            "a link names no event, for hashes come back, so repeats are told by their id; without one of the \
             source `id = \"sha256\"` takes the digest of the body",
        );
    }
    let without_position = matches!(source.contract, Contract::Arrival | Contract::Unordered);
    if source.rules.id == IdRule::None && without_position {
        section.warn("without id and position a repeat cannot be told from a new event");
    }
    if let Some(total) = total(section) {
        one_order(&total, &source.contract);
    }
    uncovered(section, &source.scheme, &source.rules);
    bound_sequence(section, &source.scheme, &source.rules.position);
}

/// What one order over everything does to a contract that was made for one resource.
fn one_order(total: &Entry<'_>, contract: &Contract) {
    match contract {
        Contract::Unordered => {
            total.error("contract \"unordered\" has no order, so there is none for `total = true`");
        }
        Contract::Latest(Latest { coalesce: true, .. }) => total.error(
            "with `total = true` and `coalesce` an event would take the place of those of other \
             resources",
        ),
        Contract::Merge(_) => {
            total.error("contract \"merge\" knows fields of one resource, not of all together");
        }
        Contract::States(_) => {
            total.error("contract \"states\" knows the state of one resource, not of all together");
        }
        Contract::Latest(_) => total.warn(
            "with `total = true` an event is stale as soon as a newer one of any resource was released",
        ),
        // The others put everything in order as they do one resource.
        _ => {}
    }
}

/// Of a request that holds several events, only the body tells them apart.
fn same_for_all(section: &Section<'_>, rules: &Rules) {
    let id = match &rules.id {
        IdRule::At(location) => Some(location),
        IdRule::Sha256 | IdRule::None => None,
    };
    let subjects = id.map(|location| ("id", location)).into_iter();
    let positions = rules.position.locations().map(|location| ("position", location));
    for (subject, location) in subjects.chain(positions) {
        if !matches!(location, Location::Body(_)) {
            section.error(&format!(
                "with `split` the {subject} at {location} would be the same for all events of a \
                 request"
            ));
        }
    }
}

/// Rule C5: what decides about identity and order should be under the signature.
fn uncovered(section: &Section<'_>, scheme: &Scheme, rules: &Rules) {
    if *scheme == Scheme::None {
        section.warn("scheme \"none\": whoever reaches this address can post events");
        return;
    }
    let id = match &rules.id {
        IdRule::At(location) => Some(location),
        IdRule::Sha256 | IdRule::None => None,
    };
    let subjects = id.map(|location| ("id", location)).into_iter();
    let subjects = subjects.chain(rules.key.locations().map(|location| ("key", location)));
    let positions = rules.position.locations().map(|location| ("position", location));
    let others = rules.depends_on.iter().flat_map(KeyRule::locations);
    let others = others.map(|location| ("key it depends on", location));
    let subjects = subjects.chain(positions).chain(others);
    for (subject, location) in subjects {
        if !covered(scheme, location) {
            section.warn(&format!("the signature does not cover the {subject} at {location}"));
        }
    }
}

fn covered(scheme: &Scheme, location: &Location) -> bool {
    match location {
        Location::Header(name) => scheme.covers_header(name),
        Location::Query(_) => scheme.covers_query(),
        Location::Body(_) | Location::Form(_) => scheme.covers_body(),
        Location::Const(_) => true,
    }
}

/// A signature that binds the sequence protects only a position read from the same header.
fn bound_sequence(section: &Section<'_>, scheme: &Scheme, position: &PositionRule) {
    let Scheme::Hmac(declared) = scheme else { return };
    let Some(bound) = &declared.sequence else { return };
    let bound_at = Location::Header(bound.clone());
    if !position.locations().any(|location| *location == bound_at) {
        section.warn(&format!(
            "the signature binds the sequence in header:{bound}, but the position is not read there"
        ));
    }
}
