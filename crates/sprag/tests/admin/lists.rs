//! Lanes, dead letters and alerts by conditions; history as a stream.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::node::{Consumer, TOKEN, World};

fn items(page: &Value) -> usize {
    page["items"].as_array().unwrap().len()
}

fn lines(body: &[u8]) -> Vec<Value> {
    let text = String::from_utf8(unchunked(body)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A body in chunks as one.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}

#[tokio::test]
async fn lanes_are_selected_and_resumed_page_by_page() {
    let world = World::start().await;
    for key in ["a", "b", "c"] {
        world.consumer(key, Consumer::Answers(404));
        world.receive(2, key, 0, &format!("{key}1")).await;
    }
    world.until("/v1/lanes", |page| items(page) == 3).await;
    let first = world.get("/v1/lanes?limit=2").await.json();
    let next = first["next"].as_str().unwrap();
    let rest = world.get(&format!("/v1/lanes?limit=2&cursor={next}")).await.json();
    assert_eq!((items(&first), items(&rest), rest.get("next")), (2, 1, None));
    let lane = &first["items"][0];
    assert_eq!((&lane["mode"], &lane["reason"]), (&json!("parked"), &json!("404")), "{lane}");
    for (query, count) in [
        ("reason=4xx", 3),
        ("reason=parked", 3),
        ("reason=unreachable", 0),
        ("key=b*", 1),
        ("source=billing", 0),
        ("destination=audit", 0),
        ("since=2026-01-01T00:00:00Z", 3),
        ("until=2026-01-01T00:00:00Z", 0),
    ] {
        let page = world.get(&format!("/v1/lanes?{query}")).await.json();
        assert_eq!(items(&page), count, "{query}: {page}");
    }
    for key in ["a", "b", "c"] {
        world.consumer(key, Consumer::Answers(204));
    }
    let body = json!({"destination": "app", "reason": "404", "limit": 2});
    let first = world.post("/v1/lanes/resume", &body).await.json();
    assert_eq!((&first["done"], &first["refused"]), (&json!(2), &json!([])), "{first}");
    let body = json!({"destination": "app", "reason": "404", "cursor": first["next"]});
    let rest = world.post("/v1/lanes/resume", &body).await.json();
    assert_eq!((&rest["done"], rest.get("next")), (&json!(1), None), "{rest}");
    world.until("/v1/lanes", |page| items(page) == 0).await;
}

#[tokio::test]
async fn passed_events_are_redriven_and_dropped_in_bulk() {
    let world = World::start().await;
    world.consumer("k", Consumer::Answers(500));
    for number in 1..=3 {
        world.receive(1, "k", number, &format!("e{number}")).await;
    }
    let path = "/v1/dead-letters?destination=audit";
    world.until(path, |page| items(page) == 3).await;
    world.consumer("k", Consumer::Answers(200));
    let one =
        json!({"destination": "audit", "reason": "given-up", "out_of_order": true, "limit": 1});
    let first = world.post("/v1/dead-letters/redrive-many", &one).await.json();
    assert_eq!(first["done"], 1, "{first}");
    assert!(first["next"].is_string(), "{first}");
    let page = world.until(path, |page| items(page) == 2).await;
    assert_eq!(page["items"][0]["sequence"], 2, "the newest came first: {page}");
    let all = json!({"all": true});
    let dropped = world.post("/v1/dead-letters/drop-many", &all).await.json();
    assert_eq!((&dropped["done"], dropped.get("next")), (&json!(2), None), "{dropped}");
    world.until(path, |page| items(page) == 0).await;
}

#[tokio::test]
async fn alerts_say_what_to_do() {
    let world = World::start().await;
    assert_eq!(world.get("/v1/alerts").await.json(), json!({"items": []}));
    world.consumer("k", Consumer::Answers(404));
    world.receive(2, "k", 0, "e1").await;
    // Two keys tell nothing of a destination, but old positions with new ids of a key.
    for number in 1..=40 {
        world.receive(1, "r", number, &format!("e{number}")).await;
    }
    for number in 1..=20 {
        world.arrive(1, "r", number, &format!("anew{number}")).await;
    }
    world.command("/v1/destinations/audit/pause").await;
    let page = world.until("/v1/alerts", |page| items(page) == 3).await;
    let kinds: Vec<&str> =
        page["items"].as_array().unwrap().iter().filter_map(|a| a["alert"].as_str()).collect();
    assert_eq!(kinds, ["lanes-stopped", "destination-paused", "sequence-reset"], "{page}");
    let reset = &page["items"][2];
    assert_eq!(reset["remedy"], "If it does: sprag override rebase billing:r");
    let page = world.get("/v1/sources/billing/keys?state=reset").await.json();
    assert_eq!((items(&page), &page["items"][0]["key"]), (1, &json!("r")));
}

#[tokio::test]
async fn history_is_streamed_in_order_and_resumed() {
    let world = World::start().await;
    let key = "/v1/sources/notes/keys/k";
    world.receive(2, "k", 0, "e1").await;
    world.receive(2, "k", 0, "e2").await;
    world.until(key, |key| key["lanes"][0]["delivered"] == 2).await;
    let reply = world.get("/v1/facts").await;
    assert!(reply.head.contains("application/x-ndjson"), "{reply:?}");
    let all = lines(&reply.body);
    let of_key: Vec<&Value> = all.iter().filter(|fact| fact["key"] == "k").collect();
    let names: Vec<&str> = of_key.iter().filter_map(|fact| fact["fact"].as_str()).collect();
    assert_eq!(names.iter().filter(|name| **name == "attempted").count(), 2, "{names:?}");
    assert_eq!(names[..2], ["received", "released"]);
    let streamed = lines(&world.get("/v1/facts?source=notes&key=k").await.body);
    assert_eq!(streamed.iter().collect::<Vec<_>>(), of_key);
    let named = lines(&world.get("/v1/facts?fact=released,attempted").await.body);
    assert_eq!(named.len(), 4);
    // Resumed behind the third fact of its partition.
    let place = streamed[2]["place"].as_str().unwrap();
    let rest = lines(&world.get(&format!("/v1/facts?source=notes&key=k&after={place}")).await.body);
    assert_eq!(rest, streamed[3..]);
    let two = lines(&world.get("/v1/facts?limit=2").await.body);
    assert_eq!(two, all[..2]);
}

#[tokio::test]
async fn a_followed_stream_goes_on_with_what_comes() {
    let world = World::start().await;
    let path = "/v1/facts?follow=true&source=notes&key=k&fact=released&limit=2";
    let mut stream = tokio::net::TcpStream::connect(world.api.address()).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    world.receive(2, "k", 0, "e1").await;
    let mut bytes = Vec::new();
    while !bytes.windows(12).any(|window| window == b"\"sequence\":1") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "it ended before its limit");
    }
    // Everything there is has come; this comes later.
    world.receive(2, "k", 0, "e2").await;
    stream.read_to_end(&mut bytes).await.unwrap();
    let body = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let facts = lines(&bytes[body..]);
    assert_eq!((&facts[0]["sequence"], &facts[1]["sequence"]), (&json!(1), &json!(2)));
}

