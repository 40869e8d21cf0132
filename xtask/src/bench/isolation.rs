//! What all other keys lose while 200 keys hang or fail: runs of the same load to the same consumer, one after
//! another, in which those 200 keys are answered, never answered, or answered 503.
//!
//! The 200 keys have two events each, put between the first 10,000 of the others: what hangs or fails does so in a
//! destination that works. The first second counts too, in which hanging attempts take the places of others.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::consumer::{self, Stuck};
use super::cpu;
use super::figures::{Spread, interval};
use super::load::LoadFile;
use super::table::{Line, Side};
use super::{Bench, Load, gateway};
use crate::failure::Failure;
use crate::process;

/// Keys that hang or fail.
const STUCK_KEYS: u64 = 200;
/// How often a hole looks for connections.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Connections a hole holds; a descriptor each.
const HOLE_CONNECTIONS: usize = 800;

/// Takes connections and never answers.
struct Hole {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hole {
    fn open() -> Result<Self, Failure> {
        let opening = || Failure::while_doing("opening a hole");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(opening())?;
        listener.set_nonblocking(true).map_err(opening())?;
        let address = listener.local_addr().map_err(opening())?;
        let closing = Arc::new(AtomicBool::new(false));
        let told = closing.clone();
        let thread = thread::spawn(move || swallow(&listener, &told));
        Ok(Self { address, closing, thread: Some(thread) })
    }
}

fn swallow(listener: &TcpListener, closing: &AtomicBool) {
    let mut held = VecDeque::new();
    while !closing.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => held.push_back(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(LOOK_EVERY),
            // That connection is gone.
            Err(_) => {}
        }
        if held.len() > HOLE_CONNECTIONS {
            held.pop_front();
        }
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic; if it did, the hole is closed all the same.
            let _ = thread.join();
        }
    }
}

/// One run.
#[derive(Debug, Clone, Copy)]
struct Run {
    per_second: f64,
    seconds: f64,
    generator_cpu_us: f64,
    consumer_cpu_us: f64,
}

/// Measures rounds of three runs; who is first changes with each.
pub(crate) fn measure(
    bench: &Bench,
    events: u64,
    keys: u32,
    rounds: u32,
) -> Result<Vec<Line>, Failure> {
    let load = Load { apart: STUCK_KEYS, ..Load::new(events, keys) };
    let load = bench.load_of("isolation", load)?;
    let (mut losses, mut runs) = ([Vec::new(), Vec::new()], Vec::new());
    for number in 1..=rounds {
        let mut of_round = [None; 3];
        for turn in 0..3_u32 {
            let at = usize::try_from((turn + number) % 3).unwrap_or_default();
            let hole = Hole::open()?;
            let kind = [Stuck::Answered, Stuck::Hangs(hole.address), Stuck::Fails][at];
            of_round[at] = Some(run(bench, kind, &load, events)?);
        }
        let [Some(healthy), Some(hanging), Some(failing)] = of_round else { continue };
        let loss = |run: Run| (1.0 - run.per_second / healthy.per_second) * 100.0;
        println!(
            "  round {number} of {rounds}: {:.0}/s; 200 keys hang: {:.0}/s, {:.1} % less; fail: \
             {:.0}/s, {:.1} % less",
            healthy.per_second,
            hanging.per_second,
            loss(hanging),
            failing.per_second,
            loss(failing)
        );
        losses[0].push(loss(hanging));
        losses[1].push(loss(failing));
        runs.extend([healthy, hanging, failing]);
    }
    let of = |figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure));
    let said = format!(
        "runs of {:.0} s, CPU per event of the generator {:.1}, of the consumer {:.1} µs",
        of(|run| run.seconds).median,
        of(|run| run.generator_cpu_us).median,
        of(|run| run.consumer_cpu_us).median
    );
    let [hanging, failing] = losses;
    Ok(vec![
        line("200 keys hang: loss of throughput of all others", "isolation_hang", hanging, &said),
        line("200 keys fail: loss of throughput of all others", "isolation_fail", failing, &said),
    ])
}

fn line(what: &'static str, name: &'static str, losses: Vec<f64>, said: &str) -> Line {
    let pairs = losses.len();
    let [low, high] = interval(&losses);
    let how = format!(
        "{pairs} alternating pairs; with 95 % the median is within {low:.1} to {high:.1} %; {said}"
    );
    let measured = Spread::of(losses.into_iter());
    let (side, targets, unit, precision) = (Side::AtMost, [5.0, 2.0], "%", 1);
    Line { what, name, side, targets, unit, precision, measured, how }
}

fn run(bench: &Bench, kind: Stuck, load: &LoadFile, others: u64) -> Result<Run, Failure> {
    let consumer = consumer::of_stuck(bench, kind)?;
    let mut gateway = gateway::start(bench, consumer.address)?;
    let before = consumer.server.cpu()?;
    let mut sending = load.send(gateway.listen, 0.0)?;
    sending.wait()?;
    gateway.delivered(match kind {
        Stuck::Answered => load.events,
        Stuck::Hangs(_) | Stuck::Fails => others,
    })?;
    let ended = process::unix_seconds();
    let consumer_cpu = consumer.server.cpu()? - before;
    let sent = sending.finish()?;
    // An orderly end waits for attempts under way, which hang.
    gateway.server.end("KILL");
    let seconds = ended - sent.began;
    Ok(Run {
        per_second: cpu::per(others, seconds),
        seconds,
        generator_cpu_us: 1e6 / cpu::per(others, sent.cpu),
        consumer_cpu_us: 1e6 / cpu::per(others, consumer_cpu),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpStream;

    #[test]
    fn a_hole_takes_connections_and_says_nothing() {
        let hole = Hole::open().unwrap();
        let mut stream = TcpStream::connect(hole.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let silence = stream.read(&mut [0; 1]).unwrap_err();
        assert!(matches!(silence.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        drop(hole);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));
    }
}
