//! A source of each contract, and a few events that come in the wrong order.
//!
//! | who | what |
//! |---|---|
//! | [`Contract`] | its rules as configuration, the events in the order they come, and what is right |
//! | [`Seen`] | what the consumer got |
//! | [`Shown`] | both, for the report |
//!
//! Must not know: how the gateway decides. What is right stands here as an author of a consumer would say it.

use super::super::Failure;
use crate::clock::Clock;
use crate::provider::{Answer, Connection, Post, Target, request};
use crate::sink::{Delivery, Watch};
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use sprag_log::digest::sha256;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the consumer is looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// A source of a contract.
struct Contract {
    name: &'static str,
    /// Behind `verify` and `id`.
    rules: &'static str,
    /// In the order they come: a word for each, and its body.
    comes: &'static [(&'static str, &'static str)],
    /// The words of those that are delivered, in this order.
    right: &'static [&'static str],
    /// Whether they are delivered in no order.
    any_order: bool,
}

impl Contract {
    fn is_right(&self, delivered: &[&str]) -> bool {
        let sorted =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
        let same = self.any_order && sorted(delivered) == sorted(self.right);
        delivered.len() == self.right.len() && (same || delivered == self.right)
    }
}

const CONTRACTS: [Contract; 9] = [
    Contract {
        name: "latest",
        rules: r#"key      = "body:/plan"
position = { version = "body:/version" }
contract = "latest""#,
        comes: &[
            ("v1", r#"{"id":"v1","plan":"p","version":1}"#),
            ("v3", r#"{"id":"v3","plan":"p","version":3}"#),
            ("v2", r#"{"id":"v2","plan":"p","version":2}"#),
            ("v4", r#"{"id":"v4","plan":"p","version":4}"#),
        ],
        right: &["v1", "v3", "v4"],
        any_order: false,
    },
    Contract {
        name: "settle",
        rules: r#"key      = "body:/order"
type     = "body:/type"
position = { timestamp = "body:/at", unit = "s" }
contract = "settle"
settle   = "2s"
ranks    = ["*.created", "*.paid"]"#,
        comes: &[
            ("shipped", r#"{"id":"shipped","order":7,"type":"order.shipped","at":1770000001}"#),
            ("paid", r#"{"id":"paid","order":7,"type":"order.paid","at":1770000000}"#),
            ("created", r#"{"id":"created","order":7,"type":"order.created","at":1770000000}"#),
        ],
        right: &["created", "paid", "shipped"],
        any_order: false,
    },
    Contract {
        name: "merge",
        rules: r#"key      = "body:/contact"
position = { fields = "body:/versions" }
contract = "merge""#,
        comes: &[
            ("new", r#"{"id":"new","contact":"c","versions":{"mail":1,"name":1}}"#),
            ("mail", r#"{"id":"mail","contact":"c","versions":{"mail":2,"name":1}}"#),
            ("again", r#"{"id":"again","contact":"c","versions":{"mail":1,"name":1}}"#),
            ("name", r#"{"id":"name","contact":"c","versions":{"mail":1,"name":2}}"#),
        ],
        right: &["new", "mail", "name"],
        any_order: false,
    },
    Contract {
        name: "causal",
        rules: r#"key      = "body:/record"
position = { clock = "body:/clock", node = "body:/node" }
contract = "causal""#,
        comes: &[
            ("answer", r#"{"id":"answer","record":"r","node":"b","clock":{"a":1,"b":1}}"#),
            ("thanks", r#"{"id":"thanks","record":"r","node":"a","clock":{"a":2,"b":1}}"#),
            ("question", r#"{"id":"question","record":"r","node":"a","clock":{"a":1}}"#),
        ],
        right: &["question", "answer", "thanks"],
        any_order: false,
    },
    Contract {
        name: "states",
        rules: r#"key      = "body:/booking"
position = { state = "body:/status" }
contract = "states"
states   = { initial = ["pending"], allow = { pending = ["confirmed", "cancelled"], confirmed = ["done"] } }"#,
        comes: &[
            ("done", r#"{"id":"done","booking":5,"status":"done"}"#),
            ("confirmed", r#"{"id":"confirmed","booking":5,"status":"confirmed"}"#),
            ("pending", r#"{"id":"pending","booking":5,"status":"pending"}"#),
            ("done again", r#"{"id":"again","booking":5,"status":"done"}"#),
        ],
        right: &["pending", "confirmed", "done"],
        any_order: false,
    },
    Contract {
        name: "links",
        rules: r#"key      = "body:/ref"
position = { link = { before = "body:/before", after = "body:/after" } }
contract = "fifo""#,
        comes: &[
            ("c2..c3", r#"{"id":"third","ref":"main","before":"c2","after":"c3"}"#),
            ("c1..c2", r#"{"id":"second","ref":"main","before":"c1","after":"c2"}"#),
            ("0..c1", r#"{"id":"first","ref":"main","before":"0000","after":"c1"}"#),
            ("c3..c4", r#"{"id":"fourth","ref":"main","before":"c3","after":"c4"}"#),
        ],
        right: &["0..c1", "c1..c2", "c2..c3", "c3..c4"],
        any_order: false,
    },
    Contract {
        name: "total",
        rules: r#"total    = true
position = { sequence = "body:/update_id" }
contract = "fifo""#,
        comes: &[
            ("1", r#"{"id":"1","update_id":1,"chat":"a"}"#),
            ("3", r#"{"id":"3","update_id":3,"chat":"b"}"#),
            ("4", r#"{"id":"4","update_id":4,"chat":"a"}"#),
            ("2", r#"{"id":"2","update_id":2,"chat":"c"}"#),
        ],
        right: &["1", "2", "3", "4"],
        any_order: false,
    },
    Contract {
        name: "arrival",
        rules: r#"key      = "body:/device"
contract = "arrival""#,
        comes: &[
            ("on", r#"{"id":"on","device":1}"#),
            ("off", r#"{"id":"off","device":1}"#),
            ("on again", r#"{"id":"on-again","device":1}"#),
        ],
        right: &["on", "off", "on again"],
        any_order: false,
    },
    Contract {
        name: "unordered",
        rules: r#"key      = "body:/page"
contract = "unordered""#,
        comes: &[
            ("view", r#"{"id":"view","page":1}"#),
            ("click", r#"{"id":"click","page":1}"#),
            ("view", r#"{"id":"view","page":1}"#),
        ],
        right: &["view", "click"],
        any_order: true,
    },
];

/// Their sources and their destination, as text.
pub(super) fn text(consumer: SocketAddr, secret: &str) -> String {
    let mut text = String::new();
    let (mut names, mut separator) = (String::new(), "");
    for Contract { name, rules, .. } in &CONTRACTS {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "[sources.{name}]\nverify   = {{ scheme = \"none\" }}\nid       = \"body:/id\"\n{rules}\n\n"
        );
        let _ = write!(names, "{separator}\"{name}\"");
        separator = ", ";
    }
    let _ = write!(
        text,
        "[destinations.contracts]\nfrom       = [{names}]\nurl        = \"http://{consumer}/webhooks\"\n\
         secrets    = [{secret}]\nallow      = [\"127.0.0.0/8\"]\n"
    );
    text
}

/// What the consumer got, of each source: digests of bodies.
#[derive(Default)]
pub(super) struct Seen(Mutex<HashMap<String, Vec<[u8; 32]>>>);

impl Seen {
    fn of(&self, source: &str) -> Vec<[u8; 32]> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(source).cloned().unwrap_or_default()
    }
}

/// The consumer's side.
pub(super) struct Watching(pub(super) Arc<Seen>);

impl Watch for Watching {
    fn acknowledged(&self, delivery: &Delivery) {
        let mut seen = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.entry(delivery.source.clone()).or_default().push(delivery.body_digest);
    }
}

/// What came of the events of a contract.
pub(super) struct Shown {
    contract: &'static str,
    came: Vec<&'static str>,
    /// What became of each when it came.
    became: Vec<String>,
    delivered: Vec<&'static str>,
    is_right: bool,
}

impl Shown {
    pub(super) fn is_right(&self) -> bool {
        self.is_right
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "contract": self.contract,
            "came": self.came,
            "became": self.became,
            "delivered": self.delivered,
            "right": self.is_right,
        })
    }

    /// A line of the report.
    pub(super) fn line(&self) -> String {
        let stale = self.came.iter().zip(&self.became).filter(|(_, became)| *became == "stale");
        let stale: Vec<_> = stale.map(|(word, _)| *word).collect();
        let stale =
            if stale.is_empty() { String::new() } else { format!("; stale: {}", stale.join(", ")) };
        let wrong = if self.is_right { "" } else { "  WRONG" };
        format!(
            "{:<10}{:<38}{}{stale}{wrong}",
            self.contract,
            self.came.join(", "),
            self.delivered.join(", ")
        )
    }
}

/// Posts all and waits for what is right, or for as long as patience lasts.
pub(super) async fn show(
    gateway: SocketAddr,
    clock: Clock,
    seen: &Seen,
    patience: Duration,
) -> Result<Vec<Shown>, Failure> {
    let mut became = Vec::new();
    for contract in &CONTRACTS {
        became.push(post(gateway, clock, contract).await?);
    }
    let since = clock.now().elapsed;
    let is_there = |contract: &Contract| seen.of(contract.name).len() >= contract.right.len();
    while !CONTRACTS.iter().all(is_there) && clock.now().elapsed.since(since) < patience {
        tokio::time::sleep(GLANCE).await;
    }
    let shown = |(contract, became): (&Contract, Vec<String>)| {
        let word = |digest: &[u8; 32]| {
            let event =
                contract.comes.iter().find(|(_, body)| sha256(&[body.as_bytes()]).0 == *digest);
            event.map_or("?", |(word, _)| *word)
        };
        let delivered: Vec<_> = seen.of(contract.name).iter().map(word).collect();
        Shown {
            contract: contract.name,
            came: contract.comes.iter().map(|(word, _)| *word).collect(),
            became,
            is_right: contract.is_right(&delivered),
            delivered,
        }
    };
    Ok(CONTRACTS.iter().zip(became).map(shown).collect())
}

/// Posts the events of a contract one after another; what each became.
async fn post(
    gateway: SocketAddr,
    clock: Clock,
    contract: &Contract,
) -> Result<Vec<String>, Failure> {
    let url = format!("http://{gateway}/in/{}", contract.name);
    let target = Target::parse(&url).map_err(Failure::new)?;
    let mut connection = Connection::to(&target);
    let mut became = Vec::new();
    for (word, body) in contract.comes {
        let json = HeaderValue::from_static("application/json");
        let event = Post {
            id: (*word).to_owned(),
            sequence: 0,
            headers: vec![(CONTENT_TYPE, json)],
            query: String::new(),
            body: Bytes::from_static(body.as_bytes()),
        };
        let (answer, _) = connection.post(|| request(&target, None, clock, &event), |_| {}).await;
        became.push(match answer {
            Answer::Acknowledged(status) => status,
            Answer::Refused(status, code) => format!("{status} {code}"),
            Answer::Unanswered(why) => why,
        });
    }
    Ok(became)
}
