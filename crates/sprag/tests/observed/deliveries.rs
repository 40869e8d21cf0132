//! Destinations by their keys, with every fate of a lane.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::record::observed;
use super::scenario::{Delivery, Lane, answer_on, run_deliveries};
use super::server::{Server, post, problem, taken};
use crate::consumer::{Consumer, acknowledge};
use crate::proof::{hmac_of, signed_texts};
use crate::wire::{Connection, until};

const OK: &str = "204 No Content";
const FAILURE: &str = "500 Internal Server Error";

const ALL: &[Delivery] = &[
    Delivery {
        shows: &["from", "url", "secrets", "headers", "headers.*", "forward"],
        lines: "url = \"http://127.0.0.1:PORT/hooks?a=b\"\nsecrets = [\"env:B\", \"env:A\"]\n\
                forward = [\"x-trace\"]\nheaders = { x-from = \"env:B\" }",
        act: |lane| {
            lane.post_with("a", "x-type: order.made\r\nx-trace: 7\r\nx-other: 8\r\n");
            let delivery = lane.answer(OK);
            assert!(delivery.start.starts_with("POST /hooks?a=b "), "{delivery:?}");
            let signed = signed_texts(&delivery).0;
            let both = format!("{} {}", hmac_of('B', &signed), hmac_of('A', &signed));
            assert_eq!(delivery.header("webhook-signature"), both);
            let headers =
                ["x-trace", "x-other", "x-from"].map(|name| delivery.header(name).to_owned());
            assert_eq!(headers[..2], ["7", ""]);
            assert!(headers[2].starts_with("whsec_B"), "{headers:?}");
            lane.fares("a:1", "delivered");
        },
    },
    Delivery {
        shows: &[],
        lines: "",
        act: |lane| {
            lane.post("a");
            lane.post("a");
            let (mut connection, _) = lane.consumer.delivery();
            lane.fares("a:1", "in-flight");
            lane.fares("a:2", "pending");
            acknowledge(&mut connection);
            lane.fares("a:1", "delivered");
        },
    },
    Delivery {
        shows: &["allow"],
        lines: "allow = [\"10.0.0.0/8\", \"127.0.0.0/8\"]",
        act: |lane| {
            lane.post("a");
            lane.answer(OK);
            lane.fares("a:1", "delivered");
        },
    },
    Delivery {
        shows: &[],
        // Another way to write 127.0.0.1, which the resolver knows.
        lines: "url = \"http://127.1:PORT/\"\nallow = [\"10.0.0.0/8\"]",
        act: |lane| {
            lane.post("a");
            lane.until("a:1", "a refused address", |lane| {
                lane["attempts"][0]["outcome"] == "address-not-allowed"
            });
            assert!(lane.consumer.is_alone());
        },
    },
    Delivery {
        shows: &["types"],
        lines: "types = [\"order.*\"]",
        act: |lane| {
            lane.post_with("a", "x-type: user.made\r\n");
            lane.post("a");
            assert_eq!(lane.answer(OK).header("sprag-sequence"), "2");
            lane.fares("a:1", "filtered");
            lane.fares("a:2", "delivered");
        },
    },
    Delivery {
        shows: &["http"],
        lines: "http = \"2\"",
        act: |lane| {
            lane.post("a");
            let mut preface = [0; 14];
            lane.consumer.stream().read_exact(&mut preface).unwrap();
            assert_eq!(&preface, b"PRI * HTTP/2.0");
        },
    },
    Delivery {
        shows: &["timeout"],
        lines: "timeout = \"1s\"",
        act: |lane| {
            lane.post("a");
            let (hung, _) = lane.consumer.delivery();
            lane.until("a:1", "an unanswered attempt", |lane| {
                lane["attempts"][0]["outcome"] == "unknown"
            });
            drop(hung);
        },
    },
    Delivery {
        shows: &["connect_timeout"],
        lines: "timeout = \"10m\"\nconnect_timeout = \"100ms\"",
        act: connecting_in_vain,
    },
    Delivery {
        shows: &["retry", "retry.first", "retry.cap"],
        // Doubling without such a cap, the last of these attempts would be hours away.
        lines: "retry = { first = \"10ms\", cap = \"20ms\" }",
        act: |lane| {
            lane.post("a");
            (0..24).for_each(|_| drop(lane.answer(FAILURE)));
            assert_eq!(lane.answer(OK).header("sprag-attempt"), "25");
            lane.fares("a:1", "delivered");
        },
    },
    Delivery {
        shows: &["retry.attempts"],
        lines: "retry = { first = \"10ms\", attempts = 2 }",
        act: |lane| {
            lane.post("a");
            (0..2).for_each(|_| drop(lane.answer(FAILURE)));
            // Where a lane stands is looked at before history is: the end may be told one look earlier.
            lane.until("a:1", "the end", |lane| {
                lane["attempts"][1]["consequence"] == "halted" && lane["status"] == "pending"
            });
        },
    },
    Delivery {
        shows: &["retry.for"],
        lines: "retry = { first = \"10ms\", cap = \"50ms\", for = \"1s\" }",
        act: |lane| {
            lane.post("a");
            until("it gives up", || {
                lane.answer_if_any(FAILURE);
                let shown = lane.server.show(&format!("/v1/events/{}:a:1", lane.name));
                let attempts = shown["fates"]["destinations"][0]["attempts"].as_array()?.clone();
                (attempts.last()?["consequence"] == "halted").then_some(())
            });
        },
    },
    Delivery {
        shows: &["on_give_up"],
        lines: "retry = { first = \"10ms\", attempts = 1 }\non_give_up = \"skip\"",
        act: skipping,
    },
    Delivery {
        shows: &["ack", "token"],
        lines: "ack = \"explicit\"\ntoken = \"env:B\"",
        act: |lane| {
            lane.post("a");
            lane.post("a");
            lane.refused_ack("event-not-waiting", "a:2");
            lane.answer("202 Accepted");
            lane.waits("a", "accepted event 1 with 202");
            lane.acknowledged("a:1");
            lane.fares("a:1", "delivered");
            lane.answer(OK);
            lane.fares("a:2", "delivered");
        },
    },
    Delivery {
        shows: &["ack_timeout"],
        lines: "ack = \"explicit\"\nack_timeout = \"1s\"\ntoken = \"env:B\"",
        act: |lane| {
            lane.post("a");
            lane.answer("202 Accepted");
            let again = lane.answer(OK);
            assert_eq!(again.header("sprag-redelivery"), "true");
            let found = lane.fares("a:1", "delivered");
            assert_eq!(found["attempts"][1]["outcome"], "not-acknowledged-in-time");
        },
    },
    Delivery {
        shows: &[],
        lines: "token = \"env:B\"",
        act: |lane| {
            lane.post("a");
            lane.answer(OK);
            lane.refused_ack("ack-not-explicit", "a:1");
        },
    },
    Delivery {
        shows: &["batch"],
        lines: "batch = 2",
        act: |lane| {
            lane.post("a");
            let first = lane.consumer.connection();
            (0..3).for_each(|_| lane.post("a"));
            answer_on(first, OK);
            let range = lane.answer(OK);
            assert_eq!((range.header("sprag-batch"), range.header("sprag-sequence")), ("2", "2-3"));
            lane.fares("a:3", "delivered");
        },
    },
    Delivery {
        shows: &["concurrency"],
        lines: "concurrency = 1\nslow_after = \"10m\"",
        act: |lane| {
            lane.post("a");
            let first = lane.consumer.connection();
            lane.post("b");
            lane.waits("b", "free slot");
            assert!(lane.consumer.is_alone());
            answer_on(first, OK);
            lane.answer(OK);
            lane.fares("b:1", "delivered");
        },
    },
    Delivery {
        shows: &["slow_after", "slow_concurrency"],
        lines: "concurrency = 1\nslow_concurrency = 1\nslow_after = \"50ms\"",
        act: |lane| {
            let slow = lane.sample("in_flight", ",pool=\"slow\"");
            lane.post("a");
            let first = lane.consumer.delivery();
            lane.server.until_counted(&slow, 1);
            // The first made room, and there is no more room for slow ones: one more may go.
            lane.post("b");
            let second = lane.consumer.delivery();
            lane.post("c");
            lane.waits("c", "free slot");
            assert_eq!(lane.server.counted(&slow), 1);
            assert!(lane.consumer.is_alone());
            drop((first, second));
        },
    },
    Delivery {
        shows: &["rate"],
        lines: "rate = \"1/h\"",
        act: |lane| {
            lane.post("a");
            lane.answer(OK);
            lane.fares("a:1", "delivered");
            // No attempt is under way, and still the next one has to wait.
            lane.post("b");
            lane.waits("b", "the destination's rate");
            assert!(lane.consumer.is_alone());
        },
    },
    Delivery {
        shows: &["key_rate"],
        lines: "key_rate = \"1/h\"",
        act: |lane| {
            lane.post("a");
            lane.answer(OK);
            lane.post("a");
            lane.waits("a", "Its rate is used up");
            lane.post("b");
            lane.answer(OK);
            lane.fares("b:1", "delivered");
        },
    },
];

