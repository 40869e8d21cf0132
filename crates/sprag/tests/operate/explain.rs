//! `sprag explain`, `sprag events`, `sprag sources`.

use serde_json::json;

use crate::world::World;

fn position(text: &str, part: &str) -> usize {
    text.find(part).unwrap_or_else(|| panic!("{part:?} is not in\n{text}"))
}

#[test]
fn an_event_that_was_held_and_failed_is_told_from_its_beginning() {
    let world = World::start(503);
    world.send("a", &[1, 3]);
    let said = world.run(&["explain", "billing:a"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("It was held: positions before it were missing."), "{said:?}");
    assert!(said.out.contains("sprag override give-up-gap billing:a"), "{said:?}");
    world.send("a", &[2]);
    world.until_lane("a", "mode", &json!("halted"));
    let audit = ["dead", "--destination", "audit", "--json"];
    world.until(&audit, |said| said.json().as_array().unwrap().len() == 3);
    world.send("a", &[90_000]);
    world.consumer.answers(204);
    let said = world.run(&["explain", "billing:a:1"]);
    let story = [
        "received, type order%2Epaid, position 1",
        "released as 1",
        "app, attempt 1: answered 503",
        "to be tried again at",
        "app, attempt 2: answered 503",
        "given up, the lane halted",
        "audit: a dead letter",
        "Now, in the lane to app: The lane is halted at event 1",
        "sprag dead redrive billing:a --destination app",
    ];
    // What the source calls its types is told as it came.
    let story = story.map(|part| part.replace("order%2Epaid", "order.paid"));
    let places: Vec<usize> = story.iter().map(|part| position(&said.out, part)).collect();
    assert!(places.is_sorted(), "{said:?}");
    assert_eq!(said.code, 1);
    assert_eq!(world.run(&["lanes", "resume", "--all"]).out, "1 resumed.\n");
    world.until_lane("a", "delivered", &json!(3));
    let said = world.run(&["explain", "billing:a:3", "--json"]);
    let story = said.json();
    let held = story["story"].as_array().unwrap().iter();
    assert!(held.clone().any(|line| line.as_str().unwrap().contains("It was held for")), "{story}");
    let said = world.run(&["explain", "a"]);
    let beside = position(&said.out, "Besides:");
    let told = [" is invalid: beyond-span.", " app: an operator resumed the lane."];
    assert!(told.iter().all(|part| position(&said.out, part) > beside), "{said:?}");
    let said = world.run(&["explain", "a", "--limit", "2"]);
    assert!(said.out.contains("the newest 2 are told"), "{said:?}");
    assert_eq!(world.run(&["explain", "billing:a:99"]).code, 2);
    assert_eq!(world.run(&["explain", "9-9-9"]).code, 2);
}

#[test]
fn events_are_listed_and_shown_with_their_attempts() {
    let world = World::start(204);
    world.send("a", &[1, 2, 3]);
    world.until_delivered("a", 3);
    let said = world.run(&["events", "billing:a"]);
    assert!(said.code == 0 && said.out.contains("app, audit"), "{said:?}");
    let said = world.run(&["events", "billing:a", "--limit", "2", "--json"]);
    assert_eq!(said.json()[0]["sequence"], 3, "{said:?}");
    let empty = ["events", "billing:a", "--since", "2099-01-01T00:00:00Z", "--json"];
    assert_eq!(world.run(&empty).json(), json!([]));
    let said = world.run(&["events", "billing:a", "--destination", "none"]);
    assert!(said.code == 2 && said.err.contains("unknown-destination"), "{said:?}");
    let said = world.run(&["events", "billing:a:2"]);
    assert!(said.code == 0 && said.out.contains("delivered"), "{said:?}");
    let said = world.run(&["events", "billing:a:2", "--json"]);
    let fate = said.json()["fates"]["destinations"][0].clone();
    assert_eq!(
        (&fate["status"], &fate["attempts"][0]["answered"]),
        (&json!("delivered"), &json!(204))
    );
    assert!(fate["queued_seconds"].as_f64().unwrap() >= 0.0, "{fate}");
    assert!(fate["settled_at"].as_str().unwrap().starts_with("20"), "{fate}");
    let said = world.run(&["sources", "--json"]);
    assert_eq!(said.json()[0]["name"], "billing");
}
