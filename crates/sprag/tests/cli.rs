//! The real binary on real sockets: what it prints and how it exits.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn sprag() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sprag"));
    command.env("SPRAG_TEST_SECRET", SECRET).env_remove("SPRAG_ADMIN_TOKEN");
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    ended(&sprag().args(arguments).output().unwrap())
}

fn ended(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A running command; killed when the test ends early.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Background {
    fn start(arguments: &[&str]) -> Self {
        let mut command = sprag();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// The rest of the first line on standard output that begins with `word`.
    fn stdout_line(&mut self, word: &str) -> String {
        line(self.0.stdout.as_mut().unwrap(), word)
    }

    fn stderr_line(&mut self, word: &str) -> String {
        line(self.0.stderr.as_mut().unwrap(), word)
    }

    /// Sends a signal by name; exit code and the rest of standard output.
    fn end(mut self, signal: &str) -> (i32, String) {
        let process = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &process]).status().unwrap().success());
        let mut rest = String::new();
        self.0.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        (self.0.wait().unwrap().code().unwrap(), rest)
    }
}

/// Reads byte by byte, so that nothing after the line is taken.
fn line(stream: &mut impl Read, word: &str) -> String {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 0 {
        if let Some(rest) = line.strip_prefix(word) {
            return rest.trim().to_owned();
        }
        line.clear();
    }
    panic!("no line begins with {word:?}");
}

fn write(directory: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A configuration on free ports that delivers to `consumer`.
fn configuration(directory: &TempDir, consumer: &str) -> PathBuf {
    let data = directory.path().join("data");
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
        data.display()
    );
    write(directory, "sprag.toml", &text)
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, 0);
    for command in [
        "serve",
        "check",
        "demo",
        "send",
        "sink",
        "chaos",
        "keys",
        "destinations",
        "override",
        "alerts",
        "explain",
        "events",
        "lanes",
        "dead",
        "sources",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let (code, help, _) = run(&[command, "--help"]);
        assert_eq!(code, 0);
        assert!(help.contains("Example"), "{help}");
        assert!(help.contains(&format!("sprag {command}")), "{help}");
        assert!(help.contains("Exit code: 0"), "{help}");
    }
    assert_eq!(run(&["serv"]).0, 2);
    assert_eq!(run(&[]).0, 2);
}

#[test]
fn check_names_every_fault_with_file_and_line() {
    let directory = TempDir::new().unwrap();
    let good = configuration(&directory, "127.0.0.1:3000");
    let (code, out, _) = run(&["check", "--config", text(&good)]);
    assert_eq!(code, 0, "{out}");
    assert!(out.ends_with("sprag.toml: fine; 1 source(s), 1 destination(s)\n"), "{out}");

    let broken =
        std::fs::read_to_string(&good).unwrap().replace("300ms", "300").replace("key", "kee");
    let broken = write(&directory, "broken.toml", &broken);
    let (code, out, _) = run(&["check", "--config", text(&broken)]);
    assert_eq!(code, 1);
    assert!(out.contains("broken.toml:10: error: sources.billing.kee"), "{out}");
    assert!(out.contains("broken.toml:14: error: sources.billing.hold.wait"), "{out}");

    let (code, out, _) = run(&["check", "--json", "--config", text(&broken)]);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found["usable"]), (1, &Value::Bool(false)));
    let findings = found["findings"].as_array().unwrap();
    assert!(findings.iter().any(|f| f["line"] == 14 && f["key"] == "sources.billing.hold.wait"));
    assert!(!out.contains("C2FVs"), "secrets are never printed");
}

#[test]
fn what_could_not_be_written_is_no_success() {
    let directory = TempDir::new().unwrap();
    let good = configuration(&directory, "127.0.0.1:3000");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let check = ["check", "--config", text(&good)];
    let output = sprag().args(check).stdout(full).output().unwrap();
    let (code, _, err) = ended(&output);
    assert_eq!(code, 2);
    assert!(err.contains("what was written is not all"), "{err}");
}

#[test]
fn without_a_configuration_an_example_is_shown() {
    let directory = TempDir::new().unwrap();
    for arguments in [["serve"].as_slice(), &["check"], &["send", "--events", "1"]] {
        let output = sprag().args(arguments).current_dir(directory.path()).output().unwrap();
        let (code, _, err) = ended(&output);
        assert_eq!(code, 2);
        assert!(err.starts_with("sprag: there is no sprag.toml"), "{err}");
        assert!(err.contains("[sources.billing]"), "{err}");
    }
    let broken = write(&directory, "broken.toml", "[server]\nlisten = 8080\n");
    let (code, _, err) = run(&["serve", "--config", text(&broken)]);
    assert_eq!(code, 2);
    assert!(err.contains("broken.toml:2: error: server.listen"), "{err}");
}

