//! Keys are compared at a server of the test's own, as each key of `reconcile` says.

use std::time::Duration;

use super::authority::{Reply, Server as Authority};

use super::record::observed;
use super::server::{Server, post, taken};
use crate::support::clock::Deadline;
use crate::wire::{Message, SECRET, until};

/// Longer than two passes take.
const MEANWHILE: Duration = Duration::from_secs(3);

fn answer(request: &Message) -> Reply {
    if request.start.contains("/timed/") {
        return Reply::json(r#"{"changed":9000}"#);
    }
    Reply::json(r#"{"kind":"whole","last":9}"#)
}

fn sections(authority: &Authority) -> String {
    let url = authority.url();
    let source = |name: &str, position: &str, more: &str| {
        format!(
            "[sources.{name}]\nverify = {{ scheme = \"none\" }}\nid = \"none\"\nkey = \"body:/key\"\n\
             contract = \"latest\"\nposition = {{ {position} }}\n[sources.{name}.reconcile]\n\
             url = \"{url}/{name}/{{key}}\"\nevery = \"1s\"\n{more}\n"
        )
    };
    let version = "version = \"body:/n\"";
    let open = "allow = [\"127.0.0.0/8\"]";
    let versioned = |name: &str, more: &str| {
        source(name, version, &format!("version = \"body:/last\"\n{more}"))
    };
    let taken_over = format!(
        "grace = \"100ms\"\nthen = \"event\"\ntype_at = \"body:/kind\"\nheaders = {{ authorization = \"env:B\" }}\n{open}"
    );
    let timed = format!("timestamp = \"body:/changed\"\nunit = \"ms\"\ngrace = \"100ms\"\n{open}");
    [
        versioned("compared", &taken_over),
        source("timed", "timestamp = \"body:/n\", unit = \"s\"", &timed),
        versioned("seldom", &format!("grace = \"100ms\"\nrate = \"1/h\"\n{open}")),
        versioned("part", &format!("grace = \"100ms\"\nsample = \"0.1%\"\n{open}")),
        versioned("patient", &format!("grace = \"1h\"\n{open}")),
        versioned("closed", "grace = \"100ms\""),
    ]
    .concat()
}

/// How often a path was asked for.
fn asked(authority: &Authority, path: &str) -> usize {
    let asks = authority.requests();
    asks.iter().filter(|ask| ask.start.starts_with(&format!("GET {path}"))).count()
}

#[test]
fn every_key_of_reconcile_has_its_effect() {
    let authority = Authority::start(answer);
    let server = Server::start(&sections(&authority));
    for source in ["compared", "timed", "seldom", "part", "patient", "closed"] {
        let keys = if source == "seldom" { ["a", "b"].as_slice() } else { &["a"] };
        for key in keys {
            let body = format!(r#"{{"key":"{key}","n":7}}"#);
            taken(&server.ask(&post(&format!("/in/{source}"), "", &body)), "released");
        }
    }
    let second = "/v1/events/compared:a:2";
    server.until(second, "what it has is here", |event| event["origin"] == "reconciled");
    assert_eq!(server.show(second)["type"], "whole");
    let requests = authority.requests();
    let ask = requests.iter().find(|ask| ask.start.contains("GET /compared/a ")).unwrap();
    assert_eq!(ask.header("authorization"), format!("whsec_B{SECRET}"));
    let same =
        |source: &str| format!("sprag_reconciled_total{{source=\"{source}\",result=\"same\"}}");
    server.until_counted(&same("compared"), 2);
    ["", ".url", ".headers", ".headers.*", ".version", ".every", ".then", ".type_at", ".allow"]
        .iter()
        .for_each(|key| observed("key", &format!("sources.*.reconcile{key}")));
    let behind = "sprag_reconciled_total{source=\"timed\",result=\"behind\"}";
    server.until_counted(behind, 2);
    observed("key", "sources.*.reconcile.timestamp");
    observed("key", "sources.*.reconcile.unit");
    server.until_counted("sprag_reconcile_asked_total{source=\"closed\",outcome=\"refused\"}", 1);
    until("seldom is asked", || (asked(&authority, "/seldom/") > 0).then_some(()));
    let meanwhile = Deadline::after(MEANWHILE);
    until("more passes were made", || meanwhile.has_passed().then_some(()));
    assert_eq!(asked(&authority, "/seldom/"), 1);
    observed("key", "sources.*.reconcile.rate");
    assert_eq!(asked(&authority, "/part/"), 0);
    observed("key", "sources.*.reconcile.sample");
    assert_eq!(asked(&authority, "/patient/"), 0);
    observed("key", "sources.*.reconcile.grace");
}
