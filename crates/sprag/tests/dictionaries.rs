//! Dictionaries for bodies under the real binary (decision 021): they are trained while it serves,
//! bodies are packed with them from the next segment on, and a damaged one takes no body, which the
//! operator is told.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod support {
    pub(crate) mod admin;
    pub(crate) mod child;
    pub(crate) mod clock;
    pub(crate) mod gateway;
}

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use support::admin::{self, ask};
use support::clock::Deadline;
use support::gateway::{Gateway, HEAD, Setup};

const SOURCE: &str = r#"
[sources.shop]
verify = { scheme = "none" }
id = "sha256"
key = "body:/order"
contract = "arrival"
"#;
/// Bytes of the text in a body: some hundred of them are what a dictionary is trained on.
const TEXT: usize = 6_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A body that has much in common with the others, and nothing in it twice.
fn body(number: usize) -> Value {
    let words = (0..TEXT / 12).map(|word| format!("{:x}", (word + 7) * (word + 13) * 7_919));
    json!({"order": "a", "number": number, "text": words.collect::<Vec<_>>().join(" ")})
}

/// Posts the body of this number; its id.
fn post(gateway: &Gateway, number: usize) -> String {
    let (status, answer) = ask(gateway.listen, "POST", "/in/shop", &body(number).to_string());
    assert_eq!((status, &answer["status"]), (200, &json!("released")), "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

fn read(gateway: &Gateway, id: &str) -> (u16, Value) {
    ask(gateway.admin, "GET", &format!("/v1/events/{id}/body"), "")
}

/// The newest segment, if it has dictionaries.
fn newest(log: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(log).unwrap().map(|file| file.unwrap().path());
    let newest = files.filter(|path| path.extension().is_some_and(|end| end == "segment")).max()?;
    (std::fs::read(&newest).unwrap().get(8) == Some(&3)).then_some(newest)
}

/// Where the two copies stand in a segment of sixteen partitions (docs/internals/log-format.md).
fn copies(segment: &Path) -> [Range<usize>; 2] {
    let bytes = std::fs::read(segment).unwrap();
    let length = u32::from_le_bytes(bytes[59..63].try_into().unwrap()) as usize;
    let first = 63 + 16 * 64 + 4;
    let second = first + length + 4096;
    [first..first + length, second..second + length]
}

fn damage(segment: &Path, copy: &Range<usize>) {
    let mut bytes = std::fs::read(segment).unwrap();
    // Behind the table.
    bytes[copy.start + 40..copy.start + 400].fill(0);
    std::fs::write(segment, bytes).unwrap();
}

#[test]
fn a_damaged_dictionary_takes_no_body_and_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("data/log");
    let token = vec![(admin::VARIABLE, admin::TOKEN.to_owned())];
    let setup = Setup::new(&format!("{HEAD}{SOURCE}"), directory, token);
    let mut gateway = setup.serve();
    let (mut posted, deadline) = (BTreeMap::new(), Deadline::after(PATIENCE));
    let segment = loop {
        let number = posted.len();
        posted.insert(number, post(&gateway, number));
        if let Some(segment) = newest(&log) {
            break segment;
        }
        assert!(!deadline.has_passed(), "no dictionary after {number} bodies");
    };
    // The last of these may have come before that segment or after.
    let border = posted.len() - 1;
    (border + 1..border + 20).for_each(|number| {
        posted.insert(number, post(&gateway, number));
    });
    gateway.process.kill();
    let [first, second] = copies(&segment);

    damage(&segment, &first);
    let mut gateway = setup.serve();
    for (number, id) in &posted {
        assert!(read(&gateway, id) == (200, body(*number)), "{number}");
    }
    let said = std::fs::read_to_string(setup.log()).unwrap();
    assert!(said.contains("checksum of a copy of a dictionary differs"), "{said}");
    gateway.process.kill();

    damage(&segment, &second);
    let gateway = setup.serve();
    // The last may have been taken over into the next segment.
    let open = [border, posted.len() - 1];
    for (number, id) in posted.iter().filter(|(number, _)| !open.contains(number)) {
        let (status, answer) = read(&gateway, id);
        if *number < border {
            assert!((status, &answer) == (200, &body(*number)), "{number}: {status}");
            continue;
        }
        assert_eq!(status, 500, "{number}");
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains("both copies of the body's dictionary"), "{detail}");
    }
    post(&gateway, posted.len());
    gateway.stop();
}
