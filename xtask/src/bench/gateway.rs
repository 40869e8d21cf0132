//! Sprag as it is measured: the release build of `sprag serve` on a data directory, empty or filled before, and
//! what its metrics say about how far it is.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::Bench;
use super::http::{TOKEN, get, json_number, metric};
use super::server::{Server, free_address, wait_for};
use crate::failure::Failure;
use crate::process::{self, now};

/// The source's secret as it is: the load is signed with it before any run.
pub(crate) const SOURCE_SECRET: &str = "a secret that signs a load for nobody";
/// The destination's secret, in the form Standard Webhooks gives it.
pub(crate) const DESTINATION_SECRET: &str = "whsec_YSBzZWNyZXQgdGhhdCBzaWducyBkZWxpdmVyaWVz";
/// The environment variable of [`DESTINATION_SECRET`].
pub(crate) const DESTINATION_VARIABLE: &str = "SPRAG_BENCH_DESTINATION";
const SOURCE_VARIABLE: &str = "SPRAG_BENCH_SOURCE";

/// Between two looks at the metrics: below 1 % of the shortest run.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Deliveries that make no progress for so long are lost: nothing here fails, so nothing waits
/// for a second attempt; a gap would be given up after 5 s.
const STUCK: Duration = Duration::from_secs(20);
/// Until a gateway answers `/readyz` whose log is empty or short.
pub(crate) const READY: Duration = Duration::from_secs(20);

/// The destination whose deliveries are counted, unless another is said.
const DESTINATION: &str = "consumer";

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) listen: SocketAddr,
    pub(crate) server: Server,
    /// The destination whose deliveries are counted.
    pub(crate) counted: &'static str,
    admin: SocketAddr,
}

/// What the metrics say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Progress {
    /// Events delivered in order, their outcome durable when nothing is in flight.
    pub(crate) delivered: u64,
    /// Attempts that ended otherwise.
    pub(crate) failed: u64,
    /// Attempts under way.
    pub(crate) in_flight: u64,
}

/// How far a key has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct KeyProgress {
    /// Events that it has released.
    pub(crate) released: u64,
    /// Of those, what its first lane has delivered.
    pub(crate) delivered: u64,
}

/// Whose events come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Those of `bench_load` and `bench_fill`: contract `fifo`.
    Made,
    /// The same, and history is kept for two minutes only.
    MadeAndForgotten,
    /// GitHub's published examples, by their preset.
    Github,
}

impl Source {
    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Made | Self::MadeAndForgotten => "bench",
            Self::Github => "github",
        }
    }

    fn section(self) -> String {
        match self {
            Self::Made => made("", ""),
            Self::MadeAndForgotten => {
                made("dedupe = \"2m\"", "[retention]\nbodies = \"2m\"\nfacts = \"2m\"\n")
            }
            Self::Github => format!(
                "[sources.github]\npreset = \"github\"\n\
                 verify = {{ secrets = [\"env:{SOURCE_VARIABLE}\"] }}\n"
            ),
        }
    }
}

/// The section of made events, with so much more in it, and behind it.
fn made(more: &str, behind: &str) -> String {
    format!(
        r#"[sources.bench]
id = "header:x-event-id"
key = "body:/data/customer"
type = "body:/type"
position = {{ sequence = "body:/sequence" }}
contract = "fifo"
{more}

[sources.bench.verify]
scheme = "hmac"
algorithm = "sha256"
header = "x-signature"
encoding = "hex"
secrets = ["env:{SOURCE_VARIABLE}"]

{behind}"#
    )
}

/// A directory that holds a configuration and its data directory: what gateways are started on.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) room: PathBuf,
    source: Source,
    /// More lines of the destination.
    lines: String,
    /// More sections.
    sections: String,
    /// How long bodies are kept, and as received; as is the default without.
    kept: Option<&'static str>,
}

impl Place {
    /// An empty one.
    pub(crate) fn empty(bench: &Bench, name: &str, source: Source) -> Result<Self, Failure> {
        let (lines, sections) = (String::new(), String::new());
        Ok(Self { room: bench.room(name)?, source, lines, sections, kept: None })
    }

    /// With bodies not packed, and history kept for so long only.
    pub(crate) fn keeping(self, time: &'static str) -> Self {
        Self { kept: Some(time), ..self }
    }

    /// With these lines more in the section of its destination.
    pub(crate) fn with_lines(self, lines: &str) -> Self {
        Self { lines: lines.to_owned(), ..self }
    }