/// Fills the queue of connections that nobody has taken.
fn filled(consumer: &Consumer) -> Vec<TcpStream> {
    rustix::net::listen(&consumer.0, 0).unwrap();
    let address = consumer.0.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200));
    std::iter::repeat_with(connect).map_while(Result::ok).collect()
}

/// A listener that takes nobody: its queue is full, so the machine answers no further connection.
fn connecting_in_vain(lane: &Lane<'_>) {
    let waiting = filled(&lane.consumer);
    lane.post("a");
    let outcome =
        lane.until("a:1", "an unreachable consumer", |lane| lane["attempts"][0].is_object());
    assert_eq!(outcome["attempts"][0]["outcome"], "unreachable");
    drop(waiting);
}

/// The dead letter is passed by the lane, and may be sent again only out of order.
fn skipping(lane: &Lane<'_>) {
    lane.post("a");
    lane.post("a");
    lane.answer(FAILURE);
    lane.answer(OK);
    lane.fares("a:1", "dead");
    lane.fares("a:2", "delivered");
    let redrive = |sequence: Option<u64>| {
        let mut command = json!({"source": lane.name, "key": "a", "destination": lane.name});
        if let Some(sequence) = sequence {
            command["sequence"] = json!(sequence);
            command["out_of_order"] = json!(true);
        }
        lane.server.admin("POST", "/v1/dead-letters/redrive", &command.to_string())
    };
    problem(&redrive(None), "lane-not-stopped");
    problem(&redrive(Some(2)), "not-a-dead-letter");
    until("it is listed", || (redrive(Some(1)).status() == 200).then_some(()));
    problem(&redrive(Some(1)), "already-redriven");
    assert_eq!(lane.answer(OK).header("sprag-out-of-order"), "true");
    lane.fares("a:1", "delivered");
    too_many_redriven(lane);
}

