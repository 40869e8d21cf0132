//! `refill = { list = "stripe" | "github", token = "env:…" }`: the source has a list of its events, which is read as
//! a whole. It stands for how the list is paged, and where an event is in it.

use std::time::Duration;

use http::header::AUTHORIZATION;
use sprag_core::rate::Rate;

use super::checked::{Contract, List, Url};
use super::raw::{Section, or};
use super::{check_destination, check_headers, check_rate, check_refill_sprag};
use crate::extract::{IdRule, Location, Pattern, Rules};
use crate::refill::{LIST_KINDS, ListKind};

/// What `list` says, or what means nothing with it.
const SAID: [&str; 10] = [
    "sprag",
    "items",
    "next",
    "id_at",
    "key_at",
    "type_at",
    "position_at",
    "headers_at",
    "body_at",
    "attempts",
];

const DAY: Duration = Duration::from_hours(24);

/// The list of a source, where it is read; `rules`, `contract` and `dedupe` are its own.
pub(super) fn list(
    source: &Section<'_>,
    rules: Option<&Rules>,
    contract: Option<&Contract>,
    dedupe: Option<Duration>,
) -> Option<Option<List>> {
    let Some(section) = source.get("refill").and_then(|entry| entry.section()) else {
        return Some(None);
    };
    let Some(entry) = section.get("list") else { return Some(None) };
    let section = &section;
    for said in SAID.iter().filter_map(|name| section.get(name)) {
        said.error("`list` says it already, or it means nothing of a list");
    }
    let kind = entry.choice(&LIST_KINDS);
    if matches!(contract, Some(Contract::Fifo(_))) {
        entry.error(
            "a list is for sources that do not count: contract \"fifo\" knows which positions are missing, and asks \
             for them with `url`",
        );
    }
    let url = kind.and_then(|kind| url(section, kind));
    let token = section.required("token");
    let token = token.and_then(|entry| check_refill_sprag::bearer(&entry));
    let headers = check_headers::headers(section);
    let (after, every) = (duration(section, "after", 60), duration(section, "every", 300));
    let reach = kind.zip(dedupe).and_then(|(kind, dedupe)| reach(section, kind, dedupe));
    let rate = check_rate::rate(section, "rate");
    let (allow, ca) = (check_destination::allow(section), check_destination::ca(section));
    if let Some((rules, kind)) = rules.zip(kind) {
        readable(section, rules, kind);
    }
    let (kind, mut headers) = (kind?, headers?);
    headers.retain(|(name, _)| name != AUTHORIZATION);
    headers.push((AUTHORIZATION, token?));
    let rate = rate?.unwrap_or(Rate { count: kind.rate(), period: Duration::from_secs(1) });
    let (after, every, reach) = (after?, every?, reach?);
    if reach < 2 * (after + every) {
        section.error(
            "`reach` is shorter than twice `after` and `every`: between two passes events would be lost",
        );
    }
    let list = List { kind, url: url?, headers, after, every, reach, rate, allow: allow?, ca: ca? };
    Some(Some(list))
}

/// The durations have the ranges that they have where positions are asked for.
fn duration(section: &Section<'_>, name: &str, usual: u64) -> Option<Duration> {
    let range = match name {
        "after" => Duration::from_millis(10)..=DAY,
        _ => Duration::from_secs(1)..=DAY * 400,
    };
    or(section.get(name), Duration::from_secs(usual), |entry| entry.duration(range.clone()))
}

fn reach(section: &Section<'_>, kind: ListKind, dedupe: Duration) -> Option<Duration> {
    let entry = section.get("reach");
    let usual = (DAY * 3).min(dedupe / 2);
    let range = Duration::from_mins(1)..=DAY * 30;
    let reach = or(entry.clone(), usual, |entry| entry.duration(range.clone()))?;
    if let Some(entry) = entry {
        if reach > dedupe / 2 {
            entry.error(
                "it is longer than half of `dedupe`: what is here already would not be recognised",
            );
        }
        if reach > kind.keeps() {
            let days = kind.keeps().as_secs() / DAY.as_secs();
            entry.error(format!("the provider keeps events for {days} days only"));
        }
    }
    Some(reach)
}

/// The first page; the provider's own where the provider has only one.
fn url(section: &Section<'_>, kind: ListKind) -> Option<Url> {
    let entry = match kind.url() {
        Some(_) => section.get("url"),
        None => section.required("url"),
    };
    let read = |text: &str| -> Result<Url, String> {
        let cursor = |name: &&&str| text.contains(&format!("{name}="));
        if let Some(cursor) = kind.cursors().iter().find(cursor) {
            return Err(format!("`{cursor}` says which page it is: the first has none"));
        }
        if text.contains(['{', '}']) {
            return Err("there are no placeholders: it is the first page of one list".to_owned());
        }
        let mut url: Url = text.parse()?;
        url.target = kind.first_page(&url.target);
        Ok(url)
    };
    match entry {
        Some(entry) => entry.parsed(read),
        None => read(kind.url()?).ok(),
    }
}

/// What the rules read must be in an event as the list has it.
fn readable(section: &Section<'_>, rules: &Rules, kind: ListKind) {
    let id = match &rules.id {
        IdRule::At(location) => Some(location),
        IdRule::Sha256 | IdRule::None => {
            section.error(
                "a list repeats what was posted, with other bytes: it needs an `id` in the event",
            );
            None
        }
    };
    let keys = rules.key.locations().map(|location| ("key", location));
    let positions = rules.position.locations().map(|location| ("position", location));
    let others = [("id", id), ("type", rules.event_type.as_ref())];
    let others = others.into_iter().filter_map(|(name, location)| Some((name, location?)));
    for (name, location) in keys.chain(positions).chain(others) {
        let is_there = match location {
            Location::Body(_) | Location::Const(_) => true,
            Location::Header(_) => kind.envelope().is_some(),
            Location::Form(_) | Location::Query(_) => false,
        };
        if !is_there {
            section.error(&format!(
                "`{name}` is read at {location}, which an event of the list does not have"
            ));
        }
    }
    let accepts_all = rules.accept.iter().any(Pattern::is_any);
    if kind == ListKind::Stripe && accepts_all {
        section.warn(
            "the list has events of all types of the account, also those that the endpoint is not sent: `accept` says \
             which are taken",
        );
    }
}
