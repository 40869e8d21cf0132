//! The real binary with its two addresses, and what is asked of it. Every answer that is as
//! expected is an observation.

use std::io::Read as _;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use super::post::post;
use super::record::observed;
use crate::support::gateway::{Gateway, HEAD, Setup};
use crate::wire::{Connection, Message, SECRET, until};

/// What is decided elsewhere takes a moment to be shown; it fails after so many looks.
const LOOKS: u32 = 1_000;
const BETWEEN: Duration = Duration::from_millis(20);

/// The token of the admin API.
const TOKEN: &str = "a token of this test and no other";

/// Secrets by their variables: `env:A` and `env:B` for all, others for what needs another form.
fn secrets() -> Vec<(&'static str, String)> {
    vec![
        ("A", format!("whsec_A{SECRET}")),
        ("B", format!("whsec_B{SECRET}")),
        ("HEX", "00ff10ef00ff10ef".to_owned()),
        ("OTHER_HEX", "ffffffffffffffff".to_owned()),
        ("SPRAG_ADMIN_TOKEN", TOKEN.to_owned()),
    ]
}

/// A running gateway.
pub(crate) struct Server {
    // Before the directory of its data, which goes last.
    pub(crate) gateway: Gateway,
    pub(crate) setup: Setup,
}

impl Server {
    /// With the usual addresses and limits, and these sections.
    pub(crate) fn start(sections: &str) -> Self {
        Self::start_with(HEAD, sections)
    }

    /// With these sections `[server]` and `[limits]` too.
    pub(crate) fn start_with(head: &str, sections: &str) -> Self {
        Self::start_prepared(head, sections, |_| {})
    }

    /// The same, after something was done to what it is started with.
    pub(crate) fn start_prepared(
        head: &str,
        sections: &str,
        prepare: impl FnOnce(&mut Setup),
    ) -> Self {
        let text = format!("{head}{sections}");
        let mut setup = Setup::new(&text, TempDir::new().unwrap(), secrets());
        prepare(&mut setup);
        let gateway = setup.serve();
        Self { setup, gateway }
    }

    /// One request to ingress, on a connection of its own.
    pub(crate) fn ask(&self, request: &[u8]) -> Message {
        let mut connection = self.connect();
        connection.send(request);
        connection.message().expect("an answer before the connection ends")
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.gateway.listen)
    }

    /// One request to the admin API.
    pub(crate) fn admin(&self, method: &str, path: &str, body: &str) -> Message {
        let (token, length) = (TOKEN, body.len());
        let head = format!(
            "host: sprag\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {length}"
        );
        self.admin_raw(&format!("{method} {path} HTTP/1.1\r\n{head}\r\n\r\n{body}"))
    }

    pub(crate) fn admin_raw(&self, request: &str) -> Message {
        let mut connection = Connection::to(self.gateway.admin);
        connection.send(request.as_bytes());
        connection.message().expect("an answer before the connection ends")
    }

    /// What the admin API shows.
    pub(crate) fn show(&self, path: &str) -> Value {
        document(&self.admin("GET", path, ""))
    }

    /// The facts of a key, as they are streamed.
    pub(crate) fn facts(&self, source: &str, key: &str) -> Vec<Value> {
        let mut connection = Connection::to(self.gateway.admin);
        let head = format!("host: sprag\r\nauthorization: Bearer {TOKEN}\r\nconnection: close");
        let path = format!("/v1/facts?source={source}&key={key}");
        connection.send(format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes());
        let mut answer = String::new();
        connection.stream.read_to_string(&mut answer).unwrap();
        let lines = answer.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asks until it is shown so.
    pub(crate) fn until(&self, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..LOOKS {
            last = self.show(path);
            if is(&last) {
                return last;
            }
            std::thread::sleep(BETWEEN);
        }
        panic!("{path} does not show {what} in {:?}: {last}", BETWEEN * LOOKS);
    }

    /// A command that is carried out.
    pub(crate) fn command(&self, path: &str, body: &Value) {
        let answer = self.admin("POST", path, &body.to_string());
        assert_eq!(answer.status(), 200, "{path} {body}: {answer:?}");
    }

    /// A counter or gauge; 0 when it is not there.
    pub(crate) fn counted(&self, sample: &str) -> u64 {
        let page = self.admin_raw("GET /metrics HTTP/1.1\r\nhost: sprag\r\n\r\n");
        let page = String::from_utf8(page.body).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    pub(crate) fn until_counted(&self, sample: &str, least: u64) {
        let reached = || (self.counted(sample) >= least).then_some(());
        until(&format!("{sample} is {least}"), reached);
    }
}

/// The body as JSON; null when it is none.
pub(crate) fn document(answer: &Message) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Ingress answered 200 with this status: seen.
pub(crate) fn taken(answer: &Message, status: &str) -> Value {
    let document = document(answer);
    assert_eq!((answer.status(), &document["status"]), (200, &status.into()), "{answer:?}");
    observed("answer", "200");
    observed("status", status);
    document
}

/// The answer is a problem with this code: seen.
pub(crate) fn problem(answer: &Message, code: &str) {
    let document = document(answer);
    assert_eq!(document["code"], code, "{answer:?}");
    assert_eq!(document["status"], answer.status(), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let later = matches!(answer.status(), 429 | 503);
    assert_eq!(answer.header("retry-after").parse::<u64>().is_ok(), later, "{answer:?}");
    observed("code", code);
    observed("answer", &answer.status().to_string());
}