#[test]
fn a_sink_names_what_is_wrong_and_exits_with_one() {
    let directory = TempDir::new().unwrap();
    let config = configuration(&directory, "127.0.0.1:1");
    let mut sink = Background::start(&[
        "sink",
        "--listen",
        "127.0.0.1:0",
        "--secret",
        "env:SPRAG_TEST_SECRET",
    ]);
    let address = sink.stderr_line("listen http://");
    // A provider's own post has no sprag-* headers: not what a consumer of Sprag may accept.
    let events = write(&directory, "events.jsonl", "{\"a\":1}\n{\"a\":2}\n");
    let url = format!("http://{address}/in/billing");
    let (code, out, _) =
        run(&["send", "--config", text(&config), "--url", &url, "--json", text(&events)]);
    let tally: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 1);
    assert_eq!((&tally["sent"], &tally["failed"]), (&2.into(), &2.into()), "{tally}");
    assert_eq!(tally["failures"]["401"], 2, "{tally}");

    let summary = get(&address, "/summary");
    assert_eq!(summary["violations"]["signature"], 2, "{summary}");
    assert_eq!(summary["violations"]["malformed"], 2, "{summary}");
    let (code, out) = sink.end("INT");
    assert_eq!(code, 1);
    assert!(out.contains("signature: evt_"), "{out}");
    assert!(out.contains("sprag-signature is absent"), "{out}");
    assert!(out.ends_with("violations: 2 malformed, 2 signature\n"), "{out}");
}

