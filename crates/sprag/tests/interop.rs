//! Real events of GitHub through the real binary, signed and verified by the libraries of others
//! in Node and Python (DESIGN section 8, test 5). The programs in `interop/` do; this test judges.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod support {
    pub(crate) mod child;
    pub(crate) mod clock;
    #[expect(dead_code, reason = "other tests need more of it")]
    pub(crate) mod gateway;
    pub(crate) mod report;
    pub(crate) mod script;
}

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::Value;
use support::child::Process;
use support::gateway::{Gateway, HEAD, Setup};
use support::report::{self, Answer, Recorded, Sent};
use support::script;

/// For a program of `interop/` to do its whole work.
const WORK: Duration = Duration::from_secs(120);
/// Order and choice of what the senders post.
const SEED: &str = "20";

/// Events without a repository are those of a hook of their own, as organisations, apps and the
/// marketplace have it; all of them are one key. Positions begin at 1 and nothing is skipped, so
/// no event may pass another however long it takes.
const CONFIGURATION: &str = r#"
[sources.github]
verify = { scheme = "github", secrets = ["env:GITHUB_SECRET"] }
id = "header:x-github-delivery"
key = "body:/repository/id"
type = "header:x-github-event"
position = { sequence = "body:/sprag_sequence" }
strict_first = true
on_gap = "halt"

[sources.github_account]
verify = { scheme = "github", secrets = ["env:GITHUB_SECRET"] }
id = "header:x-github-delivery"
key = "const:none"
type = "header:x-github-event"
position = { sequence = "body:/sprag_sequence" }
strict_first = true
on_gap = "halt"

[sources.billing]
verify = { scheme = "standard-webhooks", secrets = ["env:BILLING_SECRET"] }
id = "header:webhook-id"
key = "body:/customer"
position = { sequence = "body:/sequence" }
strict_first = true
on_gap = "halt"

[destinations.app]
from = ["github", "github_account", "billing"]
url = "http://127.0.0.1:PORT/webhooks?from=sprag"
secrets = ["env:APP_SECRET"]
allow = ["127.0.0.0/8"]
"#;

/// Presets by their pages. Those that order by time take what comes, so that every event of the
/// same second is delivered; GitHub's own examples have no order.
const PRESETS: &str = r#"
[sources.stripe]
preset = "stripe"
verify = { secrets = ["env:BILLING_SECRET", "env:PROVIDER_SECRET"] }
position = "none"
contract = "arrival"

[sources.svix]
preset = "svix"
verify = { secrets = ["env:PROVIDER_SECRET"] }
key = "body:/data/id"

[sources.shopify]
preset = "shopify"
verify = { secrets = ["env:PROVIDER_SECRET"] }
position = "none"
contract = "arrival"

[sources.slack]
preset = "slack"
verify = { secrets = ["env:PROVIDER_SECRET"] }

[sources.twilio]
preset = "twilio"
verify = { secrets = ["env:PROVIDER_SECRET"], public_url = "https://hooks.example.com/in/twilio" }
strict_first = true

[sources.github]
preset = "github"
verify = { secrets = ["env:GITHUB_SECRET"] }

[sources.gitlab]
preset = "gitlab"
verify = { secrets = ["env:PROVIDER_SECRET"] }

[sources.shopify-events]
preset = "shopify-events"
verify = { secrets = ["env:PROVIDER_SECRET"] }
position = "none"
contract = "arrival"

[sources.square]
preset = "square"
verify = { secrets = ["env:PROVIDER_SECRET"], public_url = "https://hooks.example.com/in/square" }
position = "none"
contract = "arrival"

[sources.adyen-transfers]
preset = "adyen-transfers"
verify = { secrets = ["env:ADYEN_HMAC_KEY"], header = "hmacsignature" }
strict_first = true

[destinations.app]
from = ["stripe", "svix", "shopify", "slack", "twilio", "github", "gitlab", "shopify-events", "square", "adyen-transfers"]
url = "http://127.0.0.1:PORT/webhooks?from=sprag"
secrets = ["env:APP_SECRET"]
allow = ["127.0.0.0/8"]
"#;