    /// With these sections more in its configuration.
    pub(crate) fn with_sections(self, sections: String) -> Self {
        Self { sections, ..self }
    }

    /// With one more destination of this name, for the same events.
    pub(crate) fn with_destination(self, name: &str, consumer: SocketAddr, bench: &Bench) -> Self {
        let section = destination(name, self.source, consumer, bench.connections);
        self.with_sections(section)
    }

    /// The same data once more, and on disk: hundreds of megabytes that the system still wrote down during the run
    /// would hold up its commits, and those of the larger directory for longer.
    pub(crate) fn copy(&self, bench: &Bench, name: &str) -> Result<Self, Failure> {
        let room = bench.room(name)?;
        let mut copy = Command::new("cp");
        copy.args(["--recursive", "--reflink=auto"]).arg(self.data()).arg(&room);
        process::output_of(&mut copy)?;
        process::output_of(Command::new("sync").arg("--file-system").arg(&room))?;
        Ok(Self { room, ..self.clone() })
    }

    /// Whose events come in.
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    /// Where its data is.
    pub(crate) fn data(&self) -> PathBuf {
        self.room.join("data")
    }

    /// Writes the configuration; its path.
    pub(crate) fn configure(
        &self,
        [listen, admin, consumer]: [SocketAddr; 3],
        concurrency: u32,
    ) -> Result<PathBuf, Failure> {
        let path = self.room.join("sprag.toml");
        let log = self.kept.map_or("", |_| "body_codec = \"none\"");
        let section = match self.kept {
            None => self.source.section(),
            Some(time) => {
                let retention = format!("[retention]\nbodies = \"{time}\"\nfacts = \"{time}\"\n");
                made(&format!("dedupe = \"{time}\""), &retention)
            }
        };
        let destination = destination(DESTINATION, self.source, consumer, concurrency);
        let (lines, sections) = (&self.lines, &self.sections);
        let text = format!(
            r#"[server]
listen = "{listen}"
admin = "{admin}"
data = "data"
partitions = 16

[log]
engine = "embedded"
{log}

{section}
{destination}{lines}

{sections}"#
        );
        fs::write(&path, text).map_err(Failure::while_doing("writing sprag.toml"))?;
        Ok(path)
    }

    /// Starts a gateway that delivers to `consumer`, and waits until it is ready, for so long at the most.
    pub(crate) fn serve(
        &self,
        bench: &Bench,
        consumer: SocketAddr,
        patience: Duration,
    ) -> Result<Gateway, Failure> {
        let (listen, admin) = (free_address()?, free_address()?);
        let path = self.configure([listen, admin, consumer], bench.connections)?;
        let mut command = Command::new(&bench.sprag);
        command.arg("serve").arg("--config").arg(&path).current_dir(&self.room);
        secrets(&mut command);
        command.env("SPRAG_ADMIN_TOKEN", TOKEN);
        let server = Server::start(&mut command, &self.room, &[listen, admin])?;
        let mut gateway = Gateway { listen, server, counted: DESTINATION, admin };
        let ready = wait_for(patience, || {
            gateway.server.check()?;
            Ok(get(admin, "/readyz").ok())
        })?;
        ready.ok_or_else(|| Failure::new("the gateway does not become ready"))?;
        Ok(gateway)
    }

    /// Has a running gateway take a configuration with so many attempts at once.
    pub(crate) fn reload(
        &self,
        gateway: &Gateway,
        consumer: SocketAddr,
        concurrency: u32,
    ) -> Result<(), Failure> {
        self.configure([gateway.listen, gateway.admin, consumer], concurrency)?;
        gateway.server.signal("HUP");
        Ok(())
    }
}

/// Puts the secrets of a configuration into the environment of a program that reads it.
pub(crate) fn secrets(command: &mut Command) {
    command.env(SOURCE_VARIABLE, SOURCE_SECRET).env(DESTINATION_VARIABLE, DESTINATION_SECRET);
}

/// Starts a gateway on an empty data directory that delivers to `consumer`.
pub(crate) fn start(bench: &Bench, consumer: SocketAddr) -> Result<Gateway, Failure> {
    Place::empty(bench, "gateway", Source::Made)?.serve(bench, consumer, READY)
}

