//! `[destinations.NAME]`, and what holds between sources and destinations.

use super::check_late::feeding;
use super::check_server::path;
use super::checked::{Ack, Destination, HttpVersion, OnGiveUp, Retry, Source, Url};
use super::network::Network;
use super::raw::{Entry, Section, or};
use super::{Named, check_headers, check_rate, check_rules, check_secrets, check_server};
use crate::dispatch::is_allowed;
use crate::extract::InstantUnit;
use crate::limits;
use crate::verify::signature::DestinationKeys;
use http::uri::Scheme;
use http::{HeaderName, Uri};
use rustls::RootCertStore;
use sprag_core::pattern::Pattern;
use sprag_core::settings::Start;
use sprag_core::time::UnixMicros;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
const TEN_MINUTES: Duration = Duration::from_mins(10);
/// A consumer that takes longer than this by default has lost the event.
const ACK_TIMEOUT: Duration = Duration::from_mins(5);
/// Address ranges of one destination.
const NETWORKS: usize = 64;

pub(super) fn destinations(root: &Section<'_>) -> Named<Destination> {
    super::named(root, "destinations", destination)
}

fn destination(section: &Section<'_>) -> Option<Destination> {
    let from = from(section);
    let retired = or(section.get("retired"), false, |entry| entry.boolean());
    let start = or(section.get("start"), Start::Now, start);
    let types = check_rules::patterns(section, "types");
    let url = section.required("url").and_then(|entry| entry.parsed(url));
    let secrets = secrets(section);
    let timeout = or(section.get("timeout"), SECOND * 15, |entry| {
        entry.duration(Duration::from_millis(100)..=TEN_MINUTES)
    });
    let connect_timeout = connect_timeout(section, timeout);
    let http = or(section.get("http"), HttpVersion::Auto, |entry| {
        entry.choice(&[
            ("auto", HttpVersion::Auto),
            ("1.1", HttpVersion::Http1),
            ("2", HttpVersion::Http2),
        ])
    });
    let concurrency = or(section.get("concurrency"), 64, |entry| entry.integer(1..=4096));
    let slow_concurrency =
        or(section.get("slow_concurrency"), None, |entry| entry.integer(1..=65_536).map(Some));
    let slow_after = or(section.get("slow_after"), SECOND, |entry| {
        entry.duration(Duration::from_millis(50)..=TEN_MINUTES)
    });
    let (rate, key_rate) =
        (check_rate::rate(section, "rate"), check_rate::rate(section, "key_rate"));
    let retry = retry(&section.section("retry"));
    let on_give_up = or(section.get("on_give_up"), OnGiveUp::Halt, |entry| {
        entry.choice(&[
            ("halt", OnGiveUp::Halt),
            ("park", OnGiveUp::Park),
            ("skip", OnGiveUp::Skip),
        ])
    });
    let token = or(section.get("token"), None, |entry| check_server::token(entry).map(Some));
    let ack = ack(section, token.as_ref());
    let batch = or(section.get("batch"), None, |entry| {
        entry.integer(1..=sprag_core::limits::BATCH_EVENTS as u64).map(Some)
    });
    let allow = allow(section);
    if retired == Some(false) {
        may_be_connected_to(section, url.as_ref(), allow.as_deref());
    }
    let (headers, forward) = (check_headers::headers(section), check_headers::forward(section));
    let ca = ca(section);
    Some(Destination {
        from: from?,
        retired: retired?,
        start: start?,
        types: types?,
        url: url?,
        secrets: secrets?,
        timeout: timeout?,
        connect_timeout: connect_timeout?,
        http: http?,
        concurrency: u32::try_from(concurrency?).ok()?,
        slow_concurrency: slow_concurrency?.map(u32::try_from).transpose().ok()?,
        slow_after: slow_after?,
        rate: rate?,
        key_rate: key_rate?,
        retry: retry?,
        on_give_up: on_give_up?,
        ack: ack?,
        token: token?,
        batch: batch?,
        headers: headers?,
        forward: forward?,
        allow: allow?,
        ca: ca?,
    })
}

