//! What becomes of a lane's dead letters when an operator sends them again or drops them: how facts change
//! its record.

use super::evolve::{forget_failures, lane_mut, omit, settle_head};
use super::hot::Hot;
use crate::fact::{DeadLetter, Dropped, Redriven};
use crate::ranges::Range;
use crate::record::{KeyRecord, Lane, LaneMode, OmitReason};
use crate::time::UnixMicros;

pub(super) fn redrive(hot: &mut Hot, redriven: &Redriven) {
    if hot.record.unordered {
        return hot.redrive_strands(redriven);
    }
    let Some(lane) = lane_mut(&mut hot.record, redriven.destination.into()) else { return };
    match redriven.passed {
        Some(sequence) => lane.redrives.push(sequence),
        None => drain(lane),
    }
}

/// A stopped lane goes on.
pub(super) fn drain(lane: &mut Lane) {
    // Failures stay counted: what is sent again was sent before (DESIGN F11).
    lane.due = UnixMicros::default();
    forget_failures(lane);
    lane.mode = match lane.mode {
        LaneMode::Halted => LaneMode::DrainingHalted { until: lane.tail },
        LaneMode::Parked => LaneMode::DrainingParked { until: lane.tail },
        mode => mode,
    };
}

pub(super) fn drop(record: &mut KeyRecord, dropped: &Dropped) {
    let DeadLetter::InLane { destination, sequence } = dropped.letter else { return };
    let id = record.sender_of(destination, sequence);
    let Some(lane) = lane_mut(record, id) else { return };
    if sequence == lane.head && !lane.mode.delivers() {
        omit(lane, Range::one(sequence.0), OmitReason::Dead);
        settle_head(lane);
        lane.batch = None;
    } else {
        lane.redrives.retain(|redriven| *redriven != sequence);
    }
}
