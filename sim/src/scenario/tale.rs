//! What a scenario tells while it is played: what providers are answered, what consumers get and say, and in the end
//! the fate of every event.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::Arc;

use sprag_core::fact::{Kind, Outcome};
use sprag_core::id::{Hash, Sequence};
use sprag_core::input::Compared;
use sprag_core::output::{Answer, Attempt, Fetch};
use sprag_core::position::Position;
use sprag_driver::cache::ReleasedEvent;

use super::script::Answers;
use crate::consumer::Conduct;
use crate::judge::event_history::IngressFate;
use crate::judge::history::History;
use crate::judge::key_history::KeyHistory;
use crate::schedule::MILLISECOND;
use crate::talk::name_of;
use crate::workload::Post;
use crate::world::{CLOCK, World};

/// The tale of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Tale {
    pub(super) labels: BTreeMap<Hash, Arc<str>>,
    /// What consumers have yet to say, by destination and what the event is called.
    pub(super) answers: BTreeMap<(Arc<str>, Arc<str>), Answers>,
    pub(super) lines: Vec<String>,
    /// What each consumer got of each key, in the order in which it got it first.
    pub(super) firsts: BTreeMap<(String, String), Vec<String>>,
    pub(super) fates: Vec<String>,
    /// What was told last of what the source of a resource has.
    pub(super) compared: BTreeMap<usize, Option<u64>>,
    /// Before which of its steps each life of the process ends.
    pub(super) deaths: VecDeque<u64>,
    /// Whether it is the machine that loses its power then, and not the process that is killed.
    pub(crate) cuts_power: bool,
    /// How many steps the first life had when a line was told last.
    pub(super) told_at: u64,
    /// How many it had in the end.
    pub(super) steps: u64,
}

impl Tale {
    /// The step before which the next life ends, if it is to.
    pub(crate) fn next_death(&mut self) -> Option<u64> {
        self.deaths.pop_front()
    }

    fn label(&self, digest: &Hash) -> &str {
        self.labels.get(digest).map_or("?", |label| label)
    }

    /// What a consumer says to this try, where the scenario says it.
    fn say(&mut self, to: &str, digest: &Hash) -> Option<Conduct> {
        let key = (Arc::from(to), self.labels.get(digest)?.clone());
        let answers = self.answers.get_mut(&key)?;
        let is_last = answers.always && answers.each.len() == 1;
        if is_last || answers.each.is_empty() {
            return answers.each.first().copied();
        }
        Some(answers.each.remove(0))
    }

    /// Notes what a consumer gets first, by what it is called there.
    fn got(&mut self, to: &str, key: &str, event: &ReleasedEvent) {
        let label = self.label(&event.event.received.digest);
        let again = event.released.earlier.map_or(0, |earlier| earlier.0);
        let called = match event.released.kind {
            Kind::Compensation => format!("{label} undone ({again})"),
            _ if again > 0 => format!("{label} again ({again})"),
            _ => label.to_owned(),
        };
        let got = self.firsts.entry((to.to_owned(), key.to_owned())).or_default();
        if !got.contains(&called) {
            got.push(called);
        }
    }
}

impl World {
    fn tale_key(&self, resource: usize) -> String {
        let resource = &self.resources[resource];
        let source = &self.sources[resource.source].name;
        if self.sources.len() > 1 {
            format!("{source}/{}", resource.name)
        } else {
            resource.name.to_string()
        }
    }

    /// A provider is answered.
    pub(crate) fn tell_answer(&mut self, post: &Post, answer: &Answer) {
        let Some(tale) = &self.tale else { return };
        let mut line = format!(
            "{} {}: {}",
            self.tale_key(post.resource),
            tale.label(&post.digest),
            name_of(answer)
        );
        if let Answer::Event { sequence: Some(Sequence(sequence)), .. } = answer {
            let _ = write!(line, " {sequence}");
        }
        self.tell(line);
    }

    /// What an authority has is called by its id.
    pub(crate) fn name_theirs(&mut self, post: &Post) {
        if let Some((tale, id)) = self.tale.as_mut().zip(post.id.clone()) {
            tale.labels.insert(post.digest, id);
        }
    }

    /// A source is asked for what is missing.
    pub(crate) fn tell_ask(&mut self, resource: usize, fetch: &Fetch) {
        if self.tale.is_some() {
            let range = fetch.asked;
            self.tell(format!(
                "{}: asked for {}",
                self.tale_key(resource),
                span(range.from, range.to)
            ));
        }
    }

    /// A source says what it has: told where that is news.
    pub(crate) fn tell_compared(&mut self, resource: usize, compared: &Compared) {
        let has = compared.theirs.as_ref().and_then(Position::number);
        let Some(tale) = &mut self.tale else { return };
        if tale.compared.insert(resource, has) != Some(has) {
            let has = has.map_or("no such resource".to_owned(), at);
            self.tell(format!("{}: its source has {has}", self.tale_key(resource)));
        }
    }

    /// Something that is worth a line.
    pub(crate) fn tell(&mut self, line: String) {
        let Some(tale) = &mut self.tale else { return };
        tale.lines.push(line);
        let steps = self.process.as_ref().map_or(0, |process| process.effects);
        tale.told_at = steps.max(tale.told_at);
    }

