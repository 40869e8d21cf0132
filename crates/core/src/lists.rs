//! When the list of a whole source is read, and how far back: for sources that do not count, of which
//! nobody can say what is missing, only what is not here. One for the whole node, beside `refill`.
//!
//! ```text
//!             `after`, `every`, a silence, a pause behind what failed
//!   due ──────────────────────────────▶ under way ──┬─▶ whole: known up to the newest it listed
//!    ▲                                              └─▶ in part, or not at all: known as far as before
//!    └──────────────────────────────────────────────┘
//! ```
//!
//! - **How far back.** To where the last whole pass had come, and a little more, for a list may show an event
//!   late; a first pass, and one under other settings, to `reach`. Never further: what is older than that is
//!   not on the list any more, or its id is not remembered here and it would be taken in twice.
//! - **By the list's own times.** What is known ends at the newest event that the list named, not at a time of
//!   this machine: a clock that is wrong makes a pass longer or an event later, and loses none.
//! - **What is younger than `after`** is left alone. It is on its way by itself, perhaps.
//! - **A list that says 429** rests as a source does that is asked for positions. Anything else that fails is
//!   tried again after 1 s, 2 s, 4 s … up to `every`.
//!
//! **The bound.** One pass of a source at a time; between two of its requests lies a pause that its rate asks for.
//!
//! Nothing here is durable: a new process reads back to `reach`. What it finds again is a duplicate.
//! Must not know: what a list looks like, keys, events.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::fact::RefillOutcome;
use crate::id::SourceId;
use crate::limits;
use crate::settings::{ListSettings, Settings};
use crate::time::{ElapsedMicros, Now, UnixMicros, micros};

/// A pass over a list: read it, bring what comes oldest first, and say when all of it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListAsk {
    /// Which pass it is, of this process.
    pub number: u64,
    /// Whose list.
    pub source: SourceId,
    /// Events of before this are of no interest.
    pub since: UnixMicros,
    /// Events of after this may still come by themselves.
    pub until: UnixMicros,
    /// How long after one request the next may leave.
    pub pause: Duration,
}

/// A pass is over: every event that it brought is answered by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRead {
    /// Which pass.
    pub number: u64,
    /// Whose list.
    pub source: SourceId,
    /// What came of it; whole: everything that was listed between its times is here.
    pub outcome: RefillOutcome,
    /// The newest time that was listed up to its end.
    pub newest: Option<UnixMicros>,
    /// How long the list wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// The lists of all sources.
#[derive(Debug, Default)]
pub struct Lists {
    sources: BTreeMap<SourceId, Reading>,
    asked: u64,
}

/// The list of one source.
#[derive(Debug)]
struct Reading {
    settings: ListSettings,
    due: ElapsedMicros,
    under_way: Option<ListAsk>,
    /// Passes up to this one were read under other settings: they say nothing of what is known.
    void: u64,
    /// Everything listed up to here is known; none: nothing was read.
    known: Option<UnixMicros>,
    failed: u32,
    rests_until: ElapsedMicros,
    rest: Duration,
    /// When its source was last heard of, and whether its list was read in this silence.
    heard: ElapsedMicros,
    was_read: bool,
}

impl Reading {
    fn new(settings: ListSettings, now: ElapsedMicros) -> Self {
        Self {
            settings,
            due: now.after(settings.after.min(settings.every)),
            under_way: None,
            void: 0,
            known: None,
            failed: 0,
            rests_until: ElapsedMicros::default(),
            rest: limits::REST_FIRST,
            heard: now,
            was_read: false,
        }
    }

    /// Under other settings. A pass that is under way stays so, and whoever asked for a rest has it.
    fn revised(&self, settings: ListSettings, now: ElapsedMicros) -> Self {
        let Self { under_way, rests_until, rest, .. } = *self;
        Self { under_way, rests_until, rest, ..Self::new(settings, now) }
    }

    /// When a silence of its source lasts for too long; none where it was read since.
    fn silent(&self) -> Option<ElapsedMicros> {
        let silence = self.settings.silence.filter(|_| !self.was_read);
        silence.map(|silence| self.heard.after(silence))
    }

    /// When it is read next; none while it is.
    fn next(&self) -> Option<ElapsedMicros> {
        let due = self.silent().map_or(self.due, |silent| silent.min(self.due));
        self.under_way.is_none().then(|| due.max(self.rests_until))
    }

    fn since(&self, now: UnixMicros) -> UnixMicros {
        let reach = UnixMicros(now.0.saturating_sub(micros(self.settings.reach)));
        let overlap = micros(self.settings.every.min(limits::LIST_OVERLAP));
        self.known.map_or(reach, |known| reach.max(UnixMicros(known.0.saturating_sub(overlap))))
    }

