//! What history says of the lanes of unordered sources (`unordered`): each event is judged as a lane
//! of its own, by the same rules, so nothing that is said of one can excuse another.

use std::ops::RangeInclusive;

use sprag_core::fact::{BacklogDropped, LaneEnded, Redriven, StrandsTaken};
use sprag_core::id::DestinationId;

use super::key_history::KeyHistory;
use super::lane_history::LaneHistory;
use super::{Verdict, must};

impl KeyHistory {
    /// By what the lane of an event goes: its sequence where there is no order.
    pub(crate) fn apart(&self, sequence: u64) -> u64 {
        if self.is_unordered { sequence } else { 0 }
    }

    /// The lane of an event.
    pub(crate) fn lane_of(
        &mut self,
        to: DestinationId,
        sequence: u64,
    ) -> Result<&mut LaneHistory, String> {
        let name = (to, self.apart(sequence));
        self.lanes.get_mut(&name).ok_or_else(|| format!("no lane to {} of {sequence}", to.0))
    }

    /// The lane of an event that may never have entered.
    fn lane_of_any(
        &mut self,
        to: DestinationId,
        sequence: u64,
    ) -> Result<&mut LaneHistory, String> {
        if self.is_unordered && !self.lanes.contains_key(&(to, sequence)) {
            must(sequence <= self.sequence, || format!("{sequence} was never released"))?;
            self.lanes.entry((to, sequence)).or_default();
        }
        self.lane_of(to, sequence)
    }

    /// All lanes to a destination.
    fn lanes_to(
        &mut self,
        to: DestinationId,
    ) -> impl Iterator<Item = (u64, &mut LaneHistory)> + use<'_> {
        let names: RangeInclusive<_> = (to, 0)..=(to, u64::MAX);
        self.lanes.range_mut(names).map(|((_, apart), lane)| (*apart, lane))
    }

    /// Events that waited begin to be sent beside others.
    pub(crate) fn take_strands(&mut self, taken: &StrandsTaken) -> Verdict {
        must(self.is_unordered, || format!("in order: {taken:?}"))?;
        for sequence in taken.from.0..=taken.to.0 {
            let lane = self.lane_of(taken.destination, sequence)?;
            must(lane.has_backlog(), || format!("{sequence} waits for nothing: {taken:?}"))?;
        }
        Ok(())
    }

    /// The lane to a retired destination ends.
    pub(crate) fn end(&mut self, ended: &LaneEnded) -> Verdict {
        if !self.is_unordered {
            return self.lane_of(ended.destination, 0)?.end(ended.from.0, ended.to.0);
        }
        for (sequence, lane) in self.lanes_to(ended.destination) {
            let named = ended.strands.iter().any(|strand| strand.0 == sequence);
            let named = named || (ended.from.0..=ended.to.0).contains(&sequence);
            must(named || !lane.has_backlog(), || format!("{sequence} waits: {ended:?}"))?;
            lane.end(sequence, sequence)?;
        }
        Ok(())
    }

    /// More waits than may: the oldest are dead letters.
    pub(crate) fn drop_backlog(&mut self, dropped: &BacklogDropped, is_limited: bool) -> Verdict {
        let (to, from, last) = (dropped.destination, dropped.from.0, dropped.to.0);
        if !self.is_unordered {
            return self.lane_of(to, 0)?.drop_backlog(from, last, is_limited);
        }
        for sequence in from..=last {
            let lane = self.lanes.get_mut(&(to, sequence)).filter(|lane| lane.has_backlog());
            lane.map_or(Ok(()), |lane| lane.drop_backlog(sequence, sequence, is_limited))?;
        }
        Ok(())
    }

    /// A lane goes past what did not enter it; says what was decided with that.
    pub(crate) fn pass(
        &mut self,
        to: DestinationId,
        (from, last): (u64, u64),
    ) -> Result<Vec<u64>, String> {
        if !self.is_unordered {
            return self.lane_of(to, 0)?.pass(from, last);
        }
        let mut decided = Vec::new();
        for sequence in from..=last {
            // What is not known here never entered.
            let lane = self.lanes.get_mut(&(to, sequence)).filter(|lane| lane.has_backlog());
            decided.extend(
                lane.map(|lane| lane.pass(sequence, sequence)).transpose()?.into_iter().flatten(),
            );
        }
        Ok(decided)
    }

    /// An operator sends again what stopped or was passed.
    pub(crate) fn redrive(&mut self, redriven: &Redriven) -> Verdict {
        let to = redriven.destination;
        let passed = redriven.passed.map(|sequence| sequence.0);
        match passed {
            _ if !self.is_unordered => self.lane_of(to, 0)?.redrive(passed),
            Some(sequence) => {
                let lane = self.lane_of_any(to, sequence)?;
                if lane.is_stopped() { lane.redrive(None) } else { lane.redrive_apart(sequence) }
            }
            None => {
                let mut stopped = 0;
                for (_, lane) in self.lanes_to(to).filter(|(_, lane)| lane.is_stopped()) {
                    stopped += 1;
                    lane.redrive(None)?;
                }
                must(stopped > 0, || format!("nothing stopped: {redriven:?}"))
            }
        }
    }

    /// An operator gave a dead letter up.
    pub(crate) fn drop_letter(&mut self, to: DestinationId, sequence: u64) -> Verdict {
        let apart = self.is_unordered;
        let lane = self.lane_of_any(to, sequence)?;
        if apart { lane.drop_apart(sequence) } else { lane.drop(sequence) }
    }
}

impl LaneHistory {
    /// A dead letter of an unordered source is sent again: its event is settled.
    fn redrive_apart(&mut self, sequence: u64) -> Verdict {
        must(!self.has_backlog(), || format!("{sequence} is not settled"))?;
        self.tail = self.tail.max(sequence);
        self.redrive(Some(sequence))
    }

    fn drop_apart(&mut self, sequence: u64) -> Verdict {
        self.tail = self.tail.max(sequence);
        self.drop(sequence)
    }
}
