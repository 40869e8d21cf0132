//! `sprag lanes`, `sprag dead`, `sprag alerts`: what stopped, and going on.

use serde_json::json;

use crate::world::World;

#[test]
fn stopped_lanes_are_listed_and_resumed_by_conditions() {
    // A 404 says nothing of the destination: its breaker stays closed.
    let world = World::start(404);
    for key in ["a1", "a2", "b1"] {
        world.send(key, &[1, 2]);
        world.until_lane(key, "mode", &json!("halted"));
    }
    let said = world.run(&["lanes"]);
    assert!(said.code == 1 && said.out.contains("halted") && said.out.contains("404"), "{said:?}");
    assert!(said.out.lines().all(|line| line.chars().count() <= 100), "{said:?}");
    let count = |arguments: &[&str]| {
        let said = world.run(&[arguments, &["--json"]].concat());
        said.json().as_array().unwrap().len()
    };
    assert_eq!(count(&["lanes", "--limit", "2"]), 2);
    assert_eq!(count(&["lanes", "--reason", "4xx"]), 3);
    assert_eq!(count(&["lanes", "--reason", "503"]), 0);
    assert_eq!(count(&["lanes", "--key", "a*", "--since", "1h"]), 2);
    assert_eq!(count(&["lanes", "--until", "1h ago"]), 0);
    let said = world.run(&["alerts"]);
    assert!(said.code == 1 && said.out.contains("lanes-stopped app: 3 lane(s)"), "{said:?}");
    assert!(said.out.contains("sprag lanes resume --destination app"), "{said:?}");

    assert!(!world.run(&["lanes", "--help"]).out.contains("given-up"));
    assert!(world.run(&["dead", "--help"]).out.contains("given-up"));

    world.consumer.answers(204);
    let said = world.run(&["lanes", "resume"]);
    assert!(said.code == 2 && said.err.contains("--all"), "{said:?}");
    let said = world.run(&["lanes", "resume", "--key", "a*", "--limit", "1"]);
    assert!(said.code == 0 && said.out.starts_with("1 resumed.\nThere may be more"), "{said:?}");
    assert_eq!(count(&["lanes"]), 2);
    // So it is also where the limit stands before the action.
    let said = world.run(&["lanes", "--limit", "1", "resume", "--key", "a*"]);
    assert!(said.code == 0 && said.out.starts_with("1 resumed."), "{said:?}");
    world.until_lane("a2", "delivered", &json!(2));
    world.until_lane("a1", "delivered", &json!(2));
    assert_eq!(count(&["lanes"]), 1);
    // A redrive without --out-of-order is of lanes.
    let said = world.run(&["dead", "redrive", "--reason", "404", "--json"]);
    assert_eq!(said.json(), json!({"done": 1, "refused": []}));
    world.until_lane("b1", "delivered", &json!(2));
    assert_eq!(world.until(&["lanes"], |said| said.code == 0).out.lines().count(), 1);
}

#[test]
fn lanes_with_events_are_listed_while_they_wait() {
    let world = World::start(204);
    world.run(&["destinations", "pause", "app"]);
    world.send("a", &[1, 2]);
    let listed = |said: &crate::world::Said| said.json().as_array().unwrap().len() == 1;
    let lanes = ["lanes", "--waiting", "--destination", "app", "--json"];
    let said = world.until(&lanes, listed);
    let lane = &said.json()[0];
    assert_eq!((&lane["mode"], &lane["to"]), (&json!("active"), &json!(2)), "{said:?}");
    let said = world.run(&["alerts", "--json"]);
    assert_eq!((said.code, &said.json()[0]["alert"]), (1, &json!("destination-paused")));
    world.run(&["destinations", "resume", "app"]);
    world.until(&["alerts"], |said| said.code == 0 && said.out == "Nothing needs you.\n");
}

