//! A scenario as it is written: what is configured, what providers send when, how consumers answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sprag_core::fact::Outcome;
use sprag_core::id::Hash;
use sprag_core::plan::Plan;
use sprag_core::position::Position;
use sprag_log::digest::sha256;

use super::position::position;
use super::settings;
use super::words::{Words, duration};
use crate::consumer::{Conduct, answered, conduct};
use crate::depends::References;
use crate::schedule::{Instant, MILLISECOND, SECOND};
use crate::workload::{Post, Resource, Source, Workload, type_of};

/// After so long a consumer that hangs is given up.
const HANGS: Instant = 3 * SECOND;
/// How long an answer takes that is not said to take longer.
const LATENCY: Instant = 5 * MILLISECOND;
/// Tries to write a body whose hash gives its event the type it is to have; one in five does.
const BODIES: u64 = 1_000;

/// What a consumer answers to the tries of one event, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    pub(crate) each: Vec<Conduct>,
    /// Whether the last of them is the answer to all further tries, until everything is repaired.
    pub(crate) always: bool,
}

/// A scenario.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) plan: Plan,
    pub(crate) workload: Workload,
    /// What each event is called, by its body.
    pub(crate) labels: BTreeMap<Hash, Arc<str>>,
    /// What events refer to.
    pub(crate) references: References,
    /// What authorities have of resources, where that is not what was sent and what was lost; none: no such resource.
    pub(crate) authorities: BTreeMap<usize, Option<Position>>,
    /// By destination and what the event is called.
    pub(crate) answers: BTreeMap<(Arc<str>, Arc<str>), Answers>,
}

