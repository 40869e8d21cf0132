//! The real binary with providers of every contract and consumers of every policy: what the tests
//! that hurt it have in common.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::Value;

use crate::support::acknowledger;
use crate::support::admin;
use crate::support::clock::Deadline;
use crate::support::consumer::{Consumer, EXPLICIT};
use crate::support::event::{SOURCES, Scheme, secret};
use crate::support::gateway::{Gateway, Setup};
use crate::support::judge::{Destination, Verdict, judge};
use crate::support::ledger::Ledger;
use crate::support::load::{self, Shared, locked};

/// For everything to arrive once nothing is hurt any more.
pub(crate) const DRAIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// New events at most while what was left behind is brought to an end, and events posted once more
/// after that, all of them acknowledged long ago.
const LAST: usize = 300;
/// Attempts of an event where a destination gives up.
const ATTEMPTS: usize = 2;

/// Events of a range at the most.
const BATCH: usize = 7;

/// Where everything goes: one that never gives up, one that passes over what fails, one that parks
/// and is redriven, one that takes ranges, one that acknowledges by requests.
pub(crate) const DESTINATIONS: [Destination; 5] = [
    Destination { name: "app", skips_after: None, in_ranges: false },
    Destination { name: "audit", skips_after: Some(ATTEMPTS), in_ranges: false },
    Destination { name: "vault", skips_after: None, in_ranges: false },
    Destination { name: "ranges", skips_after: None, in_ranges: true },
    Destination { name: EXPLICIT, skips_after: None, in_ranges: false },
];

/// Lines of the destinations beyond addresses and secrets.
fn policy(name: &str) -> String {
    let retry = |rest: &str| format!("retry = {{ first = \"20ms\", cap = \"200ms\"{rest} }}\n");
    let attempts = retry(&format!(", attempts = {ATTEMPTS}"));
    match name {
        "audit" => format!("on_give_up = \"skip\"\n{attempts}"),
        "vault" => format!("on_give_up = \"park\"\n{attempts}"),
        "ranges" => format!("batch = {BATCH}\n{}", retry("")),
        EXPLICIT => {
            let token = acknowledger::VARIABLE;
            let ack =
                format!("ack = \"explicit\"\nack_timeout = \"1s\"\ntoken = \"env:{token}\"\n");
            ack + &retry("")
        }
        _ => retry(""),
    }
}

/// How the gateway gets to the consumer.
pub(crate) struct Reach {
    /// Scheme, host and port.
    pub(crate) url: String,
    /// Lines of each destination.
    pub(crate) lines: String,
}

impl Reach {
    fn straight(consumer: &Consumer) -> Self {
        Self { url: format!("http://{}", consumer.address), lines: String::new() }
    }
}

fn configuration(head: &str, reach: &Reach, destinations: &[Destination]) -> String {
    let source = |(at, source): (usize, &crate::support::event::Source)| {
        let (name, lines) = (source.name, source.lines);
        let verify = match source.scheme {
            Scheme::Standard => format!(
                "id = \"header:webhook-id\"\nverify = {{ scheme = \"standard-webhooks\", secrets = [\"env:SECRET_{at}\"] }}"
            ),
            Scheme::Hmac => format!(
                "id = \"header:x-id\"\nverify = {{ scheme = \"hmac\", secrets = [\"env:SECRET_{at}\"], header = \"x-signature\", signed = \"{{id}}.{{sequence}}.{{body}}\", id = \"header:x-id\", sequence = \"header:x-sequence\" }}"
            ),
        };
        format!("[sources.{name}]\n{verify}\nkey = \"body:/key\"\n{lines}\n")
    };
    let destination = |to: &Destination| {
        let sources = SOURCES.iter().filter(|source| to.takes(source.promise));
        let names: Vec<String> = sources.map(|source| format!("{:?}", source.name)).collect();
        let (name, from, Reach { url, lines }) = (to.name, names.join(", "), reach);
        format!(
            "[destinations.{name}]\nfrom = [{from}]\nurl = \"{url}/{name}\"\n\
             secrets = [\"env:APP_SECRET\"]\nallow = [\"127.0.0.0/8\"]\ntimeout = \"1500ms\"\n{lines}{}",
            policy(name)
        )
    };
    let sources: String = SOURCES.iter().enumerate().map(source).collect();
    let destinations: String = destinations.iter().map(destination).collect();
    format!("{head}{sources}{destinations}")
}

fn secrets() -> Vec<(&'static str, String)> {
    let mut secrets = vec![
        ("APP_SECRET", format!("whsec_{}", BASE64.encode(&[7; 24]))),
        (admin::VARIABLE, admin::TOKEN.to_owned()),
        (acknowledger::VARIABLE, acknowledger::TOKEN.to_owned()),
    ];
    for (at, source) in SOURCES.iter().enumerate() {
        let text = match source.scheme {
            Scheme::Standard => format!("whsec_{}", BASE64.encode(&secret(at))),
            Scheme::Hmac => String::from_utf8(secret(at).to_vec()).expect("it is ASCII"),
        };
        secrets.push((Box::leak(format!("SECRET_{at}").into_boxed_str()), text));
    }
    secrets
}

/// A data directory, its providers and its consumers.
pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) consumer: Consumer,
    pub(crate) ledger: Shared,
    /// New events at most, and repeats, while what was left behind is brought to an end.
    pub(crate) last: usize,
    destinations: &'static [Destination],
}

impl World {
    /// With these sections `[server]` and `[limits]`.
    pub(crate) async fn new(head: &str, seed: u64, destinations: &'static [Destination]) -> Self {
        let consumer = Consumer::start(seed).await;
        let reach = Reach::straight(&consumer);
        Self::reached(head, seed, destinations, consumer, &reach)
    }

