//! Any configuration that `check` accepts starts; any that it refuses names file, line and reason.
//!
//! Configurations are made from the table of keys itself: sound ones of every kind of source, then
//! some keys are set to what their kind allows, nearly allows or does not allow. A kind that is new
//! to the table is new to this file too, and fails here by name.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[path = "configurations/guides.rs"]
mod guides;
#[path = "configurations/values.rs"]
mod values;

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use sprag::config::reference::{KEYS, Key};
use sprag::config::{self, Config, Finding, SecretFault, SecretReference, Severity};
use sprag::secret::Secret;
use tokio::runtime::Runtime;
use values::Value;

const FILE: &str = "made.toml";
/// Configurations made; about half of them are sound and started.
const CASES: u32 = 192;
/// Fewer sound or faulty ones mean that the generator makes only one kind.
const LEAST: u32 = 40;

const BODY: &str = "id = \"header:x-id\"\nkey = \"body:/key\"\n";
const OPEN: &str = "verify.scheme = \"none\"\n";

/// A sound source of each kind: lines of its section.
fn sources() -> Vec<String> {
    let open = |lines: &str| format!("{OPEN}{BODY}{lines}");
    let signed = |lines: &str| {
        format!("verify.secrets = [\"env:A\"]\n{BODY}contract = \"arrival\"\n{lines}")
    };
    vec![
        open("position.sequence = \"body:/n\"\n"),
        open("position.version = \"body:/n\"\ncontract = \"latest\"\n"),
        open("position.timestamp = \"body:/n\"\nposition.unit = \"s\"\ncontract = \"latest\"\n"),
        open("contract = \"arrival\"\n"),
        open(
            "position.version = \"body:/n\"\ncontract = \"latest\"\nreconcile.version = \"body:/n\"\n\
             reconcile.url = \"http://127.0.0.1:9/{key}\"\n",
        ),
        open(
            "position.state = \"body:/s\"\ncontract = \"states\"\nstates.initial = [\"a\"]\n\
             states.allow.a = [\"b\"]\n",
        ),
        open("position.link = { before = \"body:/b\", after = \"body:/a\" }\n"),
        format!("{OPEN}id = \"header:x-id\"\ntotal = true\nposition.sequence = \"body:/n\"\n"),
        signed("verify.scheme = \"standard-webhooks\"\n"),
        signed("verify.scheme = \"token\"\n"),
        signed("verify.scheme = \"hmac\"\nverify.header = \"x-mac\"\n"),
        signed("verify.scheme = \"square\"\nverify.public_url = \"https://example.com/in\"\n"),
        "preset = \"github\"\nverify.secrets = [\"env:A\"]\n".to_owned(),
        "preset = \"sprag\"\nverify.secrets = [\"env:A\"]\nrefill.token = \"env:A\"\n\
         refill.sprag = \"https://api.example/out/app\"\n"
            .to_owned(),
        "preset = \"stripe\"\nverify.secrets = [\"env:A\"]\nrefill.token = \"env:A\"\n\
         refill.list = \"stripe\"\nrefill.url = \"http://127.0.0.1:9/v1/events\"\n"
            .to_owned(),
    ]
}

const DESTINATION: &str = "from = [\"made\"]\nurl = \"http://127.0.0.1:9/\"\nsecrets = [\"env:A\"]\nallow = [\"127.0.0.0/8\"]\n";

/// The keys that can be set by one line of their section. Addresses and data are the test's own.
fn settable() -> Vec<&'static Key> {
    let own = ["server.listen", "server.admin", "server.data"];
    let is_line = |key: &&Key| !key.path.contains("[]") && !own.contains(&key.path);
    KEYS.iter().filter(is_line).filter(|key| values::of(key).is_some()).collect()
}

/// A configuration as sections of lines by key.
#[derive(Debug, Clone, Default)]
struct Made(BTreeMap<String, BTreeMap<String, String>>);

impl Made {
    fn sound(source: &str, data: &str) -> Self {
        let mut made = Self::default();
        for (section, lines) in [
            ("server", "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\npartitions = 2\n"),
            ("sources.made", source),
            ("destinations.made", DESTINATION),
        ] {
            for line in lines.lines() {
                let (key, value) = line.split_once(" = ").unwrap();
                made.set(section, key, value);
            }
        }
        made.set("server", "data", &format!("{data:?}"));
        made
    }

