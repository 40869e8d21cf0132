//! Very many connections of providers: what ten thousand that say nothing cost, and when those end that say a head one
//! byte at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::figures::Spread;
use super::gateway::{Gateway, Place, READY, Source};
use super::run::{Run, ratios, rounds};
use super::table::{Line, Side};
use super::{Bench, Load, consumer};
use crate::failure::Failure;
use crate::process::now;

/// Connections that say nothing.
pub(crate) const IDLE: u32 = 10_000;
/// More than those and the generator's may be open, and none ends while a run takes.
const ROOM: &str = "[limits]\nconnections = 20000\nrequest_time = \"10m\"\n";
/// Connections that say a head slowly.
const SLOW: usize = 200;
/// What they are given, seconds.
const REQUEST_SECONDS: f64 = 5.0;
/// Between two of their bytes.
const BYTE_EVERY: Duration = Duration::from_millis(100);

/// Measures with so many idle connections.
pub(crate) fn measure(
    bench: &Bench,
    idle: u32,
    events: u64,
    keys: u32,
    number: u32,
) -> Result<Vec<Line>, Failure> {
    let load = bench.load_of("connections", Load::new(events, keys))?;
    let mut costs = Vec::new();
    let kinds = rounds::<2>("without idle connections; with them", number, |kind| {
        let consumer = consumer::consumer(bench, false)?;
        let mut gateway = start(bench, consumer.address, ROOM.to_owned())?;
        if kind == 0 {
            return Run::of(&mut gateway, &load, load.events);
        }
        let before = gateway.server.memory_mib()?;
        let open = open(&gateway, idle)?;
        costs.push((gateway.server.memory_mib()? - before) * 1_024.0 / f64::from(idle));
        let run = Run::of(&mut gateway, &load, load.events)?;
        still_open(&open)?;
        Ok(run)
    })?;
    let cost = Line {
        what: "10,000 idle connections: memory of each",
        name: "idle_connection_memory",
        side: Side::AtMost,
        targets: [16.0, 8.0],
        unit: "KiB",
        precision: 1,
        measured: Spread::of(costs.into_iter()),
        how: format!("{number} times, {idle} connections that have sent nothing"),
    };
    let speed = Line {
        what: "10,000 idle connections: throughput beside them ÷ without",
        name: "idle_connections",
        side: Side::AtLeast,
        targets: [0.9, 0.95],
        unit: "",
        precision: 2,
        measured: Spread::of(ratios(&kinds, 1, 0)),
        how: format!("{number} rounds of {events} events; all {idle} are open at the end"),
    };
    Ok(vec![cost, speed, cut_off(bench)?])
}

fn start(bench: &Bench, consumer: SocketAddr, sections: String) -> Result<Gateway, Failure> {
    let place = Place::empty(bench, "gateway", Source::Made)?.with_sections(sections);
    place.serve(bench, consumer, READY)
}

/// Opens connections; returns when the gateway has taken them all.
fn open(gateway: &Gateway, number: u32) -> Result<Vec<TcpStream>, Failure> {
    let before = gateway.server.descriptors()?;
    let mut open = Vec::new();
    for _ in 0..number {
        let stream = TcpStream::connect(gateway.listen);
        open.push(stream.map_err(Failure::while_doing("connecting; `ulimit -n` must allow it"))?);
    }
    let wanted = before + f64::from(number) * 0.999;
    let taken = super::server::wait_for(READY, || {
        Ok((gateway.server.descriptors()? >= wanted).then_some(()))
    })?;
    taken.ok_or_else(|| Failure::new(format!("of {number} connections not all are taken")))?;
    Ok(open)
}

/// A failure when one has ended.
fn still_open(open: &[TcpStream]) -> Result<(), Failure> {
    let ended = open.iter().filter(|stream| ended(stream)).count();
    if ended == 0 {
        return Ok(());
    }
    Err(Failure::new(format!("{ended} of {} idle connections have ended", open.len())))
}

/// Whether the other side has closed it; what it says before it does is read for nothing.
fn ended(mut stream: &TcpStream) -> bool {
    // A socket that cannot be asked is none.
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    loop {
        match stream.read(&mut [0; 512]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

/// How long heads may take that come one byte at a time.
fn cut_off(bench: &Bench) -> Result<Line, Failure> {
    let consumer = consumer::consumer(bench, false)?;
    let limits = format!("[limits]\nrequest_time = \"{REQUEST_SECONDS}s\"\n");
    let gateway = start(bench, consumer.address, limits)?;
    let began = now();
    let mut open = Vec::new();
    for _ in 0..SLOW {
        let stream = TcpStream::connect(gateway.listen);
        open.push(stream.map_err(Failure::while_doing("connecting"))?);
    }
    let head = b"POST /in/bench HTTP/1.1\r\nhost: bench.example\r\nx-slow: ";
    let bytes = head.iter().copied().chain(std::iter::repeat(b'z'));
    let mut seconds = Vec::new();
    for byte in bytes {
        let all = open.len();
        open.retain(|mut stream| !ended(stream) && stream.write_all(&[byte]).is_ok());
        seconds.extend(std::iter::repeat_n(began.elapsed().as_secs_f64(), all - open.len()));
        if open.is_empty() || began.elapsed().as_secs_f64() > 6.0 * REQUEST_SECONDS {
            break;
        }
        thread::sleep(BYTE_EVERY);
    }
    if !open.is_empty() {
        return Err(Failure::new(format!("{} of {SLOW} slow heads are never cut off", open.len())));
    }
    Ok(Line {
        what: "slow heads, a byte at a time: cut off after, of request_time",
        name: "slow_heads",
        side: Side::AtMost,
        targets: [1.2, 1.1],
        unit: "",
        precision: 2,
        measured: Spread::of(seconds.into_iter().map(|seconds| seconds / REQUEST_SECONDS)),
        how: format!("{SLOW} connections, a byte every 100 ms, request_time = {REQUEST_SECONDS} s"),
    })
}
