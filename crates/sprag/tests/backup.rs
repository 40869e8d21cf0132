//! Backups of a gateway that runs, and what serves after a restore (rule D10): `sprag backup` and
//! `sprag restore` as they are, a consumer that was there all the time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[path = "wire/connection.rs"]
mod connection;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use connection::{Connection, Message};
use sprag::config::SecretReference;
use sprag::secret::Secret;
use sprag::serve::{self, Running, StartError};
use sprag_core::random::Random;
use tokio::runtime::Runtime;

/// What every `env:` secret is, after the name.
const SECRET: &str = "2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A gateway on a data directory that outlives it.
struct Gateway {
    running: Running,
    runtime: Runtime,
}

impl Gateway {
    fn ask(&self, request: &[u8]) -> Message {
        let mut connection = Connection::to(self.running.listen);
        connection.send(request);
        connection.message().expect("an answer before the connection ends")
    }

    fn stop(self) {
        self.runtime.block_on(self.running.stop());
    }
}

/// Acknowledges everything and hands it on.
struct Consumer {
    port: u16,
    deliveries: Receiver<Message>,
}

impl Consumer {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, deliveries) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut connection, sender) = (Connection::over(stream.unwrap()), sender.clone());
                std::thread::spawn(move || {
                    while let Some(delivery) = connection.message() {
                        if sender.send(delivery).is_err() {
                            return;
                        }
                        connection.send(b"HTTP/1.1 204 No Content\r\n\r\n");
                    }
                });
            }
        });
        Self { port, deliveries }
    }

    fn next(&self) -> Message {
        self.deliveries.recv_timeout(Duration::from_secs(20)).expect("a delivery")
    }
}

fn start(data: &Path, consumer: &Consumer) -> Result<Gateway, StartError> {
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
data = {data:?}
[limits]
disk_reserve = "1MiB"
[sources.shop]
verify = {{ scheme = "none" }}
id = "header:x-id"
key = "body:/order"
contract = "arrival"
[destinations.app]
from = ["shop"]
url = "http://127.0.0.1:{}/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
"#,
        consumer.port
    );
    let checked = sprag::config::check(&text, "backup.toml", &|reference| match reference {
        SecretReference::Environment(name) => {
            Ok(Secret::from(format!("whsec_{name}{SECRET}").as_str()))
        }
        SecretReference::File(file) => panic!("no test has a secret in {file:?}"),
    });
    let config = checked.unwrap_or_else(|findings| panic!("{findings:#?}")).config;
    let runtime = Runtime::new().unwrap();
    let running = runtime.block_on(serve::start(config))?;
    Ok(Gateway { running, runtime })
}