/// As many as a lane allows are on their way, and one more is not.
fn too_many_redriven(lane: &Lane<'_>) {
    const ALLOWED: u64 = 32;
    (0..=ALLOWED).for_each(|_| lane.post("many"));
    (0..=ALLOWED).for_each(|_| drop(lane.answer(FAILURE)));
    lane.server.command(&format!("/v1/destinations/{}/pause", lane.name), &Value::Null);
    let redrive = |sequence: u64| {
        let command = json!({"source": lane.name, "key": "many", "destination": lane.name,
            "sequence": sequence, "out_of_order": true});
        lane.server.admin("POST", "/v1/dead-letters/redrive", &command.to_string())
    };
    for sequence in 1..=ALLOWED {
        until("it is listed", || (redrive(sequence).status() == 200).then_some(()));
    }
    let refused = until("the last is listed", || {
        Some(redrive(ALLOWED + 1))
            .filter(|answer| !answer.body.windows(8).any(|at| at == b"not-a-de"))
    });
    problem(&refused, "too-many-redriven");
}

#[test]
fn deliveries() {
    run_deliveries(ALL);
}

/// An authority of the test's own, as a `ca` file, and a server with a certificate by it.
fn authority(file: &std::path::Path) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    std::fs::write(file, authority.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let server = builder.unwrap().with_no_client_auth();
    Arc::new(server.with_single_cert(vec![certificate.der().clone()], key.into()).unwrap())
}

