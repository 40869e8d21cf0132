//! The judge of retention (D6), from the promises: what history says is not settled can be read, and
//! nothing goes before its time. It reads a disk as an auditor would, and the history that was read
//! before it was deleted.

use std::time::Duration;

use sprag_core::fact::Fact;
use sprag_core::id::Place;
use sprag_log::digest::sha256;
use sprag_log::embedded::Reader;
use sprag_log::embedded::simulated::SimulatedDisk;
use sprag_log::{Answer, Query, ReadError, ReadFrame};

use super::event_history::IngressFate;
use super::history::{Context, Frames, History};
use super::{Verdict, must};

/// How long things are kept, and the latest time anybody was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) bodies: Duration,
    pub(crate) facts: Duration,
    pub(crate) now: u64,
}

impl Kept {
    fn is_old(self, recorded: u64, age: Duration) -> bool {
        recorded + u64::try_from(age.as_micros()).unwrap_or(u64::MAX) <= self.now
    }
}

/// Whether every body is there, whole, or may be gone by what history says; how many are gone.
pub(crate) fn bodies(
    reader: &mut Reader<SimulatedDisk>,
    frames: &Frames,
    history: &History,
    context: &Context<'_>,
    kept: Kept,
) -> Result<u64, String> {
    let mut gone = 0;
    for (partition, frames) in frames {
        for frame in frames {
            for (index, fact) in (0_u32..).zip(&frame.facts) {
                let Fact::Received(received) = fact else { continue };
                let place = Place { partition: *partition, frame: frame.number, index };
                match reader.answer(&Query::Event { place }) {
                    Ok(Answer::Event(event)) => {
                        let digest = sha256(&[&event.body.bytes]);
                        must(digest == received.digest, || format!("{place} has another body"))?;
                    }
                    Err(ReadError::BodyDropped) => {
                        gone += 1;
                        must(kept.is_old(frame.recorded.0, kept.bodies), || {
                            format!("the body of {place} is gone before its time")
                        })?;
                        let resource = context.resources.get(&received.key);
                        let key = resource.and_then(|resource| history.keys.get(resource));
                        let waits = key.is_none_or(|key| waits(key, place));
                        must(!waits, || {
                            let event = key.map(|key| (key.events.get(&place), &key.lanes));
                            format!("the body of {place} is gone, and it waits: {event:?}")
                        })?;
                    }
                    other => return Err(format!("the event of {place}: {other:?}")),
                }
            }
        }
    }
    Ok(gone)
}

/// Whether anything may still want an event, by what history says of its key.
fn waits(key: &super::key_history::KeyHistory, place: Place) -> bool {
    match key.events.get(&place).map(|event| event.fate) {
        None | Some(IngressFate::Open | IngressFate::Held) => true,
        Some(IngressFate::Released(sequence, _)) => {
            key.lanes.values().any(|lane| lane.waits_with(sequence))
        }
        Some(_) => false,
    }
}

/// Whether what was deleted had come to its time.
pub(crate) fn deleted(archive: &Frames, kept: Kept) -> Verdict {
    for frame in archive.values().flatten() {
        must(kept.is_old(frame.recorded.0, kept.facts), || {
            format!("frame {} was deleted before its time", frame.number.0)
        })?;
    }
    Ok(())
}

/// All frames: those that were deleted and those that are left, which must continue them.
pub(crate) fn joined(archive: &Frames, left: &Frames) -> Result<Frames, String> {
    let mut all = Frames::new();
    for (partition, left) in left {
        let first = left.first().map_or(u64::MAX, |frame| frame.number.0);
        let old = archive.get(partition).into_iter().flatten();
        let old: Vec<ReadFrame> = old.filter(|frame| frame.number.0 < first).cloned().collect();
        let last = old.last().map_or(0, |frame| frame.number.0);
        must(left.is_empty() || last + 1 == first, || {
            format!("partition {}: {last} was deleted last, {first} is the first", partition.0)
        })?;
        all.insert(*partition, old.into_iter().chain(left.iter().cloned()).collect());
    }
    Ok(all)
}
