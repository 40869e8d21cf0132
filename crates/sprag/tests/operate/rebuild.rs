//! `sprag keys rebuild`: the state of a gateway that was killed, compared with its log and built anew.

use std::fs;

use rusqlite::{Connection, Params};
use serde_json::json;

use crate::world::{Said, World};

const CHECK: [&str; 3] = ["keys", "rebuild", "--check"];

/// A gateway that was killed with something delivered, held, halted, given up and stored; and with events
/// that only the log has.
fn killed() -> World {
    let mut world = World::start(204);
    world.send("a", &[1, 2, 3]);
    world.send("b", &[1, 3]);
    world.until_delivered("a", 3);
    world.until_delivered("b", 1);
    world.consumer.answers(500);
    world.send("c", &[1, 2]);
    world.until_lane("c", "mode", &json!("halted"));
    // A list is read from the store, which has everything then.
    assert_eq!(world.run(&["keys"]).code, 0);
    world.send("a", &[4]);
    world.send("d", &[1]);
    world.kill();
    world
}

fn change(world: &World, sql: &str, parameters: impl Params) {
    let state = Connection::open(world.path("data/state.sqlite")).unwrap();
    assert!(state.execute(sql, parameters).unwrap() > 0, "{sql} changes nothing");
}

#[track_caller]
fn assert_fine(world: &World) {
    let said = world.run_stopped(&CHECK);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains("4 keys") && said.out.contains("is what the log adds up to"),
        "{said:?}"
    );
}

#[track_caller]
fn assert_found(said: &Said, words: &[&str]) {
    assert_eq!(said.code, 1, "{said:?}");
    for word in words {
        assert!(said.out.contains(word), "{word}: {said:?}");
    }
}

#[test]
fn what_a_killed_gateway_left_is_what_its_log_adds_up_to_before_and_after_it_is_built_anew() {
    let mut world = killed();
    assert_fine(&world);
    let told = world.run_stopped(&["keys", "rebuild", "--check", "--json"]).json();
    assert_eq!((&told["keys"], &told["differences"]), (&json!(4), &json!(0)), "{told}");
    let said = world.run_stopped(&["keys", "rebuild"]);
    assert!(said.code == 0 && said.out.contains("the state of 4 keys"), "{said:?}");
    assert!(!world.path("data/rebuilding").exists());
    assert_fine(&world);
    // A gateway goes on with it, and keeps others away meanwhile.
    world.start_again();
    for arguments in [&CHECK[..], &CHECK[..2]] {
        let said = world.run_stopped(arguments);
        assert!(said.code == 2 && said.err.contains("is in use by another process"), "{said:?}");
    }
    let said = world.run(&["keys", "b"]);
    assert!(said.out.contains("One event is held: position 2 is missing"), "{said:?}");
    let said = world.run(&["dead", "--json"]).json();
    let letters = said.as_array().unwrap().iter();
    let of_c = letters.filter(|letter| letter["key"] == "c").count();
    assert!(of_c >= 2, "of c there are the halted lane and what audit passed: {said}");
    // What was answered before the kill and is not in history is sent again.
    world.until_lane("a", "mode", &json!("halted"));
    world.consumer.answers(204);
    for key in ["billing:a", "billing:c"] {
        world.until(&["dead", "redrive", key, "--destination", "app"], |said| said.code == 0);
    }
    world.until_lane("c", "delivered", &json!(2));
    world.until_lane("a", "delivered", &json!(4));
}

