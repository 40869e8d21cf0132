//! `GET /out/{destination}/events` over real connections: what entered a lane is told page by page, in the
//! envelopes of batches, and of everything else why it is not there.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[path = "wire/post.rs"]
mod post;
#[expect(dead_code, reason = "other tests need more of it")]
#[path = "wire/server.rs"]
mod server;
#[expect(dead_code, reason = "other tests need more of it")]
mod wire;

use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use server::{Reply, Server};
use wire::{Connection, Gateway, Message, SECRET, until};

const LIMITS: &str = "disk_reserve = \"1MiB\"";

/// Two sources, and destinations that take some of them; `app` takes no secrets.
fn sections(consumer: &Server) -> String {
    format!(
        r#"
[retention]
bodies = "1s"
[sources.orders]
verify = {{ scheme = "none" }}
id = "header:x-id"
key = {{ join = ["header:x-shop", "header:x-order"] }}
type = "header:x-type"
contract = "arrival"
dedupe = "1s"
[sources.others]
verify = {{ scheme = "none" }}
id = "none"
key = "header:x-order"
contract = "arrival"
dedupe = "1s"
[destinations.app]
from = ["orders"]
url = "{url}/app"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
types = ["order.*"]
forward = ["x-shop"]
token = "env:T"
[destinations.both]
from = ["orders", "others"]
url = "{url}/both"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
token = "env:U"
[destinations.closed]
from = ["orders"]
url = "{url}/closed"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
        url = consumer.url()
    )
}

/// Takes everything but what has `drop` in its body; orders are not delivered to `both`, so that all waits.
fn consumer() -> Server {
    Server::start(|request| match request {
        one if one.start.contains("/both") && one.header("sprag-source") == "orders" => {
            Reply::status(503)
        }
        one if one.body.starts_with(b"drop") => {
            Reply::Answer(200, "sprag-drop: not for me\r\n".to_owned(), Vec::new())
        }
        _ => Reply::status(204),
    })
}

struct World {
    consumer: Server,
    gateway: Gateway,
}

impl World {
    fn start() -> Self {
        let consumer = consumer();
        let gateway = Gateway::start(LIMITS, &sections(&consumer));
        Self { consumer, gateway }
    }

    /// An event of the shop `a/b`.
    fn post(&self, order: &str, id: &str, event_type: &str, body: &[u8]) {
        let length = body.len();
        let head = format!(
            "POST /in/orders HTTP/1.1\r\nhost: sprag\r\ncontent-type: text/x-test\r\nx-id: {id}\r\n\
             x-shop: a/b\r\nx-order: {order}\r\nx-type: {event_type}\r\ncontent-length: {length}\r\n\r\n"
        );
        let answer = self.gateway.ask(&[head.as_bytes(), body].concat());
        assert_eq!(answer.status(), 200, "{answer:?}");
    }

