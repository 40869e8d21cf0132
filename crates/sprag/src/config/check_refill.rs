//! `refill` of a source: how it is asked for positions that are missing.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use sprag_core::rate::Rate;

use super::checked::{Contract, Refill};
use super::raw::{Entry, Section, or};
use super::{check_destination, check_headers, check_rate, check_refill_sprag, check_rules};
use crate::extract::{IdRule, Location, Pointer, PositionRule, Rules};
use crate::refill::Template;
use crate::refill::envelope::Envelope;
use crate::refill::page::{Next, Signs};

/// What a source is asked with, where it is; `rules` and `contract` are its own.
pub(super) fn refill(
    source: &Section<'_>,
    rules: Option<&Rules>,
    contract: Option<&Contract>,
) -> Option<Option<Refill>> {
    let Some(entry) = source.get("refill") else { return Some(None) };
    let section = &entry.section()?;
    if section.get("list").is_some() {
        // A list of all it has, which knows no positions: see `check_list`.
        return Some(None);
    }
    if let Some(reach) = section.get("reach") {
        reach.error("only a `list` is read back to some time");
    }
    if contract.is_some_and(|contract| !matches!(contract, Contract::Fifo(_))) {
        entry.error(
            "only contract \"fifo\" with a sequence knows which positions are missing: no range of them can \
             be asked for; a source with a list of all its events has `list`",
        );
    }
    let after = or(section.get("after"), Duration::from_millis(250), |entry| {
        entry.duration(Duration::from_millis(10)..=Duration::from_hours(24))
    });
    let attempts = or(section.get("attempts"), 5, |entry| entry.integer(1..=1_000));
    let every = or(section.get("every"), None, |entry| {
        entry.duration(Duration::from_secs(1)..=Duration::from_hours(24 * 400)).map(Some)
    });
    let usual = Rate { count: 10, period: Duration::from_secs(1) };
    let rate = check_rate::rate(section, "rate").map(|rate| rate.unwrap_or(usual));
    let allow = check_destination::allow(section);
    let ca = check_destination::ca(section);
    let how = match section.get("sprag") {
        Some(entry) => check_refill_sprag::how(section, &entry, rules),
        None => by_url(section, rules),
    };
    let How { template, headers, rules, envelope, signs } = how?;
    let refill = Refill {
        template,
        headers,
        after: after?,
        attempts: u32::try_from(attempts?).unwrap_or(u32::MAX),
        every: every?,
        rate: rate?,
        rules,
        envelope,
        signs,
        allow: allow?,
        ca: ca?,
    };
    consistent(section, &refill);
    Some(Some(refill))
}

/// What is asked, and how an answer is read.
pub(super) struct How {
    pub(super) template: Template,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) rules: Rules,
    pub(super) envelope: Option<Envelope>,
    pub(super) signs: Signs,
}

/// As the source's API is described.
fn by_url(section: &Section<'_>, rules: Option<&Rules>) -> Option<How> {
    let template = section.required("url").and_then(|entry| entry.parsed(Template::parse));
    if let Some(entry) = section.get("token") {
        entry.error("only another Sprag is asked with it (`sprag`); a token of another API is one of `headers`");
    }
    let headers = check_headers::headers(section);
    let next = or(section.get("next"), Next::None, next);
    let envelope = envelope(section);
    let rules = rules.and_then(|rules| of_element(section, rules));
    let signs = Signs { next: next?, none: None };
    Some(How { template: template?, headers: headers?, rules: rules?, envelope: envelope?, signs })
}

/// Where headers and body are in an element that holds both.
fn envelope(section: &Section<'_>) -> Option<Option<Envelope>> {
    let place =
        |name: &str| or(section.get(name), None, |entry| pointer(entry, "body:/pointer").map(Some));
    let (headers, body) = (place("headers_at"), place("body_at"));
    let (headers, body) = (headers?, body?);
    let is_one = headers.is_some() || body.is_some();
    Some(is_one.then_some(Envelope { headers, body, base64: None }))
}

/// `link`, or a place in the body.
fn next(entry: &Entry<'_>) -> Option<Next> {
    if entry.text()? == "link" {
        return Some(Next::Link);
    }
    pointer(entry, "\"link\" or body:/pointer").map(Next::At)
}

fn pointer(entry: &Entry<'_>, what: &str) -> Option<Pointer> {
    match entry.parsed(Location::parse)? {
        Location::Body(pointer) => Some(pointer),
        _ => {
            entry.error(format!("{what} is needed"));
            None
        }
    }
}

/// The rules that an element of a page is read by: the source's own, but where it is told otherwise.
fn of_element(section: &Section<'_>, own: &Rules) -> Option<Rules> {
    let whole = Pointer::parse("").ok();
    let items = or(section.get("items"), whole, |entry| pointer(entry, "body:/pointer").map(Some));
    let id = or(section.get("id_at"), own.id.clone(), check_rules::id);
    let key = or(section.get("key_at"), own.key.clone(), check_rules::key);
    let event_type = or(section.get("type_at"), own.event_type.clone(), |entry| {
        entry.parsed(Location::parse).map(Some)
    });
    let position = or(section.get("position_at"), own.position.clone(), |entry| {
        entry.parsed(Location::parse).map(PositionRule::Sequence)
    });
    Some(Rules {
        id: id?,
        key: key?,
        event_type: event_type?,
        accept: own.accept.clone(),
        position: position?,
        split: items?,
        depends_on: own.depends_on.clone(),
    })
}

fn consistent(section: &Section<'_>, refill: &Refill) {
    let rules = &refill.rules;
    let id = match &rules.id {
        IdRule::At(location) => Some(location),
        IdRule::Sha256 | IdRule::None => None,
    };
    let keys = rules.key.locations().map(|location| ("key_at", location));
    let others = [
        ("id_at", id),
        ("position_at", rules.position.locations().next()),
        ("type_at", rules.event_type.as_ref()),
    ];
    let others = others.into_iter().filter_map(|(name, location)| Some((name, location?)));
    let has_headers = refill.envelope.as_ref().is_some_and(|envelope| envelope.headers.is_some());
    for (name, location) in keys.chain(others) {
        let is_there = match location {
            Location::Body(_) | Location::Const(_) => true,
            Location::Header(_) => has_headers,
            Location::Form(_) | Location::Query(_) => false,
        };
        if !is_there {
            section.error(&format!(
                "`{name}` is needed: an event that is asked for has no {location}, only a body"
            ));
        }
    }
    if refill.extractor().is_err() {
        section.error("its rules read more of an event than is possible");
    }
    if rules.id == IdRule::Sha256 {
        section.warn(
            "the id is the digest of the body: what is asked for must have the same bytes as what is \
             posted, else it is another event; `id_at` says where an id of its own is",
        );
    }
    if refill.every.is_some() && !refill.template.names_from() {
        section.error(
            "`every` asks for what follows a position, so the url must name {from}: else each ask brings all \
             events of a quiet key again",
        );
    } else if !refill.template.names_positions() {
        section.warn("the url names neither {from} nor {to}: each ask reads all events of a key");
    }
}
