//! What operators do: redrive, drop, pause, resume.

use serde_json::{Value, json};
use sprag_core::output::Status;

use crate::node::{Consumer, World};

fn items(page: &Value) -> usize {
    page["items"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_parked_lane_is_redriven_in_order() {
    let world = World::start().await;
    world.consumer("k", Consumer::Answers(500));
    for number in 1..=3 {
        world.receive(2, "k", 0, &format!("e{number}")).await;
    }
    let parked = |page: &Value| items(page) == 1 && page["items"][0]["to"] == 3;
    let page = world.until("/v1/dead-letters?destination=app", parked).await;
    let mut lane = page["items"][0].clone();
    assert!(lane["since"].take().as_str().unwrap().starts_with("20"), "{page}");
    let expected = json!({"is": "lane", "source": "notes", "key": "k", "destination": "app",
        "mode": "parked", "sequence": 1, "to": 3, "webhook_id": "notes:k:1", "since": null,
        "reason": "500"});
    assert_eq!(lane, expected);
    let key = world.get("/v1/sources/notes/keys/k").await.json();
    let why = "app: The lane is parked: events 1 to 3 are dead letters; redrive it, or drop \
               event 1.";
    assert_eq!(key["why"], json!([why]));
    assert_eq!(
        world.get("/v1/events/notes:k:3").await.json()["fates"]["destinations"][0]["status"],
        "dead"
    );
    let stopped = world.get("/v1/sources/notes/keys?state=stopped").await.json();
    assert_eq!(stopped["items"][0]["stopped_lanes"], 1, "{stopped}");
    world.consumer("k", Consumer::Answers(200));
    let lane = json!({"source": "notes", "key": "k", "destination": "app"});
    let reply = world.post("/v1/dead-letters/redrive", &lane).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let path = "/v1/sources/notes/keys/k";
    let key = world.until(path, |key| key["lanes"][0]["delivered"] == 3).await;
    assert_eq!(key["why"], json!([]), "{key}");
    world.until("/v1/dead-letters", |page| items(page) == 0).await;
    let event = world.get("/v1/events/notes:k:2").await.json();
    let lane = &event["fates"]["destinations"][0];
    assert_eq!(
        (&lane["status"], items(&json!({"items": lane["attempts"]}))),
        (&json!("delivered"), 1)
    );
}

#[tokio::test]
async fn an_event_its_lane_has_passed_is_redriven_out_of_order_or_dropped() {
    let world = World::start().await;
    world.consumer("k", Consumer::Answers(500));
    world.receive(1, "k", 1, "e1").await;
    world.receive(1, "k", 2, "e2").await;
    let path = "/v1/dead-letters?destination=audit";
    let page = world.until(path, |page| items(page) == 2).await;
    let newest = &page["items"][0];
    assert_eq!((&newest["is"], &newest["sequence"]), (&json!("passed"), &json!(2)), "{page}");
    assert_eq!(newest["reason"], "given-up");
    world.until("/v1/dead-letters", |page| items(page) == 3).await;
    // One by one through the cursor.
    let first = world.get("/v1/dead-letters?limit=1").await.json();
    assert_eq!(first["items"][0]["is"], "lane");
    let next = |page: &Value| page["next"].as_str().unwrap().to_owned();
    let second =
        world.get(&format!("/v1/dead-letters?limit=1&cursor={}", next(&first))).await.json();
    let third =
        world.get(&format!("/v1/dead-letters?limit=1&cursor={}", next(&second))).await.json();
    assert_eq!(
        (&second["items"][0]["sequence"], &third["items"][0]["sequence"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(third.get("next"), None);
    world.consumer("k", Consumer::Answers(200));
    let letter = json!({"source": "billing", "key": "k", "destination": "audit", "sequence": 1});
    let mut redrive = letter.clone();
    redrive["out_of_order"] = json!(true);
    assert_eq!(world.post("/v1/dead-letters/redrive", &redrive).await.status, 200);
    let delivered = |event: &Value| event["fates"]["destinations"][1]["status"] == "delivered";
    let event = world.until("/v1/events/billing:k:1", delivered).await;
    let attempts = event["fates"]["destinations"][1]["attempts"].as_array().unwrap().clone();
    assert_eq!(attempts.last().unwrap()["out_of_order"], true, "{event}");
    world.until(path, |page| items(page) == 1).await;
    let mut dropped = letter;
    dropped["sequence"] = json!(2);
    assert_eq!(world.post("/v1/dead-letters/drop", &dropped).await.status, 200);
    world.until(path, |page| items(page) == 0).await;
    let event = world.get("/v1/events/billing:k:2").await.json();
    assert_eq!(event["fates"]["destinations"][1]["status"], "dead");
}

#[tokio::test]
async fn the_event_a_stopped_lane_stands_at_is_dropped_and_the_next_is_its_head() {
    let world = World::start().await;
    world.consumer("k", Consumer::Answers(500));
    world.receive(2, "k", 0, "e1").await;
    world.receive(2, "k", 0, "e2").await;
    world.until("/v1/dead-letters", |page| page["items"][0]["to"] == 2).await;
    let head = json!({"source": "notes", "key": "k", "destination": "app", "sequence": 1});
    assert_eq!(world.post("/v1/dead-letters/drop", &head).await.status, 200);
    world.until("/v1/dead-letters", |page| page["items"][0]["sequence"] == 2).await;
}

#[tokio::test]
async fn a_conflict_of_ingress_is_listed_with_both_events_and_can_be_dropped() {
    let world = World::start().await;
    let first = world.receive(1, "k", 1, "e1").await;
    let (status, event) = world.arrive(1, "k", 1, "other").await;
    assert_eq!(status, Status::Conflict);
    let shown = world.get(&format!("/v1/events/{event}")).await.json();
    assert_eq!(shown["status"], "conflict");
    assert_eq!(
        (&shown["reason"]["is"], &shown["reason"]["other"]),
        (&json!("conflict"), &json!(first))
    );
    let (status, beyond) = world.arrive(1, "k", 5_000, "far").await;
    assert_eq!(status, Status::Invalid);
    let shown = world.get(&format!("/v1/events/{beyond}")).await.json();
    assert_eq!(
        (&shown["status"], &shown["reason"]["is"]),
        (&json!("invalid"), &json!("beyond-span"))
    );
    let page = world.get("/v1/dead-letters").await.json();
    assert_eq!((items(&page), &page["items"][1]["event"]), (2, &json!(event)), "{page}");
    assert_eq!(page["items"][1]["is"], "ingress");
    let letter = json!({"source": "billing", "key": "k", "event": event});
    assert_eq!(world.post("/v1/dead-letters/drop", &letter).await.status, 200);
    let page = world.get("/v1/dead-letters").await.json();
    assert_eq!((items(&page), &page["items"][0]["event"]), (1, &json!(beyond)), "{page}");
}

#[tokio::test]
async fn paused_keys_and_destinations_wait_until_they_are_resumed() {
    let world = World::start().await;
    world.receive(2, "k", 0, "e1").await;
    let key = "/v1/sources/notes/keys/k";
    world.until(key, |key| key["lanes"][0]["delivered"] == 1).await;
    world.command("/v1/sources/notes/keys/k/pause").await;
    world.receive(2, "k", 0, "e2").await;
    let shown = world.get(key).await.json();
    assert_eq!(shown["paused"], true);
    assert_eq!(shown["why"], json!(["app: An operator paused the key; resume it."]), "{shown}");
    let list = world.get("/v1/sources/notes/keys?state=paused").await.json();
    assert_eq!((items(&list), &list["items"][0]["backlog"]), (1, &json!(1)), "{list}");
    world.command("/v1/destinations/app/pause").await;
    world.command("/v1/sources/notes/keys/k/resume").await;
    let why = json!(["app: An operator paused the destination; resume it."]);
    world.until(key, |key| key["why"] == why).await;
    let list = world.get("/v1/destinations").await.json();
    assert_eq!(
        (&list["items"][0]["paused"], &list["items"][1]["paused"]),
        (&json!(true), &json!(false))
    );
    world.command("/v1/destinations/app/resume").await;
    world.until(key, |key| key["lanes"][0]["delivered"] == 2).await;
}
