//! The order seen: the same load to a consumer that checks every delivery (`sprag sink`).
//! Its figures are judged: anything lost or out of order fails the command.

use std::fmt;
use std::net::SocketAddr;
use std::process::Command;

use super::gateway::{DESTINATION_SECRET, DESTINATION_VARIABLE};
use super::http::{get, json_number};
use super::load::LoadFile;
use super::server::{Server, free_address};
use super::{Bench, gateway};
use crate::failure::Failure;
use crate::process;

/// What the consumer saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Checked {
    /// Events acknowledged to the provider.
    pub(crate) acknowledged: u64,
    /// Different events that came and were acknowledged by the consumer.
    pub(crate) delivered: u64,
    /// Deliveries of an event that had come before.
    pub(crate) repeats: u64,
    /// Everything the consumer found wrong: order, loss, chain, signature.
    pub(crate) violations: u64,
    /// First request to last delivery.
    pub(crate) seconds: f64,
}

/// A running `sprag sink`.
pub(crate) struct Sink {
    pub(crate) address: SocketAddr,
    server: Server,
}

impl Sink {
    /// Starts one there, with more arguments.
    pub(crate) fn start(
        bench: &Bench,
        address: SocketAddr,
        arguments: &[&str],
    ) -> Result<Self, Failure> {
        let room = bench.room("sink")?;
        let mut command = Command::new(&bench.sprag);
        command.args(["sink", "--from-first", "--json", "--listen", &address.to_string()]);
        command.args(["--secret", &format!("env:{DESTINATION_VARIABLE}")]).args(arguments);
        command.env(DESTINATION_VARIABLE, DESTINATION_SECRET);
        let server = Server::start(&mut command, &room, &[address])?;
        Ok(Self { address, server })
    }

    /// Ends it; what it saw of so many events.
    pub(crate) fn end(self, acknowledged: u64, seconds: f64) -> Result<Checked, Failure> {
        let summary = get(self.address, "/summary")?;
        self.server.end("INT");
        let number = |name| {
            let missing = || Failure::new(format!("the sink's summary has no {name:?}: {summary}"));
            json_number(&summary, name).ok_or_else(missing)
        };
        Ok(Checked {
            acknowledged,
            delivered: number("acknowledged")?,
            repeats: number("repeats")?,
            violations: violations(&summary)
                .ok_or_else(|| Failure::new("no violations counted"))?,
            seconds,
        })
    }
}

/// Sends the load through Sprag to the checking consumer.
pub(crate) fn measure(bench: &Bench, load: &LoadFile) -> Result<Checked, Failure> {
    let sink = Sink::start(bench, free_address()?, &[])?;
    let mut gateway = gateway::start(bench, sink.address)?;
    let mut sending = load.send(gateway.listen, 0.0)?;
    sending.wait()?;
    gateway.drained(load.events)?;
    let ended = process::unix_seconds();
    let sent = sending.finish()?;
    sink.end(load.events, ended - sent.began)
}

/// The sum over all kinds; none when the summary does not name them.
fn violations(summary: &str) -> Option<u64> {
    let (_, kinds) = summary.split_once("\"violations\":{")?;
    let (kinds, _) = kinds.split_once('}')?;
    let counts = kinds.split(',').map(|kind| kind.split_once(':')?.1.trim().parse::<u64>().ok());
    counts.sum()
}

impl Checked {
    fn lost(&self) -> u64 {
        self.acknowledged.saturating_sub(self.delivered)
    }

    /// A failure when a promise was broken.
    pub(crate) fn judge(&self) -> Result<(), Failure> {
        if self.lost() == 0 && self.violations == 0 {
            return Ok(());
        }
        Err(Failure::new(format!("{self}")))
    }

    /// As JSON.
    pub(crate) fn to_json(self) -> String {
        format!(
            "{{\"acknowledged\":{},\"lost\":{},\"violations\":{},\"repeats\":{},\"seconds\":{:.3}}}",
            self.acknowledged,
            self.lost(),
            self.violations,
            self.repeats,
            self.seconds
        )
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} acknowledged, {} lost, {} violations (order, loss, chain, signature), {} repeats",
            self.acknowledged,
            self.lost(),
            self.violations,
            self.repeats
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_of_every_kind_count() {
        let summary = r#"{"events":3,"violations":{"chain":1,"order":2},"first_violations":[]}"#;
        assert_eq!(violations(summary), Some(3));
        assert_eq!(violations(r#"{"violations":{"order":"x"}}"#), None);
        assert_eq!(violations("{}"), None);
    }

    #[test]
    fn loss_and_disorder_fail_and_repeats_do_not() {
        let fine =
            Checked { acknowledged: 9, delivered: 9, repeats: 2, violations: 0, seconds: 1.0 };
        assert!(fine.judge().is_ok());
        assert!(Checked { delivered: 8, ..fine }.judge().is_err());
        assert!(Checked { violations: 1, ..fine }.judge().is_err());
    }
}