#[test]
fn what_was_changed_by_hand_is_found_and_named() {
    let world = killed();
    assert_fine(&world);
    // Who closes it last brings the write-ahead log into the file.
    change(&world, "UPDATE facts_of_file SET value = value", []);
    let restored = fs::read(world.path("data/state.sqlite")).unwrap();
    let found = |sql: &str, words: &[&str]| {
        change(&world, sql, []);
        assert_found(&world.run_stopped(&CHECK), words);
        for name in ["state.sqlite-wal", "state.sqlite-shm"] {
            let _ = fs::remove_file(world.path(&format!("data/{name}")));
        }
        fs::write(world.path("data/state.sqlite"), &restored).unwrap();
        assert_fine(&world);
    };
    found("DELETE FROM keys WHERE key = 'b'", &["billing:b: the state knows nothing of it"]);
    let other =
        "UPDATE keys SET record = (SELECT record FROM keys WHERE key = 'b') WHERE key = 'c'";
    found(other, &["billing:c: sequence is 1, by the log 2", "what stands beside its record"]);
    found(
        "UPDATE keys SET key = 'x' WHERE key = 'c'",
        &["billing:x: the state says that 2 events"],
    );
    found(
        "UPDATE keys SET active = active + 1 WHERE key = 'c'",
        &["billing:c: what stands beside"],
    );
    found("UPDATE keys SET id = id + 1 WHERE key = 'c'", &["billing:c: where its row is"]);
    found(
        "UPDATE keys SET id = id + (1 << 50) WHERE key = 'c'",
        &["billing:c: where its row is", "billing:c: the state knows nothing of it"],
    );
    let waiting = "DELETE FROM waiting WHERE key = 'b' AND queue = -1";
    found(waiting, &["billing:b: when it is due is not", "1 differences"]);
    found("DELETE FROM stopped", &["billing:c: the list of its stopped lanes"]);
    found("UPDATE held SET events = events + 1", &["how much of billing is held"]);
    let totals = "UPDATE heads SET totals = (SELECT totals FROM heads ORDER BY length(totals) LIMIT 1) \
                  WHERE length(totals) = (SELECT max(length(totals)) FROM heads)";
    found(totals, &["totals.backlog"]);
    found("UPDATE heads SET open = open + 90000000", &["open is"]);
    found("UPDATE heads SET frame = frame + 1000000", &["the log ends with frame"]);
    let none = "INSERT INTO forgotten VALUES (2, 5) ON CONFLICT DO UPDATE SET tombstones = 5";
    found(none, &["partition 2: forgotten keys"]);
    // The first ten of many are named, and mended.
    change(&world, "DELETE FROM keys", []);
    change(&world, "DELETE FROM waiting", []);
    let said = world.run_stopped(&["keys", "rebuild", "--check", "--json"]);
    assert_found(&said, &["the state knows nothing of it"]);
    let first = said.json()["first"].as_array().unwrap().len();
    assert!(first == 10 || said.json()["differences"] == first, "{said:?}");
    assert_eq!(world.run_stopped(&["keys", "rebuild"]).code, 0);
    assert_fine(&world);
}

#[test]
fn a_state_that_cannot_be_compared_is_told_and_nothing_is_changed() {
    let world = killed();
    let state = world.path("data/state.sqlite");
    let refused = |word: &str| {
        let before = fs::read(&state).ok();
        let said = world.run_stopped(&CHECK);
        assert!(said.code == 2 && said.err.contains(word), "{word}: {said:?}");
        assert!(said.err.contains("builds it anew from the log"), "{said:?}");
        assert_eq!(fs::read(&state).ok(), before, "{word}: it is as it was");
    };
    // A bit of a record.
    change(&world, "UPDATE keys SET record = zeroblob(40) WHERE key = 'b'", []);
    refused("is damaged: the checksum of a record differs");
    assert_eq!(world.run_stopped(&["keys", "rebuild"]).code, 0);
    assert_fine(&world);
    // Pages of the file.
    let mut bytes = fs::read(&state).unwrap();
    let end = bytes.len();
    bytes[4_200..end.min(40_000)].fill(0xa5);
    fs::write(&state, &bytes).unwrap();
    refused("is damaged");
    fs::write(&state, b"no database at all, but longer than nothing").unwrap();
    refused("is damaged");
    assert_eq!(world.run_stopped(&["keys", "rebuild"]).code, 0);
    change(&world, "UPDATE facts_of_file SET value = 'another' WHERE name = 'log'", []);
    refused("belongs to another log");
    Connection::open(&state).unwrap().pragma_update(None, "user_version", 7).unwrap();
    refused("another version wrote");
    fs::remove_file(&state).unwrap();
    refused("there is no");
    assert_eq!(world.run_stopped(&["keys", "rebuild"]).code, 0);
    assert_fine(&world);
}

#[test]
fn where_the_log_is_damaged_the_state_stays() {
    let world = killed();
    let state = fs::read(world.path("data/state.sqlite")).unwrap();
    let log = world.path("data/log");
    let files = || fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    let segments = || files().filter(|path| path.extension().is_some_and(|end| end == "segment"));
    let largest = segments().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[1_500] ^= 1;
    fs::write(&largest, &bytes).unwrap();
    for arguments in [&CHECK[..], &CHECK[..2]] {
        let said = world.run_stopped(arguments);
        assert!(said.code == 2 && said.err.contains("segment"), "{said:?}");
    }
    assert_eq!(fs::read(world.path("data/state.sqlite")).unwrap(), state);
    fs::remove_dir_all(&log).unwrap();
    let said = world.run_stopped(&CHECK);
    assert!(said.code == 2 && said.err.contains("holds no log"), "{said:?}");
    assert!(!log.exists(), "no log is made");
}
