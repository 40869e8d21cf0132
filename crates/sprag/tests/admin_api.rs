//! The admin API against its own description: schemathesis reads `/openapi.json` of the running
//! program, makes requests that fit it and requests that do not, and judges the answers.
//!
//! Run by `cargo xtask test --only admin-api`, which installs it and names its Python.

#![expect(clippy::panic, reason = "a helper that fails fails its test")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const TOKEN: &str = "a-token-of-this-test";
/// Seconds it makes requests for.
const SECONDS: &str = "25";
/// The same requests every time, as far as their number allows.
const SEED: &str = "20261125";

/// Killed when the test ends.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sprag(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sprag"));
    command.env("SPRAG_ADMIN_TOKEN", TOKEN).current_dir(directory.path());
    command
}

/// `app` parks and `audit` skips what cannot be delivered at once, so that there is something of
/// everything.
fn configuration() -> String {
    let destination = |name: &str, on_give_up: &str| {
        format!(
            "[destinations.{name}]\nfrom = [\"billing\"]\nurl = \"http://127.0.0.1:1/\"\n\
             secrets = [\"file:secret\"]\nallow = [\"127.0.0.0/8\"]\non_give_up = \"{on_give_up}\"\n\
             retry = {{ first = \"10ms\", cap = \"20ms\", for = \"1h\", attempts = 1 }}\n"
        )
    };
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = \"data\"\n\
         partitions = 4\n[limits]\ndisk_reserve = \"1MiB\"\n[sources.billing]\n\
         verify = {{ scheme = \"token\", header = \"authorization\", secrets = [\"file:secret\"] }}\n\
         id = \"body:/id\"\nkey = \"body:/key\"\ntype = \"body:/type\"\n\
         position = {{ sequence = \"body:/at\" }}\ncontract = \"fifo\"\n\
         hold = {{ wait = \"1h\" }}\n{}{}",
        destination("app", "park"),
        destination("audit", "skip"),
    )
}

/// Released, held, dead in a lane, passed, dead at ingress: some of each.
fn events() -> String {
    let event = |key: &str, at: u64| {
        format!("{{\"key\":\"{key}\",\"type\":\"t\",\"at\":{at},\"id\":\"{key}-{at}\"}}\n")
    };
    let of = |key: &&str| [1, 2, 4, 90_000].map(|at| event(key, at)).concat();
    ["a", "b/c", "d"].iter().map(of).collect()
}

fn schemathesis() -> PathBuf {
    let python = std::env::var_os("SPRAG_INTEROP_PYTHON").unwrap_or_else(|| {
        panic!("SPRAG_INTEROP_PYTHON names no Python: run `cargo xtask test --only admin-api`")
    });
    Path::new(&python).with_file_name("schemathesis")
}

#[test]
fn every_answer_is_as_described() {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("sprag.toml", &configuration());
    write("secret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    write("events.jsonl", &events());
    let mut serve = sprag(&directory);
    let serve = serve.arg("serve").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut gateway = Background(serve.spawn().unwrap());
    let mut lines = BufReader::new(gateway.0.stdout.take().unwrap()).lines();
    let mut line = |word: &str| {
        let line = lines.next().unwrap().unwrap();
        line.strip_prefix(word).unwrap().trim().to_owned()
    };
    let (listen, admin) = (line("listen ").replace("SOURCE", "billing"), line("admin"));
    let sent = sprag(&directory).args(["send", "--url", &listen, "events.jsonl"]).status();
    assert!(sent.unwrap().success());

    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/schemathesis.toml");
    let mut check = Command::new(schemathesis());
    check.arg("--config-file").arg(config).arg("run").arg(format!("{admin}/openapi.json"));
    check.args(["--max-time", SECONDS, "--seed", SEED, "--request-timeout", "10", "--no-color"]);
    // A schema cannot say that members go together, nor what a cursor is: valid requests may be
    // refused, and that the refusal is a described one is checked.
    check.args(["--checks", "all", "--exclude-checks", "positive_data_acceptance"]);
    check.env("SPRAG_ADMIN_TOKEN", TOKEN).current_dir(directory.path());
    let output = check.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let serves = sprag(&directory).args(["sources", "--admin", &admin]).status();
    assert!(serves.unwrap().success(), "it serves on");
}
