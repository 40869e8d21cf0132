//! The lists of whole sources are read over real connections, from imitations of Stripe and GitHub: their pages, their
//! limits, their errors, and answers that mean harm.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod github;
mod harm;
mod imitation;
#[path = "../wire/post.rs"]
mod post;
#[path = "../wire/server.rs"]
mod server;
mod settings;
mod stripe;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "../wire/mod.rs"]
mod wire;

use serde_json::Value;
use server::{Reply, Server};
use wire::{Gateway, Message, until};

/// Loopback may be connected to; a pass each second.
const OFTEN: &str =
    "after = \"10ms\"\nevery = \"1s\"\nrate = \"1000/s\"\nallow = [\"127.0.0.0/8\"]";

const LIMITS: &str = "disk_reserve = \"1MiB\"";

/// What a source says of its list besides.
struct Listed<'a> {
    /// Its section without `refill`.
    source: &'a str,
    /// The lines of `refill`.
    refill: &'a str,
}

fn start(listed: &Listed<'_>, consumer: &Server) -> Gateway {
    Gateway::start(LIMITS, &sections(listed, consumer))
}

fn sections(Listed { source, refill }: &Listed<'_>, consumer: &Server) -> String {
    format!(
        r#"
[sources.shop]
verify = {{ scheme = "none" }}
{source}
[sources.shop.refill]
token = "env:T"
{refill}
[destinations.app]
from = ["shop"]
url = "{}/app"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
        consumer.url()
    )
}

fn consumer() -> Server {
    Server::start(|_| Reply::status(204))
}

/// What a consumer got, in its order: the source's id of each.
fn delivered(consumer: &Server) -> Vec<String> {
    let requests = consumer.requests();
    requests.iter().map(|delivery| delivery.header("sprag-source-id").to_owned()).collect()
}

fn until_delivered(consumer: &Server, ids: &[&str]) {
    until(&format!("{ids:?} are delivered"), || {
        let is = delivered(consumer);
        assert!(is.len() <= ids.len(), "{is:?} is more than {ids:?}");
        (is == ids).then_some(())
    });
}

fn status(gateway: &Gateway, head: &str, body: &str) -> Value {
    let answer = gateway.ask(&post::post("/in/shop", head, body));
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_slice::<Value>(&answer.body).unwrap()["status"].clone()
}

/// Passes that ended so.
fn passes(gateway: &Gateway, outcome: &str) -> u64 {
    gateway.counted(&format!("sprag_refills_total{{source=\"shop\",outcome=\"{outcome}\"}}"))
}

fn until_passes(gateway: &Gateway, outcome: &str, count: u64) {
    until(&format!("{count} passes are {outcome}"), || {
        (passes(gateway, outcome) >= count).then_some(())
    });
}

/// Path and query of a request.
fn target(request: &Message) -> &str {
    request.start.split(' ').nth(1).unwrap()
}

/// The value of a parameter.
fn parameter<'a>(request: &'a Message, name: &str) -> Option<&'a str> {
    let query = target(request).split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.clone().find(|(known, _)| *known == name).map(|(_, value)| value)
}