fn get(address: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Provider, gateway and consumer as three processes.
#[test]
fn what_is_sent_in_disorder_arrives_in_order() {
    let directory = TempDir::new().unwrap();
    let mut sink = Background::start(&[
        "sink",
        "--listen",
        "127.0.0.1:0",
        "--secret",
        "env:SPRAG_TEST_SECRET",
        "--from-first",
        "--fail",
        "0.05",
        "--silent",
        "0.02",
        "--json",
    ]);
    let consumer = sink.stderr_line("listen http://");
    let config = configuration(&directory, &consumer);
    let mut gateway = Background::start(&["serve", "--config", text(&config), "--log", "json"]);
    let listen = gateway.stdout_line("listen ").replace("SOURCE", "billing");
    assert!(gateway.stdout_line("token ").len() >= 32, "a random token is told");
    let mut send = sprag();
    send.args(["send", "--config", text(&config), "--url", &listen, "--events", "600"]);
    send.args(["--keys", "12", "--shuffle", "--repeat", "0.05", "--seed", "7", "--json"]);
    let (code, out, err) = ended(&send.args(["--concurrency", "8"]).output().unwrap());
    let tally: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!((&tally["sent"], &tally["acknowledged"]), (&630.into(), &630.into()));
    assert_eq!(tally["statuses"]["duplicate"], 30, "{tally}");

    let summary = until_acknowledged(&consumer, 600);
    assert_eq!(gateway.end("TERM").0, 0, "stops gracefully");
    let (code, out) = sink.end("INT");
    let at_end: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(code, 0, "{out}");
    assert_eq!((&at_end["events"], &at_end["keys"]), (&600.into(), &12.into()));
    assert!(summary["repeats"].as_u64().unwrap() > 0, "failed attempts came again: {summary}");
}

/// Asks until so many events are acknowledged; the test runner's own limit ends a wait in vain.
fn until_acknowledged(consumer: &str, events: u64) -> Value {
    loop {
        let summary = get(consumer, "/summary");
        if summary["acknowledged"] == events {
            return summary;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn the_demo_ends_with_nothing_lost_and_all_in_order() {
    let (code, out, err) =
        run(&["demo", "--events", "1500", "--keys", "30", "--seed", "7", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("[destinations.app]"), "the configuration is printed: {err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name}: {report}"));
    assert_eq!((number("lost"), number("order_violations")), (0, 0));
    assert_eq!(number("refilled"), number("gaps").div_ceil(2), "as many as the API has: {report}");
    assert!(number("reordered") > 0 && number("gaps") > 0, "{report}");
    assert!(number("duplicates") > 0, "{report}");
    assert_eq!(number("sent"), number("received"));
    assert_eq!(number("delivered"), 1_500 - number("gaps"));
    // What was asked for before it came is a duplicate when it does.
    assert!(number("received") <= number("delivered") + number("duplicates"), "{report}");
    let contracts = report["contracts"].as_array().expect("each contract has a line");
    assert!(contracts.len() > 5 && contracts.iter().all(|one| one["right"] == true), "{report}");
    for name in ["events_per_second", "latency_ms_p50", "latency_ms_p99"] {
        assert!(report[name].as_f64().unwrap() > 0.0, "{report}");
    }
    assert_eq!(report.as_object().unwrap().len(), 13, "{report}");
}

#[test]
fn the_demo_shows_a_table_and_can_stay() {
    let mut demo = Background::start(&["demo", "--events", "300", "--keys", "10", "--stay"]);
    assert!(demo.stdout_line("lost").starts_with('0'));
    let admin = demo.stdout_line("admin  http://");
    let mut stream = TcpStream::connect(&admin).unwrap();
    write!(stream, "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(demo.end("INT").0, 0);
}

/// Lines of a log until one contains all of these.
/// Until a line of the log has all parts of each of these, in whatever order they come.
fn until_logged(gateway: &mut Background, wanted: &[&[&str]]) {
    let mut log = BufReader::with_capacity(1, gateway.0.stderr.as_mut().unwrap());
    let (mut line, mut left) = (String::new(), wanted.to_vec());
    while !left.is_empty() {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "no line has {left:?}");
        left.retain(|parts| !parts.iter().all(|part| line.contains(part)));
    }
}

#[test]
fn what_a_source_was_started_with_is_compared_while_a_gateway_runs_and_after_it() {
    let directory = TempDir::new().unwrap();
    let config = configuration(&directory, "127.0.0.1:1");
    let other =
        std::fs::read_to_string(&config).unwrap().replace("/data/customer", "/data/account");
    let other = write(&directory, "other.toml", &other);
    let check = |config: &Path| run(&["check", "--config", text(config)]);
    assert_eq!(check(&other).0, 0, "there is no history yet");
    let mut gateway = Background::start(&["serve", "--config", text(&config)]);
    let [admin, token] = ["admin ", "token "].map(|word| gateway.stdout_line(word));
    let refused = |(code, out, _): (i32, String, String)| {
        let told = "key body:/data/customer and is now configured with key body:/data/account:";
        code == 1
            && out.contains("other.toml:7: error: sources.billing: source-changed: ")
            && out.contains(told)
            && !out.contains("contract")
            && !out.contains("fine")
    };
    // What was declared is told once it is in the state store: within a minute, or when a list is read from that.
    assert_eq!(run(&["keys", "--admin", &admin, "--token", &token]).0, 0);
    assert!(refused(check(&other)), "{:?}", check(&other));
    assert_eq!(check(&config).0, 0);
    assert_eq!(gateway.end("TERM").0, 0);
    let files = || {
        let files = std::fs::read_dir(directory.path().join("data")).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let before = files();
    assert!(refused(check(&other)), "{:?}", check(&other));
    assert_eq!(files(), before);
    std::fs::remove_file(directory.path().join("data/state.sqlite")).unwrap();
    let (code, out, _) = check(&other);
    assert!(
        code == 0 && out.contains("warning: server.data: ") && out.contains("not compared"),
        "{out}"
    );
}

#[test]
fn a_destination_that_is_dead_or_not_allowed_is_told_in_the_log() {
    let directory = TempDir::new().unwrap();
    let text_of = std::fs::read_to_string(configuration(&directory, "127.0.0.1:1")).unwrap();
    // A name by the rules of the configuration, and a private address once it is resolved.
    let config = format!(
        "{text_of}\n[destinations.audit]\nfrom = [\"billing\"]\nurl = \"http://127.1:1/\"\n\
         secrets = [\"env:SPRAG_TEST_SECRET\"]\n"
    );
    let config = write(&directory, "two.toml", &config);
    let mut gateway = Background::start(&["serve", "--config", text(&config)]);
    let listen = gateway.stdout_line("listen ").replace("SOURCE", "billing");
    let send =
        ["send", "--config", text(&config), "--url", &listen, "--events", "5", "--keys", "5"];
    assert_eq!(run(&send).0, 0);
    let refused: &[&str] = &["WARN", "address-not-allowed", "audit", "allow"];
    let dead: &[&str] = &["WARN", "breaker-open", "app", "last: unreachable", "lane(s)"];
    until_logged(&mut gateway, &[refused, dead]);
}

#[test]
fn a_send_at_nothing_says_so_at_once() {
    let directory = TempDir::new().unwrap();
    let config = configuration(&directory, "127.0.0.1:1");
    let url = "http://127.0.0.1:1/in/billing";
    let mut send =
        Background::start(&["send", "--config", text(&config), "--url", url, "--events", "1"]);
    let told = send.stderr_line(&format!("sprag: {url}: "));
    assert!(told.ends_with("; each event is tried 10 times in 16 s"), "{told}");
}
