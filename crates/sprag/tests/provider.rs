//! A provider's requests are what its source reads, and are tried again until they are taken.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use http::HeaderMap;
use sprag::clock::Clock;
use sprag::config::{self, Source};
use sprag::extract::{Extracted, ExtractedPosition, Extraction, Received};
use sprag::provider::{self, Answer, Idle, Listener, Post, Run, Shape, ShapeProblem, Target};
use sprag::secret::Secret;
use sprag::verify::{Signed, Verified};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const NOW_US: i64 = 1_700_000_000_000_000;

/// A source with these lines and a destination it needs.
fn source(lines: &str) -> Source {
    let text = format!(
        "[sources.s]\n{lines}\n[destinations.d]\nfrom = [\"s\"]\nurl = \"http://app.example/\"\n\
         secrets = [\"env:A\"]\n"
    );
    let secret = Secret::from("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    let checked = config::check(&text, "test.toml", &|_| Ok(secret.clone()));
    checked.unwrap_or_else(|findings| panic!("{findings:?}")).config.sources["s"].clone()
}

const STANDARD: &str = r#"verify = { scheme = "standard-webhooks", secrets = ["env:A"] }"#;

fn read(source: &Source, post: &Post) -> Extracted {
    let headers: HeaderMap = post.headers.iter().cloned().collect();
    let digest = [7; 32];
    let received =
        Received { headers: &headers, query: &post.query, body: &post.body, digest: &digest };
    match source.extractor().unwrap().extract(received).unwrap() {
        Extraction::Event(event) => event,
        ignored @ Extraction::Ignored { .. } => panic!("{ignored:?}"),
    }
}

#[test]
fn every_value_is_where_its_rule_looks_for_it() {
    let everywhere = [
        r#"id = "header:x-id"
           key = "body:/data/object/customer"
           type = "body:/type"
           position = { sequence = "body:/data/sequence" }"#,
        r#"id = "query:id"
           key = { join = ["form:account", "const:eu", "form:customer"] }
           type = "header:x-type"
           position = { sequence = "form:n" }"#,
        r#"id = "sha256"
           type = "body:/type"
           key = [{ type = "invoice.*", at = "body:/invoice" },
                  { type = "customer.*", at = "body:/customers/0/id" }]
           position = { sequence = "header:x-sequence" }"#,
    ];
    for rules in everywhere {
        let source = source(&format!("{STANDARD}\n{rules}\nfirst = 5"));
        let shape = Shape::new(&source, "customer.updated").unwrap();
        assert_eq!(shape.first(), 5);
        let event = read(&source, &shape.event("cus_1", 42));
        assert!(event.key == "cus_1" || event.key == "cus_1/eu/cus_1", "{event:?}");
        assert_eq!(event.event_type, "customer.updated");
        assert_eq!(event.position, ExtractedPosition::Sequence(42));
        let other = read(&source, &shape.event("cus_1", 43));
        assert!(event.id != other.id || rules.contains("sha256"));
    }
}

/// Status callbacks have their state where their type is: what is sent goes the way of the table.
#[test]
fn a_state_may_be_the_type() {
    let table =
        r#"states = { initial = ["queued"], allow = { queued = ["sent"], sent = ["delivered"] } }"#;
    for at in ["form:MessageStatus", "body:/status"] {
        let key = at.replace("MessageStatus", "MessageSid").replace("status", "sid");
        let rules = format!(
            "id = \"header:x-id\"\nkey = \"{key}\"\ntype = \"{at}\"\nposition = {{ state = \"{at}\" }}\n\
             contract = \"states\"\n{table}"
        );
        let source = source(&format!("{STANDARD}\n{rules}"));
        let shape = Shape::new(&source, "customer.updated").unwrap();
        let states: Vec<_> =
            (1..=4).map(|number| read(&source, &shape.event("m", number)).event_type).collect();
        assert_eq!(states, ["queued", "sent", "delivered", "delivered"]);
    }
}

/// Each made event begins where the one before it ended, the first at nothing.
#[test]
fn links_are_joined() {
    let source = source(&format!(
        "{STANDARD}\nid = \"sha256\"\nkey = \"body:/k\"\n\
         position = {{ link = {{ before = \"header:x-b\", after = \"body:/a\", forced = \"body:/f\" }} }}"
    ));
    let shape = Shape::new(&source, "").unwrap();
    let links: Vec<_> = (1..=3)
        .map(|number| match read(&source, &shape.event("m", number)).position {
            ExtractedPosition::Link(link) => link,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(links[0].begins() && links.windows(2).all(|two| two[0].after == two[1].before));
}

#[test]
fn a_type_that_is_not_accepted_is_told() {
    let source = source(&format!(
        "{STANDARD}\nid = \"sha256\"\nkey = \"body:/k\"\ntype = \"body:/type\"\n\
         accept = [\"invoice.*\"]\nposition = {{ sequence = \"body:/n\" }}"
    ));
    let refused = Shape::new(&source, "customer.updated").unwrap_err();
    assert_eq!(refused, ShapeProblem::NotAccepted("customer.updated".into()));
    assert!(Shape::new(&source, "invoice.paid").is_ok());
}

#[test]
fn a_body_of_a_file_is_sent_as_it_is_with_the_headers_its_source_needs() {
    let source = source(
        r#"verify = { scheme = "hmac", secrets = ["env:A"], header = "x-signature", signed = "{sequence}.{body}", sequence = "header:x-sequence" }
           id = "header:x-id"
           key = "body:/k"
           position = { sequence = "header:x-sequence" }"#,
    );
    let shape = Shape::of_rules(&source, "").unwrap();
    let body = "{\"k\": \"a\"  }";
    let (one, same) = (shape.wrapped(body.into(), 7), shape.wrapped(body.into(), 7));
    assert_eq!((&one, &one.body[..]), (&same, body.as_bytes()));
    assert_eq!(read(&source, &one).position, ExtractedPosition::Sequence(7));
    let signed = Signed { id: &one.id, at_us: NOW_US, sequence: one.sequence, query: "" };
    let signature = source.signer().unwrap().sign(signed, &one.body).unwrap();
    let headers = one.headers.iter().filter(|(name, _)| name != "x-sequence").cloned();
    let headers: HeaderMap = headers.chain(signature).collect();
    let verified = source.verifier().unwrap().verify(NOW_US, &headers, "", &one.body);
    assert_eq!(verified, Ok(Verified::InTime));
}

/// Answers each connection's requests with the next of these, `None` closes it.
async fn gateway(answers: Vec<Option<&'static str>>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/in/s", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                let Some(answer) = answers.next().flatten() else { break };
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    Target::parse(&url).unwrap()
}

const RELEASED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{\"status\":\"released\"}";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n";
const REFUSED: &str =
    "HTTP/1.1 401 No\r\ncontent-length: 29\r\n\r\n{\"code\":\"signature-mismatch\"}";

fn run_of<L>(target: Target, count: usize, listener: L) -> Run<L> {
    let source = source(&format!(
        "{STANDARD}\nid = \"header:webhook-id\"\nkey = \"body:/k\"\n\
         position = {{ sequence = \"body:/n\" }}"
    ));
    let shape = Shape::new(&source, "").unwrap();
    Run {
        target,
        signer: source.signer().unwrap(),
        count,
        supply: Box::new(move |at| shape.event("a", at as u64 + 1)),
        concurrency: 1,
        clock: Clock::start(),
        listener,
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_is_final_is_not() {
    let answers = vec![Some(BUSY), None, Some(RELEASED), Some(REFUSED), Some(RELEASED)];
    let tally = provider::run(run_of(gateway(answers).await, 3, Idle)).await;
    assert_eq!((tally.sent, tally.acknowledged, tally.retries), (3, 2, 2), "{tally}");
    assert_eq!(tally.of("released"), 2);
    assert_eq!(tally.failures["401 signature-mismatch"], 1);
}

/// Writes down what it hears.
struct Notes(Arc<Mutex<Vec<String>>>);

impl Listener for Notes {
    fn leaves(&self, at: usize) {
        self.0.lock().unwrap().push(format!("{at} leaves"));
    }

    fn answered(&self, at: usize, answer: &Answer) {
        self.0.lock().unwrap().push(format!("{at} {answer:?}"));
    }
}

#[tokio::test]
async fn one_connection_keeps_the_order_of_the_list() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let target = gateway(vec![Some(RELEASED), Some(RELEASED)]).await;
    provider::run(run_of(target, 2, Notes(heard.clone()))).await;
    let released = r#"Acknowledged("released")"#;
    let expected =
        ["0 leaves".into(), format!("0 {released}"), "1 leaves".into(), format!("1 {released}")];
    assert_eq!(*heard.lock().unwrap(), expected);
}