fn start(entry: &Entry<'_>) -> Option<Start> {
    entry.parsed(|text| match text {
        "now" => Ok(Start::Now),
        "earliest" => Ok(Start::Earliest),
        time => {
            let nanoseconds = InstantUnit::Rfc3339.read_ns(time.as_bytes());
            let at = nanoseconds.map(|nanoseconds| UnixMicros(nanoseconds / 1_000));
            at.map(Start::At).map_err(|_| "one of `now`, `earliest` or an RFC 3339 time is needed")
        }
    })
}

/// 202 can only be waited for where a consumer may say that it is done.
fn ack(section: &Section<'_>, token: Option<&Option<crate::secret::Secret>>) -> Option<Ack> {
    let explicit = or(section.get("ack"), false, |entry| {
        entry.choice(&[("answer", false), ("explicit", true)])
    })?;
    let written = section.get("ack_timeout");
    let timeout = or(written.clone(), ACK_TIMEOUT, |entry| entry.duration(SECOND..=DAY * 30))?;
    if !explicit {
        if let Some(entry) = written {
            entry.error("is only used with `ack = \"explicit\"`");
        }
        return Some(Ack::Answer);
    }
    if token.is_some_and(Option::is_none) {
        section.error("`ack = \"explicit\"` needs a `token` for POST /out/{destination}/ack");
    }
    Some(Ack::Explicit(timeout))
}

/// A file that holds certificates: one that does not would be told at the start only.
fn authorities(entry: &Entry<'_>) -> Option<PathBuf> {
    let path = path(entry)?;
    let pem = entry.file(&path)?;
    if let Err(why) = crate::authorities::add(&mut RootCertStore::empty(), &pem) {
        entry.error(format!("{} cannot be used: {why}", path.display()));
        return None;
    }
    Some(path)
}

fn from(section: &Section<'_>) -> Option<Vec<String>> {
    let entry = section.required("from")?;
    // One that gets nothing but late events; whether any go there is seen when all is read.
    if entry.is_array() && entry.elements().is_empty() {
        return Some(Vec::new());
    }
    let names: Vec<_> = entry.list(limits::NAMES)?.iter().map(|entry| entry.text()).collect();
    let names: Vec<String> =
        names.into_iter().map(|name| name.map(str::to_owned)).collect::<Option<_>>()?;
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            entry.error(format!("`{name}` is named twice"));
        }
    }
    Some(names)
}

fn secrets(section: &Section<'_>) -> Option<Vec<crate::secret::Secret>> {
    let entry = section.required("secrets")?;
    check_secrets::whsec_list(&entry, |secrets| DestinationKeys::new(secrets).map(drop))
}

/// The default gives way to a short timeout; a value that is written must fit it.
fn connect_timeout(section: &Section<'_>, timeout: Option<Duration>) -> Option<Duration> {
    let most = timeout.unwrap_or(TEN_MINUTES);
    or(section.get("connect_timeout"), most.min(SECOND * 5), |entry| {
        let value = entry.duration(Duration::from_millis(10)..=TEN_MINUTES)?;
        if value > most {
            entry.error("must not be longer than `timeout`");
            return None;
        }
        Some(value)
    })
}

fn retry(section: &Section<'_>) -> Option<Retry> {
    let wait = |name, default, most: Duration| {
        or(section.get(name), default, |entry| entry.duration(Duration::from_millis(10)..=most))
    };
    let (first, cap) = (wait("first", SECOND, DAY), wait("cap", SECOND * 3600, DAY * 7));
    let during = or(section.get("for"), DAY * 3, |entry| entry.duration(SECOND..=DAY * 365));
    let attempts =
        or(section.get("attempts"), None, |entry| entry.integer(1..=1_000_000).map(Some));
    let attempts = attempts?.map(u32::try_from).transpose().ok()?;
    let retry = Retry { first: first?, cap: cap?, during: during?, attempts };
    if retry.first > retry.cap {
        section.error("`first` is longer than `cap`");
    }
    Some(retry)
}

/// A file with roots that are accepted besides.
pub(super) fn ca(section: &Section<'_>) -> Option<Option<PathBuf>> {
    or(section.get("ca"), None, |entry| authorities(entry).map(Some))
}