fn destination(name: &str, source: Source, consumer: SocketAddr, concurrency: u32) -> String {
    format!(
        r#"[destinations.{name}]
from = ["{}"]
url = "http://{consumer}/in/bench"
secrets = ["env:{DESTINATION_VARIABLE}"]
concurrency = {concurrency}
allow = ["127.0.0.0/8"]
"#,
        source.name()
    )
}

impl Gateway {
    /// Returns when `events` are delivered and recorded, or nothing has moved for long.
    pub(crate) fn drained(&mut self, events: u64) -> Result<Progress, Failure> {
        let mut progress = self.progress()?;
        let mut moved = now();
        while progress.delivered < events || progress.in_flight > 0 {
            std::thread::sleep(LOOK_EVERY);
            self.server.check()?;
            let newest = self.progress()?;
            if newest != progress {
                moved = now();
            } else if moved.elapsed() > STUCK {
                break;
            }
            progress = newest;
        }
        Ok(progress)
    }

    /// Returns when so many events are delivered, whatever else is in flight.
    pub(crate) fn delivered(&mut self, events: u64) -> Result<(), Failure> {
        self.until(|gateway| Ok((gateway.progress()?.delivered, events)))
    }

    /// Returns when so many of some events are delivered as are wanted: `look` says both.
    pub(crate) fn until(
        &mut self,
        look: impl Fn(&Self) -> Result<(u64, u64), Failure>,
    ) -> Result<(), Failure> {
        let mut moved = (now(), 0);
        loop {
            self.server.check()?;
            let (delivered, wanted) = look(self)?;
            if delivered >= wanted {
                return Ok(());
            }
            if delivered > moved.1 {
                moved = (now(), delivered);
            } else if moved.0.elapsed() > STUCK {
                let why = format!("{delivered} of {wanted} events are delivered, and no more");
                return Err(Failure::new(why));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What a key has released, and its first lane delivered.
    pub(crate) fn key(&self, name: &str) -> Result<KeyProgress, Failure> {
        let source = Source::Made.name();
        let key = get(self.admin, &format!("/v1/sources/{source}/keys/{name}"))?;
        let of = |member| {
            let why = || Failure::new(format!("no {member} in {key}"));
            json_number(&key, member).ok_or_else(why)
        };
        Ok(KeyProgress { released: of("sequence")?, delivered: of("delivered")? })
    }

    /// What it says of itself now.
    pub(crate) fn progress(&self) -> Result<Progress, Failure> {
        progress(&get(self.admin, "/metrics")?, self.counted)
            .ok_or_else(|| Failure::new("the gateway's metrics lack its attempts"))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of events, small and not negative"
)]
fn progress(page: &str, destination: &str) -> Option<Progress> {
    let attempts = &format!("sprag_attempts_total{{destination=\"{destination}\",outcome=\"");
    let acknowledged = format!("{attempts}2xx\"}}");
    // An attempt may carry many events: those are counted by the time that each took.
    let lags = format!("sprag_lag_seconds_count{{destination=\"{destination}\",");
    let delivered = sum(page, &lags);
    let in_flight = format!("sprag_in_flight{{destination=\"{destination}\",pool=\"main\"}}");
    let in_flight = metric(page, &in_flight);
    let failed = sum(page, attempts).saturating_sub(metric(page, &acknowledged)? as u64);
    Some(Progress { delivered, failed, in_flight: in_flight.unwrap_or_default() as u64 })
}

/// The sum of all counters that begin so.
fn sum(page: &str, begin: &str) -> u64 {
    let counts = page.lines().filter_map(|line| {
        let (_, count) = line.strip_prefix(begin)?.split_once("\"} ")?;
        count.trim().parse::<u64>().ok()
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_the_metrics() {
        let page = "# TYPE sprag_attempts counter\n\
            sprag_attempts_total{destination=\"consumer\",outcome=\"2xx\"} 40\n\
            sprag_attempts_total{destination=\"consumer\",outcome=\"5xx\"} 2\n\
            sprag_attempts_total{destination=\"consumer\",outcome=\"unknown\"} 1\n\
            sprag_lag_seconds_count{destination=\"consumer\",partition=\"0\"} 1500\n\
            sprag_lag_seconds_count{destination=\"consumer\",partition=\"1\"} 500\n\
            sprag_in_flight{destination=\"consumer\",pool=\"main\"} 7\n";
        let expected = Progress { delivered: 2000, failed: 3, in_flight: 7 };
        assert_eq!(progress(page, DESTINATION), Some(expected));
        assert_eq!(progress(page, "other"), None);
    }
}
