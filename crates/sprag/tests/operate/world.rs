//! A gateway as a process of its own, a consumer, and commands asked of it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::consumer::Consumer;

const TOKEN: &str = "a token of these tests";

/// Killed when the test ends.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `billing` (fifo, by key and sequence of the body) goes to `app`, which halts, and `audit`, which
/// skips; two failed tries give an event up.
pub(crate) struct World {
    gateway: Option<Background>,
    pub(crate) consumer: Consumer,
    pub(crate) directory: TempDir,
    pub(crate) listen: String,
    pub(crate) admin: String,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        Self { code: output.status.code().unwrap(), out, err }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// A gateway, where events go, and its admin API.
fn serve(configuration: &Path) -> (Background, String, String) {
    let mut command = sprag();
    command.args(["serve", "--config"]).arg(configuration);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut gateway = Background(child);
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(gateway.0.stdout.take().unwrap()));
    let mut line = |word: &str| {
        let line = lines.next().unwrap_or_else(|| panic!("serve ended")).unwrap();
        line.strip_prefix(word).unwrap().trim().to_owned()
    };
    let listen = line("listen ").replace("SOURCE", "billing");
    let admin = line("admin");
    (gateway, listen, admin)
}

fn sprag() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sprag"));
    command.env("SPRAG_ADMIN_TOKEN", TOKEN);
    command
}

impl World {
    pub(crate) fn start(status: u16) -> Self {
        Self::start_with(status, "hold = { wait = \"1h\" }")
    }

    /// With these lines about gaps for `billing`.
    pub(crate) fn start_with(status: u16, gaps: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let consumer = Consumer::start(status);
        let path = directory.path().join("sprag.toml");
        std::fs::write(&path, configuration(&directory, &consumer, gaps)).unwrap();
        let (gateway, listen, admin) = serve(&path);
        Self { gateway: Some(gateway), consumer, directory, listen, admin }
    }

    /// Kills the gateway, at whatever it is doing.
    pub(crate) fn kill(&mut self) {
        self.gateway = None;
    }

    /// Starts the gateway that was killed again.
    pub(crate) fn start_again(&mut self) {
        let (gateway, listen, admin) = serve(&self.path("sprag.toml"));
        (self.gateway, self.listen, self.admin) = (Some(gateway), listen, admin);
    }

    /// Runs a command on the data directory.
    pub(crate) fn run_stopped(&self, arguments: &[&str]) -> Said {
        let mut command = sprag();
        command.args(arguments).arg("--data").arg(self.path("data"));
        Said::of(&command.output().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Sends events of a key, in this order.
    pub(crate) fn send(&self, key: &str, positions: &[u64]) {
        let line = |at: &u64| {
            format!(
                "{{\"key\":\"{key}\",\"type\":\"order.paid\",\"at\":{at},\"id\":\"{key}-{at}\"}}\n"
            )
        };
        let lines: String = positions.iter().map(line).collect();
        self.send_lines("billing", &lines);
    }

    /// Posts events of another source, in this order.
    pub(crate) fn post(&self, source: &str, events: &[Value]) {
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        self.send_lines(source, &lines);
    }

    fn send_lines(&self, source: &str, lines: &str) {
        let file = self.path("events.jsonl");
        std::fs::write(&file, lines).unwrap();
        let mut command = sprag();
        command.args(["send", "--source", source, "--config"]).arg(self.path("sprag.toml"));
        let url = self.listen.replace("billing", source);
        let output = command.args(["--url", &url]).arg(&file).output().unwrap();
        let said = Said::of(&output);
        assert_eq!(said.code, 0, "{said:?}");
    }

    /// Runs a command against the gateway.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).output().unwrap())
    }

    /// A command that asks the gateway.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sprag();
        command.args(arguments).args(["--admin", &self.admin]).current_dir(&self.directory);
        command
    }

    /// Runs a command until it says what is expected; what happens in the gateway takes a moment.
    pub(crate) fn until(&self, arguments: &[&str], expected: impl Fn(&Said) -> bool) -> Said {
        let mut said = self.run(arguments);
        for _ in 0..300 {
            if expected(&said) {
                return said;
            }
            std::thread::sleep(Duration::from_millis(20));
            said = self.run(arguments);
        }
        panic!("{arguments:?} stays {said:?}");
    }

    /// Waits until so many events of a key are delivered in each of its lanes.
    pub(crate) fn until_delivered(&self, key: &str, events: u64) {
        let is_so = |said: &Said| {
            let key = said.json();
            key["lanes"].as_array().unwrap().iter().all(|lane| lane["delivered"] == events)
        };
        self.until(&["keys", &format!("billing:{key}"), "--json"], is_so);
    }

    /// Waits until a key's lane to the first destination is as expected.
    pub(crate) fn until_lane(&self, key: &str, name: &str, value: &Value) -> Value {
        let expected = |said: &Said| said.json()["lanes"][0][name] == *value;
        self.until(&["keys", &format!("billing:{key}"), "--json"], expected).json()
    }
}

fn configuration(directory: &TempDir, consumer: &Consumer, gaps: &str) -> String {
    let data = directory.path().join("data");
    let destination = |name: &str, on_give_up: &str| {
        format!(
            "[destinations.{name}]\nfrom = [\"billing\"]\nurl = \"http://{}/{name}\"\n\
             secrets = [\"file:{}\"]\nallow = [\"127.0.0.0/8\"]\non_give_up = \"{on_give_up}\"\n\
             retry = {{ first = \"10ms\", cap = \"20ms\", for = \"1h\", attempts = 2 }}\n",
            consumer.address,
            directory.path().join("secret").display(),
        )
    };
    std::fs::write(directory.path().join("secret"), "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
        .unwrap();
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = {data:?}\n\
         partitions = 4\n[limits]\ndisk_reserve = \"1MiB\"\n\
         [sources.billing]\nverify = {{ scheme = \"token\", header = \"authorization\", \
         secrets = [\"file:{}\"] }}\nid = \"body:/id\"\nkey = \"body:/key\"\ntype = \"body:/type\"\n\
         position = {{ sequence = \"body:/at\" }}\ncontract = \"fifo\"\n\
         {gaps}\n{}{}",
        directory.path().join("secret").display(),
        destination("app", "halt"),
        destination("audit", "skip"),
    )
}