pub(super) fn allow(section: &Section<'_>) -> Option<Vec<Network>> {
    let Some(entry) = section.get("allow") else { return Some(Vec::new()) };
    if entry.is_array() && entry.elements().is_empty() {
        return Some(Vec::new());
    }
    let networks: Vec<_> =
        entry.list(NETWORKS)?.iter().map(|entry| entry.parsed(Network::parse)).collect();
    networks.into_iter().collect()
}

/// What is written as an address is judged as it is when it is connected to. What a name stands for is
/// known by then only; but `localhost` is this machine everywhere.
fn may_be_connected_to(section: &Section<'_>, url: Option<&Url>, allow: Option<&[Network]>) {
    let Some(((url, allow), entry)) = url.zip(allow).zip(section.get("url")) else { return };
    let addresses: Vec<IpAddr> = match url.host.parse() {
        Ok(address) => vec![address],
        Err(_) if url.host.eq_ignore_ascii_case("localhost") => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        Err(_) => return,
    };
    if addresses.iter().any(|address| is_allowed(*address, allow)) {
        return;
    }
    let network = match addresses[0].to_canonical() {
        address if address.is_loopback() && address.is_ipv4() => "127.0.0.0/8".to_owned(),
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(address) => format!("{address}/128"),
    };
    entry.error(format!(
        "{} is not a public address, and nothing would be delivered: `allow = [{network:?}]` lets it be \
         connected to",
        url.host
    ));
}

/// A URL with everything a connection and a request line need.
pub(super) fn url(text: &str) -> Result<Url, &'static str> {
    let uri: Uri = text.parse().map_err(|_| "not a URL")?;
    let tls = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return Err("a URL that starts with http:// or https:// is needed"),
    };
    let authority = uri.authority().ok_or("the URL has no host")?;
    if authority.as_str().contains('@') {
        return Err("a URL must not hold a user or password: they would be logged");
    }
    if text.contains('#') {
        return Err("a fragment is not sent to the server");
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() {
        return Err("the URL has no host");
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let port = match authority.port() {
        Some(port) if port.as_u16() == 0 => return Err("port 0 cannot be connected to"),
        Some(port) => port.as_u16(),
        None if authority.as_str().ends_with(':') => return Err("the port is missing"),
        None if tls => 443,
        None => 80,
    };
    Ok(Url { tls, host, port, authority: authority.to_string(), target: target.to_owned() })
}

/// Every source that is named exists, and every source is named.
pub(super) fn joined(
    root: &Section<'_>,
    sources: &Named<Source>,
    destinations: &Named<Destination>,
) {
    for (_, section) in root.named("destinations") {
        let from = section.get("from").map(|entry| entry.elements()).unwrap_or_default();
        for entry in from {
            match entry.text() {
                Some(source) if !sources.contains_key(source) => {
                    entry.error(format!("there is no source `{source}`"));
                }
                _ => {}
            }
        }
    }
    for (name, section) in root.named("destinations") {
        let Some(to) = destinations.get(name).and_then(Option::as_ref) else { continue };
        for source in feeding(name, to, sources) {
            let scheme = sources.get(source).and_then(Option::as_ref).map(|source| &source.scheme);
            let is_token = |name: &&HeaderName| scheme.is_some_and(|scheme| scheme.is_token(name));
            if let Some(token) = to.forward.iter().find(is_token) {
                section.error(&format!(
                    "`forward` names `{token}`, which is the token of source `{source}`: whoever reads it can \
                     send with it, so it is never kept (rule F13)"
                ));
            }
        }
        if to.types.iter().any(Pattern::is_any) {
            continue;
        }
        for source in feeding(name, to, sources) {
            let untyped = sources.get(source).and_then(Option::as_ref);
            if untyped.is_some_and(|source| source.rules.event_type.is_none()) {
                section.error(&format!(
                    "`types` names types, so `type` of source `{source}` must say where the type is"
                ));
            }
        }
    }
    let taken = |source: &str| {
        let mut known = destinations.values();
        known.any(|to| {
            let takes = |to: &Destination| !to.retired && to.from.iter().any(|from| from == source);
            to.as_ref().is_none_or(takes)
        })
    };
    for (name, section) in root.named("sources") {
        if !taken(name) {
            section.warn("no destination takes from this source");
        }
    }
}
