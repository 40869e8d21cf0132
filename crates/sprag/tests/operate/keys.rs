//! `sprag keys`, `sprag destinations`, `sprag override`.

use serde_json::json;

use crate::world::World;

#[test]
fn keys_are_listed_and_one_tells_why_it_waits() {
    let world = World::start(204);
    world.send("a", &[1, 2]);
    world.send("b", &[1, 3]);
    world.until_delivered("a", 2);
    let said = world.run(&["keys"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("KEY") && said.out.contains("billing:a"), "{said:?}");
    assert!(said.out.lines().all(|line| line.chars().count() <= 100), "{said:?}");
    let said = world.run(&["keys", "--state", "held", "--json"]);
    let list = said.json();
    assert_eq!((said.code, &list[0]["key"], list.as_array().unwrap().len()), (1, &json!("b"), 1));
    let said = world.run(&["keys", "--limit", "1"]);
    assert!(said.out.contains("… and more"), "{said:?}");
    // The only source needs no name.
    let said = world.run(&["keys", "b"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("One event is held: position 2 is missing"), "{said:?}");
    assert!(said.out.contains("; position 2 is next"), "{said:?}");
    let said = world.run(&["keys", "billing:a"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("Nothing waits.") && said.out.contains("app"), "{said:?}");
}

#[test]
fn where_a_key_stands_is_told_with_its_newest_event_and_a_late_one_is_not_it() {
    let world = World::start_with(204, "hold = { wait = \"100ms\" }");
    world.send("a", &[1, 3]);
    world.until(&["keys", "state", "billing:a", "--json"], |said| said.json()["sequence"] == 2);
    world.send("a", &[2]);
    let said = world.run(&["keys", "state", "billing:a", "--json"]);
    let shown = said.json();
    assert_eq!((said.code, &shown["sequence"]), (0, &json!(3)), "the late one: {said:?}");
    assert_eq!(
        (&shown["position"], &shown["last"]["sequence"]),
        (&json!("3"), &json!(2)),
        "{said:?}"
    );
    assert_eq!(shown["last"]["source_id"], "a-3");
    let said = world.run(&["keys", "state", "a"]);
    assert!(
        said.out.contains("sequence 3 at position 3") && said.out.contains("\"at\":3"),
        "{said:?}"
    );
    let said = world.run(&["keys", "state", "none"]);
    assert!(said.code == 2 && said.err.contains("unknown-key"), "{said:?}");
}

#[test]
fn an_override_begins_positions_anew_and_pauses_a_key() {
    let world = World::start(204);
    world.send("b", &[1, 3]);
    let said = world.run(&["override", "rebase", "billing:b"]);
    assert_eq!((said.code, said.out.as_str()), (0, "billing:b: its positions begin anew.\n"));
    world.until_lane("b", "delivered", &json!(2));
    assert_eq!(world.run(&["override", "pause-key", "billing:b"]).code, 0);
    let said = world.run(&["keys", "--state", "paused"]);
    assert!(said.code == 1 && said.out.contains("billing:b"), "{said:?}");
    assert_eq!(world.run(&["override", "resume-key", "billing:b"]).code, 0);
    let said = world.run(&["override", "list"]);
    let kinds = ["resume-key", "pause-key", "rebase"];
    let at = kinds.map(|kind| said.out.find(kind).unwrap_or_else(|| panic!("{kind}: {said:?}")));
    assert!(said.code == 0 && at.is_sorted() && said.out.contains("billing:b"), "{said:?}");
    let said = world.run(&["override", "list", "billing:b", "--limit", "1", "--json"]);
    assert_eq!((said.code, &said.json()[0]["override"]), (0, &json!("resume-key")), "{said:?}");
    let said = world.run(&["override", "rebase", "billing:none"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("unknown-key"), "{said:?}");
}

/// What an operator is told to do about a gap that halts does what it says: the key goes on, and counts on.
#[test]
fn a_gap_that_halts_is_given_up_and_its_key_counts_on() {
    let world = World::start_with(204, "hold = { wait = \"10ms\" }\non_gap = \"halt\"");
    world.send("b", &[1, 2, 4]);
    let told = "sprag override give-up-gap billing:b";
    let said = world.until(&["alerts"], |said| said.out.contains("gap-halted"));
    assert!(said.out.contains(told), "{said:?}");
    let said = world.run(&["explain", "billing:b"]);
    assert!(said.out.contains(told), "{said:?}");
    let said = world.run(&["override", "give-up-gap", "billing:b"]);
    let expected = "billing:b goes on behind 3, which is given up.\n";
    assert_eq!((said.code, said.out.as_str()), (0, expected));
    world.until_lane("b", "delivered", &json!(3));
    // What was given up is late, what follows is next, and neither waits.
    world.send("b", &[3, 5]);
    world.until_lane("b", "delivered", &json!(5));
    let said = world.run(&["override", "give-up-gap", "billing:b"]);
    assert!(said.code == 2 && said.err.contains("no-gap"), "{said:?}");
    let said = world.run(&["override", "list", "--json"]).json();
    assert_eq!(said[0]["override"], "give-up-gap", "{said}");
    let said = world.run(&["events", "billing:b", "--json"]).json();
    let kind = |position: &str| {
        let event = said.as_array().unwrap().iter().find(|event| event["position"] == position);
        event.map(|event| event["kind"].clone())
    };
    assert_eq!((kind("3"), kind("5")), (Some(json!("late")), Some(json!("event"))), "{said}");
}

/// What may be given up by itself is shown before, also before the first event; where a key begins is chosen with a rebase.
#[test]
fn what_would_be_given_up_is_shown_before() {
    let strict = "hold = { wait = \"10ms\" }\non_gap = \"halt\"\nstrict_first = true";
    let world = World::start_with(204, strict);
    world.send("b", &[5, 8]);
    let told = "sprag override give-up-gap billing:b";
    world.until(&["alerts"], |said| said.out.contains(told));
    let said = world.run(&["keys", "billing:b", "--json"]).json();
    let gaps = json!([{"from": 1, "to": 4}, {"from": 6, "to": 7}]);
    assert_eq!((&said["gap"], &said["missing"]), (&gaps[0], &gaps), "{said}");
    let said = world.run(&["explain", "billing:b"]);
    assert!(said.out.contains(told), "{said:?}");
    let said = world.run(&["override", "give-up-gap", "billing:b"]);
    assert_eq!(said.out, "billing:b goes on behind 1-4, which is given up.\n", "{said:?}");
    world.until_lane("b", "delivered", &json!(1));
    let world = World::start_with(204, "hold = { wait = \"1h\" }\non_gap = \"halt\"");
    world.send("b", &[5, 7]);
    let said = world.until(&["explain", "billing:b"], |said| said.out.contains("sprag override"));
    assert!(said.out.contains("sprag override rebase billing:b"), "{said:?}");
    let said = world.run(&["keys", "billing:b", "--json"]).json();
    assert!(said["gap"].is_null(), "{said}");
}

#[test]
fn destinations_are_paused_and_resumed() {
    let world = World::start(204);
    let said = world.run(&["destinations"]);
    assert!(said.code == 0 && said.out.contains("delivers"), "{said:?}");
    assert_eq!(world.run(&["destinations", "pause", "app"]).out, "app is paused.\n");
    world.send("a", &[1]);
    let said = world.until(&["keys", "a"], |said| said.code == 1);
    assert!(said.out.contains("paused the destination"), "{said:?}");
    let said = world.run(&["destinations", "--json"]);
    assert_eq!((said.code, &said.json()[0]["paused"]), (1, &json!(true)));
    assert_eq!(world.run(&["destinations", "resume", "app"]).code, 0);
    world.until_lane("a", "delivered", &json!(1));
    let said = world.run(&["destinations", "pause", "none"]);
    assert!(said.code == 2 && said.err.contains("unknown-destination"), "{said:?}");
}

#[test]
fn a_key_whose_lane_stopped_says_what_to_do() {
    let world = World::start(500);
    world.send("a", &[1, 2]);
    world.until_lane("a", "mode", &json!("halted"));
    let said = world.run(&["keys", "--state", "stopped"]);
    assert!(said.code == 1 && said.out.contains("billing:a"), "{said:?}");
    let said = world.run(&["keys", "billing:a"]);
    assert!(said.out.contains("The lane is halted at event 1; redrive it"), "{said:?}");
    world.consumer.answers(204);
}

#[test]
fn what_stands_in_the_way_is_said() {
    let world = World::start(204);
    let refused = |arguments: &[&str], word: &str| {
        let said = world.run(arguments);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(word), "{said:?}");
    };
    refused(&["keys", "--token", "another token"], "token-mismatch");
    refused(&["keys", "--source", "none"], "unknown-source");
    refused(&["keys", "billing:none"], "unknown-key");
    refused(&["keys", "billing:a:b"], "SOURCE:KEY");
    refused(&["keys", "--limit", "0"], "--limit");
    refused(&["keys", "--config", "none.toml"], "there is no none.toml");
    let mut dead = std::process::Command::new(env!("CARGO_BIN_EXE_sprag"));
    dead.args(["keys", "--token", "x", "--admin", "http://127.0.0.1:1"]);
    let output = dead.current_dir(&world.directory).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be asked"), "{output:?}");
}