    /// With a consumer that is not reached straight.
    pub(crate) fn reached(
        head: &str,
        seed: u64,
        destinations: &'static [Destination],
        consumer: Consumer,
        reach: &Reach,
    ) -> Self {
        let text = configuration(head, reach, destinations);
        Self {
            setup: Setup::new(&text, tempfile::tempdir().unwrap(), secrets()),
            consumer,
            ledger: Arc::new(Mutex::new(Ledger::new(seed))),
            last: LAST,
            destinations,
        }
    }

    /// Starts the process, and tells the consumer where it is.
    pub(crate) fn serve(&self) -> Gateway {
        let gateway = self.setup.serve();
        self.consumer.meets(gateway.listen);
        gateway
    }

    /// Posts what was never acknowledged and much that was, and waits until everything has arrived.
    pub(crate) async fn drain(&self, gateway: &Gateway) {
        self.post_all(gateway).await;
        self.until_delivered(gateway, usize::MAX).await;
    }

    /// Posts what was never acknowledged until it is, and much that was.
    pub(crate) async fn post_all(&self, gateway: &Gateway) {
        let deadline = Deadline::after(DRAIN);
        self.consumer.hang_next();
        locked(&self.ledger, |ledger| ledger.allow(self.last));
        while locked(&self.ledger, |ledger| ledger.acknowledged() < ledger.entries().len()) {
            assert!(!deadline.has_passed(), "the gateway does not take everything in {DRAIN:?}");
            load::start(&self.ledger, gateway.listen, Ledger::next).join_all().await;
            self.no_problems();
        }
        locked(&self.ledger, |ledger| ledger.repeat(self.last));
        load::start(&self.ledger, gateway.listen, Ledger::next_repeat).join_all().await;
        self.no_problems();
    }

    pub(crate) fn no_problems(&self) {
        let problems = locked(&self.ledger, |ledger| ledger.problems.clone());
        let problems = [problems, self.consumer.problems()].concat();
        let some = &problems[..problems.len().min(10)];
        assert!(problems.is_empty(), "{} wrong answers: {some:#?}", problems.len());
    }

    /// Redrives what is parked until none of so many first events is under way any more.
    pub(crate) async fn until_delivered(&self, gateway: &Gateway, first: usize) {
        let deadline = Deadline::after(DRAIN);
        let mut arrived = usize::MAX;
        loop {
            self.redrive(gateway);
            // Judging looks at everything; it is done when nothing more comes.
            if arrived == self.consumer.arrived() {
                let mut lost = self.judged().lost;
                lost.retain(|(at, _)| *at < first);
                if lost.is_empty() {
                    return;
                }
                let some = &lost[..lost.len().min(10)];
                if deadline.has_passed() {
                    let told = some.iter().map(|(at, _)| self.told(gateway, *at));
                    let told: Vec<Value> = told.collect();
                    panic!(
                        "{} events not delivered: {some:#?}; told of them: {told:#?}",
                        lost.len()
                    );
                }
            }
            arrived = self.consumer.arrived();
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What the gateway itself says became of an event.
    fn told(&self, gateway: &Gateway, at: usize) -> Value {
        let (source, key, id) = locked(&self.ledger, |ledger| {
            let event = &ledger.entries()[at].event;
            (SOURCES[event.source].name, event.key, event.id())
        });
        let shown = |sequence: usize| {
            admin::ask(gateway.admin, "GET", &format!("/v1/events/{source}:k{key}:{sequence}"), "")
        };
        let shown = (1..).map(shown).take_while(|(status, _)| *status != 404);
        let mut shown = shown.map(|(_, event)| event).filter(|event| event["source_id"] == id);
        let event = shown.next().unwrap_or_default();
        serde_json::json!({ "release": event["release"], "destinations": event["fates"]["destinations"] })
    }

    /// Sends again, in order, what `vault` parked.
    pub(crate) fn redrive(&self, gateway: &Gateway) {
        let (_, page) =
            admin::ask(gateway.admin, "GET", "/v1/dead-letters?destination=vault&limit=500", "");
        let parked = page["items"].as_array().into_iter().flatten();
        for letter in parked.filter(|letter| letter["is"] == "lane") {
            let lane = serde_json::json!({"source": letter["source"], "key": letter["key"], "destination": "vault"});
            // It may drain already: the list is as old as the newest batch of the state store.
            let (_, answer): (u16, Value) =
                admin::ask(gateway.admin, "POST", "/v1/dead-letters/redrive", &lane.to_string());
            let fine = answer["done"] == true || answer["code"] == "lane-not-stopped";
            assert!(fine, "{lane} is not redriven: {answer}");
        }
    }

    pub(crate) fn judged(&self) -> Verdict {
        locked(&self.ledger, |ledger| {
            judge(ledger.entries(), self.destinations, &self.consumer.arrivals())
        })
    }

    /// Every promise; gives what was counted on the way.
    pub(crate) fn conclude(&self) -> Verdict {
        self.no_problems();
        let verdict = self.judged();
        let broken = &verdict.violations;
        let some = &broken[..broken.len().min(10)];
        assert!(broken.is_empty(), "{} promises about order broken: {some:#?}", broken.len());
        assert!(verdict.lost.is_empty(), "lost: {:#?}", verdict.lost);
        verdict
    }
}

/// Says on the way out of a failure how to see it again, and keeps what the processes left.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.setup.directory.disable_cleanup(true);
            println!("kept {}", self.setup.directory.path().display());
        }
    }
}
