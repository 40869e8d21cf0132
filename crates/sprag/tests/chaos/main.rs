//! `sprag chaos`, the real binary: the same seed does the same, what was printed does it again, and
//! what it does to an order is seen by whoever looks.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod process;
mod recorder;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use process::{Background, run, summary};
use recorder::{Recorder, Sender};
use serde_json::Value;
use tempfile::TempDir;

const DISORDER: [&str; 8] =
    ["--reorder", "0.3", "--duplicate", "0.1", "--drop", "0.1", "--seed", "7"];

fn write(directory: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// So many events, one a line.
fn events(directory: &TempDir, count: u32) -> PathBuf {
    let lines: String = (1..=count).map(|number| format!("{{\"number\": {number}}}\n")).collect();
    write(directory, "events.jsonl", &lines)
}

/// The numbers that a printed schedule drops.
fn dropped(schedule: &str) -> BTreeSet<u64> {
    let drops = schedule.lines().filter_map(|line| line.strip_suffix(" drop"));
    drops.map(|number| number.parse().unwrap()).collect()
}

#[test]
fn the_same_seed_prints_the_same_schedule_and_sends_the_same_bytes() {
    let directory = TempDir::new().unwrap();
    let (events, recorder) = (events(&directory, 120), Recorder::start());
    let target = format!("http://{}/hooks", recorder.address);
    let mut arguments = vec!["chaos", "--target", &target, "--events", text(&events)];
    arguments.extend(["--header", "x-topic: orders", "--delay", "0..300ms"]);
    arguments.extend(DISORDER);
    let (code, schedule, err) = run(&arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{schedule}");
    let came = recorder.take();
    let (_, again, _) = run(&arguments);
    assert!(again == schedule && recorder.take() == came);

    let head = &came[0].head;
    assert!(head.starts_with("POST /hooks HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("x-topic: orders\r\n"), "{head}");
    let dropped = dropped(&schedule);
    let bodies: BTreeSet<&str> = came.iter().map(|request| request.body.as_str()).collect();
    assert_eq!(bodies.len(), 120 - dropped.len());
    assert!(!dropped.is_empty() && came.len() > bodies.len(), "some are gone, some came twice");
    let last = schedule.lines().find(|line| line.contains("taken")).unwrap();
    let expected = format!(
        "# 120 taken, {} forwarded, {} dropped, {} duplicated, ",
        came.len(),
        dropped.len(),
        came.len() - bodies.len()
    );
    assert!(last.starts_with(&expected) && last.ends_with(" reordered, 0 failed"), "{last}");
    assert!(!last.contains(" 0 reordered"), "{last}");

    arguments.extend(["--json"]);
    let at = arguments.iter().position(|argument| *argument == "7").unwrap();
    arguments[at] = "8";
    let (code, counts, _) = run(&arguments);
    let counts: Value = serde_json::from_str(&counts).unwrap();
    assert_eq!((code, &counts["taken"], &counts["left"]), (0, &120.into(), &0.into()));
    assert!(recorder.take() != came, "another seed does something else");
}

#[test]
fn a_printed_schedule_of_files_gives_the_same_order() {
    let directory = TempDir::new().unwrap();
    let (events, recorder) = (events(&directory, 60), Recorder::start());
    let target = format!("http://{}", recorder.address);
    let mut arguments = vec!["chaos", "--target", &target, "--events", text(&events)];
    arguments.extend(DISORDER);
    arguments.extend(["--delay", "0..200ms", "--every", "3ms"]);
    let (code, schedule, _) = run(&arguments);
    let came = recorder.bodies();
    let file = write(&directory, "run.txt", &schedule);
    // At another pace.
    let again = ["chaos", "--target", &target, "--events", text(&events)];
    let again = [again.as_slice(), &["--schedule", text(&file), "--every", "1ms"]].concat();
    let (again, printed, err) = run(&again);
    assert_eq!((code, again), (0, 0), "{err}");
    assert_eq!(recorder.bodies(), came);
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(lines(&printed), lines(&schedule));
}

/// A proxy before a recorder; what it printed and what came, when so many were sent.
fn proxied(recorder: &Recorder, arguments: &[&str], count: u32, pause: Duration) -> Vec<String> {
    let target = format!("http://{}", recorder.address);
    let common = ["chaos", "--target", &target, "--listen", "127.0.0.1:0"];
    let mut proxy = Background::start(&[common.as_slice(), arguments].concat());
    let mut sender = Sender::to(&proxy.address());
    for number in 1..=count {
        let answer = sender.post("/", &number.to_string());
        assert_eq!(answer.body, format!("{{\"request\":{number},\"status\":\"taken\"}}\n"));
        thread::sleep(pause);
    }
    let (code, out) = proxy.end();
    assert_eq!(code, 0, "{out}");
    out.lines().map(str::to_owned).collect()
}

#[test]
fn without_delays_the_order_of_a_proxy_is_that_of_its_seed() {
    let recorder = Recorder::start();
    let patient = [DISORDER.as_slice(), &["--patience", "1h"]].concat();
    // What is dropped is said when it comes, which may be before or after others leave.
    let run = |pause| {
        let printed = proxied(&recorder, &patient, 80, Duration::from_millis(pause));
        let (dropped, left): (Vec<_>, Vec<_>) =
            printed.into_iter().partition(|line| line.ends_with(" drop"));
        (dropped, left, recorder.bodies())
    };
    let (dropped, left, came) = run(0);
    assert_eq!(run(2), (dropped, left, came.clone()));
    let sorted: Vec<String> = (1..=80).map(|number: u32| number.to_string()).collect();
    assert_ne!(came, sorted);
}

#[test]
fn a_printed_schedule_of_a_proxy_gives_the_same_order() {
    let (directory, recorder) = (TempDir::new().unwrap(), Recorder::start());
    let delayed = [DISORDER.as_slice(), &["--delay", "0..150ms"]].concat();
    let printed = proxied(&recorder, &delayed, 60, Duration::from_millis(2));
    let came = recorder.bodies();
    let file = write(&directory, "run.txt", &printed.join("\n"));
    let replay = ["--schedule", text(&file)];
    for pause in [0, 5] {
        proxied(&recorder, &replay, 60, Duration::from_millis(pause));
        assert_eq!(recorder.bodies(), came);
    }
}

#[test]
fn a_request_goes_on_as_it_came() {
    let recorder =
        Recorder::answering("HTTP/1.1 202 Accepted\r\nX-Own: 1\r\nContent-Length: 2\r\n\r\nhi");
    let target = format!("http://{}/base/", recorder.address);
    let mut proxy = Background::start(&["chaos", "--target", &target, "--listen", "127.0.0.1:0"]);
    let address = proxy.address();
    let mut sender = Sender::to(&address);
    let answer = sender.send(
        "POST /in/a?b=%20c HTTP/1.1\r\nHost: provider\r\nX-Signature: one\r\nX-Signature: two\r\n\
         Webhook-ID: msg_1\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
         Transfer-Encoding: chunked\r\n\r\n4\r\n{  \"\r\n6\r\na\": 1}\r\n0\r\n\r\n",
    );
    assert!(answer.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", answer.head);
    recorder.wait_for(1);
    let came = recorder.take().remove(0);
    assert_eq!(came.body, "{  \"a\": 1}");
    let mut lines: Vec<&str> = came.head.trim_end().lines().collect();
    assert_eq!(lines.remove(0), "POST /base/in/a?b=%20c HTTP/1.1");
    lines.sort_unstable_by_key(|line| line.to_lowercase());
    let host = format!("Host: {}", recorder.address);
    let expected =
        ["content-length: 10", &host, "Webhook-ID: msg_1", "X-Signature: one", "X-Signature: two"];
    assert_eq!(lines, expected);

    // What is no event goes on at once, and its answer comes back.
    let answer = sender.send("GET /?challenge=x HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(answer.head.starts_with("HTTP/1.1 202 Accepted\r\n"), "{}", answer.head);
    assert!(answer.head.contains("X-Own: 1\r\n") && answer.body == "hi", "{answer:?}");
    assert!(recorder.take()[0].head.starts_with("GET /base?challenge=x HTTP/1.1\r\n"));
    let (code, out) = proxy.end();
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("\n# 1 taken, 1 forwarded, 0 dropped, "), "{out}");
    assert!(out.contains(" 1 passed on at once: no POST\n"), "{out}");
}

#[test]
fn what_waits_leaves_at_once_when_it_is_asked_to_end() {
    let recorder = Recorder::start();
    let target = format!("http://{}", recorder.address);
    let hour = ["chaos", "--target", &target, "--listen", "127.0.0.1:0", "--delay", "1h"];
    let mut proxy = Background::start(&hour);
    let mut sender = Sender::to(&proxy.address());
    (1..=9).for_each(|number| drop(sender.post("/", &number.to_string())));
    let (code, out) = proxy.end();
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("\n# 9 taken, 9 forwarded, 0 dropped, 0 duplicated, 0 reordered"),
        "{out}"
    );
    assert_eq!(recorder.bodies().concat(), "123456789");
}

#[test]
fn beyond_what_may_wait_senders_are_turned_away() {
    let recorder = Recorder::start();
    let target = format!("http://{}", recorder.address);
    let hour = ["chaos", "--target", &target, "--listen", "127.0.0.1:0", "--delay", "1h", "--json"];
    let mut proxy = Background::start(&[&hour[..], &["--concurrency", "16"]].concat());
    let mut sender = Sender::to(&proxy.address());
    for _ in 0..10_000 {
        assert!(sender.post("/", "x").head.starts_with("HTTP/1.1 200 "));
    }
    let answer = sender.post("/", "x");
    assert!(answer.head.starts_with("HTTP/1.1 503 "), "{answer:?}");
    assert!(answer.head.contains("retry-after: 1\r\n"), "{answer:?}");
    let (code, out) = proxy.end();
    let counts: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&counts["taken"], &counts["turned_away"]), (&10_000.into(), &1.into()));
    // An end takes no longer than it may: what has not left by then is counted, and 16 may be under way.
    let left = usize::try_from(counts["left"].as_u64().unwrap()).unwrap();
    assert_eq!(code, i32::from(left > 0), "{out}");
    let came = recorder.take().len();
    assert!((10_000 - left..=10_016 - left).contains(&came), "{came} came: {out}");
}

#[test]
fn what_the_target_refuses_is_told() {
    let recorder = Recorder::answering(
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 21\r\n\r\n{\"code\":\"unreadable\"}",
    );
    let directory = TempDir::new().unwrap();
    let (events, target) = (events(&directory, 2), format!("http://{}", recorder.address));
    let (code, out, _) = run(&["chaos", "--target", &target, "--events", text(&events)]);
    assert_eq!(code, 1);
    let expected = "\n1 +0ms\n2 +0ms\n# 2 taken, 2 forwarded, 0 dropped, 0 duplicated, 0 reordered, \
                    2 failed\n#            2 failed: 400 unreadable\n";
    assert!(out.ends_with(expected), "{out}");
}

#[test]
fn arguments_that_make_no_sense_are_refused_with_the_reason() {
    let directory = TempDir::new().unwrap();
    let (events, schedule) =
        (events(&directory, 2), write(&directory, "run.txt", "1 +0ms\n3 drop\n"));
    let broken = write(&directory, "broken.txt", "1 +0ms\n2 drop\n2 soon\n");
    let (events, schedule, broken) = (text(&events), text(&schedule), text(&broken));
    let target = ["--target", "http://127.0.0.1:1"];
    let listen = [target.as_slice(), &["--listen", "127.0.0.1:0"]].concat();
    let files = [target.as_slice(), &["--events", events]].concat();
    let cases: [(&[&str], &[&str], &str); 24] = [
        (&[], &["--listen", "127.0.0.1:0"], "--target"),
        (&target, &[], "--listen"),
        (&listen, &["--events", events], "cannot be used with"),
        (&["--target", "https://a.example"], &["--listen", "127.0.0.1:0"], "only http://"),
        (&["--target", "/hooks"], &["--listen", "127.0.0.1:0"], "a URL is needed"),
        (&listen, &["--reorder", "1.5"], "a fraction between 0 and 1"),
        (&listen, &["--drop", "5%"], "a fraction between 0 and 1"),
        (&listen, &["--duplicate=-0.1"], "a fraction between 0 and 1"),
        (&listen, &["--window", "0"], "1..=5000"),
        (&listen, &["--patience", "61m"], "at most 1h"),
        (&listen, &["--delay", "5s..1s"], "the first time is longer than the second"),
        (&listen, &["--delay", "2h"], "at most 1h"),
        (&listen, &["--delay", "soon"], "\"200ms\" or \"0..5s\""),
        (&listen, &["--every", "1s"], "cannot be used with"),
        (&listen, &["--source", "billing"], "cannot be used with"),
        (&listen, &["--header", "a: b"], "cannot be used with"),
        (&listen, &["--concurrency", "0"], "1..=4096"),
        (&listen, &["--schedule", schedule, "--seed", "7"], "cannot be used with"),
        (&listen, &["--schedule", broken], "broken.txt:3: \"NUMBER +TIMEms\""),
        (&listen, &["--schedule", "absent.txt"], "absent.txt: "),
        (&files, &["--schedule", schedule], "names request 3; there are 2 events"),
        (&files, &["--header", "nonsense"], "\"x-topic: orders\""),
        (&files, &["--config", "a.toml"], "--source"),
        (&files, &["--source", "billing", "--config", "absent.toml"], "there is no absent.toml"),
    ];
    for (first, more, reason) in cases {
        let (code, out, err) = run(&[&["chaos"], first, more].concat());
        assert_eq!(code, 2, "{first:?} {more:?}: {out}{err}");
        assert!(err.contains(reason), "{first:?} {more:?}: {err}");
    }
    // Only this test has this address.
    let free = TcpListener::bind("127.0.0.77:0").unwrap().local_addr().unwrap().to_string();
    let target = format!("http://{free}");
    let (code, _, err) = run(&["chaos", "--target", &target, "--listen", &free]);
    assert_eq!(code, 2);
    assert!(err.contains("the target is the proxy itself"), "{err}");
}

/// A gateway whose events go to `consumer`.
fn configuration(directory: &TempDir, consumer: &str) -> PathBuf {
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
data = "{}"

[sources.billing]
verify = {{ scheme = "standard-webhooks", secrets = ["env:SPRAG_TEST_SECRET"] }}
id = "header:webhook-id"
key = "body:/data/customer"
type = "body:/type"
position = {{ sequence = "body:/sequence" }}
contract = "fifo"
hold = {{ wait = "300ms" }}

[destinations.app]
from = ["billing"]
url = "http://{consumer}/"
secrets = ["env:SPRAG_TEST_SECRET"]
retry = {{ first = "20ms", cap = "200ms", for = "1h" }}
allow = ["127.0.0.0/8"]
"#,
        directory.path().join("data").display()
    );
    write(directory, "sprag.toml", &text)
}

fn serve(config: &Path) -> (Background, String) {
    let mut gateway = Background::start(&["serve", "--config", text(config), "--log", "json"]);
    loop {
        if let Some(url) = gateway.line().strip_prefix("listen ") {
            let url = url.trim().replace("SOURCE", "billing");
            return (gateway, url);
        }
    }
}

fn sink() -> (Background, String) {
    let secret = ["--secret", "env:SPRAG_TEST_SECRET", "--from-first", "--json"];
    let listen = ["sink", "--listen", "127.0.0.1:0"];
    let mut sink = Background::start(&[listen.as_slice(), &secret].concat());
    let address = sink.address();
    (sink, address)
}

/// 300 events of 4 keys.
fn send(config: &Path, url: &str) {
    let made = ["--events", "300", "--keys", "4", "--concurrency", "4", "--seed", "7"];
    let to = ["send", "--config", text(config), "--url", url];
    let (code, out, err) = run(&[to.as_slice(), &made].concat());
    assert_eq!(code, 0, "{out}{err}");
}

/// Reads the schedule until each of so many requests has left or was dropped; those that were dropped.
fn until_all_left(proxy: &mut Background, count: u64) -> BTreeSet<u64> {
    let (mut seen, mut schedule) = (BTreeSet::new(), String::new());
    while (seen.len() as u64) < count {
        let line = proxy.line();
        if let Some((number, _)) = line.split_once(' ').filter(|(first, _)| *first != "#") {
            seen.insert(number.parse::<u64>().unwrap());
            schedule += &format!("{line}\n");
        }
    }
    dropped(&schedule)
}

#[test]
fn a_sink_behind_it_names_every_violation() {
    let directory = TempDir::new().unwrap();
    let (sink, consumer) = sink();
    let target = format!("http://{consumer}");
    let listen = ["chaos", "--target", &target, "--listen", "127.0.0.1:0"];
    let mut proxy = Background::start(&[listen.as_slice(), &DISORDER].concat());
    let config = configuration(&directory, &proxy.address());
    let (_gateway, url) = serve(&config);
    send(&config, &url);
    assert!(!until_all_left(&mut proxy, 300).is_empty());
    let (_, printed) = proxy.end();
    let counted = printed.lines().find(|line| line.contains(" taken, ")).unwrap();
    assert!(counted.starts_with("# 300 taken, "), "{counted}");
    let (code, out) = sink.end();
    assert_eq!(code, 1, "{out}");
    let summary: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    let violations = |kind: &str| summary["violations"][kind].as_u64().unwrap();
    for kind in ["order", "loss", "unflagged-redelivery"] {
        assert!(violations(kind) > 0, "{summary}");
        assert!(out.contains(&format!("\"violation\":\"{kind}\"")), "{out}");
    }
    // What it passes on is what came: signatures, hashes and ids hold.
    for kind in ["signature", "malformed", "repeat-differs"] {
        assert_eq!(violations(kind), 0, "{summary}");
    }
}

#[test]
fn a_sink_behind_sprag_behind_it_sees_none() {
    let directory = TempDir::new().unwrap();
    let (sink, consumer) = sink();
    let config = configuration(&directory, &consumer);
    let (_gateway, url) = serve(&config);
    let gateway = url.strip_suffix("/in/billing").unwrap();
    let listen = ["chaos", "--target", gateway, "--listen", "127.0.0.1:0"];
    let delayed = [listen.as_slice(), &DISORDER, &["--delay", "0..200ms"]].concat();
    let mut proxy = Background::start(&delayed);
    let url = format!("http://{}/in/billing", proxy.address());
    send(&config, &url);
    let dropped = until_all_left(&mut proxy, 300);
    let (code, printed) = proxy.end();
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains(" duplicate\n"), "{printed}");
    assert!(!printed.contains(" 0 reordered") && !dropped.is_empty(), "{printed}");
    let expected = 300 - dropped.len() as u64;
    // The test runner's own limit ends a wait in vain.
    while summary(&consumer)["acknowledged"] != expected {
        thread::sleep(Duration::from_millis(20));
    }
    let (code, out) = sink.end();
    assert_eq!(code, 0, "{out}");
    let summary: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["events"], &summary["keys"]), (&expected.into(), &4.into()));
}