/// A consumer in Node, and a gateway that delivers to it.
struct World {
    setup: Setup,
    gateway: Gateway,
    consumer: Process,
    versions: String,
}

/// What a sender did, and what arrived of it.
struct Outcome {
    sent: Vec<Sent>,
    answers: Vec<Answer>,
    recorded: Vec<Recorded>,
    /// What the verifier in Python found.
    python: Value,
    versions: String,
}

impl World {
    fn start(configuration: &str) -> Self {
        let secret = |fill: u8| format!("whsec_{}", BASE64.encode(&[fill; 24]));
        let secrets = vec![
            ("GITHUB_SECRET", "It's a Secret to Everybody".to_owned()),
            ("BILLING_SECRET", secret(1)),
            ("APP_SECRET", secret(2)),
            ("PROVIDER_SECRET", secret(3)),
            ("ADYEN_HMAC_KEY", "44782DEF547AAA06C910C43932B1EB0C".repeat(2)),
        ];
        let directory = tempfile::tempdir().unwrap();
        let mut command = script::node("consumer.mjs");
        command.arg(directory.path().join("record")).envs(secrets.clone());
        let mut consumer =
            Process::start("consumer.mjs", &mut command, &directory.path().join("consumer.log"));
        let line = consumer.line("port", WORK).unwrap_or_else(|| panic!("{}", consumer.said()));
        let line: Value = serde_json::from_str(&line).unwrap();
        let sections = configuration.replace("PORT", &line["port"].to_string());
        let setup = Setup::new(&format!("{HEAD}{sections}"), directory, secrets);
        let gateway = setup.serve();
        let versions = line["versions"].as_str().unwrap().to_owned();
        Self { setup, gateway, consumer, versions }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.setup.directory.path().join(name)
    }

    /// Runs a sender to its end.
    fn send(&self, name: &str, mut command: Command) -> (Vec<Sent>, Vec<Answer>) {
        let report = self.path(&format!("{name}.report"));
        let url = format!("http://{}", self.gateway.listen);
        command.arg(url).arg(&report).arg(SEED).envs(self.setup.secrets.clone());
        let mut process = Process::start(name, &mut command, &self.path(&format!("{name}.log")));
        let status = process.end(WORK);
        let gateway = self.gateway.process.said();
        assert!(status.success(), "{name} {status}:\n{}\n{gateway}", process.said());
        report::sent(&report)
    }

    /// Waits until that many events are delivered, ends everything in order, and has the record
    /// verified in Python while its signatures are fresh.
    fn finish(mut self, sent: Vec<Sent>, answers: Vec<Answer>) -> Outcome {
        script::tell(&mut self.consumer, &format!("until {}", sent.len()));
        self.consumer.line(&format!("all {} deliveries", sent.len()), WORK);
        let (record, log) = (self.path("record"), self.path("verify.log"));
        self.gateway.stop();
        script::hang_up(&mut self.consumer);
        let status = self.consumer.end(WORK);
        assert!(status.success(), "consumer.mjs {status}:\n{}", self.consumer.said());
        let mut command = script::python("verify.py");
        command.arg(&record).envs(self.setup.secrets.clone());
        let mut verifier = Process::start("verify.py", &mut command, &log);
        let line = verifier.line("verdict", WORK).unwrap_or_else(|| panic!("{}", verifier.said()));
        let python: Value = serde_json::from_str(&line).unwrap();
        let versions = format!("{}, {}", self.versions, python["versions"].as_str().unwrap());
        Outcome { sent, answers, recorded: report::recorded(&record), python, versions }
    }
}

impl Outcome {
    /// Everything both tests promise; returns the number of repeats posted.
    fn judge(&self) -> usize {
        self.judge_deliveries();
        self.judge_order();
        let both_libraries = self.recorded.iter().all(|one| one.accepted && !one.altered_accepted);
        assert!(both_libraries, "npm standardwebhooks judged a delivery wrongly");
        assert_eq!(self.python["verified"], self.recorded.len(), "PyPI standardwebhooks");
        self.judge_answers()
    }

