//! What is missing is asked for over real connections: pages, refusals, and answers that mean harm.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/documents.rs"]
mod documents;
#[path = "wire/post.rs"]
mod post;
#[path = "wire/server.rs"]
mod server;
#[expect(dead_code, reason = "other tests need more of it")]
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use documents::lines;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use server::{Reply, Server};
use sprag::config::{self, SecretReference};
use sprag::secret::Secret;
use sprag::sink::Inspector;
use wire::{Gateway, Message, SECRET, until};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

/// A source that is asked at `authority`, with these lines besides, and a consumer.
fn sections(authority: &str, refill: &str, source: &str, consumer: &Server) -> String {
    format!(
        r#"
[sources.orders]
verify = {{ scheme = "none" }}
id = "body:/id"
key = "body:/order"
position = {{ sequence = "body:/number" }}
{source}
[sources.orders.refill]
url = "{authority}/events?order={{key}}&from={{from}}&to={{to}}"
items = "body:/data"
next = "body:/next"
after = "20ms"
headers = {{ authorization = "env:T" }}
{refill}
[destinations.app]
from = ["orders"]
url = "{}/app"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
        consumer.url()
    )
}

const ALLOW: &str = "allow = [\"127.0.0.0/8\"]";

fn consumer() -> Server {
    Server::start(|_| Reply::status(204))
}

