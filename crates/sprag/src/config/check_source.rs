//! `[sources.NAME]`: its parts, and what holds between them (rules K6 and C5).

use super::Named;
use super::check_order::contract;
use super::check_rules::rules;
use super::check_verify::verification;
use super::checked::{Contract, Source};
use super::raw::{Section, or};
use crate::extract::{IdRule, Location, PositionRule, Rules};
use crate::limits;
use crate::verify::Scheme;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

pub(super) fn sources(root: &Section<'_>) -> Named<Source> {
    let sources = super::named(root, "sources", source);
    if sources.is_empty() {
        root.error("at least one source is needed: [sources.NAME]");
    }
    sources
}

fn source(section: &Section<'_>) -> Option<Source> {
    let verification = verification(section);
    let rules = rules(section);
    let position = rules.as_ref().map(|rules| &rules.position);
    let contract = contract(section, position);
    let dedupe = or(section.get("dedupe"), DAY * 7, |entry| {
        entry.duration(Duration::from_secs(1)..=DAY * 400)
    });
    let max_body = or(section.get("max_body"), 1 << 20, |entry| entry.size(1..=limits::BODY_BYTES));
    let verification = verification?;
    let source = Source {
        scheme: verification.scheme,
        secrets: verification.secrets,
        tolerance: verification.tolerance,
        rules: rules?,
        contract: contract?,
        dedupe: dedupe?,
        max_body: max_body?,
    };
    consistent(section, &source);
    Some(source)
}

fn consistent(section: &Section<'_>, source: &Source) {
    if let Err(problem) = source.extractor() {
        section.error(&problem.to_string());
    }
    let has_types = source.rules.event_type.is_some();
    if !has_types && !source.rules.accept.iter().any(crate::extract::Pattern::is_any) {
        section.error("`accept` names types, so `type` must say where the type is");
    }
    if source.rules.id == IdRule::None && source.contract == Contract::Arrival {
        section.warn("without id and position a repeat cannot be told from a new event");
    }
    uncovered(section, &source.scheme, &source.rules);
    bound_sequence(section, &source.scheme, &source.rules.position);
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
    let position = match &rules.position {
        PositionRule::Sequence(location) => Some(location),
        PositionRule::None => None,
    };
    let subjects = id.map(|location| ("id", location)).into_iter();
    let subjects = subjects.chain(rules.key.locations().map(|location| ("key", location)));
    let subjects = subjects.chain(position.map(|location| ("position", location)));
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
    let read = match position {
        PositionRule::Sequence(location) => Some(location),
        PositionRule::None => None,
    };
    if read != Some(&Location::Header(bound.clone())) {
        section.warn(&format!(
            "the signature binds the sequence in header:{bound}, but the position is not read there"
        ));
    }
}