    /// In a scenario whatever happens is a step of the process, as its effects are, before which it may end.
    pub(crate) fn step_of_scenario(&mut self) {
        let Some(process) = self.process.as_mut().filter(|_| self.tale.is_some()) else { return };
        if process.dies_before == Some(process.effects) {
            return self.crash();
        }
        process.effects += 1;
    }

    /// A life ends.
    pub(crate) fn note_life(&mut self) {
        if let Some((tale, process)) = self.tale.as_mut().zip(self.process.as_ref())
            && self.life == 1
        {
            tale.steps = process.effects;
        }
    }

    /// How the consumer of a scenario takes an attempt: as it says, else well.
    pub(crate) fn take_as_told(&mut self, to: &str, event: &ReleasedEvent) -> Option<Conduct> {
        let tale = self.tale.as_mut().filter(|_| !self.consumers.is_repaired())?;
        tale.say(to, &event.event.received.digest)
    }

    /// An attempt reaches its consumer.
    pub(crate) fn tell_delivery(
        &mut self,
        (to, resource): (&str, usize),
        attempt: &Attempt,
        (event, others): (&ReleasedEvent, &[ReleasedEvent]),
        conduct: &Conduct,
    ) {
        let key = self.tale_key(resource);
        let Some(tale) = &mut self.tale else { return };
        let mut line = format!("  {to} gets {key}");
        for one in [event].into_iter().chain(others) {
            tale.got(to, &key, one);
            let label = tale.label(&one.event.received.digest);
            let _ = write!(line, " {} {label}{},", one.released.sequence.0, said_of(one));
        }
        line.pop();
        if attempt.number > 1 {
            let _ = write!(line, ", try {}", attempt.number);
        }
        if attempt.redelivery {
            line.push_str(", maybe sent before");
        }
        if attempt.unmet {
            line.push_str(", waited in vain");
        }
        for omitted in &attempt.omitted {
            let _ = write!(
                line,
                ", omits {} {:?}",
                span(omitted.range.from, omitted.range.to),
                omitted.reason
            );
        }
        let _ = write!(line, ": {}", ending(conduct));
        self.tell(line);
    }

    /// History says what became of everything.
    pub(crate) fn tell_fates(&mut self, history: &History) {
        if self.tale.is_none() {
            return;
        }
        let mut fates = Vec::new();
        for (resource, key) in &history.keys {
            let name = self.tale_key(*resource);
            for event in key.events.values() {
                let label = self.tale.as_ref().map_or("?", |tale| tale.label(&event.digest));
                fates.push(format!("  {name} {label}: {}", self.fate(key, event.fate)));
            }
            for (ours, theirs) in &key.differences {
                fates.push(format!("  {name} differs: {} here, {} there", at(*ours), at(*theirs)));
            }
        }
        if let Some(tale) = &mut self.tale {
            tale.fates = fates;
        }
    }

    fn fate(&self, key: &KeyHistory, fate: IngressFate) -> String {
        let IngressFate::Released(sequence, kind) = fate else {
            return format!("{fate:?}").to_lowercase();
        };
        let mut text = format!("{sequence} {}", kind.as_str());
        for ((to, _), lane) in &key.lanes {
            if let Some(fate) = lane.fates.get(&sequence) {
                let fate = format!("{fate:?}").to_lowercase();
                let _ = write!(text, ", {} {fate}", self.destination_name(*to));
            }
        }
        text
    }
}

/// What the headers of a delivery say besides.
fn said_of(event: &ReleasedEvent) -> String {
    let released = &event.released;
    let mut text = String::new();
    if released.kind != Kind::Event {
        let _ = write!(text, " ({})", released.kind.as_str());
    }
    if let Some(earlier) = released.earlier {
        let _ = write!(text, " of {}", earlier.0);
    }
    let missing = released.missing.as_slice().iter().map(|range| span(range.from, range.to));
    let causes = released
        .causes
        .iter()
        .map(|causes| format!("{}:{}", causes.node, span(causes.range.from, causes.range.to)));
    let broken = released.broken_from.iter().map(|from| format!("what leads on from {from}"));
    let missing: Vec<_> = missing.chain(causes).chain(broken).collect();
    if !missing.is_empty() {
        let _ = write!(text, " missing {}", missing.join(" "));
    }
    if !released.passed.is_empty() {
        let _ = write!(text, " passed {}", released.passed.join(" "));
    }
    if !released.fresh.is_empty() {
        let _ = write!(text, " fresh {}", released.fresh.join(" "));
    }
    if released.concurrent {
        text.push_str(" concurrent");
    }
    text
}

/// A position; an instant as what passed since the beginning.
fn at(number: u64) -> String {
    match (number / 1_000).checked_sub(CLOCK) {
        Some(after) => format!("{}ms", after / MILLISECOND),
        None => number.to_string(),
    }
}

fn span(from: u64, to: u64) -> String {
    if from == to { from.to_string() } else { format!("{from}-{to}") }
}

fn ending(conduct: &Conduct) -> String {
    if conduct.dropped.is_some() {
        return "drops it".to_owned();
    }
    match conduct.outcome {
        Outcome::Answered { status } => match conduct.acknowledged {
            Some(part) => format!("{status} for {part}"),
            None => status.to_string(),
        },
        Outcome::Unknown => "no answer".to_owned(),
        outcome => format!("{outcome:?}").to_lowercase(),
    }
}
