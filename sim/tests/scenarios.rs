//! Golden scenarios lead where they led before, also when they are killed on their way. `sim scenarios` kills them at every
//! step; here they are killed at some. `UPDATE_SCENARIOS=1` writes down what comes of them; read the difference.

use sim::scenario::{Scenario, check};

/// Without optimisation a life takes fifty times as long.
const EVERY: u64 = 80;

#[test]
fn every_scenario_leads_where_it_led_before() {
    let scenarios = Scenario::all().unwrap();
    assert!(scenarios.len() >= 30, "scenarios are missing");
    let outcomes = check(&scenarios, EVERY, std::env::var_os("UPDATE_SCENARIOS").is_some());
    let broken: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_contract_has_one() {
    let texts = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios")).unwrap();
    let texts = texts.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let texts: Vec<String> = texts.collect();
    for contract in
        ["fifo", "latest", "settle", "causal", "states", "merge", "links", "arrival", "unordered"]
    {
        let is_of = |text: &String| {
            let mut sources = text.lines().filter(|line| line.starts_with("source "));
            sources.any(|line| line.split(' ').nth(2) == Some(contract))
        };
        assert!(texts.iter().any(is_of), "no scenario of contract {contract}");
    }
}
