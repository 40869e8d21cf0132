//! `sprag top`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::world::World;

#[test]
fn one_look_tells_throughput_waits_latency_and_partitions() {
    let world = World::start(404);
    world.send("a", &[1, 2]);
    world.until_lane("a", "mode", &json!("halted"));
    world.consumer.answers(204);
    let mut watching = world.command(&["top", "--every", "1s", "--json"]);
    let mut watching = watching.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    // What is sent between two of its looks is in one of them.
    world.send("b", &[1, 5]);
    let mut seen = Vec::new();
    while !seen.iter().any(|picture: &Value| picture["destinations"][0]["lag"]["ms_p50"].is_f64()) {
        let line = lines.next().expect("it goes on").unwrap();
        seen.push(serde_json::from_str(&line).unwrap());
        // Of a key of its own: behind a gap it would be delivered in no look at all.
        world.send(&format!("c{}", seen.len()), &[1]);
    }
    watching.kill().unwrap();
    watching.wait().unwrap();
    let picture = seen.last().unwrap();
    assert_eq!(picture["destinations"][0]["name"], "app", "{picture}");
    assert!(
        picture["destinations"][0]["delivered_per_second"].as_f64().unwrap() > 0.0,
        "{picture}"
    );
    assert_eq!(picture["partitions"].as_array().unwrap().len(), 4, "{picture}");
    assert_eq!(picture["partitions_serving"], 4, "{picture}");
    assert_eq!(picture["sources"][0]["name"], "billing", "{picture}");
    // The store was asked by then, so that the lane that stopped is counted.
    world.run(&["lanes"]);
    let stopped =
        |said: &crate::world::Said| said.json()["destinations"][0]["lanes_waiting"]["stopped"] == 1;
    let said = world.until(&["top", "--once", "--json", "--every", "1s"], stopped);
    assert_eq!(said.code, 0, "{said:?}");
    let said = world.run(&["top", "--once", "--every", "1s"]);
    // Between its two looks the second is at least one, and more where the machine is busy.
    let seconds = said.out.strip_prefix("sprag, the last ").and_then(|it| it.split_once(" s: "));
    let (seconds, partitions) = seconds.unwrap_or_else(|| panic!("{said:?}"));
    assert!(seconds.parse::<f64>().is_ok_and(|it| (1.0..60.0).contains(&it)), "{said:?}");
    assert!(partitions.starts_with("4 of 4"), "{said:?}");
    for word in ["SOURCE", "DESTINATION", "LANES TO", "stopped 1", "PARTITION", "billing"] {
        assert!(said.out.contains(word), "{word}: {said:?}");
    }
    assert!(said.out.lines().skip(1).all(|line| line.chars().count() <= 100), "{said:?}");
    let refused = world.run(&["top", "--once", "--every", "10ms"]);
    assert!(refused.code == 2 && refused.err.contains("1s to 1h"), "{refused:?}");
}

#[test]
fn nobody_to_watch_is_said() {
    let mut top = Command::new(env!("CARGO_BIN_EXE_sprag"));
    top.args(["top", "--once", "--token", "x", "--admin", "http://127.0.0.1:1"]);
    let output = top.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be asked"), "{output:?}");
}
