//! Keys that wait and need not be in memory meanwhile (DESIGN F5, L6).
//!
//! **Where a waiting key is.** In memory, or only in the state store, which keeps it in one queue
//! per thing that time brings about: the end of its hold, the end of its wait for an
//! acknowledgement, and per destination the next attempt of its lane. Each queue is ordered by due time. Of what is outside, memory holds three things per
//! queue, however many keys that is: the earliest due time, the round that reads it, and the page
//! that was asked for.
//!
//! ```text
//!            due, and room: a page            room is needed, nothing under way,
//!   outside ───────────────────────▶ memory   its newest facts stored
//!      ▲     arrival or command: a load │
//!      └──────────────────────────────┘
//! ```
//!
//! - **Leaving.** A key leaves when nothing of it is under way: no attempt, no event between two
//!   facts, no question to the log, nothing the state store does not have. What it waits for is
//!   noted in its queues; a permit that was asked for is withdrawn. Halted, parked and paused lanes
//!   are in no queue: an operator's command or an arrival loads their key.
//! - **Coming back.** A queue is read in rounds. A round begins at the earliest due time outside and
//!   ends at what was due when it began, so it passes everything once, and what returns to the queue
//!   meanwhile waits for the next one: nothing starves. No two rounds of a destination begin at the same
//!   time: keys that have had their turn would take each other's place until time goes on. With less than half the memory in use,
//!   keys come back before they are due, so that a process that has room for all has all at hand.
//! - **Turns.** A key of which much is due at different times, because its events have no order, has
//!   one turn a round like any other: `strands` says what ends it.
//! - **The window.** Of each destination only so many lanes are brought in to ask for a permit
//!   ([`limits::LANE_REQUESTS`], and no more than its share of half the memory); among those the
//!   destination grants the oldest first. A dead destination fills its own window, twice where its lanes wait for other
//!   resources, and every destination has room for one lane however little memory there is.
//!
//! **The invariant.** A key outside is, for each of its queues, ahead of the queue's round, on the
//! page that was asked for, or not due before the queue's next look. It holds because a key leaves
//! only by `let_go`, which moves the next look forward, and because the store
//! works requests off in order: a page that comes after a key left was read with its newest record.
//!
//! **Crashes.** All of this is gone with the process, and all of it follows from what is stored: a
//! new term looks at every queue from its beginning. A crash between leaving and anything later
//! finds the key in the store, or, where the store lost batches, in the log behind it. A permit that
//! was withdrawn and granted at once comes back, for its slot is void.
//!
//! Queues of what waits longest ([`Queue::Backlogs`]) bring nothing back: `overflow` reads them.
//!
//! Must not know: how the queues are stored.

use alloc::vec::Vec;
use core::time::Duration;

use super::Partition;
use super::depends;
use super::hot::{Hot, LaneHot};
use super::outside::{Line, Look, NEVER, Round};
use crate::chain::Digest;
use crate::id::{DestinationId, Key};
use crate::input::PageCursor;
use crate::limits;
use crate::output::{Output, PageRequest};
use crate::record::{KeyRecord, Queue};
use crate::slab::Slot;
use crate::time::{ElapsedMicros, OpenMicros, UnixMicros};

impl<D: Digest> Partition<D> {
    /// Changes a lane or strand, and counts whether it is on its way to a permit: a lane with all its
    /// strands once, so that one key never looks like many.
    pub(super) fn seek<T>(
        &mut self,
        slot: Slot,
        at: usize,
        change: impl FnOnce(&mut LaneHot) -> T,
    ) -> Option<T> {
        let hot = self.keys.get_mut(slot)?;
        let to = hot.lanes.get(at)?.id.destination;
        let was = usize::from(hot.is_seeking(to));
        let changed = change(&mut hot.lanes[at]);
        let is = usize::from(hot.is_seeking(to));
        if let Some(line) = self.outside.lines.get_mut(&Queue::Lanes(to)) {
            line.seeking = line.seeking + is - was;
        }
        Some(changed)
    }

    /// A lane takes back what it asked of its destination; whether it had asked.
    pub(super) fn withdraw(&mut self, slot: Slot, at: usize) -> bool {
        let taken = self.seek(slot, at, |lane| (lane.id, lane.requested.take()));
        let Some((id, Some(requested))) = taken else { return false };
        self.outputs.push_back(Output::Withdraw(requested.of(self.lane_ref(slot, id))));
        self.moves.withdrawn += 1;
        true
    }