/// Posts an event; it is released with this sequence.
fn post(gateway: &Gateway, key: &str, id: &str) -> u64 {
    let answer = post_body(gateway, id, &format!(r#"{{ "order":"{key}", "id":"{id}" }}"#));
    assert_eq!(answer["status"], "released", "{answer}");
    answer["sequence"].as_u64().unwrap()
}

fn post_body(gateway: &Gateway, id: &str, body: &str) -> serde_json::Value {
    let answer = gateway.ask(
        format!(
            "POST /in/shop HTTP/1.1\r\nhost: sprag\r\ncontent-type: application/json\r\n\
             x-id: {id}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

/// The admin token, as the configuration of every test has it.
fn token() -> String {
    format!("whsec_SPRAG_ADMIN_TOKEN{SECRET}")
}

fn send_admin(gateway: &Gateway, method: &str, path: &str) -> Connection {
    let mut connection = Connection::to(gateway.running.admin);
    let token = token();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: sprag\r\nconnection: close\r\nauthorization: Bearer {token}"
    );
    connection.send(format!("{head}\r\n\r\n").as_bytes());
    connection
}

/// What the admin API says.
fn ask_admin(gateway: &Gateway, path: &str) -> serde_json::Value {
    let mut connection = send_admin(gateway, "GET", path);
    let answer = connection.message().unwrap();
    assert!(connection.ends(), "more than was asked for");
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits until history has the answer to a delivery: a consumer hands it on before it answers, and
/// what history does not know as acknowledged is delivered again.
fn until_acknowledged(gateway: &Gateway, delivery: &Message) {
    let path = format!("/v1/events/{}", delivery.header("webhook-id"));
    let patience = std::iter::repeat_n((), 2_000);
    let acknowledged = patience.into_iter().any(|()| {
        std::thread::sleep(Duration::from_millis(10));
        let event = ask_admin(gateway, &path);
        event["fates"]["destinations"][0]["attempts"][0]["outcome"] == "acknowledged"
    });
    assert!(acknowledged, "waited 20 s in vain for an acknowledgement of {delivery:?}");
}

fn sprag(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sprag")).args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[track_caller]
fn assert_ends(output: &Output, code: i32, says: &str) {
    let said = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(says), "{said}");
}

fn backup(gateway: &Gateway, to: &Path) -> Output {
    let url = format!("http://{}", gateway.running.admin);
    sprag(&["backup", "--admin", &url, "--token", &token(), "--to", text(to)])
}

/// Every webhook-id stands for one body, whoever gave it, before the restore and after.
#[derive(Default)]
struct Ids(BTreeMap<String, Vec<u8>>);

impl Ids {
    fn take(&mut self, delivery: &Message) {
        let id = delivery.header("webhook-id").to_owned();
        let known = self.0.entry(id.clone()).or_insert_with(|| delivery.body.clone());
        assert!(*known == delivery.body, "{id} stands for two bodies");
    }
}

#[test]
fn sequences_of_after_the_backup_are_never_given_again() {
    let (directory, consumer) = (tempfile::tempdir().unwrap(), Consumer::listen());
    let [data, copy, restored] =
        ["data", "copy", "restored"].map(|name| directory.path().join(name));
    let mut ids = Ids::default();
    let first = start(&data, &consumer).unwrap();
    for id in 1..=3 {
        assert_eq!(post(&first, "a", &format!("a{id}")), id);
        let delivery = consumer.next();
        ids.take(&delivery);
        until_acknowledged(&first, &delivery);
    }
    assert_ends(&backup(&first, &copy), 0, "segments");
    // What the backup does not know: more of a key, and a key.
    for id in 4..=6 {
        assert_eq!(post(&first, "a", &format!("a{id}")), id);
        ids.take(&consumer.next());
    }
    for id in 1..=8 {
        assert_eq!(post(&first, "b", &format!("b{id}")), id);
        ids.take(&consumer.next());
    }
    first.stop();

    let (from, to) = (text(&copy), text(&restored));
    // What is refused leaves a directory that can be told.
    let absurd = directory.path().join("absurd");
    std::fs::write(&absurd, format!("shop,a,{}", u64::MAX)).unwrap();
    let again = directory.path().join("again");
    let told = ["restore", "--from", from, "--data", text(&again), "--newest", text(&absurd)];
    assert_ends(&sprag(&told), 2, "cannot be");
    assert_ends(&sprag(&["restore", "--data", text(&again), "--jump", "7"]), 0, "7 sequences");
    assert_ends(&sprag(&["restore", "--from", from, "--data", to]), 1, "does not serve until");
    let refused = start(&restored, &consumer).err().expect("it was told nothing");
    assert!(refused.to_string().contains("--newest"), "{refused}");
    let seen = directory.path().join("seen");
    std::fs::write(&seen, ids.0.keys().cloned().collect::<Vec<_>>().join("\n")).unwrap();
    let told = sprag(&["restore", "--data", to, "--newest", text(&seen), "--jump", "2"]);
    assert_ends(&told, 0, "every key goes on 10 sequences further");
    assert_ends(&sprag(&["restore", "--data", to, "--jump", "5"]), 2, "told already to jump 10");

    let epoch = |data: &Path| {
        let marker = std::fs::read(data.join("restored.json")).unwrap();
        let marker: serde_json::Value = serde_json::from_slice(&marker).unwrap();
        marker["epoch"].as_u64().unwrap()
    };
    assert_ne!(epoch(&again), epoch(&restored), "the same backup, restored twice");
    let second = start(&restored, &consumer).unwrap();
    assert_eq!(post(&second, "a", "a7"), 14);
    let delivery = consumer.next();
    assert_eq!(delivery.header("sprag-previous-sequence"), "3");
    assert_eq!(delivery.header("sprag-omitted"), "4-13;restored");
    assert!(delivery.header("sprag-epoch").parse::<u64>().unwrap() > 1_000_000);
    ids.take(&delivery);
    assert_eq!(post(&second, "b", "b9"), 11);
    let delivery = consumer.next();
    assert_eq!(delivery.header("sprag-omitted"), "1-10;restored");
    ids.take(&delivery);
    let boundary = ask_admin(&second, "/v1/restore");
    assert_eq!(
        (&boundary["restored"]["jump"], &boundary["restored"]["total"]),
        (&10.into(), &10.into())
    );
    assert_eq!(ask_admin(&second, "/v1/sources/shop/keys/a")["jumped"], 10);
    second.stop();

    let third = start(&restored, &consumer).unwrap();
    assert_eq!(post(&third, "a", "a8"), 15, "the boundary holds, and is no second one");
    ids.take(&consumer.next());
    assert_eq!(post(&third, "c", "c1"), 11);
    ids.take(&consumer.next());
    // What the backup knew is known still.
    let again = post_body(&third, "a2", r#"{ "order":"a", "id":"a2" }"#);
    assert_eq!(again["status"], "duplicate");
    lists_and_replays_go_over_what_was_left_out(&third, &consumer);
    third.stop();
}

/// The key has 1, 2, 3, 14 and 15.
fn lists_and_replays_go_over_what_was_left_out(gateway: &Gateway, consumer: &Consumer) {
    let list = |more: &str| ask_admin(gateway, &format!("/v1/events?source=shop&key=a{more}"));
    let sequences = |page: &serde_json::Value| -> Vec<u64> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|event| event["sequence"].as_u64().unwrap()).collect()
    };
    let all = list("");
    assert_eq!(sequences(&all), [15, 14, 3, 2, 1]);
    let page = list("&limit=2");
    assert_eq!(sequences(&page), [15, 14]);
    let cursor = |page: &serde_json::Value| page["next"].as_str().unwrap().to_owned();
    let page = list(&format!("&limit=2&cursor={}", cursor(&page)));
    assert_eq!(sequences(&page), [3, 2]);
    let page = list(&format!("&limit=2&cursor={}", cursor(&page)));
    assert_eq!((sequences(&page), &page["next"]), (vec![1], &serde_json::Value::Null));
    let page = list("&limit=3");
    assert_eq!(sequences(&page), [15, 14]);

    let second = all["items"][3]["released_at"].as_str().unwrap();
    let url = format!("http://{}", gateway.running.admin);
    let admin = ["replay", "--admin", &url, "--token", &token()];
    let what = ["--source", "shop", "--key", "a", "--to", "app", "--from", second];
    assert_ends(&sprag(&[&admin[..], &what].concat()), 0, "1 ");
    let again = [(); 4].map(|()| consumer.next().header("sprag-sequence").to_owned());
    assert_eq!(again, ["2", "3", "14", "15"]);
}

#[test]
fn a_backup_that_is_not_whole_is_not_restored() {
    let (directory, consumer) = (tempfile::tempdir().unwrap(), Consumer::listen());
    let [data, copy] = ["data", "copy"].map(|name| directory.path().join(name));
    let gateway = start(&data, &consumer).unwrap();
    post(&gateway, "a", "a1");
    assert_ends(&backup(&gateway, &copy), 0, "segments");
    assert_ends(&backup(&gateway, &copy), 2, "is not empty");
    let to = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let restore =
        |to: &str| sprag(&["restore", "--from", text(&copy), "--data", to, "--jump", "1"]);
    assert_ends(&restore(text(&data)), 2, "is not empty");
    assert_ends(&restore(&to("fine")), 0, "1 sequences further");

    let segment = std::fs::read_dir(copy.join("log")).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&segment).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&segment, &damaged).unwrap();
    assert_ends(&restore(&to("damaged")), 2, "is not what was backed up");
    let refused = start(&directory.path().join("damaged"), &consumer).err();
    assert!(matches!(refused, Some(StartError::Restored(_))), "half of a restore serves");
    std::fs::write(&segment, &whole[..whole.len() - 1]).unwrap();
    assert_ends(&restore(&to("short")), 2, "is not what was backed up");
    std::fs::write(&segment, &whole).unwrap();
    std::fs::remove_file(copy.join("manifest.json")).unwrap();
    assert_ends(&restore(&to("incomplete")), 2, "no manifest");
    gateway.stop();
}

/// Waits until nothing is held.
fn until_none(held: &dyn Fn() -> usize) {
    let patience = std::iter::repeat_n((), 4_000);
    let gone = patience.into_iter().any(|()| {
        std::thread::sleep(Duration::from_millis(5));
        held() == 0
    });
    assert!(gone, "waited 20 s in vain until nothing is held");
}

/// One at a time, and nothing stays held.
#[test]
fn what_a_backup_holds_is_let_go() {
    let (directory, consumer) = (tempfile::tempdir().unwrap(), Consumer::listen());
    let [data, copy] = ["data", "copy"].map(|name| directory.path().join(name));
    std::fs::create_dir_all(data.join("log/hold-1234")).unwrap();
    let gateway = start(&data, &consumer).unwrap();
    let held = || {
        let entries = std::fs::read_dir(data.join("log")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("hold-")).count()
    };
    assert_eq!(held(), 0, "what an earlier process held is gone");
    // More than what lies between, packed too, so that a backup nobody reads comes to no end by itself.
    let mut random = Random::new(1);
    for id in 0..48 {
        let pad: String = (0..56 << 10).map(|_| format!("{:016x}", random.draw())).collect();
        post_body(&gateway, &format!("{id}"), &format!(r#"{{ "order":"k{id}", "pad":"{pad}" }}"#));
    }
    let mut unread = send_admin(&gateway, "POST", "/v1/backup");
    assert_eq!(unread.head().unwrap().status(), 200);
    assert_eq!(held(), 1);
    assert_ends(&backup(&gateway, &copy), 2, "backup-under-way");
    drop(unread);
    until_none(&held);
    assert_ends(&backup(&gateway, &copy), 0, "segments");
    until_none(&held);
    gateway.stop();
}