    fn ended(&mut self, now: ElapsedMicros, asked: ListAsk, read: &ListRead) {
        if let Some(wanted) = read.retry_after {
            let until = now.after(wanted.min(limits::REFILL_REST_MOST));
            self.rests_until = self.rests_until.max(until);
        }
        if read.outcome == RefillOutcome::Whole {
            let newest = read.newest.map(|newest| newest.min(asked.until));
            if asked.number > self.void {
                self.known = self.known.max(newest);
            }
            (self.failed, self.rest) = (0, limits::REST_FIRST);
            self.due = now.after(self.settings.every);
        } else if read.outcome.is_throttled() {
            self.rests_until = self.rests_until.max(now.after(self.rest));
            self.rest = (self.rest * 2).min(limits::REST_MOST);
            self.due = now;
        } else {
            let pause = limits::REST_FIRST.saturating_mul(1 << self.failed.min(16));
            self.failed = self.failed.saturating_add(1);
            self.due = now.after(pause.min(self.settings.every));
        }
    }
}

impl Lists {
    /// The settings from now on. Whose list is read is read anew, as at a start: it may be another list.
    pub fn revise(&mut self, now: Now, settings: &Settings) {
        let list = |id: &SourceId| settings.sources.get(id).and_then(|source| source.list);
        self.sources.retain(|id, _| list(id).is_some());
        for id in settings.sources.keys() {
            let Some(list) = list(id) else { continue };
            let known = self.sources.get(id);
            let reading = known.map_or_else(
                || Reading::new(list, now.elapsed),
                |known| known.revised(list, now.elapsed),
            );
            self.sources.insert(*id, Reading { void: self.asked, ..reading });
        }
    }

    /// Something of a source came by itself.
    pub fn heard(&mut self, now: ElapsedMicros, source: SourceId) {
        if let Some(reading) = self.sources.get_mut(&source) {
            (reading.heard, reading.was_read) = (now, false);
        }
    }

    /// The next list that is to be read now. Its pass is under way from here on.
    pub fn poll(&mut self, now: Now) -> Option<ListAsk> {
        let is_due = |(_, reading): &(&SourceId, &mut Reading)| {
            reading.next().is_some_and(|next| next <= now.elapsed)
        };
        let (source, reading) = self.sources.iter_mut().find(is_due)?;
        self.asked += 1;
        reading.was_read |= reading.silent().is_some_and(|silent| silent <= now.elapsed);
        let ListSettings { after, rate, .. } = reading.settings;
        let asked = ListAsk {
            number: self.asked,
            source: *source,
            since: reading.since(now.clock),
            until: UnixMicros(now.clock.0.saturating_sub(micros(after))),
            pause: rate.pause(),
        };
        reading.under_way = Some(asked);
        Some(asked)
    }

    /// A pass is over.
    pub fn ended(&mut self, now: ElapsedMicros, read: &ListRead) {
        let Some(reading) = self.sources.get_mut(&read.source) else { return };
        // One of before its source was configured anew is nobody's.
        let Some(asked) = reading.under_way.take_if(|asked| asked.number == read.number) else {
            return;
        };
        reading.ended(now, asked, read);
    }

