//! One pass over the list of a whole source: back page by page from the newest event to the time that is asked for,
//! then forward again, and each event goes the way of any other, the oldest first.
//!
//! Pages are kept for the way back, as many as [`limits::LIST_BYTES`] hold; of those that were newer the cursor is
//! kept, and they are got again. What was answered once in this process is not brought again.
//! A list that cannot be read to its end gives what it gave; the core hears that there may be more.
//! Must not know: which events are known, when the list is read again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, StatusCode};
use sprag_core::fact::RefillOutcome;
use sprag_core::id::SourceId;
use sprag_core::lists::{ListAsk, ListRead};
use sprag_core::time::UnixMicros;
use sprag_log::digest::sha256;

use super::asker::{Answered, Asker, Trusted};
use super::ended::Ended;
use super::entry::{Entry, NotTaken, Ready};
use super::envelope::Opener;
use super::link::{self, LinkProblem};
use super::listing::{ListKind, ListPage, Listed, What};
use crate::clock::{Clock, within};
use crate::config::Source;
use crate::disk_reserve::DiskReserve;
use crate::dispatch::EndpointProblem;
use crate::dispatch::http1::Connection;
use crate::extract::{Extractor, Rules};
use crate::ingress::kept_headers;
use crate::limits;
use crate::metrics::{RefillMetrics, SourceMetrics};
use crate::node::NodeHandle;
use crate::problem::Code;

/// What lists are read with, by name of their source.
pub type Listers = BTreeMap<String, Arc<Lister>>;

/// What the list of a source is read with.
pub struct Lister {
    name: String,
    kind: ListKind,
    asker: Asker,
    first_page: String,
    pages: Extractor,
    entry: Entry,
    disk: Arc<DiskReserve>,
    metrics: RefillMetrics,
    /// The ids that were answered, and when they came about: a list shows them again and again.
    answered: Mutex<BTreeMap<String, UnixMicros>>,
    /// Whether the last pass came to nothing: that is told once.
    fails: AtomicBool,
}

impl fmt::Debug for Lister {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lister").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A page on the way back.
struct Leaf {
    target: String,
    /// None where there was no room for it.
    body: Option<Vec<u8>>,
}

/// How far a pass has come: known also when its time is over.
struct Pass<'a> {
    node: &'a NodeHandle,
    clock: Clock,
    asked: &'a ListAsk,
    connection: Option<Connection>,
    has_asked: bool,
    /// How long the list wants to be left alone from now on, and whether it said so by refusing.
    rests: Option<Duration>,
    is_throttled: bool,
    /// Newest first; those without a body before those with one.
    leaves: Vec<Leaf>,
    kept_bytes: usize,
    /// What was delivered and acknowledged, perhaps in another delivery than that which is listed.
    acknowledged: HashSet<String>,
    newest: Option<UnixMicros>,
    events: u32,
    /// Whether something could not be taken in.
    is_short: bool,
    /// The keys of which something could not: nothing newer of them is taken before it.
    full: HashSet<Arc<str>>,
}

impl<'a> Pass<'a> {
    fn new(node: &'a NodeHandle, clock: Clock, asked: &'a ListAsk) -> Self {
        Self {
            node,
            clock,
            asked,
            connection: None,
            has_asked: false,
            rests: None,
            is_throttled: false,
            leaves: Vec::new(),
            kept_bytes: 0,
            acknowledged: HashSet::new(),
            newest: None,
            events: 0,
            is_short: false,
            full: HashSet::new(),
        }
    }

    /// A page is there for the first time; says whether it goes back far enough.
    fn saw(&mut self, page: &ListPage<'_>) -> bool {
        for listed in &page.listed {
            if listed.what == What::Acknowledged {
                self.acknowledged.insert(listed.id.clone());
            }
            // What is older than was asked for is not taken in: it says nothing about what is known.
            let asked = self.asked.since..=self.asked.until;
            self.newest = self.newest.max(listed.at.filter(|at| asked.contains(at)));
        }
        let oldest = page.listed.iter().rev().find_map(|listed| listed.at);
        oldest.is_some_and(|oldest| oldest < self.asked.since)
    }