    /// Lanes of a key that have nothing to send any more take back what they asked for: a key that
    /// seems to be on its way to a permit is never at rest.
    pub(super) fn withdraw_idle(&mut self, slot: Slot) {
        let Some(hot) = self.keys.get(slot) else { return };
        let lanes = hot.record.lanes.iter().zip(&hot.lanes).enumerate();
        let idle =
            lanes.filter(|(_, (record, lane))| lane.requested.is_some() && !record.has_work());
        let idle: Vec<usize> = idle.map(|(at, _)| at).collect();
        for at in idle {
            self.withdraw(slot, at);
        }
    }

    fn hot_most(&self) -> usize {
        self.settings.hot_keys.max(1)
    }

    /// The most keys in memory that there may be, and those on their way into it: twice what is kept,
    /// and one of each queue, for a destination that hangs keeps its own where it is.
    fn crowd_most(&self) -> usize {
        self.hot_most().saturating_mul(2).saturating_add(self.outside.lines.len())
    }

    /// Keys in memory, and those on their way into it, but for those that asks have beside them.
    fn crowd(&self) -> usize {
        let all = self.names.len() + self.loading.len() + self.outside.expected;
        all.saturating_sub(self.beside.len())
    }

    /// Late events whose places may be looked for at a time: each keeps its key in memory, and half of the room there is
    /// for the others.
    pub(super) fn recalls_most(&self) -> usize {
        (self.crowd_most() / 2).clamp(1, limits::RECALLS)
    }

    /// Keys that may be loaded or read for asks at a time: a quarter of the room is enough, and the rest is for the others.
    pub(super) fn asked_keys_most(&self) -> usize {
        (self.crowd_most() / 4).clamp(1, limits::ASKED_KEYS)
    }

    /// Lanes of one destination that may be brought in to ask for permits.
    fn window(&self) -> usize {
        let shares = self.settings.destinations.len().max(1) * 2;
        (self.hot_most() / shares).clamp(1, limits::LANE_REQUESTS)
    }

    /// Whether one more key may be loaded: where there are too many, one that can go must.
    pub(super) fn has_room(&mut self) -> bool {
        let most = self.crowd_most();
        for _ in 0..limits::ROOM_KEYS {
            if self.crowd() < most {
                return true;
            }
            self.sweep_one(true);
        }
        self.crowd() < most
    }

    /// Whether a key may be loaded for an ask although memory is full. Arrivals can keep it so for as long as they come, and an
    /// ask is through only when it finds every key of its row: else those that wait for each other would never be told.
    pub(super) fn has_room_beside(&mut self) -> bool {
        let slots: Vec<_> = self.beside.iter().filter_map(|key| self.slot_of(key)).collect();
        for slot in slots {
            if self.keys.get(slot).is_some_and(|hot| self.may_go(slot, hot, true)) {
                self.let_go(slot);
            }
        }
        self.beside.len() < limits::BESIDE_KEYS
    }

    /// Lets keys go while there are too many, or no room for those that are due outside; a few are
    /// looked at in each step, more when only time has passed. Then brings in what is due.
    pub(super) fn make_room(&mut self, sweep: usize) {
        if self.outside.is_empty() && self.crowd() <= self.hot_most() {
            return;
        }
        let wanted = if self.is_wanted() { self.window().div_ceil(2) } else { 0 };
        let most = self.hot_most().saturating_sub(wanted);
        for _ in 0..sweep {
            if self.crowd() <= most {
                break;
            }
            self.sweep_one(false);
        }
        self.bring_back();
    }

    /// Lets the next key of the table go, if it can; pressed, also one whose lanes are about to get
    /// their permits.
    fn sweep_one(&mut self, pressed: bool) {
        self.sweep = self.sweep.wrapping_add(1);
        let Some(slot) = self.keys.sweep(self.sweep) else { return };
        if self.keys.get(slot).is_some_and(|hot| self.may_go(slot, hot, pressed)) {
            self.let_go(slot);
        }
    }

    /// Lets a key go, if it can.
    pub(super) fn let_go_if_idle(&mut self, slot: Slot) {
        if self.keys.get(slot).is_some_and(|hot| self.may_go(slot, hot, false)) {
            self.let_go(slot);
        }
    }

