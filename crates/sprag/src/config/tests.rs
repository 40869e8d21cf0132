//! Whole configurations: what is accepted, and that every fault is told with its place.

mod addresses;
mod causal;
mod depends;
mod late;
mod links;
mod merge;
mod reconcile;
mod settle;
mod states;
mod total;

use super::reference::{KEYS, Omitted};
use super::*;
use crate::extract::{IdRule, KeyRule, Location, PositionRule};
use crate::secret::Secret;
use crate::verify::Scheme;
use proptest::prelude::*;
use sprag_log::pack::Packing;
use std::time::Duration;

const WHSEC: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PLAIN: &str = "hunter2-hunter2-hunter2";

fn resolve(reference: &SecretReference) -> Result<Secret, SecretFault> {
    match reference.to_string().as_str() {
        "env:WHSEC" => Ok(Secret::from(WHSEC)),
        "env:PLAIN" => Ok(Secret::from(PLAIN)),
        "env:SHORT" => Ok(Secret::from("whsec_eA==")),
        "env:EMPTY" => Ok(Secret::from("\n")),
        _ => Err(SecretFault::Absent),
    }
}

fn checked(text: &str) -> Checked {
    check(text, "sprag.toml", &resolve).unwrap_or_else(|findings| panic!("{}", lines(&findings)))
}