    fn get(&self, target: &str, token: &str) -> (u16, Value) {
        let head = format!("host: sprag\r\nauthorization: Bearer whsec_{token}{SECRET}");
        let answer =
            self.gateway.ask(format!("GET {target} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes());
        let document = serde_json::from_slice(&answer.body);
        (answer.status(), document.unwrap_or_else(|_| panic!("{answer:?}")))
    }

    /// A page of `app` for an order of that shop.
    fn page(&self, order: &str, query: &str) -> Value {
        let target = format!("/out/app/events?key=a%252Fb/{order}{query}");
        let (status, page) = self.get(&target, "T");
        assert_eq!(status, 200, "{page}");
        page
    }

    /// What was delivered to `app` of an order, once there is so much of it.
    fn delivered(&self, order: &str, count: usize) -> Vec<Message> {
        until(&format!("{count} of {order} are delivered"), || {
            let mut all = self.consumer.requests();
            all.retain(|request| {
                request.start.contains("/app")
                    && request.header("sprag-key") == format!("a%2Fb/{order}")
            });
            (all.len() >= count).then_some(all)
        })
    }
}

fn sequences(page: &Value) -> Vec<u64> {
    let sequence = |event: &Value| event["headers"]["sprag-sequence"].as_str().unwrap().parse();
    page["events"].as_array().unwrap().iter().map(|event| sequence(event).unwrap()).collect()
}

/// Headers that only an attempt has, and its signatures.
const OF_ATTEMPTS: [&str; 7] = [
    "sprag-attempt",
    "sprag-epoch",
    "sprag-previous-sequence",
    "sprag-redelivery",
    "sprag-signature",
    "webhook-signature",
    "webhook-timestamp",
];

#[test]
fn what_was_delivered_is_told_as_it_was() {
    let world = World::start();
    let bodies: [&[u8]; 3] =
        [b"{ \"a\":\t1e0 }\n", b"\xff\0\"", "\u{e9}\u{1f600}\\u0041".as_bytes()];
    for (number, body) in (1..).zip(bodies) {
        world.post("1", &format!("i{number}"), "order.paid", body);
    }
    let delivered = world.delivered("1", 3);
    let page = world.page("1", "");
    assert_eq!(sequences(&page), [1, 2, 3]);
    let [from, through, tail] = ["from", "through", "tail"].map(|name| page[name].clone());
    assert_eq!((from, through, tail), (json!(1), json!(3), json!(3)));
    assert_eq!((&page["source"], &page["key"]), (&json!("orders"), &json!("a%2Fb/1")));
    assert_eq!((&page["next"], &page["omitted"]), (&Value::Null, &json!([])));
    for (event, delivery) in page["events"].as_array().unwrap().iter().zip(&delivered) {
        let body = match event["body_base64"].as_str() {
            Some(coded) => BASE64.decode(coded.as_bytes()).unwrap(),
            None => event["body"].as_str().unwrap().as_bytes().to_vec(),
        };
        assert_eq!(body, delivery.body);
        let mut told = event["headers"].as_object().unwrap().clone();
        let is_of_event = |name: &str| {
            let ours = name.starts_with("sprag-") || name.starts_with("webhook-");
            (ours && !OF_ATTEMPTS.contains(&name)) || ["content-type", "x-shop"].contains(&name)
        };
        for (name, value) in delivery.headers.iter().filter(|(name, _)| is_of_event(name)) {
            assert_eq!(told.remove(name), Some(json!(value)), "{name}");
        }
        assert!(told.is_empty(), "nothing besides: {told:?}");
    }
    assert!(page["events"][1]["body"].is_null(), "what is no text is no text here either");
}

#[test]
fn pages_follow_one_another_and_end_at_the_newest() {
    let world = World::start();
    for number in 1..=7 {
        world.post("1", &format!("i{number}"), "order.paid", b"body");
    }
    let mut query = "&from=2&to=6&limit=2".to_owned();
    let mut all = Vec::new();
    let mut pages = 0;
    loop {
        let page = world.page("1", &query);
        all.extend(sequences(&page));
        pages += 1;
        assert_eq!(page["tail"], 7);
        let Some(next) = page["next"].as_str() else { break };
        // Relative to the page: it leads to the same path.
        let next = next.strip_prefix("?source=orders&key=a%252Fb%2F1").expect("the same key");
        next.clone_into(&mut query);
    }
    assert_eq!((all, pages), (vec![2, 3, 4, 5, 6], 3));
    assert_eq!(sequences(&world.page("1", "&after=5")), [6, 7]);
    for beyond in ["&after=7", "&from=8", "&from=90&to=95", "&after=18446744073709551615"] {
        let page = world.page("1", beyond);
        assert_eq!((sequences(&page), &page["next"]), (vec![], &Value::Null), "{beyond}");
        assert_eq!((&page["omitted"], &page["tail"]), (&json!([]), &json!(7)));
    }
    world.post("1", "i8", "order.paid", b"body");
    assert_eq!(sequences(&world.page("1", "&after=7")), [8], "what is committed is told");
}

#[test]
fn of_what_is_not_there_it_says_why() {
    let world = World::start();
    let posted = [
        ("order.paid", "body"),
        ("cart.left", "x"),
        ("cart.left", "x"),
        ("order.paid", "drop"),
        ("order.paid", "body"),
    ];
    for (number, (event_type, body)) in (1..).zip(posted) {
        world.post("1", &format!("i{number}"), event_type, body.as_bytes());
    }
    world.delivered("1", 3);
    let omitted =
        |from: u64, to: u64, reason: &str| json!({"from": from, "to": to, "reason": reason});
    let page = until("the fourth is a dead letter", || {
        Some(world.page("1", "")).filter(|page| sequences(page) == [1, 5])
    });
    assert_eq!(page["omitted"], json!([omitted(2, 3, "filtered"), omitted(4, 4, "dead")]));
    assert_eq!(page["through"], 5);
    // Its other destination has them all, for none is delivered there.
    let (status, page) = world.get("/out/both/events?source=orders&key=a%252Fb/1", "U");
    assert_eq!((status, sequences(&page)), (200, vec![1, 2, 3, 4, 5]));
    // Bodies go with `retention.bodies`, once nothing waits for them.
    world.post("2", "i9", "cart.left", b"x");
    let (_, page) = world.get("/out/both/events?source=orders&key=a%252Fb/2", "U");
    assert_eq!(sequences(&page), [1], "what waits is kept");
}

#[test]
fn bodies_that_are_kept_no_longer_are_gone() {
    let world = World::start();
    let post = |number: u32| {
        let head = "host: sprag\r\nx-order: 7\r\ncontent-length: 1";
        let request = format!("POST /in/others HTTP/1.1\r\n{head}\r\n\r\n{number}");
        assert_eq!(world.gateway.ask(request.as_bytes()).status(), 200);
    };
    let page = || world.get("/out/both/events?source=others&key=7", "U").1;
    let mut posted = 0;
    // Delivered, and older than `retention.bodies` allows; meanwhile others come.
    let page = until("bodies are gone", || {
        posted += 1;
        post(posted);
        std::thread::sleep(Duration::from_millis(300));
        Some(page()).filter(|page| page["omitted"] != json!([]))
    });
    let through = page["omitted"][0]["to"].as_u64().unwrap();
    assert_eq!(page["omitted"], json!([{"from": 1, "to": through, "reason": "gone"}]));
    let kept: Vec<u64> = (through + 1..=posted.into()).collect();
    assert_eq!((sequences(&page), &page["through"]), (kept, &json!(posted)));
    assert_eq!(page["next"], Value::Null);
}

#[test]
fn who_may_not_ask_or_asks_for_nothing_is_told() {
    let world = World::start();
    world.post("1", "i1", "order.paid", b"body");
    let key = "key=a%252Fb/1";
    for (target, token, status, code) in [
        (format!("/out/app/events?{key}"), "U", 401, "token-mismatch"),
        (format!("/out/closed/events?{key}"), "T", 401, "token-mismatch"),
        (format!("/out/nobody/events?{key}"), "T", 404, "unknown-destination"),
        ("/out/app/events?key=a%252Fb/2".to_owned(), "T", 404, "unknown-key"),
        (format!("/out/app/events?key={}", "x".repeat(300)), "T", 404, "unknown-key"),
        (format!("/out/app/events?{key}&source=others"), "T", 404, "unknown-source"),
        (format!("/out/app/event?{key}"), "T", 404, "unknown-path"),
        ("/out/app/events".to_owned(), "T", 400, "invalid-parameter"),
        (format!("/out/both/events?{key}"), "U", 400, "invalid-parameter"),
        (format!("/out/app/events?{key}&form=3"), "T", 400, "invalid-parameter"),
        (format!("/out/app/events?{key}&from=-1"), "T", 400, "invalid-parameter"),
        (format!("/out/app/events?{key}&from=1&from=2"), "T", 400, "invalid-parameter"),
        (format!("/out/app/events?{key}&from=1&after=2"), "T", 400, "invalid-parameter"),
        (format!("/out/app/events?{key}&from=5&to=4"), "T", 400, "invalid-parameter"),
        (format!("/out/app/events?{key}&limit=0"), "T", 400, "invalid-parameter"),
        (format!("/out/app/events?{key}&limit=501"), "T", 400, "invalid-parameter"),
        (format!("/out/app/events?{key}&to=%ff"), "T", 400, "invalid-parameter"),
    ] {
        let (given, problem) = world.get(&target, token);
        assert_eq!((given, &problem["code"]), (status, &json!(code)), "{target}: {problem}");
    }
    let answer = world.gateway.ask(&post::post(
        &format!("/out/app/events?{key}"),
        &format!("authorization: Bearer whsec_T{SECRET}\r\n"),
        "{}",
    ));
    assert_eq!((answer.status(), answer.header("allow")), (405, "GET"));
}

/// Who asks and does not read holds up itself.
#[test]
fn pages_that_nobody_reads_are_bounded() {
    let world = World::start();
    // As JSON six times as long: more than what any connection holds.
    world.post("1", "i1", "order.paid", &vec![1; 1 << 20]);
    for number in 2..=6 {
        world.post("1", &format!("i{number}"), "order.paid", &vec![b'x'; 900 << 10]);
    }
    let head = format!("host: sprag\r\nauthorization: Bearer whsec_T{SECRET}");
    let request = format!("GET /out/app/events?key=a%252Fb/1 HTTP/1.1\r\n{head}\r\n\r\n");
    let open = || {
        let mut connection = Connection::to(world.gateway.listen());
        connection.send(request.as_bytes());
        let head = connection.head().unwrap();
        assert_eq!(head.status(), 200);
        (connection, head)
    };
    let mut unread: Vec<_> = (0..4).map(|_| open()).collect();
    let again = || world.get("/out/app/events?key=a%252Fb/1&from=2", "T");
    let (status, problem) = again();
    assert_eq!((status, &problem["code"]), (429, &json!("too-many-reads")));
    // Others are not affected, and events come in.
    let of_both = "/out/both/events?source=orders&key=a%252Fb/1&from=2&limit=1";
    assert_eq!(world.get(of_both, "U").0, 200);
    world.post("1", "i7", "order.paid", b"x");
    let (mut connection, head) = unread.pop().unwrap();
    let page = connection.body(head).unwrap();
    let page: Value = serde_json::from_slice(&page.body).unwrap();
    assert_eq!((sequences(&page), &page["through"]), (vec![1], &json!(1)));
    assert!(page["next"].as_str().unwrap().contains("from=2"));
    // One is read, so there is room for another: as much as a page holds.
    let page = until("there is room", || Some(again()).filter(|(status, _)| *status == 200)).1;
    assert_eq!((sequences(&page), &page["through"]), (vec![2, 3, 4, 5], &json!(5)));
    assert!(page["next"].as_str().unwrap().contains("from=6"));
}
