//! One event is followed through a running gateway; its steps are those ARCHITECTURE.md prints.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking; helpers are part of it")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

/// Notes the names of the spans of an event's life, in their order.
#[derive(Clone, Default)]
struct Steps(Arc<Mutex<Vec<&'static str>>>);

impl<S: tracing::Subscriber> Layer<S> for Steps {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().target() == sprag::life::TARGET {
            self.0.lock().unwrap().push(attributes.metadata().name());
        }
    }
}

/// The names printed between the marks of ARCHITECTURE.md.
fn printed() -> Vec<String> {
    let page = include_str!("../../../ARCHITECTURE.md");
    let (_, list) = page.split_once("<!-- life -->").unwrap();
    let (list, _) = list.split_once("<!-- /life -->").unwrap();
    let lines = list.lines().filter_map(|line| line.split('`').nth(1));
    lines.map(str::to_owned).collect()
}

/// Answers every request with 204.
async fn consume(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut buffer = [0; 8192];
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        });
    }
}

fn configuration(data: &std::path::Path, consumer: u16) -> sprag::config::Config {
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
data = {data:?}
[sources.shop]
verify = {{ scheme = "none" }}
id = "none"
key = "body:/order"
position = {{ sequence = "body:/number" }}
contract = "fifo"
[destinations.app]
from = ["shop"]
url = "http://127.0.0.1:{consumer}/"
secrets = ["env:SECRET"]
allow = ["127.0.0.0/8"]
"#
    );
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let resolve = |_: &sprag::config::SecretReference| Ok(sprag::secret::Secret::from(secret));
    sprag::config::check(&text, "life.toml", &resolve).unwrap().config
}

async fn post(address: std::net::SocketAddr, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST /in/shop HTTP/1.1\r\nhost: sprag\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn life_of_an_event() {
    let steps = Steps::default();
    // Global, for the steps are taken on several threads; this binary has this test only.
    let subscriber = registry().with(steps.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let data = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let consumer = listener.local_addr().unwrap().port();
        tokio::spawn(consume(listener));
        let gateway = sprag::serve::start(configuration(data.path(), consumer)).await.unwrap();
        // The claims of the partitions are appended before; a command is answered after them.
        gateway.node().store().await;
        let expected = printed();
        steps.0.lock().unwrap().clear();
        let answer = post(gateway.listen, r#"{"order":"a","number":1}"#).await;
        assert!(answer.contains(r#""status":"released""#), "{answer}");
        for _ in 0..2_000 {
            if steps.0.lock().unwrap().len() >= expected.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let taken = steps.0.lock().unwrap().clone();
        assert_eq!(taken, expected, "the steps that were taken, and those ARCHITECTURE.md prints");
        gateway.stop().await;
    });
}
