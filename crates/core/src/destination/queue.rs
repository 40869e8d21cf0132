//! The lanes that wait for a permit of one destination.

use alloc::collections::BTreeSet;

use super::lane::{LaneRef, Request, Standing, Urgency};
use super::strands::{Left, Strands, Turn, Turns};
use crate::id::PartitionId;
use crate::limits;
use crate::random::Random;
use crate::time::ElapsedMicros;

/// The lanes that wait, by what is known of them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    proven: BTreeSet<(Urgency, LaneRef)>,
    unproven: BTreeSet<(Urgency, LaneRef)>,
    struggling: BTreeSet<(ElapsedMicros, LaneRef, u32)>,
    /// The same, the least tried first.
    tried: BTreeSet<(u32, ElapsedMicros, LaneRef)>,
    strands: Strands,
    /// Of the struggling strands of a lane one waits among the others; these are behind it, so that
    /// a lane comes round once before any comes twice, however many events it has.
    turns: Turns,
}

impl Queue {
    pub(super) fn insert(&mut self, request: Request) {
        let Request { urgency, lane, standing } = request;
        let is_new = match standing {
            Standing::Proven => self.proven.insert((urgency, lane)),
            Standing::Unproven => self.unproven.insert((urgency, lane)),
            Standing::Struggling { tries, since } => {
                let turn = Turn { since, lane, tries };
                let is_first = self.turns.take(turn);
                if is_first { self.enqueue(turn) } else { true }
            }
        };
        if is_new {
            self.strands.add(lane);
        }
    }

    pub(super) fn remove(&mut self, request: Request) {
        let Request { urgency, lane, standing } = request;
        let was_here = match standing {
            Standing::Proven => self.proven.remove(&(urgency, lane)),
            Standing::Unproven => self.unproven.remove(&(urgency, lane)),
            Standing::Struggling { tries, since } => match self.turns.leave(lane) {
                Left::NoStrand => self.dequeue(Turn { since, lane, tries }),
                Left::First(first, next) => {
                    let was_here = self.dequeue(first);
                    if let Some(next) = next {
                        self.enqueue(next);
                    }
                    was_here
                }
                Left::Behind => true,
                Left::Nothing => false,
            },
        };
        if was_here {
            self.strands.remove(lane);
        }
    }

    pub(super) fn remove_all(&mut self, partition: PartitionId) {
        self.proven.retain(|(_, lane)| lane.partition != partition);
        self.unproven.retain(|(_, lane)| lane.partition != partition);
        self.struggling.retain(|(_, lane, _)| lane.partition != partition);
        self.tried.retain(|(_, _, lane)| lane.partition != partition);
        self.strands.remove_all(partition);
        self.turns.remove_all(partition);
    }

    pub(super) fn strands(&self) -> &Strands {
        &self.strands
    }

    pub(super) fn len(&self) -> usize {
        self.proven.len() + self.unproven.len() + self.struggling()
    }

    pub(super) fn struggling(&self) -> usize {
        self.struggling.len() + self.turns.behind()
    }

    /// The oldest lane that does not struggle, and whether it is proven; with `only_proven`, of
    /// those.
    pub(super) fn pop_oldest(&mut self, only_proven: bool) -> Option<(LaneRef, bool)> {
        let unproven = self.unproven.first().filter(|_| !only_proven);
        let is_proven = match (self.proven.first(), unproven) {
            (Some(proven), Some(unproven)) => proven < unproven,
            (proven, _) => proven.is_some(),
        };
        let (_, lane) = match is_proven {
            true => self.proven.pop_first()?,
            false if only_proven => return None,
            false => self.unproven.pop_first()?,
        };
        self.strands.remove(lane);
        Some((lane, is_proven))
    }

    /// A proven lane, else any of which nothing is known: so that poisoned lanes are no more of what is
    /// drawn than of what waits, wherever they stand. A probe is as often the newest: what comes behind
    /// many that were never tried has its turn soon.
    pub(super) fn pop_by_lot(
        &mut self,
        only_proven: bool,
        probe: bool,
        random: &mut Random,
    ) -> Option<(LaneRef, bool)> {
        if only_proven || !self.proven.is_empty() {
            return self.pop_oldest(true);
        }
        let newest = probe && random.below(2) == 0;
        let drawn = if newest { self.unproven.last() } else { self.draw(random) };
        let drawn = *drawn?;
        self.unproven.remove(&drawn);
        self.strands.remove(drawn.1);
        Some((drawn.1, false))
    }

    /// Any of the lanes of which nothing is known; of very many, one near the ends.
    fn draw(&self, random: &mut Random) -> Option<&(Urgency, LaneRef)> {
        let count = self.unproven.len();
        let at = usize::try_from(random.below(count as u64)).unwrap_or(0);
        let from_end = count.saturating_sub(at + 1);
        if at <= from_end {
            self.unproven.iter().nth(at % limits::LOT_LANES)
        } else {
            self.unproven.iter().nth_back(from_end % limits::LOT_LANES)
        }
    }

    /// The struggling lane that asked first, or the one whose event was tried least. What waits behind
    /// it in its lane asks now.
    pub(super) fn pop_struggling(
        &mut self,
        least_tried: bool,
        now: ElapsedMicros,
    ) -> Option<LaneRef> {
        let turn = if least_tried {
            let (tries, since, lane) = self.tried.first().copied()?;
            Turn { since, lane, tries }
        } else {
            let (since, lane, tries) = self.struggling.first().copied()?;
            Turn { since, lane, tries }
        };
        self.dequeue(turn);
        self.strands.remove(turn.lane);
        if let Left::First(_, Some(next)) = self.turns.leave(turn.lane) {
            let next = Turn { since: now, ..next };
            self.turns.begin(next);
            self.enqueue(next);
        }
        Some(turn.lane)
    }

    fn enqueue(&mut self, turn: Turn) -> bool {
        let Turn { since, lane, tries } = turn;
        self.tried.insert((tries, since, lane)) && self.struggling.insert((since, lane, tries))
    }

    fn dequeue(&mut self, turn: Turn) -> bool {
        let Turn { since, lane, tries } = turn;
        self.tried.remove(&(tries, since, lane)) && self.struggling.remove(&(since, lane, tries))
    }

    /// Whether a lane waits that does not struggle; with `only_proven`, a proven one.
    pub(super) fn has_oldest(&self, only_proven: bool) -> bool {
        !self.proven.is_empty() || (!only_proven && !self.unproven.is_empty())
    }
}