    /// Keeps a page for the way back, and gives the newest up for it, but for the first: it has no cursor, and
    /// what is listed meanwhile would push its oldest behind it.
    fn keep(&mut self, target: String, body: Vec<u8>) {
        self.kept_bytes += body.len();
        self.leaves.push(Leaf { target, body: Some(body) });
        let bodies = self.leaves.iter_mut().skip(1).map(|leaf| &mut leaf.body);
        for body in bodies {
            if self.kept_bytes <= limits::LIST_BYTES {
                return;
            }
            self.kept_bytes -= body.take().map_or(0, |body| body.len());
        }
    }

    fn is_wanted(&self, listed: &Listed<'_>) -> bool {
        let (since, until) = (self.asked.since, self.asked.until);
        listed.at.is_none_or(|at| (since..=until).contains(&at))
            && !self.acknowledged.contains(&listed.id)
    }
}

/// An event as it was listed: its id, its time, and what it says; nothing where that cannot be used.
type Read = (String, UnixMicros, Option<Ready>);

/// The key of an event; none of what is not taken in.
fn key_of(ready: Option<&Ready>) -> Option<Arc<str>> {
    match ready {
        Some(Ready::Arrival(new, _)) => Some(new.key.name.clone()),
        Some(Ready::Ignored { .. }) | None => None,
    }
}