fn errors(text: &str) -> Vec<Finding> {
    check(text, "sprag.toml", &resolve).unwrap_err()
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

#[test]
fn history_is_kept_no_shorter_than_anything_needs_it() {
    let kept = |lines: &str| format!("{EXAMPLE}\n[retention]\n{lines}\n");
    let retention = checked(EXAMPLE).config.retention;
    let day = Duration::from_secs(86_400);
    assert_eq!((retention.bodies, retention.facts), (30 * day, 400 * day));
    let retention = checked(&kept("bodies = \"7d\"\nfacts = \"7d\"")).config.retention;
    assert_eq!((retention.bodies, retention.facts), (7 * day, 7 * day));
    for (lines, reason) in [
        ("bodies = \"20d\"\nfacts = \"10d\"", "`facts` (10d) is shorter than `bodies` (20d)"),
        (
            "bodies = \"1d\"\nfacts = \"6d\"",
            "`facts` (6d) is shorter than `dedupe` of the source billing (7d)",
        ),
        ("bodies = \"0s\"", "must be 1s to 3650d"),
    ] {
        let found = self::lines(&errors(&kept(lines)));
        assert!(found.contains(reason), "{found}");
    }
}

#[test]
fn a_key_is_not_forgotten_while_its_bodies_are_kept() {
    let with = |after: &str, retention: &str| {
        let source = format!("dedupe   = \"7d\"\nforget_after = \"{after}\"");
        format!("{}\n[retention]\n{retention}\n", EXAMPLE.replace("dedupe   = \"7d\"", &source))
    };
    let config = checked(&with("40d", "")).config;
    let (_, source) = config.sources.iter().next().unwrap();
    assert_eq!(source.forget_after, Some(Duration::from_secs(40 * 86_400)));
    assert_eq!(config.limits.forgotten, 1_000_000);
    let found = lines(&errors(&with("29d", "")));
    assert!(found.contains("`bodies` (30d) is longer than `forget_after`"), "{found}");
    checked(&with("29d", "bodies = \"29d\""));
}

/// The example of DESIGN section 5 as far as it exists.
const EXAMPLE: &str = r#"
[server]
listen = "127.0.0.1:8080"
admin  = "127.0.0.1:8081"
data   = "./sprag-data"
partitions = 16

[log]
engine = "embedded"

[sources.billing]
verify   = { scheme = "standard-webhooks", secrets = ["env:WHSEC"], tolerance = "5m" }
id       = "header:webhook-id"
key      = "body:/data/customer"
type     = "body:/type"
accept   = ["*"]
position = { sequence = "body:/sequence" }
contract = "fifo"
first    = 1
hold     = { wait = "5s", events = 1000, span = 10000 }
on_gap   = "skip"
dedupe   = "7d"
max_body = "1MiB"

[destinations.app]
from        = ["billing"]
url         = "http://127.0.0.1:3000/webhooks"
secrets     = ["env:WHSEC"]
timeout     = "15s"
concurrency = 64
retry       = { first = "1s", cap = "1h", for = "72h" }
on_give_up  = "halt"
allow       = ["127.0.0.0/8"]
"#;

/// Keys at the root, dotted, so that a test can add one.
fn small(verify: &str, order: &str, more: &str) -> String {
    format!(
        r#"
        {verify}
        sources.s.id = "sha256"
        sources.s.key = "body:/key"
        {order}
        destinations.d.from = ["s"]
        destinations.d.url = "http://app.example/"
        destinations.d.secrets = ["env:WHSEC"]
        {more}
        "#
    )
}

const HMAC: &str = r#"sources.s.verify.scheme = "hmac"
        sources.s.verify.secrets = ["env:PLAIN"]
        sources.s.verify.header = "x-signature""#;
const STANDARD: &str = r#"sources.s.verify.scheme = "standard-webhooks"
        sources.s.verify.secrets = ["env:WHSEC"]"#;
const FIFO: &str = r#"sources.s.position.sequence = "body:/sequence""#;
const LATEST: &str = r#"sources.s.contract = "latest"
        sources.s.position = { timestamp = "body:/at", unit = "ms" }"#;
const ARRIVAL: &str = r#"sources.s.contract = "arrival""#;

fn fifo(more: &str) -> String {
    small(HMAC, FIFO, more)
}

#[test]
fn the_example_is_read() {
    let Checked { config, warnings } = checked(EXAMPLE);
    assert_eq!(warnings, []);
    assert_eq!(config.server.partitions, 16);
    assert_eq!((config.engine, config.body_codec), (Engine::Embedded, Packing::Zstd));
    assert_eq!(config.admin_token, None);
    let source = &config.sources["billing"];
    assert_eq!(source.scheme, Scheme::StandardWebhooks);
    assert_eq!(source.max_body, 1 << 20);
    assert!(source.verifier().is_ok() && source.signer().is_ok() && source.extractor().is_ok());
    let hold = Hold { wait: Duration::from_secs(5), events: 1_000, span: 10_000 };
    let fifo = Fifo { first: First::At(1), hold, on_gap: OnGap::Skip };
    assert_eq!(source.contract, Contract::Fifo(fifo));
    let destination = &config.destinations["app"];
    assert_eq!(
        destination.url,
        Url {
            tls: false,
            host: "127.0.0.1".into(),
            port: 3000,
            authority: "127.0.0.1:3000".into(),
            target: "/webhooks".into(),
        }
    );
    assert_eq!(destination.retry.during, Duration::from_hours(72));
    assert!(destination.allow[0].contains("127.0.0.1".parse().unwrap()));
    assert_eq!(destination.connect_timeout, Duration::from_secs(5));
}

#[test]
fn every_fault_is_reported_at_once_with_its_line() {
    let text = r#"[server]
listen = "localhost"
partition = 4

[log]
engine = "nats"

[sources.Billing]
verify = { scheme = "hmacs", secrets = ["PLAINTEXT"] }
id = "data/id"
key = "body:/key"
position = { sequence = "body:/n" }
hold = { wait = "5", weight = 1 }

[destinations.app]
from = ["billing"]
url = "ftp://host/"
secrets = ["env:NOT_SET"]
timeout = "1h"
retry = { first = "2h", cap = "1h" }
"#;
    let told = lines(&errors(text));
    let expected = r#"sprag.toml:2: error: server.listen: an address with a port is needed, such as "127.0.0.1:8080"
sprag.toml:3: error: server.partition: unknown key; the nearest known one is `partitions`
sprag.toml:6: error: log.engine: "nats" is not available; only "embedded" is
sprag.toml:8: error: sources.Billing: a name is made of a-z, 0-9, - and _, at most 64 of them
sprag.toml:9: error: sources.Billing.verify.scheme: "hmacs" is not available; one of "standard-webhooks", "svix", "sprag", "github", "stripe", "shopify", "slack", "square", "twilio", "hmac", "token", "basic", "none" is
sprag.toml:9: error: sources.Billing.verify.secrets[0]: a secret is env:NAME or file:PATH, never written here
sprag.toml:10: error: sources.Billing.id: a location is header:NAME, body:/json/pointer, form:NAME, query:NAME or const:VALUE
sprag.toml:13: error: sources.Billing.hold.wait: a whole number with a unit is needed, such as "250ms", "5s", "10m", "72h" or "7d"
sprag.toml:13: error: sources.Billing.hold.weight: unknown key; the nearest known one is `wait`
sprag.toml:16: error: destinations.app.from[0]: there is no source `billing`
sprag.toml:17: error: destinations.app.url: a URL that starts with http:// or https:// is needed
sprag.toml:18: error: destinations.app.secrets[0]: env:NOT_SET does not exist; make one: export NAME=whsec_$(openssl rand -base64 24)
sprag.toml:19: error: destinations.app.timeout: must be 100ms to 10m
sprag.toml:20: error: destinations.app.retry: `first` is longer than `cap`
"#;
    assert_eq!(told, expected);
}

#[test]
fn faults_of_the_syntax_are_placed() {
    let findings = errors("[server]\nlisten = \"a\n[log]\nengine == 1\n");
    let mut lines: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
    lines.dedup();
    assert_eq!(lines, [2, 4]);
    assert!(errors("").iter().any(|finding| finding.reason.contains("[sources.NAME]")));
}

fn reasons(text: &str) -> String {
    lines(&errors(text))
}

/// Rule K6: fifo goes with a sequence, arrival with nothing.
#[test]
fn contract_and_position_must_fit() {
    let none = reasons(&small(HMAC, "", ""));
    assert!(none.contains("\"fifo\" needs position") && none.contains("\"arrival\""), "{none}");
    let both = reasons(&small(HMAC, &format!("{FIFO}\n{ARRIVAL}"), ""));
    assert!(both.contains("\"arrival\" takes no position"), "{both}");
    let latest = reasons(&small(HMAC, r#"sources.s.contract = "latest""#, ""));
    assert!(latest.contains("\"latest\" needs position"), "{latest}");
    let version = reasons(&small(HMAC, r#"sources.s.position.version = "body:/v""#, ""));
    assert!(version.contains("goes with \"latest\""), "{version}");
    let unordered = reasons(&fifo(r#"sources.s.contract = "unordered""#));
    assert!(unordered.contains("\"unordered\" takes no position"), "{unordered}");
    let ahead = reasons(&fifo(r#"sources.s.max_ahead = "1m""#));
    assert!(
        ahead.contains(
            "sources.s.max_ahead: only contracts \"latest\", \"settle\", \"merge\" and \"states\""
        ),
        "{ahead}"
    );
    let held = reasons(&small(HMAC, ARRIVAL, r#"sources.s.hold.wait = "1s""#));
    assert!(held.contains("sources.s.hold: only contracts \"fifo\", \"causal\""), "{held}");
    assert_eq!(checked(&small(HMAC, ARRIVAL, "")).config.sources["s"].contract, Contract::Arrival);
}

/// Rule K7.
#[test]
fn the_beginning_of_a_key() {
    let first = |more: &str| match checked(&fifo(more)).config.sources["s"].contract.clone() {
        Contract::Fifo(fifo) => fifo.first,
        other => panic!("{other:?}"),
    };
    assert_eq!(first(""), First::At(1));
    assert_eq!(first("sources.s.first = 0"), First::At(0));
    assert_eq!(first("sources.s.first = \"any\""), First::Any);
    assert_eq!(first("sources.s.first = 5\nsources.s.strict_first = true"), First::Strictly(5));
    let strict = reasons(&fifo("sources.s.first = \"any\"\nsources.s.strict_first = true"));
    assert!(strict.contains("no position to be strict about"), "{strict}");
    assert!(reasons(&fifo("sources.s.first = -1")).contains("must be 0 to"));
}

fn warnings(text: &str) -> String {
    lines(&checked(text).warnings)
}

/// Rule C5.
#[test]
fn places_outside_of_the_signature_are_warned_of() {
    let from_header = r#"sources.s.position.sequence = "header:x-seq""#;
    let warned = warnings(&small(HMAC, from_header, ""));
    assert!(warned.contains("does not cover the position at header:x-seq"), "{warned}");
    let bound = r#"sources.s.verify.signed = "{sequence}.{body}"
        sources.s.verify.sequence = "header:x-seq""#;
    assert_eq!(warnings(&small(HMAC, from_header, bound)), "");
    let elsewhere = warnings(&fifo(bound));
    assert!(elsewhere.contains("binds the sequence in header:x-seq"), "{elsewhere}");
    assert_eq!(warnings(&fifo("")), "");
    let open = small(r#"sources.s.verify.scheme = "none""#, FIFO, "");
    assert!(warnings(&open).contains("whoever reaches this address"));
}

#[test]
fn a_declared_scheme_is_complete_or_refused() {
    let template =
        |more: &str| fifo(&format!("sources.s.verify.signed = \"{{timestamp}}.{{body}}\"\n{more}"));
    assert!(reasons(&template("")).contains("`timestamp` is missing"));
    let unit = template("sources.s.verify.timestamp = { at = \"header:x-t\" }");
    assert!(reasons(&unit).contains("`unit` is missing"));
    let complete = "sources.s.verify.timestamp = { at = \"header:x-t\", unit = \"ms\" }";
    checked(&template(complete));
    assert!(reasons(&fifo(complete)).contains("nothing signs this header"));
    let body = template("sources.s.verify.timestamp = { at = \"body:/t\", unit = \"s\" }");
    assert!(reasons(&body).contains("signed values are read from headers"));
    let foreign = small(STANDARD, FIFO, "sources.s.verify.prefix = \"v1=\"");
    assert!(reasons(&foreign).contains("only scheme \"hmac\""));
    assert!(reasons(&fifo("sources.s.verify.tolerance = \"1m\"")).contains("signs no time"));
    let token = r#"sources.s.verify = { scheme = "token", secrets = ["env:PLAIN"] }"#;
    let Scheme::Token { header } = &checked(&small(token, FIFO, "")).config.sources["s"].scheme
    else {
        panic!("not a token")
    };
    assert_eq!(header, "authorization");
}

#[test]
fn keys_by_type_and_joined_keys_are_read() {
    let text = r#"
        [sources.s]
        verify = { scheme = "github", secrets = ["env:PLAIN"] }
        id = "none"
        key = [
          { type = "issues.*", at = { join = ["body:/repository/id", "body:/issue/id"] } },
          { type = "*", at = "body:/repository/id" },
        ]
        type = "header:x-github-event"
        accept = ["issues.*", "push"]
        position = { sequence = "body:/n" }
    "#;
    let Checked { config, warnings } = checked(text);
    let rules = &config.sources["s"].rules;
    assert_eq!(rules.id, IdRule::None);
    assert!(
        matches!(&rules.key, KeyRule::ByType(rules) if rules.len() == 2 && rules[0].1.len() == 2)
    );
    assert!(matches!(rules.position, PositionRule::Sequence(_)));
    assert_eq!(
        lines(&warnings),
        "sprag.toml:2: warning: sources.s: no destination takes from this source\n"
    );
    let untyped = reasons(&text.replace("type = \"header:x-github-event\"", ""));
    assert!(untyped.contains("a key by type needs `type`"), "{untyped}");
    assert!(untyped.contains("`accept` names types"), "{untyped}");
    let to = "[destinations.d]\nfrom = [\"s\"]\nurl = \"http://app/\"\nsecrets = [\"env:WHSEC\"]\ntypes = [\"a.*\"]";
    let untyped = text.replace("type = \"header:x-github-event\"", "");
    let untyped = reasons(&format!("{untyped}\n{to}"));
    assert!(untyped.contains("`types` names types"), "{untyped}");
}

#[test]
fn positions_have_one_kind_and_times_a_unit() {
    let position = |table: &str| {
        let order = format!("sources.s.contract = \"latest\"\nsources.s.position = {table}");
        let (config, findings) = read_unchecked(&small(HMAC, &order, ""), &resolve);
        config.map(|config| config.sources["s"].rules.position.clone()).ok_or(lines(&findings))
    };
    let at = |text| Location::parse(text).unwrap();
    let version = position(r#"{ version = "body:/v" }"#).unwrap();
    assert_eq!(version, PositionRule::Version(at("body:/v")));
    let unit = crate::extract::InstantUnit::Rfc3339;
    let timestamp = position(r#"{ timestamp = "header:x-at", unit = "rfc3339" }"#).unwrap();
    assert_eq!(timestamp, PositionRule::Timestamp { at: at("header:x-at"), unit });
    for (table, reason) in [
        (r#"{ timestamp = "body:/t" }"#, "`unit` is missing"),
        (r#"{ timestamp = "body:/t", unit = "m" }"#, "one of \"s\", \"ms\""),
        (r#"{ version = "body:/v", sequence = "body:/s" }"#, "one of `sequence`"),
        ("{}", "one of `sequence`"),
    ] {
        let told = position(table).unwrap_err();
        assert!(told.contains(reason), "{table}: {told}");
    }
    let (_, findings) = read_unchecked(&fifo("sources.s.position.unit = \"s\""), &resolve);
    assert!(lines(&findings).contains("only a timestamp, or the times of fields, have a unit"));
}

/// Without an order there is no range of events, and nothing to hold.
#[test]
fn unordered_goes_with_what_needs_no_order() {
    let unordered = "sources.s.contract = \"unordered\"";
    let source = checked(&small(HMAC, unordered, "")).config.sources["s"].contract.clone();
    assert_eq!(source, Contract::Unordered);
    let batch = reasons(&small(HMAC, unordered, "destinations.d.batch = 3"));
    assert!(batch.contains("a range is events in order, and source `s` has none"), "{batch}");
    let hold = reasons(&small(HMAC, &format!("{unordered}\nsources.s.on_gap = \"halt\""), ""));
    assert!(hold.contains("\"causal\" and \"states\" wait for what is missing"), "{hold}");
}

#[test]
fn split_needs_values_that_tell_events_apart() {
    let split = |more: &str| fifo(&format!("sources.s.split = \"body:/events\"\n{more}"));
    assert_eq!(warnings(&split("")), "");
    let header = split("").replace("\"sha256\"", "\"header:x-id\"");
    assert!(reasons(&header).contains("the id at header:x-id would be the same"));
    let position = split("").replace("body:/sequence", "query:n");
    assert!(reasons(&position).contains("the position at query:n would be the same"));
    let form = reasons(&fifo("sources.s.split = \"form:events\""));
    assert!(form.contains("body:/pointer of an array is needed"), "{form}");
    let both = reasons(&split("").replace("body:/key", "form:key"));
    assert!(both.contains("either as JSON (body:) or as a form"), "{both}");
}

#[test]
fn a_url_is_given_exactly_where_it_is_signed() {
    let twilio = r#"sources.s.verify.scheme = "twilio"
        sources.s.verify.secrets = ["env:PLAIN"]"#;
    assert!(reasons(&small(twilio, FIFO, "")).contains("`public_url` is missing"));
    let url = |url: &str| small(twilio, FIFO, &format!("sources.s.verify.public_url = {url:?}"));
    let Scheme::Twilio(read) = &checked(&url("https://a.example/in")).config.sources["s"].scheme
    else {
        panic!("not twilio")
    };
    assert_eq!(read.to_string(), "https://a.example/in");
    assert!(reasons(&url("https://a.example/in?a=b")).contains("without query"));
    let foreign = fifo("sources.s.verify.public_url = \"https://a.example/\"");
    assert!(reasons(&foreign).contains("does not sign the URL"));
}

#[test]
fn secrets_are_checked_for_their_use_and_never_shown() {
    let plain = fifo("").replace(
        "destinations.d.secrets = [\"env:WHSEC\"]",
        "destinations.d.secrets = [\"env:PLAIN\"]",
    );
    let told = reasons(&plain);
    assert!(told.contains("destinations.d.secrets: the secret is not base64"), "{told}");
    assert!(told.contains("make one: export NAME=whsec_$(openssl rand -base64 24)"), "{told}");
    let short = lines(&checked(&fifo("").replace("env:WHSEC", "env:SHORT")).warnings);
    assert!(short.contains("secret 1 has 1 byte(s) and may be guessed"), "{short}");
    let empty = reasons(&fifo("").replace("env:PLAIN", "env:EMPTY"));
    assert!(empty.contains("env:EMPTY is empty"), "{empty}");
    let written = reasons(&fifo("").replace("env:PLAIN", PLAIN));
    let shown = format!("{told}{written}{:?}", checked(&fifo("")));
    assert!(!shown.contains("hunter2") && !shown.contains("C2FVsBQ"), "{shown}");
}

#[test]
fn the_admin_api_is_open_only_on_loopback() {
    let open = fifo("server.admin = \"0.0.0.0:8081\"");
    assert!(reasons(&open).contains("not a loopback address"), "{}", reasons(&open));
    let token = format!("{open}\nadmin.token = \"env:PLAIN\"");
    assert_eq!(checked(&token).config.admin_token, Some(Secret::from(PLAIN)));
    let variable = |reference: &SecretReference| match reference.to_string().as_str() {
        "env:SPRAG_ADMIN_TOKEN" => Ok(Secret::from("from-env")),
        _ => resolve(reference),
    };
    let Checked { config, warnings } = check(&token, "sprag.toml", &variable).unwrap();
    assert_eq!(config.admin_token, Some(Secret::from("from-env")));
    assert!(lines(&warnings).contains("fewer than 16 bytes"));
}

#[test]
fn urls() {
    let url = |text: &str| {
        checked(&fifo("").replace("http://app.example/", text)).config.destinations["d"].url.clone()
    };
    let https = url("https://example.com/a?b=c");
    assert!(https.tls);
    assert_eq!((https.host.as_str(), https.port), ("example.com", 443));
    assert_eq!((https.authority.as_str(), https.target.as_str()), ("example.com", "/a?b=c"));
    let six = url("http://[2606:4700::1111]:8080");
    assert_eq!((six.host.as_str(), six.port, six.target.as_str()), ("2606:4700::1111", 8080, "/"));
    for (text, reason) in [
        ("http://user:pass@host/", "user or password"),
        ("http://host/#a", "fragment"),
        ("/path", "starts with http"),
        ("host:80", "starts with http"),
        ("http://host:0/", "port 0"),
        ("http:///x", "URL"),
    ] {
        let told = reasons(&fifo("").replace("http://app.example/", text));
        assert!(told.contains(reason), "{text}: {told}");
        assert!(!told.contains("pass@"), "{told}");
    }
}

/// The default that the reference prints is the one that applies.
#[test]
fn defaults_are_as_documented() {
    for key in KEYS {
        let Omitted::Value(value) = key.default else { continue };
        let base = |more: &str| match key.path {
            "sources.*.position" => small(HMAC, ARRIVAL, more),
            "sources.*.verify.tolerance" => small(STANDARD, FIFO, more),
            path if path.starts_with("sources.*.refill.") => {
                fifo(&format!("sources.s.refill.url = \"https://a.example/{{key}}\"\n{more}"))
            }
            path if path.starts_with("sources.*.reconcile.") => fifo(&format!(
                "sources.s.reconcile.url = \"https://a.example/{{key}}\"\n\
                 sources.s.reconcile.version = \"body:/v\"\n{more}"
            )),
            "sources.*.coalesce" | "sources.*.max_ahead" => small(HMAC, LATEST, more),
            _ => fifo(more),
        };
        let path =
            key.path.replace("sources.*", "sources.s").replace("destinations.*", "destinations.d");
        let read = |text: &str| read_unchecked(text, &resolve).0.unwrap();
        let written = read(&base(&format!("{path} = {value}")));
        assert_eq!(written, read(&base("")), "{} = {value}", key.path);
    }
}

/// No key is read that the reference does not describe, and none is described that nobody reads.
#[test]
fn the_reference_and_the_checks_know_the_same_keys() {
    let by_type = r#"sources.t.verify = { scheme = "hmac", header = "x", secrets = ["env:PLAIN"], signed = "{timestamp}.{body}", timestamp = { at = "header:x-t", unit = "s" } }
        sources.t.id = "none"
        sources.t.type = "body:/type"
        sources.t.key = [{ type = "a", at = { join = ["body:/k"] } }]
        sources.t.position.sequence = "body:/n"
        sources.t.depends_on = { source = "u", key = [{ type = "a", at = { join = ["body:/o"] } }] }
        sources.u.depends_on = { source = "u", key = { join = ["body:/o"] } }
        sources.t.refill = { url = "https://a.example/{key}", key_at = { join = ["body:/k"] } }
        sources.t.reconcile = { url = "https://a.example/{key}", version = "body:/v" }
        sources.u.verify = { scheme = "square", public_url = "https://a/" }
        sources.u.position = { timestamp = "body:/t", unit = "s" }
        sources.u.contract = "latest"
        sources.u.key = { join = ["body:/k"] }
        sources.w.key = "body:/ref"
        sources.w.position.link = { before = "body:/b", after = "body:/a" }
        sources.v.key = "body:/k"
        sources.v.position = { state = "body:/s" }
        sources.v.contract = "states"
        sources.v.states = { initial = ["a"], allow = { a = [] } }"#;
    let text = fifo(by_type);
    let notes = Notes::new("sprag.toml", &text, &resolve);
    read(&notes, &text);
    let tables = ["server", "log", "admin", "sources", "destinations", "limits", "retention"];
    let asked: Vec<String> =
        notes.asked().into_iter().filter(|path| !tables.contains(&path.as_str())).collect();
    let mut described: Vec<&str> = KEYS.iter().map(|key| key.path).collect();
    described.sort_unstable();
    assert_eq!(asked, described);
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = check(&text, "", &resolve);
    }

    /// One line of a good configuration replaced by something else.
    #[test]
    fn no_broken_line_panics(at in 0..30_usize, line in r#"[a-z.\[\]"'={}0-9: ]{0,20}"#) {
        let mut lines: Vec<&str> = EXAMPLE.lines().collect();
        let at = at % lines.len();
        lines[at] = &line;
        let _ = check(&lines.join("\n"), "", &resolve);
    }
}

#[test]
fn headers_that_are_sprags_own_or_grant_something_are_refused() {
    let with = |line: &str| reasons(&fifo(&format!("destinations.d.{line}")));
    for line in [
        "headers.Sprag-Key = \"x\"",
        "headers.webhook-id = \"x\"",
        "headers.content-type = \"x\"",
        "forward = [\"transfer-encoding\"]",
        "forward = [\"keep-alive\"]",
        "headers.proxy-connection = \"close\"",
    ] {
        assert!(with(line).contains("is a header that Sprag sends itself"), "{line}");
    }
    assert!(with("forward = [\"Authorization\"]").contains("never kept"));
    assert!(with("forward = [\"not a name\"]").contains("is no header name"));
    let token =
        r#"sources.s.verify = { scheme = "token", header = "x-token", secrets = ["env:PLAIN"] }"#;
    let forwarded = small(token, FIFO, "destinations.d.forward = [\"x-token\"]");
    assert!(reasons(&forwarded).contains("which is the token of source"), "{forwarded}");
    assert!(with("headers.x-note = \"two\\nlines\"").contains("no header can carry"));
    assert!(with("headers.x-token = \"env:NOT_SET\"").contains("does not exist"));
    let config = checked(&fifo("destinations.d.headers.x-note = \"plain\"")).config;
    assert_eq!(config.destinations["d"].headers[0].1, "plain");
}
