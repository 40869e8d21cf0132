//! Replays as a consumer sees them: a lane goes back because an operator asked for it, and no more often; from
//! there everything holds as if it were sent for the first time, but that each attempt says that it may not be
//! (promise 2, F11); and where it goes on behind, all between had been settled before.

use std::collections::BTreeSet;

use sprag_core::output::Attempt;

use super::{Seen, first_to_last};

/// What is known of a lane's replays.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// How often it began again.
    times: u64,
    /// Acknowledged before it did.
    before: BTreeSet<u64>,
    /// The highest sequence attempted before, and the least last event of the replay; while it is not through.
    under_way: Option<(u64, u64)>,
}

impl Again {
    /// Whether an event need not be sent again: it was settled when the lane was set back, and lies behind the
    /// last that was asked for; or the lane is through and `sent` was its last, for what follows in the range
    /// and was passed nobody is told. Whether that may be is seen when history is read.
    pub(super) fn jumps_over(&self, sequence: u64, sent: u64, attempt: &Attempt) -> bool {
        self.under_way.is_some_and(|(highest, until)| {
            let omitted = &mut attempt.omitted.iter();
            let is_named = omitted.any(|one| (one.range.from..=one.range.to).contains(&sequence));
            let was_settled = sequence < highest || is_named || self.before.contains(&sequence);
            let is_passed = sequence > sent && attempt.sequence.0 > until;
            (sequence > until || is_passed) && sequence <= highest && was_settled
        })
    }

    /// Whether the lane is through with a replay whose last attempt, of `sent`, came to nothing. That may be where too
    /// much waited, and all that the replay had left was given up with it (D9); and where the outcome was lost with the
    /// process and the destination takes that type no more. Behind the jump nobody is told of the range; that it has
    /// its fate is seen when history is read.
    pub(super) fn leaves(&self, sequence: u64, sent: u64, attempt: &Attempt) -> bool {
        let is_through = |(highest, until): (u64, u64)| {
            sequence == sent && sequence <= highest && attempt.sequence.0 > until
        };
        self.under_way.is_some_and(is_through)
    }

    /// An event was sent in its turn.
    pub(super) fn went_on(&mut self, sequence: u64) {
        self.under_way.take_if(|(highest, _)| sequence > *highest);
    }
}

impl Seen {
    /// A lane that was asked to may begin again, as often as it was asked.
    pub(super) fn may_begin_again(&mut self, attempt: &Attempt, asked: u64, until: Option<u64>) {
        let sequence = attempt.sequence.0;
        let Some(until) = until.filter(|_| asked > self.again.times && !attempt.out_of_order)
        else {
            return;
        };
        // What was sent and is not settled is sent again in its turn anyhow, and counts its tries on, also where
        // a request acknowledged a part of its range meanwhile; what was given up begins anew, and so does what its
        // consumer has all of, or what is another range than before, where its first try was not sent.
        let has_all = || first_to_last(attempt).all(|sequence| self.may_have(sequence));
        let ends_elsewhere = || {
            let before = self.ranges.get(&sequence).copied();
            before.zip(attempt.last).is_some_and(|(before, last)| before != last.0)
        };
        let is_anew =
            sequence == self.highest && (attempt.number == 1 || has_all() || ends_elsewhere());
        let goes_back = sequence < self.highest
            || is_anew
            || (sequence > self.highest
                && first_to_last(attempt).any(|sequence| self.may_have(sequence)));
        // A lane that begins again says so: none before was delivered.
        let begins = attempt.redelivery && attempt.previous.0 == 0;
        if !goes_back || !begins {
            return;
        }
        let highest =
            self.again.under_way.map_or(self.highest, |(before, _)| before.max(self.highest));
        self.again.times += 1;
        let had: Vec<u64> = self.acknowledged.keys().copied().collect();
        self.again.before.extend(had.into_iter().chain(self.may_be_acknowledged.keys().copied()));
        // Of a range that was taken the first was attempted, and all are settled.
        let had = self.again.before.last().copied().unwrap_or_default();
        // So it is with a range that its consumer dropped.
        let dropped = self.dropped.last().copied().unwrap_or_default();
        // And with one that was given up: each of it has the tries of the first.
        let tried = self.failures.last_key_value().map(|(last, _)| *last).unwrap_or_default();
        self.again.under_way = Some((highest.max(had).max(dropped).max(tried), until));
        // From here on everything is as for the first time.
        self.highest = 0;
        self.acknowledged.retain(|one, _| *one < sequence);
        // A first try may also have been on its way when a request acknowledged it: then that stands, where the
        // request left after the lane had been asked to begin again; of the newest also one of before.
        let times = self.again.times;
        self.may_be_acknowledged.retain(|one, asked| {
            *one < sequence || (*one == sequence && (is_anew || *asked >= times))
        });
        self.settled.retain(|one, _| *one < sequence);
        self.dropped.retain(|one| *one < sequence);
        self.gone.retain(|one| *one < sequence);
        self.failures.retain(|one, _| *one < sequence);
        self.ranges.retain(|one, _| *one < sequence);
        self.not_before = None;
    }

    /// Whether its consumer may ever have acknowledged it in its turn.
    pub(crate) fn ever_had(&self, sequence: u64) -> bool {
        self.may_have(sequence) || self.again.before.contains(&sequence)
    }
}
