//! What is shown of sources, keys, events and metrics.

use serde_json::{Value, json};
use sprag_core::output::Status;

use crate::node::{Consumer, World};

#[tokio::test]
async fn a_key_that_waits_for_a_position_says_for_which_and_how_long() {
    let world = World::start().await;
    let key = "octo%2Eorg/42";
    world.receive(1, key, 1, "e1").await;
    let held = world.receive(1, key, 3, "e3").await;
    world.receive(1, key, 6, "e6").await;
    // The encoded key, percent-encoded once more as one segment.
    let path = "/v1/sources/billing/keys/octo%252Eorg%2F42";
    let shown = world.get(path).await.json();
    assert_eq!(shown["key"], key, "{shown}");
    assert_eq!((&shown["sequence"], &shown["next_position"]), (&json!(1), &json!(2)), "{shown}");
    assert_eq!(shown["held_events"], 2);
    assert_eq!(shown["held"][0], json!({"position": 3, "event": held, "id": "e3"}));
    assert_eq!(shown["missing"], json!([{"from": 2, "to": 2}, {"from": 4, "to": 5}]));
    let wait = shown["hold_seconds"].as_f64().unwrap();
    assert!((30.0..=60.0).contains(&wait), "{wait}");
    let why = shown["why"][0].as_str().unwrap();
    assert!(why.starts_with("2 events are held: position 2 is missing; waiting ends in "), "{why}");
    let list = world.get("/v1/sources/billing/keys?state=held").await.json();
    assert_eq!(list["items"][0]["key"], key, "{list}");
    assert_eq!(list["items"][0]["held_events"], 2);
    assert_eq!(world.get(&format!("/v1/events/{held}")).await.json()["status"], "held");
    let sources = world.get("/v1/sources").await.json();
    assert_eq!(sources["items"][0]["held_events"], 2, "{sources}");
    assert_eq!(sources["items"][0]["identity"], "identity of billing");
    for position in [2, 4, 5] {
        world.receive(1, key, position, &format!("e{position}")).await;
    }
    let done = world.until(path, |shown| shown["lanes"][0]["delivered"] == 6).await;
    assert_eq!((&done["held_events"], &done["missing"]), (&json!(0), &json!([])), "{done}");
    let list = world.get("/v1/sources/billing/keys?state=held").await.json();
    assert_eq!(list["items"], json!([]));
    // An event that was held has its release, found by its position.
    let event = world.get(&format!("/v1/events/{held}")).await.json();
    assert_eq!(event["release"]["sequence"], 3, "{event}");
}

#[tokio::test]
async fn the_state_of_a_key_is_its_newest_event_in_order() {
    let world = World::start().await;
    let key = "octo%2Eorg/42";
    let path = "/v1/state/billing/octo%252Eorg%2F42";
    assert_eq!(world.get(path).await.json()["code"], "unknown-key");
    let first = world.receive(1, key, 1, "e1").await;
    world.receive(1, key, 3, "e3").await;
    let shown = world.get(path).await.json();
    assert_eq!((&shown["sequence"], &shown["position"]), (&json!(1), &json!("1")), "{shown}");
    let last = &shown["last"];
    assert_eq!((&last["id"], &last["gone"]), (&json!(first), &json!(false)), "{shown}");
    assert_eq!((&last["body"], &last["type"]), (&json!("{\"id\":\"e1\"}"), &json!("invoice.paid")));
    assert_eq!(last["webhook_id"], "billing:octo%2Eorg/42:1");
    let as_key = world.get("/v1/sources/billing/keys/octo%252Eorg%2F42").await.json();
    assert_eq!(as_key["hash"], shown["hash"]);
    // What the source never counted has no position.
    world.receive(2, "k", 0, "e9").await;
    let shown = world.get("/v1/state/notes/k").await.json();
    assert_eq!((&shown["sequence"], shown.get("position")), (&json!(1), None), "{shown}");
    // Held from the first: nothing is released.
    world.receive(1, "held", 7, "e7").await;
    let shown = world.get("/v1/state/billing/held").await.json();
    assert_eq!((&shown["sequence"], shown.get("last")), (&json!(0), None), "{shown}");
    assert_eq!(world.get("/v1/state/none/k").await.json()["code"], "unknown-source");
}