#[test]
fn passed_events_are_sent_again_or_dropped_one_by_one_and_in_bulk() {
    let world = World::start(500);
    world.send("a", &[1, 2, 3]);
    let audit = ["dead", "--destination", "audit", "--json"];
    world.until(&audit, |said| said.json().as_array().unwrap().len() == 3);
    world.until_lane("a", "mode", &json!("halted"));
    let said = world.run(&["dead"]);
    assert!(said.code == 1 && said.out.contains("passed") && said.out.contains("halted"));
    world.consumer.answers(204);
    let of_audit =
        |arguments: &[&str]| world.run(&[arguments, &["--destination", "audit"]].concat());
    let said = of_audit(&["dead", "redrive", "billing:a:1"]);
    assert!(said.code == 2 && said.err.contains("--out-of-order"), "{said:?}");
    let said = of_audit(&["dead", "redrive", "billing:a:1", "--out-of-order"]);
    assert_eq!(said.code, 0, "{said:?}");
    world.until(&audit, |said| said.json().as_array().unwrap().len() == 2);
    let said = of_audit(&["dead", "drop", "billing:a:2"]);
    assert_eq!((said.code, said.out.as_str()), (0, "Dropped.\n"));
    let said = of_audit(&["dead", "redrive", "--out-of-order", "--reason", "given-up"]);
    assert_eq!((said.code, said.out.as_str()), (0, "1 sent again.\n"), "{said:?}");
    world.until(&audit, |said| said.json().as_array().unwrap().is_empty());
    let said = world.run(&["dead", "redrive", "a", "--destination", "app"]);
    assert_eq!(said.code, 0, "{said:?}");
    world.until_lane("a", "delivered", &json!(3));
    assert_eq!(world.until(&["dead"], |said| said.code == 0).out.lines().count(), 1);
}

#[test]
fn letters_of_ingress_are_dropped_by_id_and_in_bulk() {
    let world = World::start(204);
    world.send("a", &[1, 90_000]);
    world.send("a", &[95_000]);
    let listed =
        world.until(&["dead", "--json"], |said| said.json().as_array().unwrap().len() == 2);
    let id = listed.json()[0]["event"].as_str().unwrap().to_owned();
    let said = world.run(&["explain", &id]);
    assert!(said.code == 1 && said.out.contains("hold.span"), "{said:?}");
    assert!(said.out.contains(&format!("sprag dead drop {id}")), "{said:?}");
    assert_eq!(world.run(&["dead", "drop", &id]).code, 0);
    world.send("a", &[96_000]);
    world.until(&["dead", "--json"], |said| said.json().as_array().unwrap().len() == 2);
    let said = world.run(&["dead", "drop", "--all", "--limit", "1", "--json"]);
    assert_eq!(said.json(), json!({"done": 1, "refused": [], "more": true}), "{said:?}");
    let said = world.run(&["dead", "drop", "--reason", "invalid", "--since", "1h"]);
    assert_eq!((said.code, said.out.as_str()), (0, "1 dropped.\n"), "{said:?}");
    assert_eq!(world.run(&["dead", "--reason", "misspelled"]).code, 2);
    assert_eq!(world.run(&["dead", "--since", "yesterday"]).code, 2);
}

#[test]
fn a_halted_gap_is_an_alert_until_it_fills() {
    let gaps = "hold = { wait = \"100ms\" }\non_gap = \"halt\"\nstrict_first = true";
    let world = World::start_with(204, gaps);
    world.send("a", &[1, 3]);
    let said = world.until(&["alerts"], |said| said.code == 1);
    assert!(said.out.contains("gap-halted billing:a"), "{said:?}");
    assert!(said.out.contains("sprag override give-up-gap billing:a"), "{said:?}");
    world.send("a", &[2]);
    world.until(&["alerts"], |said| said.code == 0);
    world.until_lane("a", "delivered", &json!(3));
}

#[test]
fn an_open_breaker_is_an_alert() {
    let world = World::start(503);
    ["a", "b", "c", "d"].iter().for_each(|key| world.send(key, &[1]));
    let said = world.until(&["alerts"], |said| said.out.contains("breaker-open app"));
    assert_eq!(said.code, 1);
    assert!(said.out.contains("(last: 503)") && said.out.contains("(since 20"), "{said:?}");
    let said = world.run(&["destinations"]);
    assert!(said.code == 1 && said.out.contains("breaker open"), "{said:?}");
}