    /// Each event once, and every byte and header as it was sent.
    fn judge_deliveries(&self) {
        let by_id: HashMap<&str, &Sent> =
            self.sent.iter().map(|sent| (sent.id.as_str(), sent)).collect();
        assert_eq!(by_id.len(), self.sent.len(), "ids of senders are unique");
        let mut delivered = BTreeSet::new();
        for one in &self.recorded {
            let id = one.header("sprag-source-id");
            let sent = by_id.get(id).unwrap_or_else(|| panic!("{id} was never sent"));
            assert!(delivered.insert(id), "{id} was delivered twice to a healthy consumer");
            assert!(one.body == sent.body, "the body of {id} was changed");
            let sequence = sent.sequence.to_string();
            for (name, expected) in [
                ("content-type", &sent.content_type),
                ("sprag-source", &sent.source),
                ("sprag-key", &sent.key),
                ("sprag-type", &sent.event_type),
                ("sprag-sequence", &sequence),
                ("sprag-position", &sequence),
                ("webhook-id", &webhook_id(sent)),
            ] {
                assert_eq!(one.header(name), expected, "{name} of {id}");
            }
        }
        assert_eq!(delivered.len(), self.sent.len(), "an acknowledged event was lost");
    }

    /// Per key 1, 2, 3…
    fn judge_order(&self) {
        let mut last: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for one in &self.recorded {
            let lane = (one.header("sprag-source"), one.header("sprag-key"));
            let before = last.entry(lane).or_default();
            *before += 1;
            assert_eq!(one.header("sprag-sequence"), before.to_string(), "order of {lane:?}");
        }
    }

    /// One answer per event takes it, all others of the same id are duplicates; what was altered
    /// is refused.
    fn judge_answers(&self) -> usize {
        let mut taken = BTreeSet::new();
        let mut repeats = 0;
        for one in &self.answers {
            if one.altered {
                let refused = one.status == 401 && one.answer["code"] == "signature-mismatch";
                assert!(refused, "altered, yet {one:?}");
                continue;
            }
            assert_eq!(one.status, 200, "{one:?}");
            match one.answer["status"].as_str().unwrap() {
                "released" | "held" => assert!(taken.insert(&one.id), "taken twice: {one:?}"),
                "duplicate" => repeats += 1,
                _ => panic!("{one:?}"),
            }
        }
        assert_eq!(taken.len(), self.sent.len(), "each event is taken once");
        repeats
    }

    fn altered(&self) -> usize {
        self.answers.iter().filter(|one| one.altered).count()
    }
}

/// `{source}:{key}:{sequence}`; `_` and the characters of these names need no encoding.
fn webhook_id(sent: &Sent) -> String {
    format!("{}:{}:{}", sent.source, sent.key, sent.sequence)
}

/// Were the events of some key posted in another order than theirs? Otherwise nothing is shown.
fn is_shuffled(answers: &[Answer]) -> bool {
    answers.iter().any(|one| one.answer["status"] == "held")
}

#[test]
fn every_example_event_of_github_arrives_in_order_unchanged_and_verifiable() {
    let world = World::start(CONFIGURATION);
    let (sent, answers) = world.send("send_github.mjs", script::node("send_github.mjs"));
    let outcome = world.finish(sent, answers);
    let repeats = outcome.judge();
    assert!(outcome.sent.len() >= 329, "version 7.6.1 has so many for github.com alone");
    assert!(repeats > 100 && is_shuffled(&outcome.answers), "the sender made no disorder");
    let repositories = outcome.sent.iter().map(|sent| &sent.key).collect::<BTreeSet<_>>().len();
    let types = outcome.sent.iter().map(|sent| &sent.event_type).collect::<BTreeSet<_>>().len();
    println!(
        "interop github: {} example events of {types} types over {repositories} keys, {repeats} \
         repeats, {} altered refused; {} deliveries in order, unchanged, accepted by npm and PyPI \
         standardwebhooks, altered refused by both ({})",
        outcome.sent.len(),
        outcome.altered(),
        outcome.recorded.len(),
        outcome.versions
    );
}