impl Lister {
    /// What the list of a source is read with; none where it has none.
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
        let Some(list) = &config.list else { return Ok(None) };
        let trusted = Trusted { allow: &list.allow, ca: list.ca.as_deref() };
        let asker = Asker::new(&list.url, &list.headers, &trusted)?;
        let extractor = |split| {
            let rules = Rules { split, ..config.rules.clone() };
            Extractor::new(rules).map_err(|_| EndpointProblem::Url)
        };
        let entry = Entry {
            extractor: extractor(None)?,
            opener: list.kind.envelope().map(Opener::new),
            kept: kept_headers(config, forwarded),
            on_invalid: config.on_invalid,
            max_body: usize::try_from(config.max_body).unwrap_or(usize::MAX),
            metrics: events,
        };
        Ok(Some(Self {
            name: name.to_owned(),
            kind: list.kind,
            asker,
            first_page: list.url.target.clone(),
            pages: extractor(list.kind.items())?,
            entry,
            disk: disk.clone(),
            metrics,
            answered: Mutex::default(),
            fails: AtomicBool::new(false),
        }))
    }

    /// One pass. Returns once everything it brought is answered.
    pub async fn read(&self, node: &NodeHandle, clock: Clock, asked: &ListAsk) -> ListRead {
        let mut pass = Pass::new(node, clock, asked);
        self.forget_before(asked.since);
        let ended = within(limits::LIST_TIME, self.go(&mut pass)).await;
        let ended = ended.unwrap_or_else(|| {
            let outcome =
                if pass.events == 0 { RefillOutcome::Unfinished } else { RefillOutcome::Cut };
            Err(Ended::with(outcome, format!("it took more than {:?}", limits::LIST_TIME)))
        });
        let whole = Ended { retry_after: pass.rests, ..Ended::with(RefillOutcome::Whole, "") };
        let ended = ended.err().unwrap_or(whole);
        self.tell(&ended, pass.events);
        let Ended { outcome, retry_after, .. } = ended;
        let ListAsk { number, source, .. } = *asked;
        ListRead { number, source, outcome, newest: pass.newest, retry_after }
    }

    /// Counts it, and tells an operator when a list begins to fail, and when it is back.
    fn tell(&self, ended: &Ended, events: u32) {
        let (name, outcome, detail) = (&self.name, ended.outcome.as_str(), &ended.detail);
        self.metrics.ended(ended.outcome);
        let fails = ended.outcome != RefillOutcome::Whole;
        match (self.fails.swap(fails, Ordering::Relaxed), fails) {
            (false, true) => tracing::warn!(
                "the list of source {name:?} was not read to its end: {outcome} {detail}; it is read again"
            ),
            (true, false) => {
                tracing::info!("the list of source {name:?} was read to its end again");
            }
            _ => tracing::debug!(source = %name, outcome, events, "list {detail}"),
        }
    }

    /// There and back.
    async fn go(&self, pass: &mut Pass<'_>) -> Result<(), Ended> {
        if self.disk.is_reached() {
            return Err(Ended::cut("the disk's reserve is reached"));
        }
        let walked = within(limits::LIST_WALK, self.walk_back(pass)).await;
        let walked = walked.unwrap_or_else(|| {
            Err(Ended::cut(format!("its pages take more than {:?}", limits::LIST_WALK)))
        });
        // What is at hand is taken in, however the walk ended: the next pass has as much less to bring.
        let taken = self.take_all_in(pass).await;
        walked.and(taken)
    }

    /// Back again: the oldest page first.
    async fn take_all_in(&self, pass: &mut Pass<'_>) -> Result<(), Ended> {
        while let Some(leaf) = pass.leaves.pop() {
            if self.disk.is_reached() {
                return Err(Ended::cut("the disk's reserve is reached"));
            }
            let body = match leaf.body {
                Some(body) => body,
                None => self.get(pass, &leaf.target).await?.body,
            };
            self.take_in(pass, &body).await?;
        }
        if pass.is_short {
            return Err(Ended::cut("an event of it cannot be taken in"));
        }
        Ok(())
    }

    /// From the newest page to one that goes back far enough.
    async fn walk_back(&self, pass: &mut Pass<'_>) -> Result<(), Ended> {
        let mut target = self.first_page.clone();
        let mut seen = BTreeSet::new();
        for _ in 0..limits::LIST_PAGES {
            if !seen.insert(target.clone()) {
                return Err(Ended::cut("its pages go in a circle"));
            }
            let answered = self.get(pass, &target).await?;
            let page = self.page(&answered.body, &answered.headers)?;
            let (is_far, next) = (pass.saw(&page), page.next);
            pass.keep(target.clone(), answered.body);
            let Some(next) = next.filter(|_| !is_far) else { return Ok(()) };
            target = match link::resolve(self.asker.url(), &target, &next) {
                Ok(target) => target,
                Err(LinkProblem::Elsewhere) => {
                    return Err(Ended::cut("its next page is on another server"));
                }
                Err(LinkProblem::Unreadable) => {
                    return Err(Ended::with(RefillOutcome::Unreadable, "its next page is no URL"));
                }
            };
        }
        Err(Ended::cut(format!("it has more than {} pages", limits::LIST_PAGES)))
    }

    fn page<'b>(&self, body: &'b [u8], headers: &HeaderMap) -> Result<ListPage<'b>, Ended> {
        let page = self.kind.read((body, headers), &self.pages, &self.first_page);
        page.map_err(|why| Ended::with(RefillOutcome::Unreadable, why))
    }

    /// Takes the events of a page in that are wanted, the oldest first.
    async fn take_in(&self, pass: &mut Pass<'_>, body: &[u8]) -> Result<(), Ended> {
        // Where the next page is, was read on the way.
        let page = self.page(body, &HeaderMap::new())?;
        if page.unreadable > 0 {
            let (source, elements) = (&self.name, page.unreadable);
            tracing::debug!(source, elements, "what is listed there is no event");
        }
        let mut ready = Vec::new();
        for listed in page.listed.into_iter().rev() {
            if !pass.is_wanted(&listed) || self.is_answered(&listed) {
                continue;
            }
            let (node, source) = (pass.node, pass.asked.source);
            let read = match listed.what {
                What::Event(event) => self.entry.read(node, source, event),
                What::Told(number) => match self.told(pass, number, &listed.id).await? {
                    Some(told) => told,
                    // Another delivery of it may be there still.
                    None => continue,
                },
                What::Acknowledged => None,
            };
            let is_single = matches!(listed.what, What::Told(_));
            ready.push((listed.id, listed.at.unwrap_or(pass.asked.until), read));
            if is_single || ready.len() >= limits::REFILL_AT_ONCE {
                self.commit(pass, std::mem::take(&mut ready)).await;
            }
        }
        self.commit(pass, ready).await;
        Ok(())
    }

    /// An event that a request of its own tells; none where that is gone.
    async fn told(
        &self,
        pass: &mut Pass<'_>,
        number: u64,
        id: &str,
    ) -> Result<Option<Option<Ready>>, Ended> {
        let target = self.kind.told_at(&self.first_page, number);
        let (node, source) = (pass.node, pass.asked.source);
        match self.get(pass, &target).await {
            Ok(answered) => Ok(Some(self.entry.read(node, source, &answered.body))),
            Err(Ended { outcome: RefillOutcome::Answered { status: 404 | 410 }, .. }) => Ok(None),
            // It could not be taken in anyway, and holds nothing else up.
            Err(Ended { outcome: RefillOutcome::Cut, .. }) => {
                self.entry.refuse(node, source, Code::BodyTooLarge, sha256(&[id.as_bytes()]));
                Ok(Some(None))
            }
            Err(broken) => Err(broken),
        }
    }

    /// Takes events in, those of a key in this order; what cannot be used, or is of a type that nobody wants, is
    /// done with.
    async fn commit(&self, pass: &mut Pass<'_>, events: Vec<Read>) {
        let mut keys: BTreeMap<Option<Arc<str>>, Vec<Read>> = BTreeMap::new();
        for read in events {
            keys.entry(key_of(read.2.as_ref())).or_default().push(read);
        }
        let (node, source) = (pass.node, pass.asked.source);
        let is_open =
            |key: &Option<Arc<str>>| key.as_ref().is_none_or(|key| !pass.full.contains(key));
        let (open, full): (Vec<_>, Vec<_>) = keys.into_iter().partition(|(key, _)| is_open(key));
        pass.is_short |= !full.is_empty();
        let taken = open.into_iter().map(|(key, events)| async move {
            (key, self.commit_in_turn(node, source, events).await)
        });
        for (key, (events, taken)) in join_all(taken).await {
            pass.events = pass.events.saturating_add(events);
            // Its key is full: the others do not wait for it.
            if taken.is_err() {
                pass.is_short = true;
                pass.full.extend(key);
            }
        }
    }

    /// Takes the events of a key in, one after another, as far as it has room; says how many were events.
    async fn commit_in_turn(
        &self,
        node: &NodeHandle,
        source: SourceId,
        events: Vec<Read>,
    ) -> (u32, Result<(), NotTaken>) {
        let mut taken = 0;
        for (id, at, ready) in events {
            if let Some(ready @ Ready::Arrival(..)) = ready {
                if let Err(full) = self.entry.commit(node, source, ready).await {
                    return (taken, Err(full));
                }
                taken += 1;
            }
            self.known().insert(id, at);
        }
        (taken, Ok(()))
    }

    /// What is at this path and query, no sooner after the last request than is asked for.
    async fn get(&self, pass: &mut Pass<'_>, target: &str) -> Result<Answered, Ended> {
        if pass.rests.is_some() || pass.is_throttled {
            let outcome = RefillOutcome::Answered { status: 429 };
            let broken = Ended::with(outcome, "it has answered as often as it wants to");
            return Err(Ended { retry_after: pass.rests, ..broken });
        }
        if std::mem::replace(&mut pass.has_asked, true) {
            tokio::time::sleep(pass.asked.pause).await;
        }
        let asking = self.asker.get(&mut pass.connection, target);
        let Some(answered) = within(limits::REFILL_TIME, asking).await else {
            let detail = format!("an answer took more than {:?}", limits::REFILL_TIME);
            return Err(Ended::with(RefillOutcome::Unfinished, detail));
        };
        let answered = answered?;
        let Answered { status, headers, .. } = &answered;
        let (throttles, rests) = self.kind.rests(*status, headers, pass.clock.now().clock);
        if status.is_success() {
            pass.rests = rests;
            return Ok(answered);
        }
        pass.is_throttled |= throttles;
        pass.rests = pass.rests.max(rests);
        let told = if throttles { StatusCode::TOO_MANY_REQUESTS } else { *status };
        let outcome = RefillOutcome::Answered { status: told.as_u16() };
        let detail = format!("with status {}", status.as_u16());
        Err(Ended { outcome, retry_after: rests, detail })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, UnixMicros>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was; a redelivery keeps it known for longer.
    fn is_answered(&self, listed: &Listed<'_>) -> bool {
        let mut known = self.known();
        let Some(at) = known.get_mut(&listed.id) else { return false };
        *at = listed.at.map_or(*at, |listed| listed.max(*at));
        true
    }

    /// What is older is not asked for any more.
    fn forget_before(&self, since: UnixMicros) {
        self.known().retain(|_, at| *at >= since);
    }
}