    /// Whether nothing of a key is under way, and the state store has all its facts.
    fn may_go(&self, slot: Slot, hot: &Hot, pressed: bool) -> bool {
        let is_stored = hot.record.newest.frame <= self.stored && !self.dirty.contains(&slot);
        let is_over = hot.hold_timer.is_some_and(|deadline| deadline <= self.open)
            || hot.lanes.iter().any(|lane| lane.waits_until.is_some_and(|at| at <= self.open));
        let lane_may_go = |lane: &LaneHot| {
            let requested = lane.requested.is_some();
            // Out of memory, a lane forgets what its rate has left.
            let full = lane.bucket.is_full(self.now.elapsed);
            lane.attempt.is_none()
                && !lane.asked
                && (pressed || full)
                && (!requested || pressed || self.is_beyond(lane))
        };
        hot.arriving.is_none()
            && hot.outlived.is_empty()
            && !self.keeps_refill(hot, pressed)
            && !self.recalls.contains_key(&hot.key)
            && (hot.record.order.held.is_empty() || !self.look_ups.contains_key(&hot.key))
            && !depends::is_asking(hot, self.now.elapsed)
            && is_stored
            && !is_over
            && hot.lanes.iter().all(lane_may_go)
    }

    /// Whether a lane asks for a permit that others of its destination will get before it. While it asked about another resource,
    /// others came into its window: what it was told would be forgotten with it, so that it had to ask again whenever it is back,
    /// each time with the same end.
    fn is_beyond(&self, lane: &LaneHot) -> bool {
        let to = lane.id.destination;
        let most = if depends::is_met(lane) { 2 * self.window() } else { self.window() };
        self.directory.paused.contains(&to) || self.outside.seeking(to) > most
    }

    /// A key leaves memory: its queues bring it back.
    fn let_go(&mut self, slot: Slot) {
        for at in 0..self.keys.get(slot).map_or(0, |hot| hot.lanes.len()) {
            self.withdraw(slot, at);
        }
        self.names.remove(slot, &self.keys);
        let Some(hot) = self.keys.remove(slot) else { return };
        self.beside.remove(&hot.key);
        self.leave_tombstone(&hot);
        for lane in &hot.lanes {
            lane.timer.map(|timer| self.timers.remove(&(timer, slot, lane.id)));
            lane.waits_until.map(|at| self.acceptances.remove(&(at, slot, lane.id)));
        }
        hot.hold_timer.map(|deadline| self.holds.remove(&(deadline, slot)));
        self.leave_refill(slot, &hot);
        let noted = self.note_dues(&hot);
        let stopped = !hot.record.order.held.is_empty()
            || hot.record.lanes.iter().any(crate::record::Lane::has_backlog);
        match (noted, stopped) {
            (true, _) => self.moves.left_waiting += 1,
            (false, true) => self.moves.left_stopped += 1,
            (false, false) => self.moves.left_idle += 1,
        }
    }

    /// Notes in its queues when a key that leaves must be back; says whether in any.
    fn note_dues(&mut self, hot: &Hot) -> bool {
        let mut noted = false;
        for due in hot.record.dues() {
            let at = match due.queue {
                // What waits for ever is moved by an arrival only.
                Queue::Holds => hot.hold_timer.map(|_| self.now.elapsed),
                Queue::Acknowledgements => Some(self.now.elapsed),
                Queue::Lanes(to) if due.at == 0 => {
                    Some(depends::asks_next(hot, to).unwrap_or(self.now.elapsed))
                }
                Queue::Lanes(to) => hot.due_to(to),
                // Age alone brings no key back.
                Queue::Keys | Queue::Backlogs(_) => None,
            };
            let line = self.outside.lines.get_mut(&due.queue);
            if let Some((at, line)) = at.zip(line) {
                line.note(Look { from: due.at, at });
                noted = true;
            }
        }
        noted
    }

    /// Whether a queue is to be looked at now, if there is room.
    fn is_due(&self, queue: Queue, line: &Line) -> bool {
        let looks = match queue {
            Queue::Holds | Queue::Acknowledgements => {
                line.next.is_some_and(|next| next.from <= self.open.0)
            }
            Queue::Lanes(_) => {
                let is_new = self.steady.0 > line.began;
                is_new && line.next.is_some_and(|next| next.at <= self.now.elapsed)
            }
            Queue::Keys | Queue::Backlogs(_) => {
                line.next.is_some_and(|next| next.at <= self.now.elapsed)
            }
        };
        // With room for all, what is not due and what is paused comes too; another sweep would find the
        // same.
        let early = line.next.is_some() && self.has_plenty() && queue != Queue::Keys;
        (looks || early || line.round.is_some()) && self.may_look(queue, line)
    }

