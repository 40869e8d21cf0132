//! SIGHUP at the real binary while events flow: a good configuration is put in force, a broken or
//! refused one changes nothing, and nothing is lost or reordered by either.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod support {
    pub(crate) mod admin;
    pub(crate) mod child;
    pub(crate) mod clock;
    pub(crate) mod gateway;
}

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use support::admin::{TOKEN, VARIABLE, ask};
use support::clock::Deadline;
use support::gateway::{Gateway, HEAD, Setup};

const PATIENCE: Duration = Duration::from_secs(60);
const KEYS: u64 = 7;

/// A delivery as its consumer saw it.
#[derive(Debug, Clone)]
struct Delivery {
    path: String,
    headers: BTreeMap<String, String>,
}

impl Delivery {
    fn place(&self) -> (String, u64) {
        (self.headers["sprag-key"].clone(), self.headers["sprag-sequence"].parse().unwrap())
    }
}

/// A consumer that acknowledges everything, but for a while does not answer.
struct Consumer {
    port: u16,
    seen: Arc<Mutex<Vec<Delivery>>>,
    answers: Arc<(Mutex<bool>, Condvar)>,
}

impl Consumer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new((Mutex::new(true), Condvar::new()));
        let (to, may) = (seen.clone(), answers.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, to, may) = (stream.unwrap(), to.clone(), may.clone());
                thread::spawn(move || serve(stream, &to, &may));
            }
        });
        Self { port, seen, answers }
    }

    fn answers(&self, does: bool) {
        *self.answers.0.lock().unwrap() = does;
        self.answers.1.notify_all();
    }

    fn seen(&self) -> Vec<Delivery> {
        self.seen.lock().unwrap().clone()
    }
}

/// Returns when the gateway closes the connection.
fn serve(stream: TcpStream, to: &Mutex<Vec<Delivery>>, may: &(Mutex<bool>, Condvar)) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|text| text.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        to.lock().unwrap().push(Delivery { path, headers });
        let answers = may.0.lock().unwrap();
        drop(may.1.wait_while(answers, |answers| !*answers).unwrap());
        if writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
            return;
        }
    }
}

