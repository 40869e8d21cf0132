//! One gateway for all requests of this process, and a plain client.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::time::Duration;

use sprag::clock::Clock;
use sprag::config::{self, Config, SecretReference};
use sprag::extract::Rules;
use sprag::secret::Secret;
use sprag::serve::Running;
use tokio::runtime::Runtime;

use crate::reference::mac;

/// The key of `signed`.
pub(super) const KEY: &[u8] = &[9; 24];
/// Bytes of a body that are taken.
pub(super) const MAX_BODY: usize = 4_096;
/// Nothing takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(30);

const CONFIGURATION: &str = r#"
[server]
listen = "127.0.0.1:0"
admin = "127.0.0.1:0"
data = "data"
partitions = 2
[limits]
disk_reserve = "1MiB"
[sources.open]
verify.scheme = "none"
id = "header:x-id"
key = { join = ["body:/order", "const:k"] }
type = "body:/type"
accept = ["order.*", "7"]
position.version = "body:/n"
contract = "latest"
max_body = "4KiB"
[sources.signed]
verify = { scheme = "standard-webhooks", secrets = ["env:A"], tolerance = "1h" }
id = "header:webhook-id"
key = "body:/order"
contract = "arrival"
max_body = "4KiB"
[sources.form]
verify.scheme = "none"
id = "sha256"
key = { join = ["form:order", "query:a"] }
position.version = "form:n"
contract = "latest"
max_body = "4KiB"
[destinations.nowhere]
from = ["open"]
url = "http://127.0.0.1:9/"
secrets = ["env:A"]
allow = ["127.0.0.0/8"]
on_give_up = "skip"
retry = { attempts = 1 }
"#;

pub(super) static GATEWAY: LazyLock<Gateway> = LazyLock::new(Gateway::start);

/// A gateway that serves as long as this process lives.
pub(super) struct Gateway {
    address: SocketAddr,
    rules: BTreeMap<String, Rules>,
    clock: Clock,
    _running: Running,
    _runtime: Runtime,
    _directory: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Gateway {
    fn start() -> Self {
        let secret =
            |_: &SecretReference| Ok(Secret::from(format!("whsec_{}", mac::base64(KEY)).as_str()));
        let checked = config::check(CONFIGURATION, "fuzz.toml", &secret);
        let mut config: Config = checked.expect("a sound configuration").config;
        let directory = tempfile::tempdir().expect("a directory");
        config.server.data = directory.path().join("data");
        let rules =
            config.sources.iter().map(|(name, source)| (name.clone(), source.rules.clone()));
        let rules = rules.collect();
        let runtime = Runtime::new().expect("a runtime");
        let running = runtime.block_on(sprag::serve::start(config)).expect("it starts");
        Self {
            address: running.listen,
            rules,
            clock: Clock::start(),
            _running: running,
            _runtime: runtime,
            _directory: directory,
        }
    }

    pub(super) fn rules(&self, source: &str) -> &Rules {
        &self.rules[source]
    }

    /// Seconds since 1970.
    pub(super) fn seconds(&self) -> u64 {
        self.clock.now().clock.0 / 1_000_000
    }

    /// Sends bytes and what then ends the connection; the first answer, if there is one.
    pub(super) fn send(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // It may answer and close before it has read everything.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            let hangs = matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            );
            assert!(!hangs, "no answer to {}", String::from_utf8_lossy(bytes));
        }
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.expect("an answer is HTTP/1.1");
        Some(Answer { status, body: answer.split_off(end + 4) })
    }
}
