//! What senders and the consumer of `interop/` report, as JSON lines.

use std::collections::HashMap;
use std::path::Path;

use data_encoding::BASE64;
use serde_json::Value;

/// An event as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) source: String,
    pub(crate) id: String,
    pub(crate) event_type: String,
    pub(crate) content_type: String,
    pub(crate) key: String,
    pub(crate) sequence: u64,
    pub(crate) body: Vec<u8>,
}

/// An answer of the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) id: String,
    /// Was something changed after signing?
    pub(crate) altered: bool,
    pub(crate) status: u64,
    pub(crate) answer: Value,
}

/// A delivery as the consumer saw it.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Did the npm library accept it?
    pub(crate) accepted: bool,
    /// Did it accept it with something altered?
    pub(crate) altered_accepted: bool,
}

impl Recorded {
    /// A header; empty when absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What a sender did.
pub(crate) fn sent(file: &Path) -> (Vec<Sent>, Vec<Answer>) {
    let (events, answers): (Vec<_>, Vec<_>) =
        lines(file).into_iter().partition(|line| line["kind"] == "event");
    (events.iter().map(sent_event).collect(), answers.iter().map(answer).collect())
}

/// What the consumer took, in its order.
pub(crate) fn recorded(file: &Path) -> Vec<Recorded> {
    let lines = lines(file);
    lines.iter().map(delivery).collect()
}

fn sent_event(line: &Value) -> Sent {
    Sent {
        source: text(line, "source"),
        id: text(line, "id"),
        event_type: text(line, "type"),
        content_type: text(line, "contentType"),
        key: text(line, "key"),
        sequence: line["sequence"].as_u64().unwrap(),
        body: bytes(line),
    }
}

fn answer(line: &Value) -> Answer {
    Answer {
        id: text(line, "id"),
        altered: line["altered"].as_bool().unwrap(),
        status: line["status"].as_u64().unwrap(),
        answer: line["answer"].clone(),
    }
}

fn delivery(line: &Value) -> Recorded {
    let headers = line["headers"].as_object().unwrap().iter();
    let header = |(name, value): (&String, &Value)| {
        (name.clone(), value.as_str().expect("each header once").to_owned())
    };
    Recorded {
        headers: headers.map(header).collect(),
        body: bytes(line),
        accepted: line["accepted"].as_bool().unwrap(),
        altered_accepted: line["alteredAccepted"].as_bool().unwrap(),
    }
}

fn lines(file: &Path) -> Vec<Value> {
    let all = std::fs::read_to_string(file).unwrap();
    all.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(line: &Value, name: &str) -> String {
    line[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned()
}

fn bytes(line: &Value) -> Vec<u8> {
    BASE64.decode(text(line, "body").as_bytes()).unwrap()
}
