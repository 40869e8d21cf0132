//! A bit of a file at rest flips: in the log, in an index, in the state store. What was damaged is told
//! and not taken for something else: a start is refused, or what is lost of the log's last batch is
//! reported, or an event is named as one that cannot be read; the state is rebuilt.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::image::{self, Files};
use crate::reached::metrics;
use crate::shim;
use crate::support::admin;
use crate::support::child::Process;
use crate::support::clock::Deadline;
use crate::support::dice::Dice;
use crate::support::event::SOURCES;
use crate::support::fault::Fault;
use crate::support::gateway::{Gateway, HEAD};
use crate::support::ledger::Ledger;
use crate::support::load::{self, locked};
use crate::support::rounds::{Rounds, seed};
use crate::support::world::{DESTINATIONS, World};

/// Events of each of the runs that fill the data directory.
const EVENTS: usize = 60;
const RUNS: usize = 3;
/// Twice each file, and the end of the log.
const FLIPS: usize = 16;
const LAST: usize = 60;
/// A start ends, or serves, within this.
const STARTS: Duration = Duration::from_secs(30);
/// Everything comes, or what does not is named.
const SETTLES: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// What a frame begins with, and where in it facts surely are.
const FRAME: &[u8] = b"SPFR";
const FACTS: usize = 120;
const DAMAGED_FRAMES: usize = 6;
/// How a damaged place of the log is named, and the damaged end of the log.
const DAMAGE: &str = "corruption in segment";
const DROPPED: &str = "dropped the end of the log";

/// What came of the flips.
#[derive(Default)]
struct Ends {
    refused: usize,
    dropped: usize,
    sent_again: usize,
    bodies: usize,
    facts: usize,
    rebuilt: usize,
}

/// A data directory with sealed segments, and events that wait for their consumers.
async fn at_rest(seed: u64) -> (World, Files) {
    let world = World::new(HEAD, seed, &DESTINATIONS).await;
    world.consumer.calm_down();
    for run in 0..RUNS {
        let mut gateway = world.serve();
        if run == 1 {
            command(&gateway, "pause");
        }
        locked(&world.ledger, |ledger| ledger.allow(EVENTS));
        load::start(&world.ledger, gateway.listen, Ledger::next).join_all().await;
        world.no_problems();
        gateway.process.kill();
        world.consumer.fence().await;
    }
    let files = image::files(&shim::data(&world.setup));
    (world, files)
}

fn command(gateway: &Gateway, what: &str) {
    for destination in DESTINATIONS {
        let path = format!("/v1/destinations/{}/{what}", destination.name);
        assert_eq!(admin::ask(gateway.admin, "POST", &path, "").0, 200, "{path}");
    }
}

/// Where a bit flips, and whether that is the last frame: files in turn, and in them where something was written; then
/// that frame.
fn place(files: &Files, round: usize, dice: &mut Dice) -> (String, usize, bool) {
    let written = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte != 0).map(|last| last + 1);
    let filled = files.iter().filter_map(|(name, bytes)| Some((name, 0, written(bytes)?)));
    let mut places: Vec<_> = filled.collect();
    let mut segments = places.iter().filter(|(name, ..)| name.ends_with(".segment"));
    let (newest, _, end) = *segments.next_back().expect("a log");
    let last = *frames(&files[newest]).last().expect("a frame");
    places.push((newest, last, end));
    let turn = round % places.len();
    let (name, start, end) = places[turn];
    (name.clone(), start + dice.below(end - start), turn + 1 == places.len())
}

/// The world as it was, on its own copy of the files.
async fn copy(of: &World, files: &Files, seed: u64) -> World {
    let mut world = World::new(HEAD, seed, &DESTINATIONS).await;
    image::write(files, &shim::data(&world.setup));
    let known = locked(&of.ledger, |ledger| ledger.as_of(u64::MAX, seed));
    world.ledger = Arc::new(Mutex::new(known));
    world.consumer.remembers(&of.consumer, u64::MAX);
    world.consumer.calm_down();
    world.last = LAST;
    world
}

fn starts(world: &World) -> Result<Gateway, Process> {
    let next = |process: &mut Process| process.line_within(STARTS).flatten();
    Gateway::announced(world.setup.spawn(), next)
}

/// Starts on the files as they are now; what does not come must be named.
async fn round(
    world: &World,
    files: &Files,
    (name, at, bit): (&str, usize, u8),
    ends: &mut Ends,
) -> Lanes {
    let gateway = match starts(world) {
        Err(mut process) => {
            let status = process.end(STARTS);
            let said = process.said();
            assert_eq!(status.code(), Some(2), "{said}");
            assert!(said.contains(DAMAGE), "it does not say what:\n{said}");
            ends.refused += 1;
            // The bit flips back: the refusal has changed nothing.
            flip(world, name, at, bit);
            world.serve()
        }
        Ok(gateway) => gateway,
    };
    ends.sent_again += send_again(world, files, &gateway.process.said());
    let named = settles(world, &gateway, ends).await;
    gateway.stop();
    named
}

