//! GitHub's published example events (`@octokit/webhooks-examples`), again and again with other numbers.
//!
//! A round of the corpus is what one repository could have sent. In every further round whatever tells things apart
//! is another: numbers of five digits and more, hashes, times of day and node ids, the same one everywhere in the
//! round. Otherwise bodies would repeat as real ones never do, and be packed into nothing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use serde_json::Value;

/// Digits from which a number is one that tells things apart.
const NUMBER: usize = 5;
/// Hexadecimal digits of a hash.
const HASH: usize = 40;
/// What stands before a node id.
const NODE_ID: &[u8] = br#""node_id":""#;
/// Characters at the end of a node id that are others in every round: those of its number.
const NODE_NUMBER: usize = 12;

/// The examples.
pub(crate) struct Corpus {
    bodies: Vec<(String, Vec<u8>)>,
}

impl Corpus {
    /// Reads `index.json`: types, each with its examples.
    pub(crate) fn read(path: &Path) -> Self {
        let types: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut bodies = Vec::new();
        for of_type in types {
            let name = of_type["name"].as_str().unwrap();
            for example in of_type["examples"].as_array().unwrap() {
                bodies.push((name.to_owned(), serde_json::to_vec(example).unwrap()));
            }
        }
        Self { bodies }
    }

    /// The type and body of the event of this number, from 0.
    pub(crate) fn body(&self, number: u64) -> (&str, Vec<u8>) {
        let count = self.bodies.len() as u64;
        let (name, body) = &self.bodies[usize::try_from(number % count).unwrap()];
        let mut body = body.clone();
        if number >= count {
            vary(&mut body, number / count);
        }
        (name, body)
    }
}

/// Puts others in the place of numbers, hashes, times of day and node ids.
fn vary(body: &mut [u8], round: u64) {
    let mut at = 0;
    while at < body.len() {
        if body[at..].starts_with(NODE_ID) {
            let start = at + NODE_ID.len();
            let end = start + run(&body[start..], |byte| byte.is_ascii_alphanumeric());
            let start = start.max(end.saturating_sub(NODE_NUMBER));
            replace(&mut body[start..end], round, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij");
            at = end;
            continue;
        }
        let hex = run(&body[at..], |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let digits = run(&body[at..], |byte| byte.is_ascii_digit());
        let before = at.checked_sub(2).map(|from| &body[from..at]);
        let of_time = digits == 2 && matches!(before, Some([b'0'..=b'9', b'T' | b':']));
        if hex == HASH {
            replace(&mut body[at..at + hex], round, b"0123456789abcdef");
        } else if digits >= NUMBER {
            replace(&mut body[at..at + digits], round, b"123456789");
        } else if of_time {
            replace(&mut body[at..at + 1], round, b"01");
            replace(&mut body[at + 1..at + 2], round, b"0123456789");
        }
        at += hex.max(digits).max(1);
    }
}

fn run(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| is(**byte)).count()
}

/// Other characters of an alphabet: the same for the same text in the same round.
fn replace(text: &mut [u8], round: u64, alphabet: &[u8]) {
    let mut hasher = DefaultHasher::new();
    (round, &*text).hash(&mut hasher);
    let mut dice = hasher.finish() | 1;
    for byte in text {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        *byte = alphabet[usize::try_from(dice % alphabet.len() as u64).unwrap()];
    }
}
