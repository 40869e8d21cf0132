//! What appending costs: CPU per event and time per commit, on a directory of this machine.
//!
//! `cargo run --release -p sprag-log --example append_cost -- DIRECTORY [EVENTS_PER_FRAME] [FRAMES]`
//!
//! Every event has a body of 1.2 kB and leaves three facts (received, released, attempted) in its
//! frame. The CPU time is that of this process, with encoding, hashing, writing and indexing.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use sprag_core::fact::{Attempted, Consequence, Fact, Outcome};
use sprag_core::id::{DestinationId, Epoch, FrameNumber, PartitionId, Place, Sequence};
use sprag_core::time::UnixMicros;
use sprag_log::body::Body;
use sprag_log::conformance::{event, key};
use sprag_log::embedded::{Change, FileDisk, Options, Writer, open};
use sprag_log::frame::FrameDraft;
use sprag_log::{Completion, digest};

const BODY_BYTES: usize = 1200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("name a directory to write to")?;
    let events: u64 = arguments.next().map_or(Ok(30), |text| text.parse())?;
    let frames: u64 = arguments.next().map_or(Ok(2000), |text| text.parse())?;
    let (mut writer, _, _) = open(FileDisk::open(Path::new(&directory))?, Options::new(16, 1))?;
    let epoch = claim(&mut writer)?;

    let mut drafts: Vec<FrameDraft> = (1..=frames).map(|n| draft(n, epoch, events)).collect();
    drafts.reverse();
    let mut commits = Vec::with_capacity(drafts.len());
    let (cpu, began) = (cpu_seconds()?, Instant::now());
    while let Some(draft) = drafts.pop() {
        let start = Instant::now();
        writer.submit(Change::Append { draft });
        writer.step();
        match writer.complete() {
            Some(Completion::Appended { result: Ok(_), .. }) => {}
            other => return Err(format!("{other:?}").into()),
        }
        commits.push(start.elapsed());
    }
    let (cpu, elapsed) = (cpu_seconds()? - cpu, began.elapsed());
    commits.sort_unstable();
    let of = |part: usize| commits[(commits.len() * part / 1000).min(commits.len() - 1)];
    let total = u32::try_from(events * frames)?;
    println!("{frames} frames of {events} events of {BODY_BYTES} bytes, 3 facts each");
    println!("CPU per event: {:.2} µs", cpu * 1e6 / f64::from(total));
    println!("events per second: {:.0}", f64::from(total) / elapsed.as_secs_f64());
    println!("commit p50 {:?}, p99 {:?}, max {:?}", of(500), of(990), of(1000));
    Ok(())
}

fn claim(writer: &mut Writer<FileDisk>) -> Result<Epoch, Box<dyn Error>> {
    writer.submit(Change::Claim { partition: PartitionId(0) });
    writer.step();
    match writer.complete() {
        Some(Completion::Claimed { result: Ok(claim), .. }) if claim.tip.number.0 == 0 => {
            Ok(claim.epoch)
        }
        other => Err(format!("an empty directory is needed: {other:?}").into()),
    }
}

/// A frame in which events arrive, are released and are delivered.
fn draft(number: u64, epoch: Epoch, events: u64) -> FrameDraft {
    let mut whole = event(0, number, epoch, &key("k"), number);
    whole.facts.clear();
    whole.bodies.clear();
    for nth in 0..events {
        let sequence = number * events + nth;
        let key = key(&format!("customer/{}", sequence % 10_000));
        let mut one = event(0, number, epoch, &key, sequence);
        let body = vec![b'x'; BODY_BYTES];
        let digest = digest::sha256(&[&body]);
        for fact in &mut one.facts {
            match fact {
                Fact::Received(received) => {
                    (received.digest, received.size) = (digest, 1200);
                    received.body = u32::try_from(nth).unwrap_or(0);
                }
                Fact::Released(released) => {
                    let (partition, frame) = (PartitionId(0), FrameNumber(number));
                    let index = u32::try_from(nth * 3).unwrap_or(0);
                    released.event = Place { partition, frame, index };
                    released.lanes = vec![DestinationId(1)];
                }
                _ => {}
            }
        }
        whole.facts.append(&mut one.facts);
        whole.facts.push(Fact::Attempted(Attempted {
            key,
            destination: DestinationId(1),
            sequence: Sequence(sequence),
            number: 1,
            out_of_order: false,
            started: UnixMicros(1_700_000_000_000_000),
            took: 1500,
            outcome: Outcome::Answered { status: 200 },
            consequence: Consequence::Delivered,
            toll: None,
            dropped: None,
            batch: None,
            turn: None,
        }));
        whole.bodies.push(Body::received(body.into()));
    }
    whole
}

/// User and system time of this process so far.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}