    /// When the next list is to be read.
    #[must_use]
    pub fn deadline(&self) -> Option<ElapsedMicros> {
        self.sources.values().filter_map(Reading::next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Rate;

    const SOURCE: SourceId = SourceId(1);
    const SECOND: u64 = 1_000_000;
    /// The machine's clock when the process begins.
    const BEGAN: u64 = 1_000_000 * SECOND;

    fn settings() -> ListSettings {
        let second = Duration::from_secs(1);
        ListSettings {
            after: 2 * second,
            every: 60 * second,
            reach: 1_000 * second,
            rate: Rate { count: 4, period: second },
            silence: None,
        }
    }

    fn lists(settings: ListSettings) -> Lists {
        let reading = Reading::new(settings, ElapsedMicros(0));
        Lists { sources: [(SOURCE, reading)].into(), asked: 0 }
    }

    fn at(seconds: u64) -> Now {
        let micros = seconds * SECOND;
        Now { elapsed: ElapsedMicros(micros), clock: UnixMicros(BEGAN + micros) }
    }

    fn ended(lists: &mut Lists, seconds: u64, outcome: RefillOutcome, newest: Option<u64>) {
        let number = lists.asked;
        let newest = newest.map(|seconds| at(seconds).clock);
        let read = ListRead { number, source: SOURCE, outcome, newest, retry_after: None };
        lists.ended(at(seconds).elapsed, &read);
    }

    /// The times of the pass that begins at this second, as seconds of the process.
    fn window(lists: &mut Lists, seconds: u64) -> Option<(i64, i64)> {
        let asked = lists.poll(at(seconds))?;
        let of = |time: UnixMicros| {
            i64::try_from(time.0 / SECOND).unwrap() - i64::try_from(BEGAN / SECOND).unwrap()
        };
        Some((of(asked.since), of(asked.until)))
    }

    #[test]
    fn a_list_is_read_back_to_what_was_known_and_a_little_more() {
        let mut lists = lists(settings());
        assert_eq!(window(&mut lists, 1), None);
        assert_eq!(window(&mut lists, 2), Some((-998, 0)));
        assert_eq!((window(&mut lists, 999), lists.deadline()), (None, None), "one at a time");
        ended(&mut lists, 10, RefillOutcome::Whole, Some(0));
        assert_eq!(window(&mut lists, 69), None);
        assert_eq!(window(&mut lists, 70), Some((-60, 68)));
        // Nothing was listed: nothing more is known.
        ended(&mut lists, 71, RefillOutcome::Whole, None);
        assert_eq!(window(&mut lists, 131), Some((-60, 129)));
        ended(&mut lists, 132, RefillOutcome::Whole, Some(100));
        assert_eq!(window(&mut lists, 192), Some((40, 190)));
        ended(&mut lists, 193, RefillOutcome::Whole, Some(190));
        assert_eq!(window(&mut lists, 5_000), Some((4_000, 4_998)), "never beyond reach");
    }

    #[test]
    fn what_was_read_in_part_is_read_again() {
        let mut lists = lists(settings());
        let failed = RefillOutcome::Answered { status: 500 };
        for (begins, outcome) in [(2, failed), (3, RefillOutcome::Cut), (5, failed), (9, failed)] {
            assert_eq!(window(&mut lists, begins - 1), None);
            let (since, _) = window(&mut lists, begins).unwrap();
            assert_eq!(u64::try_from(since + 1_000), Ok(begins), "as far back as before");
            ended(&mut lists, begins, outcome, Some(0));
        }
        assert_eq!(lists.deadline(), Some(at(17).elapsed));
        assert!(window(&mut lists, 17).is_some());
        ended(&mut lists, 17, RefillOutcome::Whole, Some(0));
        assert_eq!(lists.deadline(), Some(at(77).elapsed));
    }

    #[test]
    fn a_list_that_is_read_too_often_rests() {
        let mut lists = lists(settings());
        let throttled = RefillOutcome::Answered { status: 429 };
        for (begins, next) in [(2, 3), (3, 5), (5, 9)] {
            assert!(window(&mut lists, begins).is_some());
            ended(&mut lists, begins, throttled, None);
            assert_eq!(lists.deadline(), Some(at(next).elapsed));
        }
        assert!(window(&mut lists, 9).is_some());
        let retry_after = Some(Duration::from_secs(86_400));
        let read = ListRead {
            number: lists.asked,
            source: SOURCE,
            outcome: RefillOutcome::Whole,
            newest: None,
            retry_after,
        };
        lists.ended(at(9).elapsed, &read);
        assert_eq!(lists.deadline(), Some(at(3_609).elapsed), "an hour at the most");
    }

    #[test]
    fn a_silence_has_the_list_read_once_more() {
        let silence = Some(Duration::from_secs(20));
        let mut lists = lists(ListSettings { silence, ..settings() });
        assert!(window(&mut lists, 2).is_some());
        ended(&mut lists, 2, RefillOutcome::Whole, None);
        lists.heard(at(10).elapsed, SOURCE);
        assert_eq!(lists.deadline(), Some(at(30).elapsed));
        assert!(window(&mut lists, 30).is_some());
        ended(&mut lists, 30, RefillOutcome::Whole, None);
        assert_eq!(lists.deadline(), Some(at(90).elapsed), "then every so often");
        lists.heard(at(40).elapsed, SOURCE);
        assert_eq!(lists.deadline(), Some(at(60).elapsed));
    }

    #[test]
    fn a_clock_that_is_ahead_hides_no_event() {
        let mut lists = lists(settings());
        let ahead = |seconds| Now { clock: at(seconds + 500).clock, ..at(seconds) };
        assert!(lists.poll(ahead(2)).is_some());
        ended(&mut lists, 3, RefillOutcome::Whole, Some(1));
        let asked = lists.poll(ahead(63)).unwrap();
        assert!(asked.since < at(1).clock, "{asked:?}");
    }

    #[test]
    fn a_rest_outlasts_other_settings() {
        let mut lists = lists(settings());
        assert!(window(&mut lists, 2).is_some());
        let asked = lists.sources[&SOURCE].under_way.unwrap();
        let outcome = RefillOutcome::Answered { status: 403 };
        let retry_after = Some(Duration::from_secs(3_600));
        let read =
            ListRead { number: asked.number, source: SOURCE, outcome, newest: None, retry_after };
        lists.ended(at(3).elapsed, &read);
        let revised = lists.sources[&SOURCE].revised(settings(), at(4).elapsed);
        lists.sources.insert(SOURCE, revised);
        assert_eq!(lists.deadline(), Some(at(3_603).elapsed));
    }

    #[test]
    fn a_pass_under_other_settings_says_nothing() {
        let mut lists = lists(settings());
        assert!(window(&mut lists, 2).is_some());
        let reading = lists.sources.get_mut(&SOURCE).unwrap();
        let under_way = reading.under_way;
        *reading = Reading { under_way, void: 1, ..Reading::new(settings(), at(3).elapsed) };
        assert_eq!(window(&mut lists, 5), None, "the other is under way still");
        ended(&mut lists, 6, RefillOutcome::Whole, Some(5));
        assert_eq!(window(&mut lists, 66), Some((-934, 64)));
    }
}
