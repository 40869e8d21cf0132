//! Sprag as it is measured: the release build of `sprag serve` on an empty data directory, and
//! what its metrics say about how far it is.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::Bench;
use super::http::{get, metric};
use super::server::{Server, free_address, wait_for};
use crate::failure::Failure;
use crate::process::now;

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
/// Until the gateway answers `/readyz`.
const READY: Duration = Duration::from_secs(20);

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) listen: SocketAddr,
    pub(crate) server: Server,
    admin: SocketAddr,
}

/// What the metrics say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Progress {
    /// Deliveries answered with 2xx, their outcome durable when nothing is in flight.
    pub(crate) delivered: u64,
    /// Attempts that ended otherwise.
    pub(crate) failed: u64,
    /// Attempts under way.
    pub(crate) in_flight: u64,
}

/// Starts a gateway on an empty data directory that delivers to `consumer`.
pub(crate) fn start(bench: &Bench, consumer: SocketAddr) -> Result<Gateway, Failure> {
    let room = bench.room("gateway")?;
    let (listen, admin) = (free_address()?, free_address()?);
    let path = room.join("sprag.toml");
    let text = configuration(listen, admin, consumer, bench.connections);
    fs::write(&path, text).map_err(Failure::while_doing("writing sprag.toml"))?;
    let mut command = Command::new(&bench.sprag);
    command.arg("serve").arg("--config").arg(&path).current_dir(&room);
    command.env(SOURCE_VARIABLE, SOURCE_SECRET).env(DESTINATION_VARIABLE, DESTINATION_SECRET);
    command.env("SPRAG_ADMIN_TOKEN", "bench");
    let server = Server::start(&mut command, &room, &[listen, admin])?;
    wait_for(READY, || Ok(get(admin, "/readyz").ok()))?
        .ok_or_else(|| Failure::new("the gateway does not become ready"))?;
    Ok(Gateway { listen, server, admin })
}

fn configuration(
    listen: SocketAddr,
    admin: SocketAddr,
    consumer: SocketAddr,
    concurrency: u32,
) -> String {
    format!(
        r#"[server]
listen = "{listen}"
admin = "{admin}"
data = "data"
partitions = 16

[log]
engine = "embedded"

[sources.bench]
id = "header:x-event-id"
key = "body:/data/customer"
type = "body:/type"
position = {{ sequence = "body:/sequence" }}
contract = "fifo"

[sources.bench.verify]
scheme = "hmac"
algorithm = "sha256"
header = "x-signature"
encoding = "hex"
secrets = ["env:{SOURCE_VARIABLE}"]

[destinations.consumer]
from = ["bench"]
url = "http://{consumer}/in/bench"
secrets = ["env:{DESTINATION_VARIABLE}"]
concurrency = {concurrency}
allow = ["127.0.0.0/8"]
"#
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

    fn progress(&self) -> Result<Progress, Failure> {
        progress(&get(self.admin, "/metrics")?)
            .ok_or_else(|| Failure::new("the gateway's metrics lack its attempts"))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of events, small and not negative"
)]
fn progress(page: &str) -> Option<Progress> {
    let attempts = "sprag_attempts_total{destination=\"consumer\",outcome=\"";
    let delivered = metric(page, &format!("{attempts}2xx\"}}"))? as u64;
    let in_flight = metric(page, "sprag_in_flight{destination=\"consumer\",pool=\"main\"}");
    let ended = page.lines().filter_map(|line| {
        let (_, count) = line.strip_prefix(attempts)?.split_once("\"} ")?;
        count.trim().parse::<u64>().ok()
    });
    let failed = ended.sum::<u64>().saturating_sub(delivered);
    Some(Progress { delivered, failed, in_flight: in_flight.unwrap_or_default() as u64 })
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
            sprag_in_flight{destination=\"consumer\",pool=\"main\"} 7\n";
        let expected = Progress { delivered: 40, failed: 3, in_flight: 7 };
        assert_eq!(progress(page), Some(expected));
        assert_eq!(progress("# EOF\n"), None);
    }
}
