//! One ask for missing positions: pages one after another, until there is no next one or a bound is met; the events
//! of each are durable before the next is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use http::HeaderName;
use http::header::LINK;
use sprag_core::fact::RefillOutcome;
use sprag_core::input::Fetched;
use sprag_core::output::Fetch;
use sprag_core::ranges::{Range, Ranges};

use super::asker::{Answered, Asker, Trusted};
use super::ended::Ended;
use super::entry::{Entry, NotTaken};
use super::envelope::Opener;
use super::link::{self, LinkProblem};
use super::page::{self, Signs};
use super::template::Template;
use crate::clock::{Clock, within};
use crate::config::Source;
use crate::disk_reserve::DiskReserve;
use crate::dispatch::http1::Connection;
use crate::dispatch::{EndpointProblem, answer};
use crate::ingress::kept_headers;
use crate::limits;
use crate::metrics::{RefillMetrics, SourceMetrics};
use crate::node::NodeHandle;

/// What sources are asked with, by name.
pub type Refillers = BTreeMap<String, Arc<Refiller>>;

/// What a source is asked with.
pub struct Refiller {
    name: String,
    asker: Asker,
    template: Template,
    signs: Signs,
    entry: Entry,
    disk: Arc<DiskReserve>,
    metrics: RefillMetrics,
    /// Whether the last ask came to nothing: that is told once.
    fails: AtomicBool,
}

impl fmt::Debug for Refiller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Refiller").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How far an ask has come: known also when its time is over.
#[derive(Default)]
struct Progress {
    events: u32,
    /// Of what is asked for, what the source says it has none of.
    none: Ranges,
}

impl Refiller {
    /// What a source is asked with; none where it is not.
    ///
    /// # Errors
    /// [`EndpointProblem`] says what of the configuration cannot be used.
    pub fn new(
        name: &str,
        config: &Source,
        forwarded: impl Iterator<Item = HeaderName>,
        (metrics, events): (RefillMetrics, SourceMetrics),
        disk: &Arc<DiskReserve>,
    ) -> Result<Option<Self>, EndpointProblem> {
        let Some(refill) = &config.refill else { return Ok(None) };
        let trusted = Trusted { allow: &refill.allow, ca: refill.ca.as_deref() };
        let asker = Asker::new(refill.template.url(), &refill.headers, &trusted)?;
        let extractor = refill.extractor().map_err(|_| EndpointProblem::Url)?;
        let entry = Entry {
            extractor,
            opener: refill.envelope.clone().map(Opener::new),
            kept: kept_headers(config, forwarded),
            on_invalid: config.on_invalid,
            max_body: usize::try_from(config.max_body).unwrap_or(usize::MAX),
            metrics: events,
        };
        Ok(Some(Self {
            name: name.to_owned(),
            asker,
            template: refill.template.clone(),
            signs: refill.signs.clone(),
            entry,
            disk: disk.clone(),
            metrics,
            fails: AtomicBool::new(false),
        }))
    }

    /// One ask. Returns once everything it brought is answered.
    pub async fn fetch(&self, node: &NodeHandle, clock: Clock, fetch: &Fetch) -> Fetched {
        // It would count as an ask in vain, and nobody was asked. All of this source wait for the same.
        while self.disk.is_reached() {
            tokio::time::sleep(limits::REFILL_PAUSE).await;
        }
        let mut progress = Progress::default();
        let reading = self.read_all(node, clock, fetch, &mut progress);
        let ended = within(limits::REFILL_TIME, reading).await;
        let ended = ended.unwrap_or_else(|| {
            let outcome = match progress.events {
                0 => RefillOutcome::Unfinished,
                _ => RefillOutcome::Cut,
            };
            Ended::with(outcome, format!("it took more than {:?}", limits::REFILL_TIME))
        });
        self.tell(fetch, &ended, progress.events);
        let Ended { outcome, retry_after, .. } = ended;
        let (id, source) = (fetch.id, fetch.key.source);
        Fetched { id, source, outcome, events: progress.events, retry_after, none: progress.none }
    }