fn event(order: &str, number: u64) -> String {
    format!(r#"{{"id":"{order}-{number}","order":"{order}","number":{number}}}"#)
}

fn send(gateway: &Gateway, order: &str, number: u64) -> Value {
    let answer = gateway.ask(&post::post("/in/orders", "", &event(order, number)));
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

/// The numbers that were delivered of an order, in the order they came.
fn delivered(consumer: &Server, order: &str) -> Vec<u64> {
    let of = |message: &Message| {
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        (body["order"] == order).then(|| body["number"].as_u64().unwrap())
    };
    consumer.requests().iter().filter_map(of).collect()
}

fn until_delivered(consumer: &Server, order: &str, numbers: &[u64]) {
    until(&format!("{order} {numbers:?} is delivered"), || {
        let is = delivered(consumer, order);
        assert!(is.len() <= numbers.len(), "{is:?}");
        (is == numbers).then_some(())
    });
}

/// The order and the range that an ask names.
fn asked(request: &Message) -> (String, u64, u64) {
    let target = request.start.split(' ').nth(1).unwrap();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let value = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.clone().find(|(known, _)| *known == name).map(|(_, value)| value).unwrap_or_default()
    };
    let number = |name| value(name).parse().unwrap_or_default();
    (value("order").to_owned(), number("from"), number("to"))
}

fn page(events: &[String], next: &str) -> Reply {
    Reply::json(format!(r#"{{"data":[{}],"next":{next}}}"#, events.join(",")))
}

/// Its headers as the consumer's library has them.
fn headers(message: &Message) -> HeaderMap {
    let pair = |(name, value): &(String, String)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    message.headers.iter().map(pair).collect()
}

#[test]
fn a_gap_is_fetched_page_by_page_and_delivered_in_its_place() {
    let authority = Server::start(|request| match request.start.contains("page=2") {
        true => page(&[event("a", 3)], "null"),
        false => page(&[event("a", 4), event("a", 2)], r#""?page=2""#),
    });
    let consumer = consumer();
    let sections = sections(&authority.url(), ALLOW, "", &consumer);
    let gateway = Gateway::start(LIMITS, &sections);
    assert_eq!(send(&gateway, "a", 1)["status"], "released");
    assert_eq!(send(&gateway, "a", 5)["status"], "held");
    until_delivered(&consumer, "a", &[1, 2, 3, 4, 5]);
    gateway.until_counted(r#"sprag_refills_total{source="orders",outcome="whole"}"#, 1);
    let asks = authority.requests();
    assert_eq!(asked(&asks[0]), ("a".to_owned(), 2, 4));
    assert_eq!(asks[0].header("authorization"), format!("whsec_T{SECRET}"));
    assert_eq!(asks.len(), 2);
    // It is told of each that it was asked for, under the signature.
    let secret = Secret::from(format!("whsec_A{SECRET}").as_str());
    let inspector = Inspector::new(&[secret]).unwrap();
    let now = i64::try_from(gateway.clock.now().clock.0).unwrap();
    for delivery in consumer.requests() {
        let inspected = inspector.inspect(now, &headers(&delivery), &delivery.body);
        assert_eq!(inspected.violations, []);
        let is_refilled = delivery.header("sprag-origin") == "refilled";
        let sequence: u64 = delivery.header("sprag-sequence").parse().unwrap();
        assert_eq!(is_refilled, (2..=4).contains(&sequence), "{delivery:?}");
    }
    // What comes by itself after all is known.
    let again = send(&gateway, "a", 3);
    assert_eq!((&again["status"], &again["sequence"]), (&json!("duplicate"), &json!(3)));
    let shown = lines(&gateway, &format!("/v1/events/{}", again["id"].as_str().unwrap()));
    assert_eq!(shown[0]["origin"], "refilled");
}

#[test]
fn where_a_key_must_begin_its_beginning_is_fetched() {
    let authority = Server::start(|request| {
        let (_, from, to) = asked(request);
        let events: Vec<String> = (from..=to).map(|number| event("a/b", number)).collect();
        page(&events, "null")
    });
    let consumer = consumer();
    let gateway = Gateway::start(LIMITS, &sections(&authority.url(), ALLOW, "", &consumer));
    send(&gateway, "a/b", 3);
    until_delivered(&consumer, "a/b", &[1, 2, 3]);
    assert!(authority.requests()[0].start.contains("order=a%2Fb&from=1&to=2"));
}

/// An answer for each kind of harm; those that are a page at all have nothing of use.
fn harm(order: &str, evil: &str) -> Reply {
    let element = |text: &str| Reply::json(format!(r#"{{"data":[{text}],"next":null}}"#));
    let of = |number: &str| {
        element(&format!(r#"{{"id":"x{order}","order":"{order}","number":{number}}}"#))
    };
    match order {
        "error" => Reply::status(500),
        "gone" => Reply::status(404),
        "redirect" => Reply::Answer(302, format!("location: {evil}/steal\r\n"), Vec::new()),
        "endless" => Reply::Endless,
        "broken" => Reply::Cut(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"data\"".to_vec()),
        "nothing" => Reply::Cut(Vec::new()),
        "noise" => Reply::Cut(b"\0\xff\r\n\r\n".to_vec()),
        "text" => Reply::json("hello"),
        "null" => Reply::json("null"),
        "empty" => Reply::json("{}"),
        "object" => Reply::json(r#"{"data":{"a":1}}"#),
        "twice" => Reply::json(r#"{"data":[],"data":[]}"#),
        "deep" => Reply::json("[".repeat(10_000)),
        "number" => Reply::json(r#"{"data":[],"next":7}"#),
        "elsewhere" => Reply::json(format!(r#"{{"data":[],"next":"{evil}/steal"}}"#)),
        "circle" => Reply::json(r#"{"data":[],"next":"?again"}"#),
        "compressed" => {
            Reply::Answer(200, "content-encoding: gzip\r\n".to_owned(), vec![31, 139, 8, 0])
        }
        "elements" => element(r#"1,"x",null,[],{}"#),
        "keyless" => element(r#"{"id":"x","number":2}"#),
        "typed" => of("\"two\""),
        "float" => of("2.0"),
        "negative" => of("-2"),
        "huge" => of("18446744073709551615"),
        "larger" => of("99999999999999999999999999"),
        "ahead" => of("9000000"),
        "large" => element(&format!("{{\"id\":\"{}\"}}", "x".repeat(2 << 20))),
        other => panic!("no such harm: {other}"),
    }
}

const HARMS: [&str; 26] = [
    "error",
    "gone",
    "redirect",
    "endless",
    "broken",
    "nothing",
    "noise",
    "text",
    "null",
    "empty",
    "object",
    "twice",
    "deep",
    "number",
    "elsewhere",
    "circle",
    "compressed",
    "elements",
    "keyless",
    "typed",
    "float",
    "negative",
    "huge",
    "larger",
    "ahead",
    "large",
];

#[test]
fn an_answer_that_means_harm_costs_its_key_the_wait_and_nobody_anything() {
    let evil = Server::start(|_| Reply::json("{}"));
    let leads = evil.url();
    let authority = Server::start(move |request| harm(&harmed(request), &leads));
    let consumer = consumer();
    let refill = format!("attempts = 1\nrate = \"1000/s\"\n{ALLOW}");
    let wait = "hold = { wait = \"8s\" }";
    let gateway = Gateway::start(LIMITS, &sections(&authority.url(), &refill, wait, &consumer));
    for order in HARMS {
        send(&gateway, order, 1);
        send(&gateway, order, 3);
    }
    // Another key goes on meanwhile.
    for number in 1..=50 {
        assert_eq!(send(&gateway, "other", number)["sequence"], number);
    }
    let all: Vec<u64> = (1..=50).collect();
    until_delivered(&consumer, "other", &all);
    for order in HARMS {
        until_delivered(&consumer, order, &[1, 3]);
    }
    let deliveries = consumer.requests();
    let skipped = deliveries.iter().filter(|delivery| delivery.header("sprag-missing") == "2");
    assert_eq!(skipped.count(), HARMS.len(), "each goes on without what is missing");
    let outcomes = ["whole", "cut", "failed", "declined", "unreadable", "unfinished"];
    let counted = until("all asks have ended", || {
        let counted = outcomes.map(|outcome| {
            let total = format!(r#"sprag_refills_total{{source="orders",outcome="{outcome}"}}"#);
            gateway.counted(&total)
        });
        (counted.iter().sum::<u64>() >= HARMS.len() as u64).then_some(counted)
    });
    assert!(counted.iter().all(|count| *count > 0), "{outcomes:?}: {counted:?}");
    let asked: u64 = counted.iter().sum();
    assert_eq!(asked, HARMS.len() as u64, "each was asked for once: {counted:?}");
    assert_eq!(evil.requests().len(), 0, "nothing leads to another server");
    // What cannot be used is in history, as a refused request would be.
    assert!(
        gateway.counted(r#"sprag_refused_total{source="orders",code="invalid-position"}"#) >= 4
    );
    assert!(gateway.counted(r#"sprag_refused_total{source="orders",code="body-too-large"}"#) >= 1);
}

/// Whose events are asked for; of the second page of a circle, the same.
fn harmed(request: &Message) -> String {
    let (order, ..) = asked(request);
    if request.start.contains("?again") { "circle".to_owned() } else { order }
}

#[test]
fn a_source_that_is_asked_too_often_is_left_alone_as_long_as_it_says() {
    let asks = AtomicUsize::new(0);
    let authority = Server::start(move |request| {
        let (order, from, _) = asked(request);
        match asks.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Answer(429, "retry-after: 1\r\n".to_owned(), Vec::new()),
            _ => page(&[event(&order, from)], "null"),
        }
    });
    let consumer = consumer();
    // Were it an ask in vain, there would be no other.
    let refill = format!("attempts = 1\n{ALLOW}");
    let gateway = Gateway::start(LIMITS, &sections(&authority.url(), &refill, "", &consumer));
    let began = gateway.clock.now();
    send(&gateway, "a", 1);
    send(&gateway, "a", 3);
    until_delivered(&consumer, "a", &[1, 2, 3]);
    let took = gateway.clock.now().elapsed.since(began.elapsed);
    assert!(took >= Duration::from_secs(1), "{took:?}");
    assert_eq!(gateway.counted(r#"sprag_refills_total{source="orders",outcome="throttled"}"#), 1);
}

#[test]
fn a_private_address_is_connected_to_only_where_that_is_allowed() {
    let authority = Server::start(|_| Reply::json(r#"{"data":[]}"#));
    let consumer = consumer();
    let gateway = Gateway::start(LIMITS, &sections(&authority.url(), "", "", &consumer));
    send(&gateway, "a", 1);
    send(&gateway, "a", 3);
    gateway.until_counted(r#"sprag_refills_total{source="orders",outcome="refused"}"#, 1);
    assert_eq!(authority.requests().len(), 0);
}

#[test]
fn a_halted_key_is_asked_for_again_after_a_failure_and_history_tells_of_each() {
    let asks = AtomicUsize::new(0);
    let authority = Server::start(move |request| {
        let (order, from, _) = asked(request);
        match asks.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::status(503),
            1 => page(&[], "null"),
            _ => page(&[event(&order, from)], "null"),
        }
    });
    let consumer = consumer();
    let halts = "on_gap = \"halt\"";
    let gateway = Gateway::start(LIMITS, &sections(&authority.url(), ALLOW, halts, &consumer));
    send(&gateway, "a", 1);
    send(&gateway, "a", 3);
    until_delivered(&consumer, "a", &[1, 2, 3]);
    let told = until("history has all asks", || {
        let ended = lines(&gateway, "/v1/facts?fact=refill-ended");
        (ended.len() == 3).then_some(ended)
    });
    let shown =
        |fact: &Value| (fact["outcome"].clone(), fact["attempt"].clone(), fact["events"].clone());
    let shown: Vec<_> = told.iter().map(shown).collect();
    let told = |outcome: &str, attempt, events| (json!(outcome), json!(attempt), json!(events));
    assert_eq!(shown, [told("failed", 1, 0), told("whole", 2, 0), told("whole", 3, 1)]);
}

fn check(source: &str) -> Result<config::Checked, Vec<String>> {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = \"d\"\n{source}\
         [destinations.app]\nfrom = [\"s\"]\nurl = \"http://app.example/\"\nsecrets = [\"env:A\"]\n"
    );
    let resolve = |_: &SecretReference| Ok(Secret::from(format!("whsec_A{SECRET}").as_str()));
    let checked = config::check(&text, "refill.toml", &resolve);
    checked.map_err(|findings| findings.iter().map(ToString::to_string).collect())
}

fn source(lines: &str) -> String {
    format!(
        "[sources.s]\nverify = {{ scheme = \"none\" }}\nid = \"body:/id\"\nkey = \"body:/k\"\n{lines}\n"
    )
}

const COUNTED: &str = "position = { sequence = \"body:/n\" }";

#[test]
fn what_cannot_be_asked_for_is_refused_and_says_why() {
    let url = "url = \"https://api.example/{key}?from={from}\"";
    let cases = [
        (format!("contract = \"arrival\"\nrefill = {{ {url} }}"), "only contract \"fifo\""),
        (
            format!(
                "contract = \"latest\"\nposition = {{ version = \"body:/n\" }}\nrefill = {{ {url} }}"
            ),
            "no range of them",
        ),
        (format!("{COUNTED}\nrefill = {{ after = \"1s\" }}"), "`url` is missing"),
        (format!("{COUNTED}\nrefill = {{ url = \"https://api.example/all\" }}"), "{key}"),
        (format!("{COUNTED}\nrefill = {{ url = \"https://{{key}}/\" }}"), "path and query"),
        (format!("{COUNTED}\nrefill = {{ {url}, items = \"header:x\" }}"), "body:/pointer"),
        (format!("{COUNTED}\nrefill = {{ {url}, next = \"query:x\" }}"), "\"link\""),
        (format!("{COUNTED}\nrefill = {{ {url}, rate = \"fast\" }}"), "100/s"),
        (format!("{COUNTED}\nrefill = {{ {url}, attempts = 0 }}"), "1 to 1000"),
        (format!("{COUNTED}\nrefill = {{ {url}, ever = \"1h\" }}"), "unknown key"),
        (
            format!(
                "{COUNTED}\nrefill = {{ url = \"https://api.example/{{key}}\", every = \"1h\" }}"
            ),
            "must name {from}",
        ),
        (format!("{COUNTED}\nrefill = {{ {url}, allow = [\"localhost\"] }}"), "range of addresses"),
        (
            format!("position = {{ sequence = \"header:x-n\" }}\nrefill = {{ {url} }}"),
            "`position_at` is needed",
        ),
        (
            format!(
                "position = {{ sequence = \"header:x-n\" }}\nrefill = {{ {url}, body_at = \"body:/b\" }}"
            ),
            "`position_at` is needed",
        ),
        (
            format!(
                "position = {{ sequence = \"query:n\" }}\nrefill = {{ {url}, headers_at = \"body:/h\" }}"
            ),
            "`position_at` is needed",
        ),
        (format!("{COUNTED}\nrefill = {{ {url}, headers_at = \"header:x\" }}"), "body:/pointer"),
        (format!("{COUNTED}\nrefill = {{ {url}, token = \"env:A\" }}"), "one of `headers`"),
    ];
    for (lines, why) in cases {
        let findings = check(&source(&lines)).expect_err(&lines);
        assert!(findings.iter().any(|finding| finding.contains(why)), "{lines}: {findings:?}");
    }
}

#[test]
fn refill_may_come_and_go_without_another_reading_of_history() {
    let refill = "refill = { url = \"https://api.example/{key}?from={from}\" }";
    let plan = |lines: &str| {
        let checked = check(&source(lines)).unwrap();
        sprag::plan::plan(&checked.config, None).sources.remove(0)
    };
    let (without, with) = (plan(COUNTED), plan(&format!("{COUNTED}\n{refill}")));
    assert_eq!(without.identity, with.identity);
    assert_eq!(without.settings.hold_wait, Duration::from_secs(5));
    assert_eq!(with.settings.hold_wait, Duration::from_secs(60));
    let written = plan(&format!("{COUNTED}\nstrict_first = false\n{refill}"));
    assert_eq!(written.identity, without.identity);
    assert_eq!(written.settings.contract, without.settings.contract);
    assert_ne!(with.settings.contract, without.settings.contract, "its beginning is a gap");
}

/// A source whose events another Sprag sends, with these lines of `refill`.
fn of_sprag(lines: &str, refill: &str) -> String {
    format!(
        "[sources.s]\npreset = \"sprag\"\nverify = {{ secrets = [\"env:A\"] }}\n{lines}\nrefill = {{ {refill} }}\n"
    )
}

#[test]
fn another_sprag_is_asked_at_its_consumers_side_and_only_by_what_it_knows() {
    let side = "sprag = \"https://s.example/out/app\"";
    let whole = format!("{side}, token = \"env:T\"");
    for (lines, refill, why) in [
        ("", side, "`token` is missing"),
        ("", "sprag = \"https://s.example/app\", token = \"env:T\"", "consumers' side"),
        ("", "sprag = \"https://s.example/out/app?a\", token = \"env:T\"", "consumers' side"),
        ("", "sprag = \"https://s.example/out/app/events\", token = \"env:T\"", "consumers' side"),
        ("", "sprag = \"https://{key}/out/app\", token = \"env:T\"", "path and query"),
        ("", &format!("{whole}, url = \"https://s.example/{{key}}\""), "says it already"),
        ("", &format!("{whole}, body_at = \"body:/b\""), "says it already"),
        ("position = { sequence = \"header:x-n\" }", &whole, "header:sprag-sequence"),
        ("key = \"header:x-key\"", &whole, "header:sprag-key"),
        (
            "key = { join = [\"header:sprag-key\", \"header:sprag-source\"] }",
            &whole,
            "header:sprag-key",
        ),
        ("contract = \"latest\"", &whole, "only contract"),
    ] {
        let findings = check(&of_sprag(lines, refill)).expect_err(refill);
        assert!(
            findings.iter().any(|finding| finding.contains(why)),
            "{lines} {refill}: {findings:?}"
        );
    }
    let asked = |lines: &str| {
        let checked =
            check(&of_sprag(lines, &format!("{whole}, headers = {{ x-a = \"b\" }}"))).unwrap();
        let refill = checked.config.sources["s"].refill.clone().unwrap();
        let (name, value) = refill.headers.last().unwrap();
        let token = format!("Bearer whsec_A{SECRET}");
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", &*token));
        assert_eq!(refill.headers.len(), 2);
        let range = sprag_core::ranges::Range { from: 3, to: 5 };
        refill.template.fill("o/a%252Fb", range).unwrap()
    };
    assert_eq!(asked(""), "/out/app/events?source=o&key=a%252Fb&from=3&to=5&limit=500");
    let key = "key = \"header:sprag-key\"";
    assert_eq!(asked(key), "/out/app/events?key=o/a%252Fb&from=3&to=5&limit=500");
}

#[test]
fn another_sprag_may_be_asked_or_not_without_another_reading_of_history() {
    let plan = |text: &str| {
        let checked = check(text).unwrap();
        sprag::plan::plan(&checked.config, None).sources.remove(0)
    };
    let with = of_sprag("", "sprag = \"https://s.example/out/app\", token = \"env:T\"");
    let without = with.split("refill").next().unwrap();
    assert_eq!(plan(&with).identity, plan(without).identity);
}