/// Damage in the last batch is not told apart from a torn write (log format): it is told with its
/// place, and is lost. Who was answered about an event of it sends that again.
fn send_again(world: &World, files: &Files, said: &str) -> usize {
    let Some(told) = said.lines().find(|line| line.contains(DROPPED)) else { return 0 };
    let number = |name: &str| -> usize {
        let (_, rest) = told.split_once(name).unwrap_or_else(|| panic!("no {name} in: {told}"));
        let digits = rest.chars().take_while(char::is_ascii_digit).collect::<String>();
        digits.parse().unwrap_or_else(|_| panic!("no number at {name} in: {told}"))
    };
    let (segment, offset, bytes) = (number("segment="), number("offset="), number("bytes="));
    let name = format!("log/{segment:010}.segment");
    let (before, was) = files[&name].split_at(offset);
    let is_in =
        |bytes: &[u8], id: &str| bytes.windows(id.len()).any(|bytes| bytes == id.as_bytes());
    let older = files.iter().filter(|(other, _)| other.ends_with(".segment") && **other < name);
    let kept: Vec<&[u8]> = older.map(|(_, bytes)| &bytes[..]).chain([before]).collect();
    // One that is also named before was taken there, and repeated in what is lost.
    let is_lost = |id: &str| is_in(&was[..bytes], id) && !kept.iter().any(|kept| is_in(kept, id));
    locked(&world.ledger, |ledger| ledger.forget(is_lost))
}

fn flip(world: &World, name: &str, at: usize, bit: u8) {
    let path = shim::data(&world.setup).join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= bit;
    std::fs::write(&path, bytes).unwrap();
}

/// Everything comes but what is named as lost to the damage; gives the lanes that are.
async fn settles(world: &World, gateway: &Gateway, ends: &mut Ends) -> Lanes {
    world.consumer.meets(gateway.listen);
    command(gateway, "resume");
    let said = gateway.process.said();
    ends.dropped += usize::from(said.contains(DROPPED));
    ends.rebuilt += usize::from(said.contains("the state is rebuilt"));
    world.post_all(gateway).await;
    let deadline = Deadline::after(SETTLES);
    let (mut named, mut kinds, mut arrived) = (Lanes::new(), BTreeSet::new(), usize::MAX);
    loop {
        world.redrive(gateway);
        if arrived == world.consumer.arrived() {
            let mut lost = world.judged().lost;
            for (at, event) in &lost {
                let lane = lane_of(world, *at, event);
                if !named.contains(&lane)
                    && let Some(what) = unreadable(gateway, &gateway.process.said(), &lane)
                {
                    kinds.insert(what);
                    named.insert(lane);
                }
            }
            lost.retain(|(at, event)| !named.contains(&lane_of(world, *at, event)));
            if lost.is_empty() {
                ends.bodies += usize::from(kinds.contains(&Unreadable::Body));
                ends.facts += usize::from(kinds.contains(&Unreadable::Facts));
                return named;
            }
            assert!(!deadline.has_passed(), "lost, and nothing says why: {lost:#?}");
        }
        arrived = world.consumer.arrived();
        tokio::time::sleep(LOOK).await;
    }
}

/// Source, key and destination.
type Lane = (&'static str, usize, String);
type Lanes = BTreeSet<Lane>;

fn lane_of(world: &World, at: usize, lost: &str) -> Lane {
    let (_, destination) = lost.rsplit_once(" at ").expect("the lane of what is lost");
    locked(&world.ledger, |ledger| {
        let event = &ledger.entries()[at].event;
        (SOURCES[event.source].name, event.key, destination.to_owned())
    })
}

/// What of an event cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unreadable {
    Body,
    Facts,
}

/// What of an event of the lane could not be read: it and those behind it are not lost in silence. The
/// process said so by itself, before anybody asked for the event, and operators have an alert with the
/// place. Of a body the attempt tells besides; of facts whoever asks for the event.
fn unreadable(
    gateway: &Gateway,
    told: &str,
    (source, key, destination): &Lane,
) -> Option<Unreadable> {
    if !told.contains(DAMAGE) {
        return None;
    }
    let (status, alerts) = admin::ask(gateway.admin, "GET", "/v1/alerts", "");
    assert_eq!(status, 200, "{alerts}");
    let alerts = alerts["items"].as_array().into_iter().flatten();
    let alerts: Vec<_> = alerts.filter(|alert| alert["alert"] == "log-damaged").collect();
    assert!(!alerts.is_empty(), "no alert, but the process said:\n{told}");
    let is_told = |detail: &str| {
        let place = detail.split(": ").next().expect("a place");
        let is_alerted =
            |alert: &&Value| alert["text"].as_str().is_some_and(|it| it.contains(place));
        detail.starts_with(DAMAGE) && told.contains(place) && alerts.iter().any(is_alerted)
    };
    let shown = |sequence: usize| {
        let path = format!("/v1/events/{source}:k{key}:{sequence}");
        admin::ask(gateway.admin, "GET", &path, "")
    };
    let shown = (1..=RUNS * EVENTS).map(shown).take_while(|(status, _)| *status != 404);
    let mut what = shown.filter_map(|(_, event)| {
        let detail = event["detail"].as_str().unwrap_or_default();
        let lanes = event["fates"]["destinations"].as_array().into_iter().flatten();
        let mut attempts = lanes
            .filter(|lane| lane["destination"] == destination.as_str())
            .flat_map(|lane| lane["attempts"].as_array().into_iter().flatten());
        let is_body = attempts.any(|attempt| attempt["outcome"] == "unreadable");
        let body = is_body.then_some(Unreadable::Body);
        body.or(is_told(detail).then_some(Unreadable::Facts))
    });
    what.next()
}