    fn set(&mut self, section: &str, key: &str, value: &str) {
        self.0.entry(section.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
    }

    /// Sets a key of the table: under a source and destination of the test's name.
    fn set_key(&mut self, path: &str, value: &str) {
        let path = path.replace("headers.*", "headers.x-made").replace('*', "made");
        let at = if path.starts_with("sources") || path.starts_with("destinations") {
            path.match_indices('.').nth(1).unwrap().0
        } else {
            path.find('.').unwrap()
        };
        self.set(&path[..at], &path[at + 1..], value);
    }

    fn text(&self) -> String {
        let section = |(name, lines): (&String, &BTreeMap<String, String>)| {
            let lines: String =
                lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
            format!("[{name}]\n{lines}\n")
        };
        self.0.iter().map(section).collect()
    }
}

fn resolve(reference: &SecretReference) -> Result<Secret, SecretFault> {
    match reference.to_string().as_str() {
        "env:A" => Ok(Secret::from("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")),
        "env:HEX" => Ok(Secret::from("00ff10ef00ff10ef00ff10ef00ff10ef")),
        "env:PASSWORD" => Ok(Secret::from("user:password")),
        _ => reference.from_machine(),
    }
}

/// A refusal tells where, what and why.
fn assert_told(findings: &[Finding], text: &str) {
    assert!(findings.iter().any(|one| one.severity == Severity::Error), "refused for nothing");
    let lines = text.lines().count();
    for finding in findings {
        assert_eq!(finding.file, FILE, "{finding}");
        assert!((1..=lines.max(1)).contains(&finding.line), "{finding} of {lines} lines");
        assert!(finding.reason.len() > 8, "{finding}");
        assert!(finding.to_string().starts_with(&format!("{FILE}:{}: ", finding.line)));
    }
}

/// One faulty value alone is told in its own section.
fn assert_at(findings: &[Finding], text: &str, path: &str) {
    let section = path.split('.').next().unwrap();
    let of = |finding: &Finding| {
        let before = text.lines().take(finding.line).filter(|line| line.starts_with('['));
        before.last().is_some_and(|head| head.trim_start_matches('[').starts_with(section))
    };
    let is_error = |one: &&Finding| one.severity == Severity::Error;
    let elsewhere: Vec<_> = findings.iter().filter(is_error).filter(|one| !of(one)).collect();
    assert!(elsewhere.is_empty(), "{path}: told elsewhere: {elsewhere:#?}\n{text}");
}

/// The real start, and an end.
fn assert_starts(config: Config, text: &str) {
    let runtime = Runtime::new().unwrap();
    let running = runtime.block_on(sprag::serve::start(config));
    let running =
        running.unwrap_or_else(|error| panic!("accepted and not started: {error}\n{text}"));
    runtime.block_on(running.stop());
}

/// What is set: a key, and which of its values.
fn choices() -> impl Strategy<Value = (usize, Vec<(usize, usize)>)> {
    (0..sources().len(), vec((0..settable().len(), 0..1_000_usize), 0..5))
}

#[test]
fn what_is_accepted_starts_and_what_is_refused_is_told() {
    let (accepted, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let cases = Cases { cases: CASES, failure_persistence: None, ..Cases::default() };
    let outcome =
        TestRunner::new_with_rng(cases, values::dice()).run(&choices(), |(source, keys)| {
            let data = tempfile::tempdir().unwrap();
            let mut made =
                Made::sound(&sources()[source], &data.path().join("data").to_string_lossy());
            let known = settable();
            for (key, choice) in &keys {
                let all = values::of(known[*key]).unwrap();
                let value: &Value = &all[choice % all.len()];
                made.set_key(known[*key].path, &value.text);
            }
            let text = made.text();
            match config::check(&text, FILE, &resolve) {
                Ok(checked) => {
                    accepted.set(accepted.get() + 1);
                    assert_starts(checked.config, &text);
                }
                Err(findings) => {
                    refused.set(refused.get() + 1);
                    assert_told(&findings, &text);
                }
            }
            Ok(())
        });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    println!("configurations: {} started, {} refused", accepted.get(), refused.get());
    assert!(accepted.get() >= LEAST && refused.get() >= LEAST, "one kind only");
}

/// Every key on its own, in a source of every kind: each value its kind does not allow is refused
/// at its place.
#[test]
fn every_value_that_a_kind_does_not_allow_is_refused_at_its_place() {
    let mut faults = 0;
    for key in settable() {
        for value in values::of(key).unwrap().iter().filter(|value| !value.allowed) {
            let mut made = Made::sound(&sources()[0], "unused");
            made.set_key(key.path, &value.text);
            let text = made.text();
            let findings = config::check(&text, FILE, &resolve).map(|_| ());
            let findings =
                findings.expect_err(&format!("{} = {} is accepted", key.path, value.text));
            assert_told(&findings, &text);
            assert_at(&findings, &text, key.path);
            faults += 1;
        }
    }
    println!("configurations: {faults} faulty values refused at their places");
}