#[tokio::test]
async fn an_event_shows_what_came_in_and_how_each_lane_fares() {
    let world = World::start().await;
    world.consumer("k", Consumer::Answers(500));
    let id = world.receive(1, "k", 1, "e1").await;
    let settled = |event: &Value| {
        event["fates"]["destinations"][0]["status"] == "dead"
            && event["fates"]["destinations"][1]["status"] == "dead"
    };
    let event = world.until(&format!("/v1/events/{id}"), settled).await;
    assert_eq!((&event["status"], &event["source_id"]), (&json!("released"), &json!("e1")));
    assert_eq!((&event["type"], &event["position"]), (&json!("invoice.paid"), &json!("1")));
    let header = json!({"name": "x-signature", "value_base64": "c/8="});
    assert_eq!(event["headers"], json!([header]));
    assert_eq!(event["release"]["webhook_id"], "billing:k:1");
    assert_eq!(event["release"]["revision"], 7);
    let tries = event["fates"]["destinations"][0]["attempts"].as_array().unwrap();
    let numbers: Vec<&Value> = tries.iter().map(|attempt| &attempt["number"]).collect();
    assert_eq!(numbers, [1, 2], "{event}");
    assert_eq!(tries[0]["answered"], 500);
    assert_eq!(tries[0]["consequence"], "retry");
    assert_eq!(tries[1]["consequence"], "parked");
    assert_eq!(event["fates"]["destinations"][1]["attempts"][1]["consequence"], "dead");
    assert_eq!(event["fates"]["complete"], true);
    // The webhook-id names the same event.
    assert_eq!(world.get("/v1/events/billing:k:1").await.json(), event);
    let body = world.get("/v1/events/billing%3Ak%3A1/body").await;
    assert_eq!(body.body, b"{\"id\":\"e1\"}");
    for header in [
        "content-type: application/json",
        "x-content-type-options: nosniff",
        "content-disposition: attachment",
        "content-security-policy: sandbox",
    ] {
        assert!(body.head.contains(header), "{header}: {body:?}");
    }
}

#[tokio::test]
async fn an_event_under_way_is_in_flight_and_its_lane_waits_for_the_answer() {
    let world = World::start().await;
    world.consumer("k", Consumer::Hangs);
    world.receive(2, "k", 0, "e1").await;
    world.receive(2, "k", 0, "e2").await;
    let status = |event: &Value| event["fates"]["destinations"][0]["status"].clone();
    world.until("/v1/events/notes:k:1", |event| status(event) == "in-flight").await;
    assert_eq!(status(&world.get("/v1/events/notes:k:2").await.json()), "pending");
    let key = world.get("/v1/sources/notes/keys/k").await.json();
    let why = "app: The consumer has event 1 and has not answered yet.";
    assert_eq!(key["why"], json!([why]), "{key}");
    assert_eq!(key["next_position"], Value::Null);
    let list = world.get("/v1/destinations").await.json();
    assert_eq!(list["items"][0]["in_flight"], 1, "{list}");
}

#[tokio::test]
async fn a_key_has_its_history_newest_first_page_by_page() {
    let world = World::start().await;
    for number in 1..=7 {
        world.receive(2, "k", 0, &format!("e{number}")).await;
    }
    let (mut sequences, mut path) =
        (Vec::new(), "/v1/events?source=notes&key=k&limit=3".to_owned());
    loop {
        let page = world.get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        sequences.extend(items.iter().map(|item| item["sequence"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/events?source=notes&key=k&limit=3&cursor={next}");
    }
    assert_eq!(sequences, [7, 6, 5, 4, 3, 2, 1]);
    let page = world.get("/v1/events?source=notes&key=k").await.json();
    assert_eq!(page["items"][0]["webhook_id"], "notes:k:7");
    assert_eq!(page["items"][0]["destinations"], json!(["app"]));
    assert_eq!(page.get("next"), None);
}

#[tokio::test]
async fn keys_are_listed_as_they_are_now() {
    let world = World::start().await;
    for key in ["a/1", "a/2", "b"] {
        world.receive(2, key, 0, key).await;
    }
    let mut found = Vec::new();
    let mut path = "/v1/sources/notes/keys?prefix=a%2F&limit=1".to_owned();
    loop {
        let page = world.get(&path).await.json();
        found.extend(page["items"].as_array().unwrap().iter().map(|key| key["key"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/sources/notes/keys?prefix=a%2F&limit=1&cursor={next}");
    }
    found.sort_by_key(ToString::to_string);
    assert_eq!(found, ["a/1", "a/2"]);
}

#[tokio::test]
async fn metrics_have_what_is_counted_and_what_is_true_now() {
    let world = World::start().await;
    world.metrics.source("billing").event(Status::Held);
    world.receive(1, "held", 1, "e1").await;
    world.receive(1, "held", 3, "e3").await;
    world.consumer("bad", Consumer::Answers(500));
    world.receive(1, "bad", 1, "e4").await;
    world.until("/v1/dead-letters", |page| page["items"].as_array().unwrap().len() == 2).await;
    let lines = [
        "sprag_events_total{source=\"billing\",fate=\"held\"} 1",
        "sprag_held_events{source=\"billing\"} 1",
        "sprag_held_events{source=\"notes\"} 0",
        "sprag_gaps_open{source=\"billing\"} 1",
        "sprag_checkpoint_age_seconds 0.0",
        "sprag_in_flight{destination=\"app\",pool=\"main\"} 0",
        "sprag_dead_letters{destination=\"app\"} 1",
        "sprag_dead_letters{destination=\"audit\"} 1",
        "sprag_partition_owned{partition=\"3\"} 1",
    ];
    // Counts are taken anew after half a second, and open time goes into history each second: the state
    // store has all of it when a list was read.
    let (mut page, mut missing) = (String::new(), lines.to_vec());
    for _ in 0..200 {
        world.get("/v1/dead-letters").await;
        page = String::from_utf8(world.get("/metrics").await.body).unwrap();
        missing = lines.to_vec();
        missing.retain(|line| page.lines().all(|found| found != *line));
        if missing.is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{missing:?} are not in\n{page}");
}