/// Posts an event; gives the status of the answer.
fn post(to: SocketAddr, token: &str, key: u64, number: u64) -> u16 {
    let body = format!(r#"{{"order":"key-{key}","number":{number}}}"#);
    let mut stream = TcpStream::connect(to).unwrap();
    let head = format!(
        "POST /in/shop HTTP/1.1\r\nhost: sprag\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status")
}

/// A producer that never stops until it is told to, and takes nothing but 200.
struct Producer {
    stop: Arc<AtomicBool>,
    posted: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Producer {
    fn start(to: SocketAddr, token: &'static str, from: u64) -> Self {
        let (stop, posted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(from)));
        let (told, count) = (stop.clone(), posted.clone());
        let thread = thread::spawn(move || {
            while !told.load(Ordering::SeqCst) {
                let number = count.load(Ordering::SeqCst);
                let (key, position) = (number % KEYS, number / KEYS + 1);
                assert_eq!(post(to, token, key, position), 200, "event {number}");
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { stop, posted, thread }
    }

    /// Waits until so many more were taken.
    fn go_on(&self, by: u64) {
        let until = self.posted.load(Ordering::SeqCst) + by;
        until_true("events are taken", || self.posted.load(Ordering::SeqCst) >= until);
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        self.posted.load(Ordering::SeqCst)
    }
}

fn until_true(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Deadline::after(PATIENCE);
    while !is_so() {
        assert!(!deadline.has_passed(), "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

struct World {
    // Before the directory of its data, which goes last.
    gateway: Gateway,
    setup: Setup,
    app: Consumer,
    audit: Consumer,
    reloads: u64,
}

const SOURCE: &str = r#"
[sources.shop]
verify = { scheme = "token", secrets = ["file:DIRECTORY/shop"] }
id = "none"
key = "body:/order"
position = { sequence = "body:/number" }
"#;

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), "shop", "one");
        write(directory.path(), "app", "first");
        write(directory.path(), "signs", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        let (app, audit) = (Consumer::start(), Consumer::start());
        let text = format!("{HEAD}{SOURCE}{}", to_app(app.port, "first"));
        let setup = Setup::new(&text, directory, vec![(VARIABLE, TOKEN.to_owned())]);
        let gateway = setup.serve();
        Self { setup, gateway, app, audit, reloads: 0 }
    }

    /// Writes a configuration and has the process read it; gives what became of it.
    fn reload(&mut self, text: &str) -> Value {
        let directory = self.setup.directory.path();
        let text = text.replace("DIRECTORY", &directory.to_string_lossy());
        write(directory, "sprag.toml", &text);
        let pid = self.gateway.process.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        self.reloads += 1;
        let counted = || {
            let of = |outcome| {
                self.counted(&format!("sprag_config_reloads_total{{outcome=\"{outcome}\"}}"))
            };
            of("accepted") + of("refused")
        };
        until_true("the reload is decided", || counted() == self.reloads);
        self.configuration()
    }

    fn configuration(&self) -> Value {
        let (status, answer) = ask(self.gateway.admin, "GET", "/v1/configuration", "");
        assert_eq!(status, 200, "{answer}");
        answer
    }

    fn counted(&self, metric: &str) -> u64 {
        let mut stream = TcpStream::connect(self.gateway.admin).unwrap();
        let head = "GET /metrics HTTP/1.1\r\nhost: sprag\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(metric));
        let value = value.unwrap_or_else(|| panic!("no {metric} in\n{page}"));
        value.trim().parse().unwrap()
    }

    /// A refused configuration leaves what is in force as it is, and says why.
    fn refused(&mut self, text: &str, why: &[&str]) {
        let before = self.configuration();
        let after = self.reload(text);
        assert_eq!(after["last_reload"]["outcome"], "refused", "{after}");
        assert_eq!((&after["revision"], &after["since"]), (&before["revision"], &before["since"]));
        let findings = after["last_reload"]["findings"].to_string();
        for word in why {
            assert!(findings.contains(word), "{word} is not in {findings}");
            until_true("the log says why", || self.gateway.process.said().contains(word));
        }
        assert_eq!(self.counted("sprag_config_reload_successful"), 0);
    }

    fn accepted(&mut self, text: &str, changes: &[&str]) {
        let after = self.reload(text);
        assert_eq!(after["last_reload"]["outcome"], "accepted", "{after}");
        assert_eq!(after["last_reload"]["changes"], Value::from(changes));
        assert_eq!(self.counted("sprag_config_reload_successful"), 1);
        let revision = after["revision"].as_u64().unwrap();
        assert_eq!(self.counted("sprag_config_revision"), revision);
    }
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}

fn to_app(port: u16, path: &str) -> String {
    format!(
        r#"
[destinations.app]
from = ["shop"]
url = "http://127.0.0.1:{port}/{path}"
secrets = ["file:DIRECTORY/signs"]
headers = {{ x-app = "file:DIRECTORY/app" }}
allow = ["127.0.0.0/8"]
timeout = "5m"
"#
    )
}

fn to_audit(port: u16) -> String {
    format!(
        r#"
[destinations.audit]
from = ["shop"]
url = "http://127.0.0.1:{port}/"
secrets = ["file:DIRECTORY/signs"]
start = "earliest"
allow = ["127.0.0.0/8"]
timeout = "5m"
"#
    )
}

/// Every event of every key once, each key in its order.
fn judge(who: &str, seen: &[Delivery], posted: u64) {
    let mut keys: BTreeMap<String, u64> = BTreeMap::new();
    for delivery in seen {
        let (key, sequence) = delivery.place();
        let last = keys.entry(key.clone()).or_default();
        assert_eq!(sequence, *last + 1, "{who}: {key}: {delivery:?}");
        *last = sequence;
    }
    assert_eq!(keys.values().sum::<u64>(), posted, "{who} got {keys:?}");
}

#[test]
fn a_reload_is_put_in_force_while_events_flow_or_changes_nothing() {
    let mut world = World::new();
    let producer = Producer::start(world.gateway.listen, "one", 0);
    producer.go_on(20);
    // Another address, another header, another destination that begins with the first event.
    write(world.setup.directory.path(), "app", "second");
    let (app, audit) = (world.app.port, world.audit.port);
    let second = format!("{HEAD}{SOURCE}{}{}", to_app(app, "second"), to_audit(audit));
    world.accepted(&second, &["destinations.app changed", "destinations.audit added"]);
    producer.go_on(20);
    // What is broken, what would misread history, what needs a restart, what is waited for.
    world.refused(&format!("{second}\nnonsense = = 1\n"), &["sprag.toml:"]);
    world.refused(&format!("{second}\n[sourcess.x]\n"), &["sources", "sprag.toml:"]);
    let other = second.replace("body:/order", "body:/number");
    world.refused(&other, &["source-changed", "sources.shop", "sprag.toml:9"]);
    let elsewhere = second.replacen("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:1\"", 1);
    world.refused(&elsewhere, &["server.listen", "sprag.toml:3", "restart"]);
    producer.go_on(20);
    world.audit.answers(false);
    producer.go_on(20);
    let removed = format!("{HEAD}{SOURCE}{}", to_app(app, "third"));
    world.refused(&removed, &["destinations.audit", "retired = true"]);
    world.audit.answers(true);
    producer.go_on(20);
    let posted = producer.stop();
    // Another secret: from now on the old one is none.
    write(world.setup.directory.path(), "shop", "two");
    world.accepted(&second, &["sources.shop changed"]);
    assert_eq!(post(world.gateway.listen, "one", 0, 1), 401);
    let producer = Producer::start(world.gateway.listen, "two", posted);
    producer.go_on(20);
    let posted = producer.stop();
    for consumer in [&world.app, &world.audit] {
        until_true("everything is delivered", || consumer.seen().len() as u64 >= posted);
    }
    judge("app", &world.app.seen(), posted);
    judge("audit", &world.audit.seen(), posted);
    let seen = world.app.seen();
    let begins = |delivery: &Delivery| (delivery.path.clone(), delivery.headers["x-app"].clone());
    let first = ("/first".to_owned(), "first".to_owned());
    let second = ("/second".to_owned(), "second".to_owned());
    assert!(seen.iter().map(begins).all(|how| how == first || how == second));
    for key in 0..KEYS {
        let of_key = seen.iter().filter(|one| one.headers["sprag-key"] == format!("key-{key}"));
        assert!(of_key.map(begins).is_sorted(), "the old address comes after the new one");
    }
    assert_eq!(begins(seen.last().unwrap()), second);
    world.gateway.stop();
}