    /// Whether there is room for keys that are not due yet.
    fn has_plenty(&self) -> bool {
        self.crowd() < self.hot_most() / 2
    }

    /// The time of a queue.
    fn time_of(&self, queue: Queue) -> u64 {
        match queue {
            Queue::Holds | Queue::Acknowledgements => self.open.0,
            Queue::Keys | Queue::Backlogs(_) => 0,
            Queue::Lanes(_) => self.steady.0,
        }
    }

    /// Whether a turn that was over at this time was of the round through what is due for a destination:
    /// as long as something due waits outside and memory has no plenty of room.
    pub(super) fn is_over_for_now(&self, to: DestinationId, turn: UnixMicros) -> bool {
        let Some(line) = self.outside.lines.get(&Queue::Lanes(to)) else { return false };
        let is_due = line.next.is_some_and(|next| next.at <= self.now.elapsed);
        (is_due || line.round.is_some()) && !self.has_plenty() && turn.0 >= line.began
    }

    /// Whether what a queue would bring could go on.
    fn may_look(&self, queue: Queue, line: &Line) -> bool {
        let wants = match queue {
            Queue::Holds | Queue::Acknowledgements => true,
            // Each key may be a fact.
            Queue::Keys | Queue::Backlogs(_) => !self.filling.is_full(),
            // Half a window at a time: pages of single lanes cost as much as whole ones.
            Queue::Lanes(to) => {
                self.lanes_may_start()
                    && !self.directory.paused.contains(&to)
                    && self.settings.destinations.contains_key(&to)
                    && line.seeking <= self.window() / 2
            }
        };
        line.asked.is_none() && (wants || self.has_plenty())
    }

    /// Whether anything outside is due.
    fn is_wanted(&self) -> bool {
        self.outside.lines.iter().any(|(queue, line)| self.is_due(*queue, line))
    }

    /// How many keys of a queue there is room for.
    fn room_for(&self, queue: Queue, line: &Line) -> usize {
        let (most, crowd) = (self.hot_most(), self.crowd());
        let room = most.saturating_sub(crowd);
        match queue {
            Queue::Holds | Queue::Acknowledgements | Queue::Keys if room == 0 => {
                usize::from(crowd < self.crowd_most())
            }
            Queue::Keys | Queue::Backlogs(_) => room.min(limits::VISIT_KEYS),
            _ if self.has_plenty() => room.min(limits::PAGE_KEYS),
            Queue::Holds | Queue::Acknowledgements => room.min(limits::PAGE_KEYS),
            // Every destination may have one lane here, however little memory there is.
            Queue::Lanes(to) if room == 0 => {
                let under_way = || self.attempts.values().any(|(_, lane)| lane.destination == to);
                usize::from(line.seeking == 0 && !under_way())
            }
            Queue::Lanes(_) => room.min(self.window().saturating_sub(line.seeking)),
        }
    }

    /// Asks for a page of every queue that has something due, as far as there is room; the
    /// destination that has the fewest lanes here comes first.
    pub(super) fn bring_back(&mut self) {
        let due = self.outside.lines.iter().filter(|(queue, line)| self.is_due(**queue, line));
        let mut due: Vec<_> = due.map(|(queue, line)| (line.seeking, *queue)).collect();
        due.sort_unstable();
        for (_, queue) in due {
            let keys = self.outside.lines.get(&queue).map_or(0, |line| self.room_for(queue, line));
            if keys > 0 {
                self.ask_page(queue, keys);
            }
        }
    }

    fn ask_page(&mut self, queue: Queue, keys: usize) {
        let began = self.time_of(queue);
        let now = if self.has_plenty() { NEVER } else { began };
        let Some(line) = self.outside.lines.get_mut(&queue) else { return };
        if line.round.is_none() {
            let Some(next) = line.next.take() else { return };
            line.began = began;
            let from = PageCursor { due: next.from, key: None };
            line.round = Some(Round { from, until: now.max(next.from) });
        }
        let Some(Round { from, until }) = line.round.clone() else { return };
        line.asked = Some(keys);
        self.outside.expected += keys;
        self.outputs.push_back(Output::Page(PageRequest { queue, from, until, keys }));
    }

