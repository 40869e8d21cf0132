//! `sprag replay` against the real binary, killed while lanes are set back.

use serde_json::json;

use crate::world::World;

#[test]
fn a_replay_outlives_the_process_and_ends_where_the_lane_stood() {
    let mut world = World::start(204);
    world.send("a", &[1, 2, 3]);
    world.send("b", &[1]);
    world.until_lane("a", "delivered", &json!(3));
    world.until_lane("b", "delivered", &json!(1));
    assert_eq!(world.run(&["destinations", "pause", "app"]).code, 0);
    let replay = ["replay", "--source", "billing", "--to", "app"];
    let with = |more: &[&'static str]| [&replay[..], more].concat();
    let said = world.run(&with(&["--key", "a", "--from", "1", "--until", "2"]));
    assert_eq!((said.code, said.out.as_str()), (0, "1 set back.\n"), "{said:?}");
    // The other key is set back too; the one that is already is refused, and said so.
    let said = world.run(&with(&["--all", "--from", "1h"]));
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("1 set back.\nbilling:a app refused: lane-busy"), "{said:?}");
    world.send("a", &[4]);
    let shown = world.run(&["keys", "billing:a", "--json"]).json();
    let lane = &shown["lanes"][0];
    assert_eq!((&lane["head"], &lane["tail"]), (&json!(1), &json!(4)), "{lane}");
    assert_eq!(lane["replay"], json!({"until": 2, "then": 4}), "{lane}");
    // Stored so, and killed: what is stored is what history adds up to.
    assert_eq!(world.run(&["keys"]).code, 0);
    world.kill();
    let said = world.run_stopped(&["keys", "rebuild", "--check"]);
    assert!(said.code == 0 && said.out.contains("2 keys"), "{said:?}");
    world.start_again();
    assert_eq!(world.run(&["destinations", "resume", "app"]).code, 0);
    let lane = world.until_lane("a", "delivered", &json!(4))["lanes"][0].clone();
    assert_eq!((&lane["replay"], &lane["omitted"]), (&json!(null), &json!([])), "{lane}");
    let lane = world.until_lane("b", "delivered", &json!(1))["lanes"][0].clone();
    assert_eq!(lane["replay"], json!(null), "{lane}");
    let said = world.run(&["override", "list", "billing:b", "--json"]);
    assert_eq!(said.json()[0]["override"], "replay", "{said:?}");
    let said = world.run(&with(&["--key", "none"]));
    assert!(said.code == 2 && said.err.contains("unknown-key"), "{said:?}");
    let said = world.run(&["replay", "--source", "billing", "--to", "app"]);
    assert!(said.code == 2 && said.err.contains("--key"), "{said:?}");
}