impl Script {
    /// Reads the lines; those that begin with `#` say what it is about.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let workload = Workload {
            sources: Vec::new(),
            resources: Vec::new(),
            posts: Vec::new(),
            dropped: Vec::new(),
        };
        let (labels, answers) = (BTreeMap::new(), BTreeMap::new());
        let references = References::default();
        let authorities = BTreeMap::new();
        let plan = settings::plan();
        let mut script = Self { plan, workload, labels, references, authorities, answers };
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            script.line(Words::of(line))?;
        }
        if script.workload.posts.is_empty() {
            return Err("nothing is sent".to_owned());
        }
        Ok(script)
    }

    fn line(&mut self, mut words: Words<'_>) -> Result<(), String> {
        match words.word(0)? {
            "limits" => settings::limits(&mut words, &mut self.plan)?,
            "source" => self.source(&mut words)?,
            "destination" => {
                let destination = settings::destination(&mut words, &self.plan.sources)?;
                self.plan.destinations.push(destination);
            }
            "answer" => self.answer(&mut words)?,
            "authority" => self.authority(&mut words)?,
            "lost" => {
                let post = self.post(&mut words, 0)?;
                self.workload.dropped.push(Post { twist: Some("dropped"), ..post });
            }
            at => {
                let Some(at) = duration(at).map(micros) else {
                    return words.wrong("neither a time nor a word that begins a line");
                };
                let post = if words.rest(2) == ["again"] {
                    Post { at, ..self.known(&words)?.clone() }
                } else {
                    self.post(&mut words, at)?
                };
                self.workload.posts.push(post);
            }
        }
        words.end()
    }

    fn source(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let planned = settings::source(words)?;
        self.workload.sources.push(Source {
            name: planned.settings.name.clone(),
            contract: planned.settings.contract,
            on_gap: planned.settings.on_gap,
            latest: None,
            has_ids: true,
        });
        self.plan.sources.push(planned);
        Ok(())
    }

    /// `answer app charge 500 hang 200/2s`, `answer app charge 500 always`
    fn answer(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let (to, label) = (words.word(1)?.into(), self.called(words.word(2)?));
        let Some(label) = label else { return words.wrong("no such event was sent before") };
        let mut answers = Answers::default();
        for word in words.rest(3) {
            match (*word, said(word)) {
                ("always", _) => answers.always = true,
                (_, Some(said)) => answers.each.push(said),
                _ => return words.wrong(&format!("{word} is no answer")),
            }
        }
        self.answers.insert((to, label), answers);
        Ok(())
    }

    /// `authority key=order-7 version=3`, `authority key=order-7 absent`
    fn authority(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let resource = self.resource(words)?;
        let has = match words.rest(1) {
            [] => Some(position(words)?),
            ["absent"] => None,
            _ => return words.wrong("it has a position, or is `absent`"),
        };
        self.authorities.insert(resource, has);
        Ok(())
    }

    fn called(&self, name: &str) -> Option<Arc<str>> {
        self.labels.values().find(|label| ***label == *name).cloned()
    }

    /// The post that was written before under this name.
    fn known(&self, words: &Words<'_>) -> Result<&Post, String> {
        let label = self.called(words.word(1)?);
        let is_it = |post: &&Post| self.labels.get(&post.digest) == label.as_ref();
        let known = self.workload.posts.iter().chain(&self.workload.dropped).find(is_it);
        known.map_or_else(|| words.wrong("it was not sent before"), Ok)
    }

    /// `charge key=order-7 position=1`: where there are several sources also `source=`; an `id` other than its name; a
    /// `type` of those there are; what it `refers=` to; or `key=` alone.
    fn post(&mut self, words: &mut Words<'_>, at: Instant) -> Result<Post, String> {
        let label = words.word(1)?;
        if self.called(label).is_some() {
            return words.wrong("this name was given before");
        }
        let resource = self.resource(words)?;
        let id = words.take("id").unwrap_or(label);
        let event_type = words.take("type").unwrap_or("thing.a");
        let Some((body, digest)) = body(label, event_type) else {
            return words.wrong("no event is of this type");
        };
        self.labels.insert(digest, label.into());
        if let Some(name) = words.take("refers") {
            self.references.of_events.insert(digest, name.into());
        }
        Ok(Post {
            at,
            resource,
            id: (id != "none").then(|| id.into()),
            position: position(words)?,
            body,
            digest,
            in_time: true,
            accepted: true,
            is_unreadable: false,
            twist: None,
        })
    }

    /// The resource of an event; one that was not named before is another one.
    fn resource(&mut self, words: &mut Words<'_>) -> Result<usize, String> {
        let Workload { sources, resources, .. } = &mut self.workload;
        let source = match words.take("source") {
            None => 0,
            Some(name) => match sources.iter().position(|source| *source.name == *name) {
                Some(source) => source,
                None => return words.wrong("there is no such source"),
            },
        };
        let Some(name) = words.take("key") else { return words.wrong("an event has a `key`") };
        let is_it = |one: &Resource| one.source == source && *one.name == *name;
        if let Some(known) = resources.iter().position(is_it) {
            return Ok(known);
        }
        resources.push(Resource { source, name: name.into() });
        Ok(resources.len() - 1)
    }
}

/// A body that names its event, and is of that type.
fn body(label: &str, event_type: &str) -> Option<(Arc<[u8]>, Hash)> {
    (0..BODIES).find_map(|number| {
        let text = format!("{{\"event\":\"{label}\",\"n\":{number}}}");
        let digest = sha256(&[text.as_bytes()]);
        (type_of(&digest) == event_type).then(|| (text.into_bytes().into(), digest))
    })
}

/// `200`, `500/2s`: after so long, `200+2`: for the first two of a range, `hang`, `unreachable`, `drop`
fn said(word: &str) -> Option<Conduct> {
    if let Some((word, acknowledged)) = word.split_once('+') {
        let acknowledged = acknowledged.parse().ok()?;
        return Some(Conduct { acknowledged: Some(acknowledged), ..said(word)? });
    }
    let (what, after) = word.split_once('/').map_or((word, None), |(it, after)| (it, Some(after)));
    let after = match after {
        None => LATENCY,
        Some(after) => micros(duration(after)?),
    };
    match what {
        "hang" => Some(conduct("hangs", Outcome::Unknown, HANGS)),
        "unreachable" => Some(conduct("unreachable", Outcome::Unreachable, MILLISECOND)),
        "drop" => {
            let dropped = Some("this consumer has no use for it");
            Some(Conduct { dropped, ..conduct("drops", answered(200), after) })
        }
        status => Some(conduct("answers", answered(status.parse().ok()?), after)),
    }
}

fn micros(duration: Duration) -> Instant {
    Instant::try_from(duration.as_micros()).unwrap_or(Instant::MAX)
}
