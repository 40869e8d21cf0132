//! A long time under load: whether memory, descriptors and disk stay where they are.
//!
//! A gateway gets a share of what it can take, evenly spaced, for the same keys throughout. History is kept for two
//! minutes, so that what is deleted has to keep up with what comes in. The load comes in pieces, each written while the
//! one before it is sent; after each all of it must be delivered.

use std::fmt;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::Args;

use super::figures::Spread;
use super::gateway::{Gateway, Place, READY, Source};
use super::load::LoadFile;
use super::{Bench, Load, consumer, cpu, disk, machine, memory, removed};
use crate::failure::Failure;
use crate::process::{now, unix_seconds};
use crate::setup;
use crate::workspace::Workspace;

/// Events by which the peak is found.
const PEAK_EVENTS: u64 = 150_000;
/// Seconds of a piece of the load.
const PIECE: f64 = 30.0;
/// Events of a piece at the most: wrk has them in memory.
const PIECE_EVENTS: f64 = 400_000.0;

/// How long, and how much.
#[derive(Args)]
pub(crate) struct Options {
    /// Minutes under load
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    minutes: u32,
    /// Per cent of the peak, which is measured before
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100))]
    share: u32,
    /// Different keys
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    keys: u32,
    /// Connections of the load generator, and attempts in flight
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
}

/// How things are after a piece of the load.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Minutes since the load began.
    minute: f64,
    /// The most during the piece.
    memory_mib: f64,
    descriptors: f64,
    disk_mib: f64,
    answer_p99_ms: f64,
}

/// What came of it.
struct Soaked {
    rate: f64,
    peak: f64,
    events: u64,
    failed: u64,
    samples: Vec<Sample>,
}

/// The command: prints each piece and the sums. Fails when an event is lost, and when memory, descriptors or disk
/// grow.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    setup::programs(&[setup::NGINX, setup::WRK])?;
    let bench = Bench::prepare(workspace, options.connections, options.keys)?;
    println!("{}", machine::Machine::look(&bench.directory, workspace.root())?);
    let peak = peak(&bench)?;
    let wanted = peak * f64::from(options.share) / 100.0;
    println!(
        "peak {peak:.0} events/s, of which {} % for {} minutes",
        options.share, options.minutes
    );
    let soaked = soak(&bench, options, peak, wanted)?;
    println!("\n{soaked}");
    removed(&bench.directory)?;
    soaked.judge()
}

/// Events a second at most, sent as fast as answers come.
fn peak(bench: &Bench) -> Result<f64, Failure> {
    let load = bench.load(PEAK_EVENTS)?;
    let consumer = consumer::consumer(bench, false)?;
    let mut gateway = super::gateway::start(bench, consumer.address)?;
    let mut sending = load.send(gateway.listen, 0.0)?;
    sending.wait()?;
    gateway.drained(PEAK_EVENTS)?;
    let ended = unix_seconds();
    Ok(cpu::per(PEAK_EVENTS, ended - sending.finish()?.began))
}

fn soak(bench: &Bench, options: &Options, peak: f64, rate: f64) -> Result<Soaked, Failure> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let events = (rate * PIECE).clamp(1.0, PIECE_EVENTS) as u64;
    let place = Place::empty(bench, "gateway", Source::MadeAndForgotten)?;
    let consumer = consumer::consumer(bench, false)?;
    let mut gateway = place.serve(bench, consumer.address, READY)?;
    let (began, mut samples) = (now(), Vec::new());
    let time = Duration::from_secs(60 * u64::from(options.minutes));
    let mut next = write(bench, options.keys, events, 0);
    let mut pieces = 0;
    while began.elapsed() < time {
        let load = next.join().map_err(|_| Failure::new("the writer of the load ended"))??;
        pieces += 1;
        next = write(bench, options.keys, events, pieces);
        let (memory_mib, answer_p99_ms) = send(&mut gateway, &load, rate)?;
        let delivered = gateway.drained(pieces * events)?.delivered;
        if delivered < pieces * events {
            return Err(Failure::new(format!("{delivered} of {} are delivered", pieces * events)));
        }
        let sample = Sample {
            minute: began.elapsed().as_secs_f64() / 60.0,
            memory_mib,
            descriptors: gateway.server.descriptors()?,
            disk_mib: mib(disk::bytes(&place.data())?),
            answer_p99_ms,
        };
        println!("  {sample}");
        samples.push(sample);
    }
    let rate = cpu::per(pieces * events, began.elapsed().as_secs_f64());
    // What it writes is not sent any more; its fault would be no fault of what is measured.
    let _ = next.join();
    let failed = gateway.progress()?.failed;
    Ok(Soaked { rate, peak, events: pieces * events, failed, samples })
}

/// Writes a piece of the load meanwhile.
fn write(
    bench: &Bench,
    keys: u32,
    events: u64,
    number: u64,
) -> JoinHandle<Result<LoadFile, Failure>> {
    let bench = bench.clone();
    thread::spawn(move || {
        let load = Load { skip: number * events, ..Load::new(events, keys) };
        bench.load_of(["even", "odd"][usize::from(!number.is_multiple_of(2))], load)
    })
}

