//! `[server]`, `[log]` and `[limits]` by their keys: each has a server of its own.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::record::observed;
use super::server::{Server, document, post, problem, taken};
use crate::wire::{Connection, until};

const SOURCES: &str = r#"
[sources.a]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/key"
contract = "arrival"
[sources.numbered]
verify = { scheme = "none" }
id = "none"
key = "body:/key"
position = { sequence = "body:/n" }
on_gap = "halt"
[sources.many]
verify = { scheme = "none" }
id = "none"
key = "body:/key"
split = "body:"
contract = "arrival"
"#;

const ADDRESSES: &str = "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"";

fn limited(limits: &str) -> Server {
    let reserve = if limits.contains("disk_reserve") { "" } else { "disk_reserve = \"1MiB\"" };
    let head = format!(
        "[server]\n{ADDRESSES}\ndata = \"DIRECTORY/data\"\npartitions = 1\n[limits]\n{reserve}\n{limits}\n"
    );
    Server::start_with(&head, SOURCES)
}

fn event(id: u64, key: &str) -> Vec<u8> {
    post("/in/a", &format!("x-id: {id}\r\n"), &format!(r#"{{"key":"{key}"}}"#))
}

/// A request with an event for each of these keys.
fn several(keys: impl Iterator<Item = String>) -> Vec<u8> {
    let events: Vec<String> = keys.map(|key| format!(r#"{{"key":"{key}"}}"#)).collect();
    post("/in/many", "", &format!("[{}]", events.join(",")))
}

/// Addresses of this machine that nobody else uses, a directory and a number of partitions.
#[test]
fn addresses_data_and_partitions() {
    let head = "[server]\nlisten = \"127.7.7.1:0\"\nadmin = \"127.7.7.2:0\"\ndata = \"DIRECTORY/elsewhere\"\npartitions = 3\n\
                [log]\nengine = \"embedded\"\n[limits]\ndisk_reserve = \"1MiB\"\n";
    let server = Server::start_with(head, SOURCES);
    let addresses =
        [server.gateway.listen, server.gateway.admin].map(|at: SocketAddr| at.ip().to_string());
    assert_eq!(addresses, ["127.7.7.1", "127.7.7.2"]);
    taken(&server.ask(&event(1, "k")), "released");
    observed("key", "server.listen");
    assert_eq!(server.show("/v1/sources")["items"][0]["name"], "a");
    observed("key", "server.admin");
    let owned = |partition: u64| {
        server.counted(&format!("sprag_partition_owned{{partition=\"{partition}\"}}"))
    };
    assert_eq!([0, 1, 2, 3].map(owned), [1, 1, 1, 0]);
    observed("key", "server.partitions");
    let log = std::fs::read_dir(server.setup.directory.path().join("elsewhere/log")).unwrap();
    let bytes = |file: std::fs::DirEntry| std::fs::read(file.path()).unwrap();
    let holds = |bytes: Vec<u8>| bytes.windows(11).any(|at| at == br#"{"key":"k"}"#);
    assert!(log.map(Result::unwrap).any(|file| holds(bytes(file))), "the event is in no segment");
    observed("key", "server.data");
    observed("key", "log.engine");
}

/// A body of many words is in a segment as it was sent, or it is not; it is delivered either way.
#[test]
fn body_codec() {
    let words = br#"{"key":"k"},"#.repeat(50);
    let body = format!(r#"{{"key":"k","list":[{}0]}}"#, String::from_utf8_lossy(&words));
    let lines = [("", true), ("body_codec = \"zstd\"", true), ("body_codec = \"none\"", false)];
    for (line, packed) in lines {
        let server = limited(&format!("[log]\n{line}"));
        let event = taken(&server.ask(&post("/in/a", "x-id: 1\r\n", &body)), "released");
        let log = std::fs::read_dir(server.setup.directory.path().join("data/log")).unwrap();
        let bytes = |file: std::fs::DirEntry| std::fs::read(file.path()).unwrap();
        let holds = |bytes: Vec<u8>| bytes.windows(words.len()).any(|at| at == words);
        assert_eq!(!log.map(Result::unwrap).any(|file| holds(bytes(file))), packed, "{line}");
        let id = event["id"].as_str().unwrap();
        let read = server.admin("GET", &format!("/v1/events/{id}/body"), "");
        assert_eq!((read.status(), &*read.body), (200, body.as_bytes()));
    }
    observed("key", "log.body_codec");
}

#[test]
fn connections() {
    let server = limited("connections = 1");
    let mut first = server.connect();
    first.send(&event(1, "k"));
    taken(&first.message().expect("an answer"), "released");
    let mut second = server.connect();
    second.send(&event(2, "k"));
    second.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(second.stream.read(&mut [0; 1]).is_err(), "the second waits");
    drop(first);
    taken(&Connection::over(second.stream).message().expect("an answer"), "released");
    observed("key", "limits.connections");
}

#[test]
fn request_time() {
    let server = limited("request_time = \"1s\"");
    let mut slow = server.connect();
    let whole = event(1, "k");
    slow.send(&whole[..whole.len() - 1]);
    problem(&slow.message().expect("an answer"), "request-timeout");
    observed("key", "limits.request_time");
}

#[test]
fn key_backlog() {
    let server = limited("key_backlog = 1");
    let ask = |key: &str, number: u64| {
        server.ask(&post("/in/numbered", "", &format!(r#"{{"key":"{key}","n":{number}}}"#)))
    };
    taken(&ask("k", 1), "released");
    taken(&ask("k", 3), "held");
    problem(&ask("k", 4), "key-backlog-full");
    taken(&ask("other", 1), "released");
    observed("key", "limits.key_backlog");
}

#[test]
fn partition_rate() {
    let server = limited("partition_rate = \"2/h\"");
    taken(&server.ask(&event(1, "a")), "released");
    taken(&server.ask(&event(2, "b")), "released");
    problem(&server.ask(&event(3, "c")), "rate-exceeded");
    observed("key", "limits.partition_rate");
}

/// Nobody listens at `d`: what waits for it beyond the limit is given up, the oldest first.
#[test]
fn destination_backlog() {
    let head = format!(
        "[server]\n{ADDRESSES}\ndata = \"DIRECTORY/data\"\npartitions = 1\n[limits]\n\
         disk_reserve = \"1MiB\"\ndestination_backlog = \"1KiB\"\n"
    );
    let destination = "[destinations.d]\nfrom = [\"a\"]\nurl = \"http://127.0.0.1:9/\"\n\
                       secrets = [\"env:A\"]\nallow = [\"127.0.0.0/8\"]\n";
    let server = Server::start_with(&head, &format!("{SOURCES}{destination}"));
    for id in 0..100 {
        taken(&server.ask(&event(id, &format!("key-{}", id / 2))), "released");
    }
    let dead = "/v1/dead-letters?destination=d&reason=backlog-full";
    let listed = server.until(dead, "what is given up", |page| {
        page["items"].as_array().is_some_and(|items| !items.is_empty())
    });
    assert_eq!(listed["items"][0]["reason"], "backlog-full", "{listed}");
    server.until("/v1/alerts", "the alert", |page| {
        let alerts = page["items"].as_array().into_iter().flatten();
        alerts.clone().any(|alert| alert["alert"] == "backlog-high")
    });
    let waits = server.counted("sprag_backlog_bytes{destination=\"d\"}");
    assert!(waits <= 2_048, "{waits} bytes wait");
    observed("key", "limits.destination_backlog");
}

/// The largest reserve there is; the test's disk must have less free space than that.
#[test]
fn disk_reserve() {
    let server = limited("disk_reserve = \"1024GiB\"");
    let answer = until("the disk was looked at", || {
        Some(server.ask(&event(1, "k"))).filter(|answer| answer.status() != 200)
    });
    problem(&answer, "disk-reserve");
    observed("key", "limits.disk_reserve");
}

/// More keys at once than fit.
#[test]
fn hot_keys() {
    let server = limited("hot_keys = 1");
    let mut round = 0;
    let answer = until("too many keys come at once", || {
        round += 1;
        let answer = server.ask(&several((0..1_000).map(|key| format!("k{round}-{key}"))));
        Some(answer).filter(|answer| answer.status() != 200)
    });
    problem(&answer, "too-many-keys");
    // They have been dealt with a moment later.
    let answer = until("there is room again", || {
        Some(server.ask(&event(1, "another"))).filter(|answer| answer.status() == 200)
    });
    taken(&answer, "released");
    observed("key", "limits.hot_keys");
}

/// However few ids are kept in memory, a repeat is recognised.
#[test]
fn dedupe_ids() {
    let server = limited("dedupe_ids = 1");
    (1..=20).for_each(|id| drop(taken(&server.ask(&event(id, "k")), "released")));
    (1..=20).for_each(|id| drop(taken(&server.ask(&event(id, "k")), "duplicate")));
    until("the others are forgotten", || (server.counted("sprag_dedupe_ids") <= 2).then_some(()));
    assert!(limited("").counted("sprag_dedupe_ids") == 0);
    observed("key", "limits.dedupe_ids");
}

/// More events for one key than may wait while it is looked for: several requests that come
/// together, for another key until they do.
#[test]
fn key_loading() {
    let server = limited("");
    let mut key = 0;
    let answer = until("too many wait for one key", || {
        key += 1;
        let request = several((0..1_000).map(|_| format!("k{key}")));
        let mut connections: Vec<Connection> = (0..8).map(|_| server.connect()).collect();
        let (last, first) = request.split_last().unwrap();
        connections.iter_mut().for_each(|connection| connection.send(first));
        connections.iter_mut().for_each(|connection| connection.send(&[*last]));
        let answers = connections.iter_mut().map(|connection| connection.message().unwrap());
        let answers: Vec<_> = answers.collect();
        answers.into_iter().find(|answer| answer.status() != 200)
    });
    problem(&answer, "key-loading");
    let kept = document(&server.ask(&several(std::iter::once("k0".to_owned()))));
    assert_eq!(kept["events"][0]["status"], "released");
}

/// The admin API and its probes say nothing of this: a path that is not there.
#[test]
fn unknown_paths_of_the_admin_address() {
    let server = limited("");
    problem(&server.admin("GET", "/nothing", ""), "unknown-path");
    assert_eq!(server.show("/healthz")["status"], Value::from("alive"));
}