/// A stream that is followed and brings nothing but the beginning of its answer.
async fn idle_stream(world: &World) -> (tokio::net::TcpStream, Vec<u8>) {
    let mut stream = tokio::net::TcpStream::connect(world.api.address()).await.unwrap();
    let path = "/v1/facts?follow=true&fact=rebased";
    let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
    (stream, bytes)
}

#[tokio::test]
async fn an_idle_stream_is_written_to_and_a_reader_that_went_holds_none() {
    let world = World::start().await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(idle_stream(&world).await);
    }
    let reply = world.get("/v1/facts").await;
    assert_eq!(reply.problem(), (503, "not-ready".to_owned()));
    let (mut stream, mut bytes) = streams.pop().unwrap();
    while !bytes.ends_with(b"1\r\n\n\r\n") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
    drop((stream, streams));
    let mut reply = world.get("/v1/facts").await;
    while reply.status == 503 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        reply = world.get("/v1/facts").await;
    }
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn attempts_are_searched_page_by_page() {
    let world = World::start().await;
    world.consumer("k", Consumer::Answers(500));
    world.receive(2, "k", 0, "e1").await;
    world.until("/v1/lanes", |page| items(page) == 1).await;
    let page = world.get("/v1/events/notes:k:1/attempts").await.json();
    assert_eq!(items(&page), 2, "{page}");
    assert_eq!(
        (&page["items"][1]["number"], &page["items"][1]["destination"]),
        (&json!(2), &json!("app"))
    );
    assert_eq!(page.get("next"), None);
    let event = world.get("/v1/events/notes:k:1").await.json();
    assert_eq!(event["fates"].get("next"), None, "{event}");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let world = World::start().await;
    let invalid = (400, "invalid-parameter".to_owned());
    for query in [
        "lanes?limit=0",
        "lanes?limit=501",
        "lanes?limit=99999999999999999999",
        "lanes?cursor=bm8",
        "lanes?state=asleep",
        "lanes?reason=tired",
        "lanes?since=yesterday",
        "lanes?since=1969-01-01T00:00:00Z",
        "lanes?key=",
        "lanes?color=red",
        "lanes?state=waiting&reason=503",
        "dead-letters?reason=tired",
        "dead-letters?until=2026-11-25",
        "facts?after=here",
        "facts?limit=0",
        "facts?limit=1000001",
        "facts?source=notes",
        "facts?partition=99",
        "facts?follow=perhaps",
        "events/0-1-0/attempts?cursor=!",
        "events?source=notes&key=k&since=now",
    ] {
        let reply = world.get(&format!("/v1/{query}")).await;
        assert_eq!(reply.problem(), invalid, "{query}");
    }
    for (path, body) in [
        ("lanes/resume", json!({})),
        ("lanes/resume", json!({"all": true, "limit": 201})),
        ("lanes/resume", json!({"all": true, "cursor": "bm8"})),
        ("lanes/resume", json!({"al": true})),
        ("lanes/resume", json!({"reason": "tired"})),
        ("dead-letters/drop-many", json!({})),
        ("dead-letters/drop-many", json!({"all": true, "out_of_order": true})),
        ("dead-letters/redrive-many", json!({"all": true})),
        ("dead-letters/redrive-many", json!({"all": true, "out_of_order": true, "reason": "503"})),
    ] {
        let reply = world.post(&format!("/v1/{path}"), &body).await;
        assert_eq!(reply.problem(), invalid, "{path} {body}");
    }
    for (path, code) in [
        ("lanes?destination=none", "unknown-destination"),
        ("lanes?source=none", "unknown-source"),
        ("events/0-999-0/attempts", "unknown-event"),
    ] {
        let reply = world.get(&format!("/v1/{path}")).await;
        assert_eq!(reply.problem(), (404, code.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn overrides_are_listed_as_history_has_them() {
    let world = World::start().await;
    world.consumer("k", Consumer::Answers(500));
    world.receive(1, "k", 1, "e1").await;
    world.until("/v1/dead-letters", |page| items(page) == 2).await;
    let lane = json!({"source": "billing", "key": "k", "destination": "app"});
    assert_eq!(world.post("/v1/dead-letters/redrive", &lane).await.status, 200);
    let mut passed = lane.clone();
    (passed["destination"], passed["sequence"]) = (json!("audit"), json!(1));
    assert_eq!(world.post("/v1/dead-letters/drop", &passed).await.status, 200);
    for path in ["sources/billing/keys/k/pause", "sources/billing/keys/k/resume"] {
        assert_eq!(world.post(&format!("/v1/{path}"), &Value::Null).await.status, 200);
    }
    let rebase = json!({"override": "rebase", "source": "billing", "key": "k"});
    assert_eq!(world.post("/v1/overrides", &rebase).await.status, 200);
    let of = |page: &Value, name: &str| -> Vec<Value> {
        page["items"].as_array().unwrap().iter().map(|item| item[name].clone()).collect()
    };
    let path = "/v1/overrides?source=billing&key=k";
    let page = world.get(path).await.json();
    let expected = ["redrive", "drop", "pause-key", "resume-key", "rebase"];
    assert_eq!(of(&page, "override"), expected, "{page}");
    assert_eq!(of(&page, "destination")[..2], [json!("app"), json!("audit")], "{page}");
    assert_eq!(of(&page, "sequence")[..2], [Value::Null, json!(1)], "{page}");
    let third = page["items"][2]["at"].as_str().unwrap();
    let since = world.get(&format!("{path}&since={third}")).await.json();
    let later: Vec<Value> = of(&since, "override");
    assert!(
        later.len() <= 3 + 2
            && later.ends_with(&[json!("pause-key"), json!("resume-key"), json!("rebase")]),
        "{since}"
    );
    assert_eq!(items(&world.get(&format!("{path}&since=2100-01-01T00:00:00Z")).await.json()), 0);
    // One by one through the cursor, over all partitions.
    assert_eq!(world.post("/v1/destinations/app/pause", &Value::Null).await.status, 200);
    assert_eq!(world.post("/v1/destinations/app/resume", &Value::Null).await.status, 200);
    let (mut all, mut next) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("/v1/overrides?limit=1{next}")).await.json();
        all.extend(of(&page, "override"));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    let mut expected = [&expected[..], &["pause-destination", "resume-destination"]].concat();
    all.sort_by_key(ToString::to_string);
    expected.sort_unstable();
    assert_eq!(all, expected);
    assert_eq!(world.get("/v1/overrides?source=billing").await.problem().1, "invalid-parameter");
    assert_eq!(world.get(&format!("{path}&cursor=W10")).await.problem().1, "invalid-parameter");
}