#[test]
fn ca() {
    let (consumer, directory) = (Consumer::listen(), tempfile::tempdir().unwrap());
    let file = directory.path().join("ca.pem");
    let tls = authority(&file);
    let server = Server::start(&format!(
        "[sources.a]\nverify = {{ scheme = \"none\" }}\nid = \"none\"\nkey = \"const:a\"\ncontract = \"arrival\"\n\
         [destinations.a]\nfrom = [\"a\"]\nurl = \"https://localhost:{}/\"\nsecrets = [\"env:A\"]\n\
         allow = [\"127.0.0.0/8\", \"::1/128\"]\nca = {file:?}\n",
        consumer.port()
    ));
    taken(&server.ask(&post("/in/a", "", "{}")), "released");
    let session = ServerConnection::new(tls).unwrap();
    let mut connection = Connection::new(StreamOwned::new(session, consumer.connection().stream));
    assert_eq!(connection.message().expect("a delivery").body, b"{}");
    connection.send(b"HTTP/1.1 204 No Content\r\n\r\n");
    observed("key", "destinations.*.ca");
}

/// A newer event takes the place of an older one that waits.
#[test]
fn coalesce() {
    let consumer = Consumer::listen();
    let server = Server::start(&format!(
        "[sources.a]\nverify = {{ scheme = \"none\" }}\nid = \"none\"\nkey = \"const:k\"\ncontract = \"latest\"\n\
         position = {{ version = \"body:/n\" }}\ncoalesce = true\n\
         [destinations.a]\nfrom = [\"a\"]\nurl = \"http://127.0.0.1:{}/\"\nsecrets = [\"env:A\"]\nallow = [\"127.0.0.0/8\"]\n",
        consumer.port()
    ));
    let release = |number: u64| {
        taken(&server.ask(&post("/in/a", "", &format!("{{\"n\":{number}}}"))), "released");
    };
    release(1);
    let (mut first, _) = consumer.delivery();
    release(2);
    release(3);
    acknowledge(&mut first);
    let last = first.message().or_else(|| consumer.connection().message());
    assert_eq!(last.expect("a delivery").header("sprag-sequence"), "3");
    let skipped = |event: &Value| event["fates"]["destinations"][0]["status"] == "skipped";
    server.until("/v1/events/a:k:2", "skipped", skipped);
    observed("fate", "skipped");
    observed("key", "sources.*.coalesce");
}

/// No event of an unordered source waits for another of its key.
#[test]
fn unordered() {
    let consumer = Consumer::listen();
    let server = Server::start(&format!(
        "[sources.a]\nverify = {{ scheme = \"none\" }}\nid = \"none\"\nkey = \"const:k\"\ncontract = \"unordered\"\n\
         [destinations.a]\nfrom = [\"a\"]\nurl = \"http://127.0.0.1:{}/\"\nsecrets = [\"env:A\"]\nallow = [\"127.0.0.0/8\"]\n",
        consumer.port()
    ));
    let fares = |sequence: u64, status: &str| {
        let is = |event: &Value| event["fates"]["destinations"][0]["status"] == status;
        server.until(&format!("/v1/events/a:k:{sequence}"), status, is);
        observed("fate", status);
    };
    taken(&server.ask(&post("/in/a", "", "{\"n\":1}")), "released");
    let (mut first, slow) = consumer.delivery();
    taken(&server.ask(&post("/in/a", "", "{\"n\":2}")), "released");
    let (mut second, other) = consumer.delivery();
    let numbers = [&slow, &other].map(|delivery| delivery.header("sprag-sequence").to_owned());
    assert_eq!(numbers, ["1", "2"]);
    for delivery in [&slow, &other] {
        assert_eq!(delivery.header("sprag-out-of-order"), "true");
        assert_eq!(delivery.header("sprag-previous-sequence"), "");
    }
    acknowledge(&mut second);
    fares(2, "delivered");
    fares(1, "in-flight");
    acknowledge(&mut first);
    fares(1, "delivered");
    observed("key", "sources.*.contract");
}
