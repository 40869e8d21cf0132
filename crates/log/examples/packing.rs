//! What packing bodies costs the log's thread, and what it leaves (bench/README.md):
//! `packing none|zstd|dictionary EVENTS [FILE]`.
//!
//! The bodies are those of `cargo xtask bench`, 1,000 bytes of JSON each, or the lines of FILE over and
//! over. Frames of thirty go through the real writer to files in a temporary directory, the first ones
//! until the dictionary is in use; then the CPU time is that of the thread that writes, packs and syncs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "an example is run by hand and stops at its first fault"
)]

use sprag_core::fact::{Fact, Received};
use sprag_core::id::{Epoch, PartitionId};
use sprag_log::Completion;
use sprag_log::conformance::{event_with, key};
use sprag_log::embedded::{Change, Disk, FileDisk, Options, Writer, open};
use sprag_log::frame::FrameDraft;
use sprag_log::pack::{Packing, Tally};

/// Events of a frame.
const FRAME: u64 = 30;
/// Bytes of bodies that go before: more than a dictionary is trained on.
const BEFORE: u64 = 4 << 20;

/// A body as `cargo xtask bench` sends it.
fn body(event: u64) -> Vec<u8> {
    let customer = event.wrapping_mul(0x9e37_79b9) % 1_000;
    let head = format!(
        r#"{{"id":"evt_{event:09}","type":"invoice.updated","data":{{"customer":"cus_{customer:07}","lines":["#
    );
    let tail = format!(r#""end"]}},"sequence":{}}}"#, event / 1_000);
    let line = r#"{"amount":1250,"currency":"eur","text":"Seat, monthly"},"#;
    let lines = line.repeat((1_000 - head.len() - tail.len()) / line.len());
    let padding = " ".repeat(1_000 - head.len() - lines.len() - tail.len());
    [head, lines, padding, tail].concat().into_bytes()
}

/// A frame of events.
fn draft(number: u64, epoch: Epoch, lines: &[Vec<u8>]) -> FrameDraft {
    let mut draft = event_with(0, number, epoch, &key("a"), number, Vec::new());
    (draft.facts, draft.bodies) = (Vec::new(), Vec::new());
    for (index, event) in (0..).zip(number * FRAME..(number + 1) * FRAME) {
        let body = match lines.len() as u64 {
            0 => body(event),
            count => lines[usize::try_from(event % count).unwrap()].clone(),
        };
        let one = event_with(0, number, epoch, &key("a"), event, body);
        draft.facts.extend(one.facts.into_iter().map(|fact| match fact {
            Fact::Received(received) => Fact::Received(Received { body: index, ..received }),
            other => other,
        }));
        draft.bodies.extend(one.bodies);
    }
    draft
}

/// Nanoseconds of CPU this thread had so far.
fn cpu() -> u64 {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    said.split(' ').next().unwrap().parse().unwrap()
}

/// Hands a change over and carries it out; says what completed, and the CPU time.
fn carried_out<D: Disk>(writer: &mut Writer<D>, change: Change) -> (Completion, u64) {
    writer.submit(change);
    let before = cpu();
    while writer.step() {}
    let took = cpu() - before;
    (writer.complete().unwrap(), took)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, codec, events, file @ ..] = arguments.as_slice() else {
        panic!("packing none|zstd|dictionary EVENTS [FILE]")
    };
    let lines: Vec<Vec<u8>> = file.first().map_or_else(Vec::new, |file| {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(|line| line.as_bytes().to_vec()).collect()
    });
    let directory = tempfile::tempdir_in(".").unwrap();
    let disk = FileDisk::open(directory.path()).unwrap();
    let mut options = Options::new(1, 1);
    options.packing = if codec == "none" { Packing::None } else { Packing::Zstd };
    options.samples = if codec == "dictionary" { options.samples } else { 0 };
    let (mut writer, _, _) = open(disk, options).unwrap();
    let claim = carried_out(&mut writer, Change::Claim { partition: PartitionId(0) }).0;
    let Completion::Claimed { result: Ok(claim), .. } = claim else { panic!("{claim:?}") };

    let append = |writer: &mut Writer<_>, number| {
        let draft = draft(number, claim.epoch, &lines);
        let (done, took) = carried_out(writer, Change::Append { draft });
        assert!(matches!(done, Completion::Appended { result: Ok(_), .. }), "{done:?}");
        while let Some(job) = writer.train_job() {
            let before = cpu();
            job.run();
            println!("trained in {:.1} ms", (cpu() - before) as f64 / 1e6);
        }
        took
    };
    let mut number = 1;
    while writer.tally().received < BEFORE {
        append(&mut writer, number);
        number += 1;
    }
    let Tally { received, stored, .. } = writer.tally();
    let frames = events.parse::<u64>().unwrap() / FRAME;
    let took: Vec<u64> =
        (number..number + frames).map(|frame| append(&mut writer, frame)).collect();
    let after = writer.tally();
    let (received, stored) = (after.received - received, after.stored - stored);
    let each = took.iter().sum::<u64>() as f64 / (frames * FRAME) as f64 / 1e3;
    println!(
        "{codec}: {:.1} % of {received} bytes left, {each:.2} µs an event, with a dictionary {}",
        stored as f64 / received as f64 * 100.0,
        after.with_dictionary
    );
}
