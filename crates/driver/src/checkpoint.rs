//! Batches on their way to the state store: behind the log, whole frames at a time.

use std::time::Duration;

use sprag_core::chain::Digest;
use sprag_core::id::{FrameNumber, PartitionId};
use sprag_core::input::Ticket;
use sprag_core::output::{Answer, Checkpoint};
use sprag_core::partition::Head;
use sprag_core::time::{ElapsedMicros, Now};
use sprag_log::Log;

use crate::effect::{Effect, Notice};
use crate::limits;
use crate::node::Node;
use crate::owner::{Owner, Stage};
use crate::state::{Batch, State, StateRequest};

/// A ticket that waits until the state store has what was committed when it came.
#[derive(Debug)]
pub(crate) struct Storing {
    ticket: Ticket,
    /// For each partition the frame that must be in the store.
    frames: Vec<FrameNumber>,
}

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// Answers the ticket once the state store reflects everything decided until now: lists that
    /// are read from the store are then no older than the question.
    pub fn store_now(&mut self, ticket: Ticket) {
        for owner in &mut self.owners {
            owner.checkpoint_due = ElapsedMicros(0);
        }
        let frames = self.owners.iter().map(|owner| owner.partition.taken()).collect();
        self.storing.push(Storing { ticket, frames });
    }

    pub(crate) fn answer_stored(&mut self) {
        let owners = &self.owners;
        let stored = |storing: &Storing| {
            owners.iter().zip(&storing.frames).all(|(owner, frame)| reflects(owner, *frame))
        };
        let (done, waiting) = self.storing.drain(..).partition(stored);
        self.storing = waiting;
        for Storing { ticket, .. } in done {
            self.effects.push_back(Effect::Answer { ticket, answer: Answer::Done });
        }
    }

    /// Makes a batch of the keys that changed, when it is due and none is under way. It waits for
    /// the commit of the frame it reflects.
    pub(crate) fn checkpoint(&mut self, now: Now, at: usize) {
        self.offer_again(now, at);
        let partitions = self.owners.len();
        let owner = &mut self.owners[at];
        if !matches!(owner.stage, Stage::Serving) || !owner.is_settled() {
            return;
        }
        let is_late = now.elapsed >= owner.checkpoint_due;
        if !is_late && !has_much(owner, self.plan.hot_keys) && !self.has_long_tail(at) {
            return;
        }
        let owner = &mut self.owners[at];
        let Some(checkpoint) = owner.partition.checkpoint() else { return };
        owner.unstored_bytes = 0;
        owner.checkpoint_due = next_turn(now.elapsed, owner.partition.id(), partitions);
        owner.ready = Some(Box::new(batch(owner, checkpoint)));
        let partition = owner.partition.id();
        self.write_ready(partition);
    }

    /// Whether a restart would read for long (DESIGN F10), and what is read of this partition is no less than of others.
    fn has_long_tail(&self, at: usize) -> bool {
        let share = limits::TAIL_BYTES / self.owners.len().max(1) as u64;
        let all = || self.owners.iter().map(|owner| owner.unstored_bytes).sum::<u64>();
        self.owners[at].unstored_bytes > share && all() > limits::TAIL_BYTES
    }

    /// Sends the batch that waits, if its frame is committed.
    pub(crate) fn write_ready(&mut self, partition: PartitionId) {
        let owner = self.owner(partition);
        let committed = owner.partition.committed();
        let is_due = |batch: &mut Box<Batch>| batch.head.frame <= committed;
        if owner.writing || owner.refused.is_some() {
            return;
        }
        if let Some(batch) = owner.ready.take_if(is_due) {
            owner.writing = true;
            owner.letters_under_way.clone_from(&batch.letters);
            self.state.submit(StateRequest::Write(partition, batch));
        }
    }

    /// A batch was refused. It stays due: later ones build on it. Not so once the partition starts
    /// over from the log.
    pub(crate) fn not_written(&mut self, now: Now, partition: PartitionId, batch: Box<Batch>) {
        let owner = self.owner(partition);
        owner.writing = false;
        owner.letters_under_way.clear();
        if matches!(owner.stage, Stage::Serving) {
            owner.refused = Some((now.elapsed.after(limits::STATE_RETRY), batch));
        }
        self.effects.push_back(Effect::Notice(Notice::StateFailed(partition)));
    }

    fn offer_again(&mut self, now: Now, at: usize) {
        let owner = &mut self.owners[at];
        if let Some((_, batch)) = owner.refused.take_if(|(due, _)| *due <= now.elapsed) {
            owner.writing = true;
            owner.letters_under_way.clone_from(&batch.letters);
            let partition = owner.partition.id();
            self.state.submit(StateRequest::Write(partition, batch));
        }
    }
}

/// Whether more keys changed than wait for their time: one leaves memory only once it is stored, so half of what fits
/// there.
fn has_much<D: Digest>(owner: &Owner<D>, hot_keys: usize) -> bool {
    owner.partition.dirty_keys() >= limits::CHECKPOINT_KEYS.min((hot_keys / 2).max(1))
}

/// When a partition's next batch is due. Each has a moment of its own in the period: all at once they
/// would hold up what is decided meanwhile, and the thread that writes them.
pub(crate) fn next_turn(
    now: ElapsedMicros,
    partition: PartitionId,
    partitions: usize,
) -> ElapsedMicros {
    let period = micros(limits::CHECKPOINT_EVERY);
    let moment = period * u64::from(partition.0) / (partitions.max(1) as u64);
    let begun = (now.0 + period - moment) / period;
    ElapsedMicros(begun * period + moment)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Whether the store has everything of a partition up to a frame.
fn reflects<D: Digest>(owner: &Owner<D>, frame: FrameNumber) -> bool {
    let clean = owner.is_settled() && owner.partition.dirty_keys() == 0;
    owner.stored >= frame || (clean && owner.partition.committed() >= frame)
}

fn batch<D>(owner: &mut Owner<D>, checkpoint: Checkpoint) -> Batch {
    let through = checkpoint.through;
    let reflected = owner.letters.iter().take_while(|(frame, _)| *frame <= through).count();
    let letters = owner.letters.drain(..reflected).map(|(_, change)| change).collect();
    let head = Head {
        frame: through,
        recorded: checkpoint.recorded,
        open: checkpoint.open,
        directory: checkpoint.directory,
        totals: checkpoint.totals,
    };
    let (records, tombstones) = (checkpoint.records, checkpoint.tombstones);
    Batch { head, records, tombstones, letters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_take_turns_within_a_period() {
        let period = micros(limits::CHECKPOINT_EVERY);
        let due = |now, partition| next_turn(ElapsedMicros(now), PartitionId(partition), 4).0;
        assert_eq!(
            [0, 1, 2, 3].map(|partition| due(0, partition)),
            [period, period / 4, period / 2, period / 4 * 3]
        );
        // Always later than now, and never by more than a period.
        for moment in [1, period / 4, period / 4 + 1, period - 1, period, 7 * period + 3] {
            for partition in 0..4 {
                let wait = due(moment, partition) - moment;
                assert!(wait > 0 && wait <= period, "{moment} {partition} {wait}");
            }
        }
    }
}
