//! What makes an event of a request: id, key, type, body and how often.

use std::io::Write;
use std::net::Shutdown;

use super::scenario::{Scenario, Source, run};
use super::server::{self, document, problem, taken};
use crate::wire::until;

/// Contract `arrival` below each: nothing here depends on positions.
const ALL: &[Scenario] = &[
    Scenario {
        shows: &["id"],
        lines: "id = \"query:event\"\ncontract = \"arrival\"",
        act: |source| {
            let ask = |query: &str| {
                let path = format!("/in/{}{query}", source.name);
                source.server.ask(&server::post(&path, "", r#"{"key":"a"}"#))
            };
            taken(&ask("?event=1"), "released");
            taken(&ask("?event=1"), "duplicate");
            taken(&ask("?event=2"), "released");
            problem(&ask(""), "invalid-id");
        },
    },
    Scenario {
        shows: &["key", "key.join"],
        lines: "key = { join = [\"body:/shop\", \"header:x-part\"] }\ncontract = \"arrival\"",
        act: |source| {
            let headers = "x-id: 1\r\nx-part: b/c\r\n";
            let answer = taken(&source.ask(headers, r#"{"shop":"a b"}"#), "released");
            assert_eq!(answer["key"], "a%20b/b%2Fc");
            source.refused("invalid-key", headers, r#"{"shop":null}"#);
        },
    },
    Scenario {
        shows: &["type", "key[].type", "key[].at", "key[].at.join"],
        lines: "type = \"body:/type\"\ncontract = \"arrival\"\n\
                key = [{ type = \"user.*\", at = \"body:/user\" }, { type = \"*\", at = { join = [\"const:other\", \"body:/n\"] } }]",
        act: |source| {
            let key = |id: &str, body: &str| source.taken("released", id, body)["key"].clone();
            assert_eq!(key("1", r#"{"type":"user.made","user":7}"#), "7");
            assert_eq!(key("2", r#"{"type":"order","n":7}"#), "other/7");
            source.refused("invalid-type", "x-id: 3\r\n", r#"{"type":7.5,"n":7}"#);
        },
    },
    Scenario {
        shows: &["total"],
        lines: "total = true\ncontract = \"arrival\"",
        act: |source| {
            for (id, sequence) in [("1", 1), ("2", 2)] {
                let answer = source.taken("released", id, &format!(r#"{{"key":"{id}"}}"#));
                assert_eq!(
                    (&answer["key"], &answer["sequence"]),
                    (&"all".into(), &sequence.into())
                );
            }
        },
    },
    Scenario {
        shows: &["accept"],
        lines: "type = \"body:/type\"\naccept = [\"order.*\"]\ncontract = \"arrival\"",
        act: |source| {
            source.taken("ignored", "1", r#"{"type":"user.made","key":"a"}"#);
            source.taken("released", "2", r#"{"type":"order.made","key":"a"}"#);
        },
    },
    Scenario {
        shows: &["split"],
        lines: "id = \"none\"\nsplit = \"body:/events\"\ncontract = \"arrival\"",
        act: |source| {
            let answer = source.ask("", r#"{"events":[{"key":"a"},{"key":"b"}]}"#);
            let document = document(&answer);
            let keys = [&document["events"][0]["key"], &document["events"][1]["key"]];
            assert_eq!(keys, ["a", "b"], "{document}");
            source.refused("invalid-events", "", r#"{"events":7}"#);
        },
    },
    Scenario {
        shows: &["max_body"],
        lines: "max_body = \"16B\"\ncontract = \"arrival\"",
        act: |source| {
            source.taken("released", "1", r#"{"key":"123456"}"#);
            source.refused("body-too-large", "x-id: 2\r\n", r#"{"key":"1234567"}"#);
        },
    },
    Scenario {
        shows: &["handshake"],
        lines: "handshake = \"cloudevents\"\ncontract = \"arrival\"",
        act: |source| {
            let ask = |headers: &str| {
                let head = format!("OPTIONS /in/{} HTTP/1.1\r\nhost: sprag\r\n", source.name);
                source.server.ask(format!("{head}{headers}\r\n").as_bytes())
            };
            let granted = ask("webhook-request-origin: events.example.com\r\n");
            assert_eq!(granted.header("webhook-allowed-origin"), "events.example.com");
            problem(&ask(""), "missing-origin");
        },
    },
    Scenario {
        shows: &["on_invalid"],
        lines: "on_invalid = \"dead-letter\"\ncontract = \"arrival\"",
        act: |source| {
            let kept = source.taken("invalid", "1", r#"{"key":null}"#);
            let path = format!("/v1/events/{}", kept["id"].as_str().unwrap());
            let shown =
                source.server.until(&path, "its reason", |event| event["status"] == "invalid");
            assert_eq!(shown["reason"]["is"], "unreadable");
        },
    },
    Scenario {
        shows: &["rate"],
        lines: "rate = \"2/h\"\ncontract = \"arrival\"",
        act: |source| {
            source.taken("released", "1", r#"{"key":"a"}"#);
            source.taken("released", "2", r#"{"key":"b"}"#);
            source.refused("rate-exceeded", "x-id: 3\r\n", r#"{"key":"c"}"#);
        },
    },
    Scenario {
        shows: &["dedupe"],
        lines: "dedupe = \"1s\"\nid = \"body:/id\"\nsplit = \"body:\"\ncontract = \"arrival\"",
        act: |source| {
            let ask = |events: &str| document(&source.ask("", events))["events"].clone();
            // In one request, so that nothing lies between the two.
            let both = ask(r#"[{"id":"1","key":"a"},{"id":"1","key":"a"}]"#);
            let became = [0, 1].map(|at| both[at]["status"].clone());
            assert_eq!(became, ["released", "duplicate"], "{both}");
            let again = until("its id is forgotten", || {
                let again = ask(r#"[{"id":"1","key":"a"}]"#);
                (again[0]["status"] == "released").then_some(again)
            });
            assert_eq!(again[0]["sequence"], 2);
        },
    },
    Scenario { shows: &[], lines: "contract = \"arrival\"", act: requests_that_are_no_events },
];

fn requests_that_are_no_events(source: &Source<'_>) {
    let path = format!("/in/{}", source.name);
    let json = "x-id: 1\r\ncontent-type: text/plain\r\n";
    source.refused("unreadable-json", "x-id: 1\r\n", r#"{"key":"#);
    source.refused("unsupported-content-encoding", "x-id: 1\r\ncontent-encoding: gzip\r\n", "{}");
    let plain =
        format!("POST {path} HTTP/1.1\r\nhost: sprag\r\n{json}content-length: 2\r\n\r\n{{}}");
    problem(&source.server.ask(plain.as_bytes()), "unsupported-content-type");
    let get = source.server.ask(format!("GET {path} HTTP/1.1\r\nhost: sprag\r\n\r\n").as_bytes());
    problem(&get, "method-not-allowed");
    assert_eq!(get.header("allow"), "POST");
    problem(&source.server.ask(&server::post("/in/nobody", "", "{}")), "unknown-source");
    problem(&source.server.ask(&server::post("/elsewhere", "", "{}")), "unknown-path");
    let mut cut = source.server.connect();
    let whole = server::post(&path, "x-id: 1\r\n", r#"{"key":"a"}"#);
    cut.stream.write_all(&whole[..whole.len() - 1]).unwrap();
    cut.stream.shutdown(Shutdown::Write).unwrap();
    problem(&cut.message().expect("an answer"), "unreadable-request");
    until("none of them is an event", || {
        let events = format!("sprag_events_total{{source=\"{}\",fate=\"released\"}}", source.name);
        (source.server.counted(&events) == 0).then_some(())
    });
}

#[test]
fn sources() {
    run(ALL);
}