/// The most memory meanwhile, and the p99 of answers.
fn send(gateway: &mut Gateway, load: &LoadFile, rate: f64) -> Result<(f64, f64), Failure> {
    let mut sending = load.send(gateway.listen, rate)?;
    let (memory_mib, ()) = memory::most_until(&mut gateway.server, |server| {
        server.check()?;
        sending.is_done().map(|done| done.then_some(()))
    })?;
    Ok((memory_mib, sending.finish()?.p99_ms))
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files, far below 2^52")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl fmt::Display for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minute, memory_mib, descriptors, disk_mib, answer_p99_ms } = self;
        write!(
            formatter,
            "minute {minute:5.1}: memory {memory_mib:4.0} MiB, {descriptors} descriptors, disk {disk_mib:4.0} MiB, \
             answers p99 {answer_p99_ms:.1} ms"
        )
    }
}

/// How a figure of the samples goes on.
struct Course {
    /// Over the last half.
    level: Spread,
    /// Of the straight line nearest to the last half, per minute.
    slope: f64,
    /// How much the line rises over the last half, as a share of its middle.
    rise: f64,
}

/// More than what one reading of the samples differs from the next by.
const FLAT: f64 = 0.05;

impl Course {
    fn of(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> Self {
        let half = &samples[samples.len() / 2..];
        let level = Spread::of(half.iter().map(&figure));
        let middle = |value: &dyn Fn(&Sample) -> f64| mean(half.iter().map(value));
        let (minute, height) = (middle(&|sample| sample.minute), middle(&|sample| figure(sample)));
        let apart = |sample: &Sample| sample.minute - minute;
        let width = mean(half.iter().map(|sample| apart(sample).powi(2)));
        let both = mean(half.iter().map(|sample| apart(sample) * (figure(sample) - height)));
        let slope = if width > 0.0 { both / width } else { 0.0 };
        let minutes =
            half.last().zip(half.first()).map_or(0.0, |(last, first)| last.minute - first.minute);
        Self { level, slope, rise: slope * minutes / height.max(1.0) }
    }

    fn is_flat(&self) -> bool {
        self.rise <= FLAT
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "samples, a few hundred")]
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

impl Soaked {
    fn courses(&self) -> [(&'static str, &'static str, Course); 3] {
        let of = |figure: fn(&Sample) -> f64| Course::of(&self.samples, figure);
        [
            ("memory", "MiB", of(|sample| sample.memory_mib)),
            ("descriptors", "", of(|sample| sample.descriptors)),
            ("disk", "MiB", of(|sample| sample.disk_mib)),
        ]
    }

    fn judge(&self) -> Result<(), Failure> {
        let growing = self.courses().into_iter().filter(|(_, _, course)| !course.is_flat());
        let growing: Vec<&str> = growing.map(|(what, ..)| what).collect();
        let grows = || Failure::new(format!("grows: {}", growing.join(", ")));
        if growing.is_empty() { Ok(()) } else { Err(grows()) }
    }
}

impl fmt::Display for Soaked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.samples.last().map_or(0.0, |sample| sample.minute);
        writeln!(
            formatter,
            "{} events in {minutes:.0} minutes, {:.0}/s, which is {:.0} % of {:.0}/s; all delivered, {} attempts failed",
            self.events,
            self.rate,
            100.0 * self.rate / self.peak,
            self.peak,
            self.failed
        )?;
        writeln!(
            formatter,
            "\n| | last half: median (min–max) | slope a minute | over that half | |"
        )?;
        writeln!(formatter, "|---|---|---|---|---|")?;
        for (what, unit, course) in self.courses() {
            let verdict = if course.is_flat() { "flat" } else { "**grows**" };
            let Course { level, slope, rise } = course;
            let rise = 100.0 * rise;
            writeln!(
                formatter,
                "| {what} | {level:.0} {unit} | {slope:+.2} | {rise:+.1} % | {verdict} |"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(f64) -> f64) -> Vec<Sample> {
        let minutes = (0..60).map(|at| f64::from(at) / 2.0);
        let sample = |minute| Sample {
            minute,
            memory_mib: memory(minute),
            descriptors: 90.0,
            disk_mib: 400.0,
            answer_p99_ms: 5.0,
        };
        minutes.map(sample).collect()
    }

    #[test]
    fn what_fills_and_then_stays_is_flat() {
        let filling = samples(|minute| 10.0_f64.mul_add(minute.min(12.0), 80.0));
        let course = Course::of(&filling, |sample| sample.memory_mib);
        assert!(course.is_flat() && course.slope.abs() < 1e-9, "{}", course.slope);
    }

    #[test]
    fn a_leak_is_seen_through_what_swings() {
        let leaking = samples(|minute| 200.0 + minute + 10.0 * (minute * 7.0).sin());
        let course = Course::of(&leaking, |sample| sample.memory_mib);
        assert!(!course.is_flat(), "{} {}", course.slope, course.rise);
        let swinging = samples(|minute| 200.0 + 10.0 * (minute * 7.0).sin());
        assert!(Course::of(&swinging, |sample| sample.memory_mib).is_flat());
    }
}
