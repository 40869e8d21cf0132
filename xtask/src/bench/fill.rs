//! Data directories with millions of events: written once by `examples/bench_fill.rs`, through node, log and state
//! store of the product, without HTTP.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::gateway::{self, Place};
use super::http::json_number;
use super::server::{Server, free_address};
use super::{Bench, memory};
use crate::failure::Failure;
use crate::process::now;

/// How the attempts of a fill end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempts {
    /// Answered 200.
    Answered,
    /// No attempt reaches the consumer: everything waits.
    Unreachable,
    /// Answered 410: every lane halts at its first event, and the others wait behind it.
    Gone,
}

/// What to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill<'a> {
    pub(crate) events: u64,
    /// Each has its next event after all others had theirs.
    pub(crate) keys: u64,
    pub(crate) attempts: Attempts,
    /// Bodies in place of made ones.
    pub(crate) corpus: Option<&'a Path>,
}

/// What was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filled {
    pub(crate) seconds: f64,
    /// The most anonymous memory of the whole program, MiB.
    pub(crate) memory_mib: f64,
    /// Bytes of all bodies.
    pub(crate) body_bytes: u64,
}

impl Fill<'_> {
    /// Writes it into an empty place.
    pub(crate) fn write(self, bench: &Bench, place: &Place) -> Result<Filled, Failure> {
        let Self { events, keys, attempts, corpus } = self;
        let addresses = [free_address()?, free_address()?, free_address()?];
        let mut command = Command::new(bench.example("bench_fill"));
        let configuration = place.configure(addresses, bench.connections)?;
        command.arg("--config").arg(configuration).args(["--source", place.source().name()]);
        command.args(["--events", &events.to_string(), "--keys", &keys.to_string()]);
        match attempts {
            Attempts::Answered => {}
            Attempts::Unreachable => _ = command.arg("--dead"),
            Attempts::Gone => _ = command.arg("--gone"),
        }
        if let Some(corpus) = corpus {
            command.arg("--corpus").arg(corpus);
        }
        gateway::secrets(&mut command);
        let began = now();
        let mut program = Server::start(command.current_dir(&place.room), &place.room, &[])?;
        let (memory_mib, ()) = memory::most_until(&mut program, Server::ended)?;
        let seconds = began.elapsed().as_secs_f64();
        let output = place.room.join("output");
        let said = fs::read_to_string(&output).map_err(Failure::while_doing("reading a fill"))?;
        let written = json_number(&said, "events").filter(|written| *written == events);
        let body_bytes = written.and_then(|_| json_number(&said, "body_bytes"));
        let body_bytes = body_bytes.ok_or_else(|| Failure::new(format!("the fill: {said}")))?;
        let filled = Filled { seconds, memory_mib, body_bytes };
        println!(
            "  filled: {events} events over {keys} keys in {seconds:.0} s, at most {memory_mib:.0} MiB"
        );
        Ok(filled)
    }
}