#[test]
fn what_standardwebhooks_signs_in_node_and_python_is_taken_and_nothing_altered_is() {
    let world = World::start(CONFIGURATION);
    let (mut sent, mut answers) =
        world.send("send_standard.mjs", script::node("send_standard.mjs"));
    let (more, their_answers) = world.send("send_standard.py", script::python("send_standard.py"));
    sent.extend(more);
    answers.extend(their_answers);
    let outcome = world.finish(sent, answers);
    let repeats = outcome.judge();
    assert!(is_shuffled(&outcome.answers), "the senders made no disorder");
    println!(
        "interop standard-webhooks: {} events signed by npm and PyPI standardwebhooks, {repeats} \
         repeats, {} altered refused; {} deliveries in order ({})",
        outcome.sent.len(),
        outcome.altered(),
        outcome.recorded.len(),
        outcome.versions
    );
}

/// Of presets only two count, from where they say; the others are delivered in the order they come.
fn judge_presets(outcome: &Outcome) {
    let by_id: HashMap<&str, &Sent> =
        outcome.sent.iter().map(|sent| (sent.id.as_str(), sent)).collect();
    let by_body: HashMap<&[u8], &str> =
        outcome.sent.iter().map(|sent| (sent.body.as_slice(), sent.id.as_str())).collect();
    let mut delivered = BTreeSet::new();
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for one in &outcome.recorded {
        // Adyen gives its webhooks no id.
        let id = match one.header("sprag-source") {
            "adyen-transfers" => by_body.get(one.body.as_slice()).copied().unwrap_or_default(),
            _ => one.header("sprag-source-id"),
        };
        let sent = by_id.get(id).unwrap_or_else(|| panic!("{id} was never sent"));
        assert!(delivered.insert(id), "{id} was delivered twice to a healthy consumer");
        assert!(one.body == sent.body, "the body of {id} was changed");
        assert_eq!(one.header("content-type"), sent.content_type);
        assert_eq!(one.header("sprag-source"), sent.source);
        if sent.source == "github" {
            assert_eq!(one.header("sprag-type"), sent.event_type, "{id}");
        } else {
            assert_eq!(one.header("sprag-key"), sent.key, "{id}");
        }
        let first = match sent.source.as_str() {
            "twilio" => 0,
            "adyen-transfers" => 1,
            _ => continue,
        };
        let number = counts.entry(&sent.key).or_insert(first);
        assert_eq!(one.header("sprag-position"), number.to_string(), "order of {}", sent.key);
        *number += 1;
    }
    assert_eq!(delivered.len(), outcome.sent.len(), "an acknowledged event was lost");
    assert_eq!(outcome.python["verified"], outcome.recorded.len(), "PyPI standardwebhooks");
}

#[test]
fn what_the_libraries_of_providers_sign_is_taken_by_their_presets_and_nothing_altered_is() {
    let world = World::start(PRESETS);
    let (mut sent, mut answers) =
        world.send("send_providers.mjs", script::node("send_providers.mjs"));
    let (more, their_answers) =
        world.send("send_providers.py", script::python("send_providers.py"));
    sent.extend(more);
    answers.extend(their_answers);
    let outcome = world.finish(sent, answers);
    judge_presets(&outcome);
    let repeats = outcome.judge_answers();
    assert!(is_shuffled(&outcome.answers), "the senders made no disorder");
    assert_eq!(outcome.altered(), outcome.sent.len(), "each event also comes altered");
    println!(
        "interop presets: {} events of ten presets, {repeats} \
         repeats, {} altered refused; all delivered unchanged ({})",
        outcome.sent.len(),
        outcome.altered(),
        outcome.versions
    );
}
