//! Presets, handshakes and split requests over real connections: what a provider sends is taken in
//! the order it can promise, what is altered is refused.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "types are read by the tests of the crate")]
#[path = "../src/preset/examples.rs"]
mod examples;
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
mod wire;

use examples::{EXAMPLES, Example, Order};
use serde_json::Value;
use sprag::config::{self, SecretFault, SecretReference, Source};
use sprag::preset;
use sprag::secret::Secret;
use sprag::verify::Signed;
use wire::{Gateway, Message};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

const OTHERS: &str = r#"
[sources.batches]
verify = { scheme = "none" }
id = "body:/id"
key = "body:/order"
type = "body:/type"
accept = ["order.*"]
split = "body:/events"
position = { sequence = "body:/number" }
[sources.cloud]
verify = { scheme = "token", secrets = ["env:A"] }
handshake = "cloudevents"
id = "body:/id"
key = "body:/subject"
contract = "arrival"
"#;

fn resolve(reference: &SecretReference) -> Result<Secret, SecretFault> {
    Ok(Secret::from(match reference.to_string().as_str() {
        "env:ADYEN_HMAC_KEY" => "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
        _ => "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    }))
}

/// Every preset as its page shows it.
fn configuration() -> String {
    let source = |preset: &preset::Preset| {
        let (name, add) = (preset.name, preset.add.replace("NAME", preset.name));
        format!("[sources.{name}]\npreset = \"{name}\"\n{add}\n")
    };
    preset::all().iter().map(source).collect::<String>() + OTHERS
}

fn gateway() -> Gateway {
    Gateway::start_with(LIMITS, &configuration(), &resolve)
}

fn source(name: &str) -> Source {
    let checked = config::check(&configuration(), "preset.toml", &resolve);
    checked.unwrap_or_else(|findings| panic!("{findings:#?}")).config.sources[name].clone()
}

/// The request of an example with another body perhaps, signed now for the body it had.
fn request(gateway: &Gateway, example: &Example, body: &str) -> Vec<u8> {
    let at_us = i64::try_from(gateway.clock.now().clock.0).unwrap();
    let id = example.id.unwrap_or_default();
    let signed = Signed { id, at_us, sequence: 0, query: example.query };
    let signer = source(example.preset).signer().unwrap();
    let signature = signer.sign(signed, example.body.as_bytes()).unwrap();
    let signed_names: Vec<&str> = signature.iter().map(|(name, _)| name.as_str()).collect();
    let mark = if example.query.is_empty() { "" } else { "?" };
    let mut head = format!(
        "POST /in/{}{mark}{} HTTP/1.1\r\nhost: sprag\r\ncontent-length: {}\r\n",
        example.preset,
        example.query,
        body.len()
    );
    for (name, value) in example.headers.iter().filter(|(name, _)| !signed_names.contains(name)) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    for (name, value) in &signature {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    format!("{head}\r\n{body}").into_bytes()
}

fn document(answer: &Message) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
}

fn example(name: &str) -> &'static Example {
    EXAMPLES.iter().find(|example| example.preset == name).unwrap()
}

#[test]
fn every_preset_takes_an_event_of_its_provider_and_its_repeat() {
    let gateway = gateway();
    for example in EXAMPLES {
        let ask = || gateway.ask(&request(&gateway, example, example.body));
        let (first, repeat) = (ask(), ask());
        assert_eq!(first.status(), 200, "{}: {first:?}", example.preset);
        let (first, repeat) = (document(&first), document(&repeat));
        // Their numbers are above the first: they wait for those before them.
        let is_numbered = matches!(example.position, Order::Number(_));
        let expected = if is_numbered { "held" } else { "released" };
        assert_eq!(first["status"], expected, "{}: {first}", example.preset);
        assert_eq!(first["key"], example.key);
        assert_eq!(repeat["status"], "duplicate", "{}: {repeat}", example.preset);
        assert_eq!(repeat["id"], first["id"]);
    }
}

/// A token vouches for its sender and not for what is sent.
#[test]
fn altered_bytes_are_refused() {
    let gateway = gateway();
    for example in EXAMPLES.iter().filter(|example| example.preset != "commercetools") {
        let altered = example.body.replacen('1', "2", 1);
        let answer = gateway.ask(&request(&gateway, example, &altered));
        let document = document(&answer);
        let told = (answer.status(), document["code"].as_str().unwrap());
        assert_eq!(told, (401, "signature-mismatch"), "{}", example.preset);
    }
}

/// Twilio's callbacks of one call, shuffled: the first of them has number 0.
#[test]
fn callbacks_of_a_call_are_put_in_order() {
    let gateway = gateway();
    let twilio = example("twilio");
    let ask = |number: u64| {
        let body = twilio.body.replace("SequenceNumber=1", &format!("SequenceNumber={number}"));
        let token = format!("token-{number}");
        let headers = [twilio.headers[0], ("i-twilio-idempotency-token", token.as_str())];
        let body: &'static str = body.leak();
        let headers: Vec<(&'static str, &'static str)> =
            headers.iter().map(|(name, value)| (*name, &*value.to_string().leak())).collect();
        let callback = Example { body, headers: headers.leak(), ..*twilio };
        document(&gateway.ask(&request(&gateway, &callback, body)))
    };
    let answers = [2, 1, 0].map(ask);
    let told: Vec<(&str, &Value)> =
        answers.iter().map(|one| (one["status"].as_str().unwrap(), &one["sequence"])).collect();
    assert_eq!(told, [("held", &Value::Null), ("held", &Value::Null), ("released", &1.into())]);
    assert_eq!(ask(3)["sequence"], 4);
}

#[test]
fn the_challenge_of_slack_is_answered_once_it_is_verified() {
    let gateway = gateway();
    let body = r#"{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}"#;
    let challenge = Example { body, id: None, ..*example("slack") };
    let answer = gateway.ask(&request(&gateway, &challenge, body));
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.body, b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P");
    let forged = body.replace("3eZbr", "forged");
    let answer = gateway.ask(&request(&gateway, &challenge, &forged));
    assert_eq!(document(&answer)["code"], "signature-mismatch");
    assert_eq!(answer.status(), 401);
    // The same words are an event, and no usable one, where no handshake is.
    let github = Example { body, ..*example("github") };
    let answer = gateway.ask(&request(&gateway, &github, body));
    assert_eq!(document(&answer)["code"], "invalid-key");
}

#[test]
fn cloudevents_senders_are_granted_what_they_ask() {
    let gateway = gateway();
    let ask = |path: &str, headers: &str| {
        let request = format!("OPTIONS {path} HTTP/1.1\r\nhost: sprag\r\n{headers}\r\n");
        gateway.ask(request.as_bytes())
    };
    let origin = "WebHook-Request-Origin: eventemitter.example.com\r\n";
    let granted = ask("/in/cloud", &format!("{origin}WebHook-Request-Rate: 120\r\n"));
    assert_eq!(granted.status(), 200);
    assert_eq!(granted.header("webhook-allowed-origin"), "eventemitter.example.com");
    assert_eq!(granted.header("webhook-allowed-rate"), "*");
    assert_eq!(granted.header("allow"), "POST");
    assert_eq!(ask("/in/cloud", origin).header("webhook-allowed-rate"), "");
    let silent = ask("/in/cloud", "");
    assert_eq!(
        (silent.status(), document(&silent)["code"].clone()),
        (400, "missing-origin".into())
    );
    let refused = ask("/in/batches", origin);
    assert_eq!((refused.status(), refused.header("allow")), (405, "POST"), "no handshake here");
    let get = gateway.ask(b"GET /in/cloud HTTP/1.1\r\nhost: sprag\r\n\r\n");
    assert_eq!((get.status(), get.header("allow")), (405, "POST, OPTIONS"));
}

fn batch(gateway: &Gateway, events: &str) -> Message {
    let body = format!(r#"{{"events":{events}}}"#);
    let head = "POST /in/batches HTTP/1.1\r\nhost: sprag\r\ncontent-type: application/json";
    gateway.ask(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes())
}

fn event(id: &str, order: &str, number: u64) -> String {
    format!(r#"{{"id":"{id}","order":"{order}","number":{number},"type":"order.paid"}}"#)
}

#[test]
fn the_events_of_one_request_have_one_answer() {
    let gateway = gateway();
    let ignored = event("d", "one", 9).replace("order.paid", "user.made");
    let (a, b, c) = (event("a", "one", 2), event("b", "two", 1), event("c", "one", 1));
    let answer = batch(&gateway, &format!("[{a}, {b},\n{c},{a},{ignored}]"));
    assert_eq!(answer.status(), 200, "{answer:?}");
    let document = document(&answer);
    let events = document["events"].as_array().unwrap();
    let told: Vec<(&str, &str)> = events
        .iter()
        .map(|one| (one["key"].as_str().unwrap(), one["status"].as_str().unwrap()))
        .collect();
    let expected = [
        ("one", "held"),
        ("two", "released"),
        ("one", "released"),
        ("one", "duplicate"),
        ("", "ignored"),
    ];
    assert_eq!(told, expected);
    assert_eq!(events[2]["sequence"], 1);
    gateway.until_counted("sprag_events_total{source=\"batches\",fate=\"released\"}", 2);
    assert_eq!(batch(&gateway, "[]").body, br#"{"events":[]}"#);
}

/// All or nothing where something cannot be used: the provider sends the request again.
#[test]
fn one_unusable_event_refuses_its_request_before_any_is_recorded() {
    let gateway = gateway();
    let (good, bad) = (event("a", "one", 1), event("b", "", 1));
    let answer = batch(&gateway, &format!("[{good},{bad}]"));
    assert_eq!(answer.status(), 422);
    let refused = document(&answer);
    assert_eq!(refused["code"], "invalid-key");
    assert!(refused["detail"].as_str().unwrap().starts_with("event 1 of the request"), "{refused}");
    let again = document(&batch(&gateway, &format!("[{good}]")));
    assert_eq!(again["events"][0]["status"], "released", "nothing was recorded before");
    for events in ["null", "{}", "7"] {
        let refused = document(&batch(&gateway, events));
        assert_eq!(refused["code"], "invalid-events", "{refused}");
    }
    let many = format!("[{}{good}]", format!("{good},").repeat(1_000));
    assert_eq!(document(&batch(&gateway, &many))["code"], "invalid-events");
}

/// One Sprag delivers to another: both signatures of what is really sent are verified, and the
/// order that the first restored is the order of the second.
#[test]
fn the_deliveries_of_a_sprag_are_taken_by_another() {
    const SECOND: &str = r#"
[sources.chained]
verify = { scheme = "sprag", secrets = ["env:A"] }
id = "header:webhook-id"
key = "header:sprag-key"
type = "header:sprag-type"
position = { sequence = "header:sprag-sequence" }
strict_first = true
on_gap = "halt"
"#;
    let second = Gateway::start_with(LIMITS, SECOND, &resolve);
    let first = format!(
        "{OTHERS}\n[destinations.second]\nfrom = [\"batches\"]\n\
         url = \"http://{}/in/chained\"\nsecrets = [\"env:A\"]\nallow = [\"127.0.0.0/8\"]\n",
        second.listen()
    );
    let first = Gateway::start_with(LIMITS, &first, &resolve);
    let events: Vec<String> =
        [3, 1, 2].map(|number| event(&format!("e{number}"), "one", number)).to_vec();
    assert_eq!(batch(&first, &format!("[{}]", events.join(","))).status(), 200);
    second.until_counted("sprag_events_total{source=\"chained\",fate=\"released\"}", 3);
    assert_eq!(second.counted("sprag_gaps_open{source=\"chained\"}"), 0);
    // The same words with no signature are refused.
    let forged = "POST /in/chained HTTP/1.1\r\nhost: sprag\r\nwebhook-id: batches:one:4\r\n\
                  webhook-timestamp: 1700000000\r\nsprag-key: one\r\nsprag-sequence: 4\r\n\
                  content-length: 2\r\n\r\n{}";
    assert_eq!(second.ask(forged.as_bytes()).status(), 401);
}
