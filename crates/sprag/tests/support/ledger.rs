//! What providers know: the events there are, which of them were acknowledged, and what to post
//! next. New events come in shuffled within a window, acknowledged ones come again.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use crate::support::dice::Dice;
use crate::support::event::{Event, Promise, SOURCES};

/// Keys of each source.
const KEYS: usize = 12;
/// Events that wait to be posted, in any order.
const WINDOW: usize = 60;
/// Of a thousand posts, so many repeat an event that was posted before.
const REPEATS: usize = 200;
/// Repeats are of the newest events, some of them still under way.
const REPEATED_AMONG: usize = 400;
/// Largest filler of a body, characters.
const FILLER: usize = 120;

/// Says how far the record of what a process does has come: what was heard at a moment rests on what
/// is recorded before it.
pub(crate) type Moments = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Where nothing is recorded.
pub(crate) fn no_moments() -> Moments {
    Arc::new(|| 0)
}

/// An event and what its provider heard.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) event: Event,
    pub(crate) acknowledged: bool,
    /// An answer said that it is or will be released, which a duplicate does not say.
    pub(crate) released: bool,
    /// Answers that say it was taken rather than known: one at most.
    taken: usize,
    /// When it was first acknowledged, and taken.
    acknowledged_at: u64,
    taken_at: u64,
}

/// One post.
pub(crate) struct Job {
    entry: usize,
    /// The event's own post goes back to the waiting ones without an answer, a repeat does not.
    repeat: bool,
    /// It was acknowledged before this post began, so this must be a duplicate.
    known: bool,
}

/// All events.
pub(crate) struct Ledger {
    dice: Dice,
    entries: Vec<Entry>,
    last: BTreeMap<(usize, usize), u64>,
    waiting: Vec<usize>,
    /// New events that may still be made.
    budget: usize,
    /// Repeats that were asked for.
    repeats: usize,
    /// Largest filler of a new body, characters.
    pub(crate) filler: usize,
    /// Seconds the providers' clocks are ahead.
    pub(crate) ahead: i64,
    /// Nothing is posted.
    stopped: bool,
    /// Posts that were answered 2xx, and not at all or with 429 or 503.
    pub(crate) answered: usize,
    pub(crate) unanswered: usize,
    /// How often each answer came: a status of an event, or the code of a refusal.
    pub(crate) words: BTreeMap<String, usize>,
    /// Answers no provider should ever get.
    pub(crate) problems: Vec<String>,
    /// When answers came.
    pub(crate) moments: Moments,
}

