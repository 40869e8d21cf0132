//! The configuration: from TOML text to values that are valid together.
//!
//! `raw` reads, `check_*` judge, `checked` is the result; `reference` describes every key and is
//! the source of docs/reference/configuration.md. Checking is pure: secrets come through a closure.
//! Every fault is reported with file and line, all of them at once.

mod admin_access;
mod changes;
mod check_batch;
mod check_depends;
mod check_destination;
mod check_headers;
mod check_late;
mod check_list;
mod check_order;
mod check_rate;
mod check_reconcile;
mod check_refill;
mod check_refill_sprag;
mod check_retention;
mod check_rules;
mod check_secrets;
mod check_server;
mod check_source;
mod check_states;
mod check_verify;
mod checked;
mod finding;
mod network;
mod raw;
pub mod reference;
mod reference_page;
mod secrets;
#[cfg(test)]
mod tests;
pub mod units;

pub use admin_access::{AdminAccess, admin_access};
pub use changes::{changes, line_of, needs_restart};
pub use checked::{
    Ack, Config, Contract, Destination, Engine, Fifo, First, Handshake, Hold, HttpVersion, Latest,
    Limits, OnGap, OnGiveUp, OnInvalid, OnLate, Reconcile, Refill, Retention, Retry, Server,
    Source, Url,
};
pub use finding::{Finding, Severity};
pub use network::{Network, NetworkProblem};
pub use secrets::{Resolve, SecretFault, SecretReference};

use crate::limits;
use raw::{Notes, Section};
use toml::Spanned;
use toml::de::DeTable;

/// The environment variable of the admin token.
pub const ADMIN_TOKEN_VARIABLE: &str = "SPRAG_ADMIN_TOKEN";

/// A configuration that can be started, and what is doubtful about it.
#[derive(Debug)]
pub struct Checked {
    /// The values.
    pub config: Config,
    /// Warnings, by line.
    pub warnings: Vec<Finding>,
}

/// Checks a configuration. `file` is only named in findings; `resolve` reads secrets
/// ([`SecretReference::from_machine`] on the command line). The error holds all findings, errors
/// first, by line.
pub fn check(text: &str, file: &str, resolve: Resolve<'_>) -> Result<Checked, Vec<Finding>> {
    let notes = Notes::new(file, text, resolve);
    let config = read(&notes, text);
    match config {
        Some(config) if !notes.has_errors() => {
            Ok(Checked { config, warnings: notes.into_findings() })
        }
        _ => Err(notes.into_findings()),
    }
}

/// Reads a configuration whether or not the core does all of it: what a preset means can be
/// tested before its contract exists.
#[cfg(test)]
pub(crate) fn read_unchecked(text: &str, resolve: Resolve<'_>) -> (Option<Config>, Vec<Finding>) {
    let notes = Notes::new("sprag.toml", text, resolve);
    let config = read(&notes, text);
    let is_known = |finding: &Finding| !finding.reason.ends_with("is not available");
    (config, notes.into_findings().into_iter().filter(is_known).collect())
}

fn read(notes: &Notes<'_>, text: &str) -> Option<Config> {
    let document = document(notes, text)?;
    read_document(&Section::root(notes, &document))
}

/// The TOML of a configuration; none when it is too long or none.
fn document<'a>(notes: &Notes<'_>, text: &'a str) -> Option<Spanned<DeTable<'a>>> {
    if text.len() > limits::CONFIGURATION_BYTES {
        let reason = format!("the file has more than {} bytes", limits::CONFIGURATION_BYTES);
        notes.note(Severity::Error, 0, "", reason);
        return None;
    }
    let (document, faults) = DeTable::parse_recoverable(text);
    for fault in &faults {
        let at = fault.span().map_or(0, |span| span.start);
        notes.note(Severity::Error, at, "", fault.message().to_owned());
    }
    faults.is_empty().then_some(document)
}

fn read_document(root: &Section<'_>) -> Option<Config> {
    let server = check_server::server(&root.section("server"));
    let log = root.section("log");
    let engine = check_server::engine(&log);
    let body_codec = check_server::body_codec(&log);
    let admin_token = check_server::admin_token(root, server.as_ref());
    let sources = check_source::sources(root);
    let destinations = check_destination::destinations(root);
    let limits = check_server::limits(&root.section("limits"));
    let retention = check_retention::retention(&root.section("retention"), &sources);
    check_destination::joined(root, &sources, &destinations);
    check_late::joined(root, &sources, &destinations);
    check_depends::joined(root, &sources);
    check_batch::batches(root, &sources, &destinations);
    let (retired, destinations) =
        complete(destinations)?.into_iter().partition::<Destinations, _>(|(_, to)| to.retired);
    Some(Config {
        server: server?,
        engine: engine?,
        body_codec: body_codec?,
        admin_token: admin_token?,
        sources: complete(sources)?,
        destinations,
        retired: retired.into_keys().collect(),
        limits: limits?,
        retention: retention?,
    })
}

type Destinations = std::collections::BTreeMap<String, Destination>;

/// Entries by name; a value that has faults is absent.
type Named<T> = std::collections::BTreeMap<String, Option<T>>;

fn complete<T>(named: Named<T>) -> Option<std::collections::BTreeMap<String, T>> {
    named.into_iter().map(|(name, value)| Some((name, value?))).collect()
}

/// Opens the tables under `sources` or `destinations` and checks their names.
fn named<'a, T>(
    root: &Section<'a>,
    key: &str,
    read: impl Fn(&Section<'a>) -> Option<T>,
) -> Named<T> {
    let sections = root.named(key);
    if sections.len() > limits::NAMES {
        root.error(&format!("more than {} {key}", limits::NAMES));
        return Named::new();
    }
    let mut named = Named::new();
    for (name, section) in sections {
        if !is_name(name) {
            section.error(&format!(
                "a name is made of a-z, 0-9, - and _, at most {} of them",
                limits::NAME_BYTES
            ));
        }
        named.insert(name.to_owned(), read(&section));
    }
    named
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !name.is_empty() && name.len() <= limits::NAME_BYTES && name.bytes().all(allowed)
}