    /// Counts it, and tells an operator when a source begins to fail, and when it is back.
    fn tell(&self, fetch: &Fetch, ended: &Ended, events: u32) {
        let (name, outcome, detail) = (&self.name, ended.outcome.as_str(), &ended.detail);
        self.metrics.ended(ended.outcome);
        let fails = !matches!(ended.outcome, RefillOutcome::Whole | RefillOutcome::Cut);
        let failed = self.fails.swap(fails, Ordering::Relaxed);
        let (from, to) = (fetch.asked.from, fetch.asked.to);
        match (failed, fails) {
            (false, true) => tracing::warn!(
                "source {name:?} was asked for positions {from} to {to} of a key in vain: {outcome} \
                 {detail}"
            ),
            (true, false) => tracing::info!("source {name:?} answers again when it is asked"),
            _ => tracing::debug!(source = %name, from, to, outcome, events, "refill {detail}"),
        }
    }

    async fn read_all(
        &self,
        node: &NodeHandle,
        clock: Clock,
        fetch: &Fetch,
        progress: &mut Progress,
    ) -> Ended {
        let Some(mut target) = self.template.fill(&fetch.key.name, fetch.asked) else {
            let detail = "its key has a part that would mean another directory";
            return Ended::with(RefillOutcome::Refused, detail);
        };
        let mut connection = None;
        let mut seen = BTreeSet::new();
        for _ in 0..limits::REFILL_PAGES {
            if !seen.insert(target.clone()) {
                return Ended::cut("its pages go in a circle");
            }
            let answered = match self.get(&mut connection, &target, clock).await {
                Ok(answered) => answered,
                Err(ended) => return ended,
            };
            let next = match self.take_in(node, fetch, &answered, progress).await {
                Ok(Some(next)) => next,
                Ok(None) => return Ended::with(RefillOutcome::Whole, ""),
                Err(ended) => return ended,
            };
            target = match link::resolve(self.asker.url(), &target, &next) {
                Ok(target) => target,
                Err(LinkProblem::Elsewhere) => {
                    return Ended::cut("its next page is on another server");
                }
                Err(LinkProblem::Unreadable) => {
                    let detail = "its next page is no URL";
                    return Ended::with(RefillOutcome::Unreadable, detail);
                }
            };
        }
        Ended::cut(format!("it has more than {} pages", limits::REFILL_PAGES))
    }

    /// Takes the events of a page in; gives the link to the next one.
    async fn take_in(
        &self,
        node: &NodeHandle,
        fetch: &Fetch,
        answered: &Answered,
        progress: &mut Progress,
    ) -> Result<Option<String>, Ended> {
        let unreadable = |why: String| Ended::with(RefillOutcome::Unreadable, why);
        let links = answered.headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
        let links = links.collect::<Vec<_>>().join(", ");
        let link = Some(links.as_str()).filter(|links| !links.is_empty());
        let page = page::read(&answered.body, link, &self.entry.extractor, &self.signs);
        let page = page.map_err(unreadable)?;
        let (source, asked) = (fetch.key.source, fetch.asked);
        let read = page.events.iter().filter_map(|event| self.entry.read(node, source, event));
        let mut events: Vec<_> = read.collect();
        if events.is_empty() && !page.events.is_empty() {
            return Err(unreadable("none of its events can be used".to_owned()));
        }
        events.sort_by(|one, other| one.by_position(other));
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let some = events.by_ref().take(limits::REFILL_AT_ONCE);
            let some = some.map(|event| self.entry.commit(node, source, event));
            for taken in join_all(some).await {
                let NotTaken = match taken {
                    Ok(()) => {
                        progress.events = progress.events.saturating_add(1);
                        continue;
                    }
                    Err(not) => not,
                };
                return Err(Ended::cut("an event of it cannot be taken in"));
            }
        }
        // What comes beyond the range that was asked for was not asked about.
        let none = page.none.iter().map(|none| (none.from.max(asked.from), none.to.min(asked.to)));
        none.filter(|(from, to)| from <= to)
            .for_each(|(from, to)| progress.none.insert(Range { from, to }));
        if progress.events as usize >= limits::REFILL_EVENTS && page.next.is_some() {
            let most = limits::REFILL_EVENTS;
            return Err(Ended::cut(format!("it has more than {most} events")));
        }
        Ok(page.next)
    }

    /// One page: an answer with a status that says so.
    async fn get(
        &self,
        connection: &mut Option<Connection>,
        target: &str,
        clock: Clock,
    ) -> Result<Answered, Ended> {
        let answered = self.asker.get(connection, target).await?;
        if answered.status.is_success() {
            return Ok(answered);
        }
        let status = answered.status.as_u16();
        let retry_after = answer::retry_after(&answered.headers, clock.now().clock);
        let outcome = RefillOutcome::Answered { status };
        Err(Ended { outcome, retry_after, detail: format!("with status {status}") })
    }
}
