//! Contracts and positions by their keys, with every status an event can get from them.

use serde_json::json;

use super::scenario::{Scenario, Source, run};
use super::server::{document, problem};
use crate::wire::until;

fn numbered(number: u64) -> String {
    format!(r#"{{"key":"a","n":{number}}}"#)
}

/// Whether the source has a gap that it waits for.
fn until_gap(source: &Source<'_>) {
    source.server.until_counted(&format!("sprag_gaps_open{{source=\"{}\"}}", source.name), 1);
}

/// Event `number` is answered so.
fn taken(source: &Source<'_>, status: &str, number: u64) {
    source.taken(status, &number.to_string(), &numbered(number));
}

const ALL: &[Scenario] = &[
    Scenario {
        shows: &["position", "position.sequence"],
        lines: "position = { sequence = \"body:/n\" }\nhold = { wait = \"30d\" }",
        act: |source| {
            taken(source, "released", 1);
            taken(source, "held", 3);
            let other = source.taken("conflict", "other", r#"{"key":"a","n":1,"another":true}"#);
            let path = format!("/v1/events/{}", other["id"].as_str().unwrap());
            source.server.until(&path, "a conflict", |event| event["status"] == "conflict");
            source.refused("invalid-position", "x-id: 4\r\n", r#"{"key":"a","n":-1}"#);
            taken(source, "released", 2);
            taken(source, "duplicate", 3);
        },
    },
    Scenario {
        shows: &["hold", "hold.wait"],
        lines: "position = { sequence = \"body:/n\" }\nhold = { wait = \"1ms\" }",
        act: |source| {
            taken(source, "released", 1);
            taken(source, "held", 3);
            // It waits for 2, but not for the five seconds of the default: 4 follows at once.
            until("3 is released without 2", || {
                source.server.show(&format!("/v1/events/{}:a:2", source.name))["release"]["sequence"]
                    .as_u64()
            });
            taken(source, "late", 2);
        },
    },
    Scenario {
        shows: &["on_gap"],
        lines: "position = { sequence = \"body:/n\" }\nhold = { wait = \"1ms\" }\non_gap = \"halt\"",
        act: |source| {
            taken(source, "released", 1);
            taken(source, "held", 3);
            let path = format!("/v1/sources/{}/keys/a", source.name);
            // The wait is over, and nothing was given up.
            let ended =
                |key: &serde_json::Value| key["held_events"] == 1 && key["hold_seconds"].is_null();
            source.server.until(&path, "an ended wait", ended);
            source.taken("released", "2", &numbered(2));
            taken(source, "held", 5);
            let unnamed = json!({"override": "give-up-gap", "source": source.name, "key": "a"});
            let answer = source.server.admin("POST", "/v1/overrides", &unnamed.to_string());
            assert_eq!(answer.status(), 400);
            problem(&answer, "invalid-parameter");
            let give_up =
                json!({"override": "give-up-gap", "source": source.name, "key": "a", "from": 4});
            let give_up = || source.server.admin("POST", "/v1/overrides", &give_up.to_string());
            assert_eq!(give_up().status(), 200);
            problem(&give_up(), "no-gap");
            taken(source, "late", 4);
            taken(source, "released", 6);
        },
    },
    Scenario {
        shows: &["hold.events"],
        lines: "position = { sequence = \"body:/n\" }\nhold = { wait = \"30d\", events = 2 }",
        act: |source| {
            taken(source, "released", 1);
            taken(source, "held", 3);
            source.ask("x-id: 4\r\n", &numbered(4));
            source.until("released", "5", &numbered(5));
            taken(source, "late", 2);
        },
    },
    Scenario {
        shows: &["hold.span"],
        lines: "position = { sequence = \"body:/n\" }\nhold = { wait = \"30d\", span = 10 }",
        act: |source| {
            taken(source, "released", 1);
            taken(source, "held", 11);
            taken(source, "invalid", 22);
        },
    },
    Scenario {
        shows: &["first"],
        lines: "position = { sequence = \"body:/n\" }\nfirst = 7\nhold = { wait = \"30d\" }",
        act: |source| {
            taken(source, "held", 8);
            taken(source, "released", 7);
        },
    },
    Scenario {
        shows: &["strict_first"],
        lines: "position = { sequence = \"body:/n\" }\nstrict_first = true\nhold = { wait = \"30d\" }",
        act: |source| {
            taken(source, "held", 2);
            // What came before the first event is missing, not unknown.
            until_gap(source);
            taken(source, "released", 1);
        },
    },
    Scenario {
        shows: &["position.version", "contract"],
        lines: "position = { version = \"body:/n\" }\ncontract = \"latest\"",
        act: |source| {
            taken(source, "released", 7);
            taken(source, "stale", 5);
            taken(source, "released", 9);
        },
    },
    Scenario {
        shows: &["position.timestamp", "position.unit"],
        lines: "position = { timestamp = \"body:/at\", unit = \"s\" }\ncontract = \"latest\"",
        act: |source| {
            let at = |id: &str, at: u64| {
                source.ask(&format!("x-id: {id}\r\n"), &format!(r#"{{"key":"a","at":{at}}}"#))
            };
            super::server::taken(&at("1", 1_700_000_001), "released");
            super::server::taken(&at("2", 1_700_000_000), "stale");
            // More than five minutes from now as seconds, and long ago in any smaller unit.
            super::server::taken(&at("3", 4_000_000_000), "invalid");
        },
    },
    Scenario {
        shows: &["max_ahead"],
        lines: "position = { timestamp = \"body:/at\", unit = \"ms\" }\ncontract = \"latest\"\nmax_ahead = \"1s\"",
        act: |source| {
            let at = sprag::clock::Clock::start().now().clock.0 / 1_000 + 60_000;
            source.taken("invalid", "1", &json!({"key": "a", "at": at}).to_string());
        },
    },
    Scenario {
        shows: &["position.fields", "position.values"],
        lines: "position = { fields = \"body:/of\", values = \"body:\" }\ncontract = \"merge\"",
        act: |source| {
            let of = |id: &str, status: &str, of: serde_json::Value| {
                source.taken(status, id, &json!({"key": "a", "of": of}).to_string())
            };
            of("1", "released", json!({"mail": 2, "name": 1}));
            of("2", "released", json!({"mail": 1, "name": 2}));
            of("3", "stale", json!({"mail": 2, "name": 2}));
            source.refused("invalid-position", "x-id: 4\r\n", r#"{"key":"a","of":{"mail":-1}}"#);
        },
    },
    Scenario {
        shows: &["position.clock", "position.node"],
        lines: "position = { clock = \"body:/of\", node = \"header:x-node\" }\ncontract = \"causal\"\nhold.wait = \"30d\"",
        act: |source| {
            let of = |id: &str, node: &str, status: &str, of: serde_json::Value| {
                let headers = format!("x-id: {id}\r\nx-node: {node}\r\n");
                let answer = source.ask(&headers, &json!({"key": "a", "of": of}).to_string());
                super::server::taken(&answer, status);
            };
            of("1", "b", "held", json!({"a": 1, "b": 1}));
            of("2", "a", "released", json!({"a": 1}));
            of("3", "b", "released", json!({"a": 1, "b": 2}));
            of("4", "b", "invalid", json!({"b": 3}));
            source.refused(
                "invalid-position",
                "x-id: 5\r\nx-node: c\r\n",
                r#"{"key":"a","of":{"a":1}}"#,
            );
        },
    },
    Scenario {
        shows: &["position.state", "states", "states.initial", "states.allow", "states.allow.*"],
        lines: "position = { state = \"body:/s\" }\ncontract = \"states\"\nhold.wait = \"30d\"\n\
                states = { initial = [\"new\"], allow = { new = [\"paid\"], paid = [\"sent\"] } }",
        act: |source| {
            let tells = |id: &str, status: &str, state: &str| {
                source.taken(status, id, &json!({"key": "a", "s": state}).to_string())
            };
            tells("1", "held", "sent");
            tells("2", "released", "new");
            tells("3", "released", "paid");
            tells("4", "conflict", "new");
            tells("5", "stale", "sent");
            tells("6", "invalid", "lost");
            source.refused("invalid-position", "x-id: 7\r\n", r#"{"key":"a","s":null}"#);
        },
    },
    Scenario {
        shows: &[
            "position.link",
            "position.link.before",
            "position.link.after",
            "position.link.forced",
        ],
        lines: "position.link = { before = \"body:/b\", after = \"body:/a\", forced = \"body:/f\" }\n\
                hold.wait = \"30d\"",
        act: |source| {
            let leads = |id: &str, status: &str, link: serde_json::Value| {
                let mut event = json!({"key": "a"});
                event.as_object_mut().unwrap().extend(link.as_object().unwrap().clone());
                source.taken(status, id, &event.to_string())
            };
            leads("1", "held", json!({"b": "c1", "a": "c2"}));
            leads("2", "released", json!({"b": "00", "a": "c1"}));
            leads("3", "released", json!({"b": "c2", "a": "c1", "f": true}));
            let first = format!("/v1/events/{}:a:3", source.name);
            let forced =
                source.server.until(&first, "the third", |event| event["position"] != json!(null));
            assert_eq!(forced["position"], "c2...c1", "{forced}");
            source.refused("invalid-position", "x-id: 4\r\n", r#"{"key":"a","b":"c 1","a":"c2"}"#);
            source.refused("invalid-position", "x-id: 5\r\n", r#"{"key":"a","b":"c1"}"#);
            source.refused(
                "invalid-position",
                "x-id: 6\r\n",
                r#"{"key":"a","b":"c1","a":"c2","f":1}"#,
            );
        },
    },
    Scenario {
        shows: &["settle"],
        lines: "position = { timestamp = \"body:/at\", unit = \"s\" }\ncontract = \"settle\"\nsettle = \"10m\"",
        act: |source| {
            source.taken("held", "1", &json!({"key": "a", "at": 1_700_000_000}).to_string());
            let path = format!("/v1/sources/{}/keys/a", source.name);
            // Longer than the two seconds of the default.
            let settles = |key: &serde_json::Value| key["hold_seconds"].as_f64() > Some(60.0);
            source.server.until(&path, "an event that settles", settles);
        },
    },
    Scenario {
        shows: &["ranks"],
        lines: "position = { timestamp = \"body:/at\", unit = \"s\" }\ncontract = \"settle\"\nsettle = \"1s\"\n\
                id = \"body:/id\"\nsplit = \"body:\"\ntype = \"body:/type\"\nranks = [\"b\"]",
        act: |source| {
            let event =
                |id: &str, of: &str| json!({"id": id, "key": "a", "at": 1_700_000_000, "type": of});
            // In one request, so that nothing lies between the two.
            let both = json!([event("1", "a"), event("2", "b")]).to_string();
            let both = document(&source.ask("", &both))["events"].clone();
            let became = [0, 1].map(|at| both[at]["status"].clone());
            assert_eq!(became, ["held", "held"], "{both}");
            let path = format!("/v1/events/{}:a:1", source.name);
            let first =
                source.server.until(&path, "the first", |one| one["release"]["sequence"] == 1);
            assert_eq!(first["type"], "b");
        },
    },
];

#[test]
fn order() {
    run(ALL);
}