/// Whether words of a verdict are about one of these lanes.
fn is_about(lanes: &Lanes, words: &str) -> bool {
    lanes.iter().any(|(source, key, destination)| {
        words.starts_with(&format!("{source}-{key}-"))
            && words.contains(&format!(" at {destination}"))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_flips() {
    let mut fault = Fault::new(
        "bit flip",
        "log format: what does not read as it was written is named, and never taken for something else; the state is rebuilt",
    );
    let seed = seed(27);
    let (before, files) = at_rest(seed).await;
    let mut dice = Dice::new(seed);
    let (mut ends, mut last_frames) = (Ends::default(), 0);
    for turn in Rounds::of(FLIPS) {
        let (name, at, is_last_frame) = place(&files, turn, &mut dice);
        last_frames += usize::from(is_last_frame);
        let bit = 1 << dice.below(8);
        println!("round {turn}: {name} at {at}, bit {bit}");
        let world = copy(&before, &files, seed + 1).await;
        flip(&world, &name, at, bit);
        let named = round(&world, &files, (&name, at, bit), &mut ends).await;
        fault.rounds += 1;
        fault.judge_but(&world, |words| is_about(&named, words));
    }
    let Ends { refused, dropped, sent_again, bodies, facts, rebuilt } = ends;
    assert!(dropped > 0 || last_frames == 0, "the last frame was damaged, and nothing tells of it");
    fault.seen(format!(
        "{refused} starts refused with segment, byte and frame, and nothing changed by that; {bodies} times \
         lanes stopped at an event whose body is told as unreadable, {facts} times they waited at one whose facts are; \
         {dropped} times the end of the log told as dropped, with {sent_again} events that came again; {rebuilt} states rebuilt; \
         the others hit what nobody needs any more"
    ));
}

/// A data directory whose events all wait for their consumers, in a sealed segment that no start reads.
async fn waiting(seed: u64) -> (World, Files) {
    let world = World::new(HEAD, seed, &DESTINATIONS).await;
    world.consumer.calm_down();
    let gateway = world.serve();
    command(&gateway, "pause");
    locked(&world.ledger, |ledger| ledger.allow(EVENTS));
    load::start(&world.ledger, gateway.listen, Ledger::next).join_all().await;
    world.no_problems();
    let deadline = Deadline::after(SETTLES);
    while !metrics(&gateway).lines().any(|line| line == "sprag_checkpoint_age_seconds 0.0") {
        assert!(!deadline.has_passed(), "the state store does not take what there is");
        tokio::time::sleep(LOOK).await;
    }
    gateway.stop();
    // Another segment is begun.
    world.serve().stop();
    let files = image::files(&shim::data(&world.setup));
    (world, files)
}

/// Where the frames of a segment begin that have facts of events.
fn frames(segment: &[u8]) -> Vec<usize> {
    let starts = segment.windows(FRAME.len()).enumerate().filter(|(_, bytes)| *bytes == FRAME);
    starts.map(|(at, _)| at).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn facts_that_no_start_reads_are_damaged() {
    let mut fault = Fault::new(
        "damaged facts",
        "what cannot be read is told once for each place, by the process itself, with segment, byte and frame",
    );
    let seed = seed(31);
    let (before, files) = waiting(seed).await;
    let name = "log/0000000001.segment";
    let frames = frames(&files[name]);
    let mut dice = Dice::new(seed);
    let mut ends = Ends::default();
    for turn in Rounds::of(DAMAGED_FRAMES) {
        // In the later half: events wait in it.
        let frame = frames[frames.len() / 2 + dice.below(frames.len() / 2)];
        let (at, bit) = (frame + FACTS, 1 << dice.below(8));
        println!("round {turn}: {name} at {at}, bit {bit}");
        let world = copy(&before, &files, seed + 1).await;
        flip(&world, name, at, bit);
        let named = round(&world, &files, (name, at, bit), &mut ends).await;
        fault.rounds += 1;
        fault.judge_but(&world, |words| is_about(&named, words));
    }
    let Ends { refused, facts, .. } = ends;
    assert!(facts > 0, "no lane waited for damaged facts; {refused} starts refused");
    fault.seen(format!(
        "{facts} times lanes waited at an event that is told as damaged; {refused} starts refused"
    ));
}