    /// A page came; keys in memory already are newer there.
    pub(super) fn page(
        &mut self,
        queue: Queue,
        keys: Vec<(Key, KeyRecord)>,
        next: Option<PageCursor>,
    ) {
        if let Queue::Backlogs(to) = queue {
            self.oldest_came(to, keys, next);
            return;
        }
        let Some(line) = self.outside.lines.get_mut(&queue) else { return };
        let Some(asked) = line.asked.take() else { return };
        let round = line.round.take();
        self.outside.expected -= asked;
        self.bring_in(queue, keys);
        match (round, next) {
            (Some(round), Some(from)) => self.go_on(queue, round.until, from),
            (Some(_), None) if queue == Queue::Keys => self.end_visits(),
            _ => {}
        }
    }

    /// The round goes on from a place, or ends before it.
    fn go_on(&mut self, queue: Queue, until: u64, from: PageCursor) {
        let ends = until == NEVER && !self.has_plenty();
        let until = if ends { self.time_of(queue) } else { until };
        let wait = UnixMicros(from.due).since(self.steady).min(self.longest_delay(queue));
        let at = self.now.elapsed.after(wait);
        let Some(line) = self.outside.lines.get_mut(&queue) else { return };
        if ends {
            line.began = until;
        }
        if from.due <= until {
            line.round = Some(Round { from, until });
        } else {
            line.note(Look { from: from.due, at });
        }
    }

    fn bring_in(&mut self, queue: Queue, keys: Vec<(Key, KeyRecord)>) {
        for (key, record) in keys {
            if queue == Queue::Keys
                && let Some(slot) = self.slot_of(&key)
            {
                self.visit(slot);
                self.wake(slot);
            }
            // A key that is being loaded comes by itself, but perhaps after the sweep has ended.
            let comes = queue != Queue::Keys && self.loading.contains_key(&key);
            if self.slot_of(&key).is_none() && !comes {
                match queue {
                    Queue::Holds => self.moves.holds_due += 1,
                    Queue::Keys | Queue::Backlogs(_) => self.moves.visited += 1,
                    Queue::Acknowledgements => self.moves.acknowledgements_due += 1,
                    Queue::Lanes(_) => self.moves.lanes_due += 1,
                }
                let slot = self.insert(key, record);
                self.arm(slot);
            }
        }
    }

    /// What a due time of an earlier term counts for at the most (DESIGN F9).
    fn longest_delay(&self, queue: Queue) -> Duration {
        match queue {
            Queue::Holds | Queue::Acknowledgements | Queue::Keys | Queue::Backlogs(_) => {
                Duration::ZERO
            }
            Queue::Lanes(to) => {
                let destination = self.settings.destinations.get(&to);
                destination.map(|to| to.retry.cap).unwrap_or_default()
            }
        }
    }

    /// When time alone brings something back.
    pub(super) fn brings_back_at(&self) -> Option<ElapsedMicros> {
        let step = limits::OPEN_STEP;
        let at = |(queue, line): (&Queue, &Line)| {
            if !line.is_open() || !self.may_look(*queue, line) {
                return None;
            }
            // What has no room yet waits for others to leave; each step looks again.
            if self.is_due(*queue, line) {
                return Some(self.now.elapsed.after(step));
            }
            let next = line.next?;
            Some(match queue {
                Queue::Holds | Queue::Acknowledgements => {
                    self.now.elapsed.after(OpenMicros(next.from).since(self.open).min(step))
                }
                Queue::Lanes(_) if self.steady.0 <= line.began => {
                    next.at.max(self.now.elapsed.after(Duration::from_micros(1)))
                }
                Queue::Lanes(_) | Queue::Keys | Queue::Backlogs(_) => next.at,
            })
        };
        self.outside.lines.iter().filter_map(at).min()
    }

    /// The lanes on their way to a permit are counted.
    pub(super) fn assert_seeking(&self) {
        for (queue, line) in &self.outside.lines {
            let Queue::Lanes(to) = *queue else { continue };
            let seeking = self.keys.iter().filter(|(_, hot)| hot.is_seeking(to));
            assert_eq!(seeking.count(), line.seeking, "lanes to {to:?} that seek a permit");
        }
    }
}