impl Ledger {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            entries: Vec::new(),
            last: BTreeMap::new(),
            waiting: Vec::new(),
            budget: 0,
            repeats: 0,
            filler: FILLER,
            ahead: 0,
            stopped: false,
            answered: 0,
            unanswered: 0,
            words: BTreeMap::new(),
            problems: Vec::new(),
            moments: no_moments(),
        }
    }

    /// What providers knew at a moment; what was acknowledged later was not.
    pub(crate) fn as_of(&self, moment: u64, seed: u64) -> Self {
        let mut known = Self { last: self.last.clone(), ..Self::new(seed) };
        known.entries.clone_from(&self.entries);
        for (at, entry) in known.entries.iter_mut().enumerate() {
            let was_taken = entry.taken > 0 && entry.taken_at <= moment;
            entry.taken = usize::from(was_taken);
            entry.released &= was_taken;
            entry.acknowledged &= entry.acknowledged_at <= moment;
            if !entry.acknowledged {
                known.waiting.push(at);
            }
        }
        known
    }

    /// So many new events may be made from now on.
    pub(crate) fn allow(&mut self, events: usize) {
        self.budget = events;
        self.stopped = false;
    }

    /// Events with these ids were lost, and that was told: they are posted as if they never had been.
    /// Gives how many there are.
    pub(crate) fn forget(&mut self, is_lost: impl Fn(&str) -> bool) -> usize {
        let known = self.entries.iter_mut().enumerate().filter(|(_, entry)| entry.acknowledged);
        let lost = known.filter(|(_, entry)| is_lost(&entry.event.id()));
        let lost = lost.map(|(at, entry)| {
            (entry.acknowledged, entry.released, entry.taken) = (false, false, 0);
            at
        });
        let lost: Vec<usize> = lost.collect();
        self.waiting.extend(&lost);
        lost.len()
    }

    /// Nothing more is posted until more is allowed.
    pub(crate) fn stop(&mut self) {
        self.stopped = true;
    }

    /// The next post; none when nothing is left to do.
    pub(crate) fn next(&mut self) -> Option<(Job, Event)> {
        if self.stopped {
            return None;
        }
        while self.budget > 0 && self.waiting.len() < WINDOW {
            self.budget -= 1;
            self.make();
        }
        if self.waiting.is_empty() {
            return None;
        }
        let repeat = self.dice.per_mille(REPEATS);
        let entry = if repeat {
            let newest = self.entries.len().min(REPEATED_AMONG);
            self.entries.len() - 1 - self.dice.below(newest)
        } else {
            let place = self.dice.below(self.waiting.len());
            self.waiting.swap_remove(place)
        };
        Some(self.job(entry, repeat))
    }

    /// So many repeats are wanted from [`Ledger::next_repeat`].
    pub(crate) fn repeat(&mut self, posts: usize) {
        self.repeats = posts;
    }

    /// A repeat of any event there ever was.
    pub(crate) fn next_repeat(&mut self) -> Option<(Job, Event)> {
        self.repeats = self.repeats.checked_sub(1)?;
        let entry = self.dice.below(self.entries.len());
        Some(self.job(entry, true))
    }

    fn job(&self, entry: usize, repeat: bool) -> (Job, Event) {
        let Entry { event, acknowledged, .. } = &self.entries[entry];
        let event = Event { ahead: self.ahead, ..event.clone() };
        (Job { entry, repeat, known: *acknowledged }, event)
    }

    fn make(&mut self) {
        let (source, key) = (self.dice.below(SOURCES.len()), self.dice.below(KEYS));
        let position = self.last.entry((source, key)).or_default();
        *position += 1;
        let event = Event::new(source, key, *position, self.dice.below(self.filler));
        self.waiting.push(self.entries.len());
        let (acknowledged, released) = (false, false);
        let entry =
            Entry { event, acknowledged, released, taken: 0, acknowledged_at: 0, taken_at: 0 };
        self.entries.push(entry);
    }

    /// The gateway went away before it answered.
    pub(crate) fn no_answer(&mut self, job: &Job) {
        self.unanswered += 1;
        if !job.repeat {
            self.waiting.push(job.entry);
        }
    }

    pub(crate) fn answer(&mut self, job: &Job, status: StatusCode, answer: &Value) {
        let member = if status == StatusCode::OK { "status" } else { "code" };
        let word = answer[member].as_str().unwrap_or_default();
        *self.words.entry(word.to_owned()).or_default() += 1;
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            return self.no_answer(job);
        }
        self.answered += 1;
        let moment = (self.moments)();
        let entry = &mut self.entries[job.entry];
        if status == StatusCode::OK && !entry.acknowledged {
            entry.acknowledged_at = moment;
        }
        if word != "duplicate" && entry.taken == 0 {
            entry.taken_at = moment;
        }
        entry.acknowledged |= status == StatusCode::OK;
        entry.released |= matches!(word, "released" | "held" | "late");
        entry.taken += usize::from(word != "duplicate");
        let fine = status == StatusCode::OK
            && (word == "duplicate"
                || (can_be(SOURCES[entry.event.source].promise, word)
                    && !job.known
                    && entry.taken == 1));
        if !fine {
            let (id, known) = (entry.event.id(), job.known);
            self.problems.push(format!("{id} (acknowledged before: {known}): {status} {answer}"));
        }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How often an answer came.
    pub(crate) fn heard(&self, word: &str) -> usize {
        self.words.get(word).copied().unwrap_or_default()
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.entries.iter().filter(|entry| entry.acknowledged).count()
    }
}

/// What a new event of a source can become.
fn can_be(promise: Promise, word: &str) -> bool {
    match promise {
        Promise::EveryPosition => matches!(word, "released" | "held"),
        Promise::Announced => matches!(word, "released" | "held" | "late"),
        Promise::NothingOlder { .. } => matches!(word, "released" | "stale"),
        Promise::AsItCame | Promise::ByItself => word == "released",
    }
}
