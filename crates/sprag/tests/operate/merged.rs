//! The merged document of a key (contract `merge`): the same after every death of the gateway and from a state that was
//! built anew, and told in part where its bodies are too many.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::dice::Dice;
use crate::world::World;

const SEED: u64 = 33;
const KEYS: [&str; 3] = ["ann", "bob", "cyn"];
const NAMES: [&str; 8] = ["mail", "name", "phone", "a/b", "~", "ü", "age", "city"];

/// `contacts` beside the source that a world has; no consumer takes it.
const CONTACTS: &str = r#"hold = { wait = "1h" }
[sources.contacts]
verify = { scheme = "none" }
id = "body:/id"
key = "body:/contact"
position = { fields = "body:/versions", values = "body:/data" }
contract = "merge"
max_body = "2MiB"
"#;

/// What a key's events add up to: of each field its version, and its value where its event has one.
type Model = BTreeMap<&'static str, (usize, Option<String>)>;

/// One event of a key; the model takes what is newer, and of two with one version the first.
fn event(dice: &mut Dice, number: usize, key: &str, model: &mut Model) -> Value {
    let (mut versions, mut data) = (Map::new(), Map::new());
    let least = dice.below(NAMES.len());
    for (at, name) in NAMES.into_iter().enumerate() {
        if at != least && !dice.per_mille(300) {
            continue;
        }
        let version = dice.below(40);
        let value = (!dice.per_mille(100)).then(|| format!("{name} of event {number}"));
        versions.insert(name.to_owned(), json!(version));
        if let Some(value) = &value {
            data.insert(name.to_owned(), json!(value));
        }
        if model.get(name).is_none_or(|(newest, _)| version > *newest) {
            model.insert(name, (version, value));
        }
    }
    json!({ "id": format!("e{number}"), "contact": key, "versions": versions, "data": data })
}

/// What `sprag keys state` has to tell.
fn expected(model: &Model) -> Value {
    let (mut document, mut without) = (Map::new(), Map::new());
    for (name, (_, value)) in model {
        match value {
            Some(value) => document.insert((*name).to_owned(), json!(value)),
            None => without.insert((*name).to_owned(), json!("absent")),
        };
    }
    json!({ "document": document, "without": without })
}

fn merged(world: &World, key: &str) -> Value {
    let said = world.run(&["keys", "state", &format!("contacts:{key}"), "--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    said.json()["merged"].clone()
}

#[track_caller]
fn assert_merged(world: &World, models: &[Model]) {
    for (key, model) in KEYS.iter().zip(models) {
        assert_eq!(merged(world, key), expected(model), "{key}");
    }
}

/// Random versions in random order: what is told is the newest of each field, before and after each death.
#[test]
fn what_was_merged_outlives_the_process_and_the_state() {
    let mut world = World::start_with(204, CONTACTS);
    let mut dice = Dice::new(SEED);
    let mut models = KEYS.map(|_| Model::new());
    for round in 0..4 {
        let mut events = Vec::new();
        for number in 0..60 {
            let at = dice.below(KEYS.len());
            let number = round * 60 + number;
            events.push(event(&mut dice, number, KEYS[at], &mut models[at]));
        }
        world.post("contacts", &events);
        assert_merged(&world, &models);
        world.kill();
        if round % 2 == 1 {
            let said = world.run_stopped(&["keys", "rebuild"]);
            assert_eq!(said.code, 0, "{said:?}");
        }
        let said = world.run_stopped(&["keys", "rebuild", "--check"]);
        assert_eq!(said.code, 0, "{said:?}");
        world.start_again();
        assert_merged(&world, &models);
    }
}

/// 20 fields of a MiB each, and 16 MiB are read for an answer: the newest are told, the others named.
#[test]
fn what_is_too_much_for_one_answer_is_named() {
    let world = World::start_with(204, CONTACTS);
    let value = "v".repeat(1 << 20);
    for number in 0..20 {
        let name = format!("f{number:02}");
        let event = json!({
            "id": name, "contact": "ann", "versions": { &name: 1 }, "data": { &name: value },
        });
        world.post("contacts", &[event]);
    }
    let merged = merged(&world, "ann");
    let told: Vec<&String> = merged["document"].as_object().unwrap().keys().collect();
    let newest: Vec<String> = (4..20).map(|number| format!("f{number:02}")).collect();
    assert_eq!(told, newest.iter().collect::<Vec<_>>());
    let beyond = json!({
        "f00": "beyond-limit", "f01": "beyond-limit", "f02": "beyond-limit", "f03": "beyond-limit",
    });
    assert_eq!(merged["without"], beyond);
}
