//! One question for what a source has of a key: a GET, and the position in its answer. What it has may come in as
//! an event besides.
//!
//! Whatever is answered is an outcome: without a position where none can be read. Must not know what the key has here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use sprag_core::fact::{Origin, RefillOutcome};
use sprag_core::input::Compared;
use sprag_core::output::{Answer, Compare, Theirs};
use sprag_core::position::Position;
use sprag_core::ranges::Range;
use sprag_core::settings::Then;
use sprag_log::digest::sha256;

use super::asker::{Asker, Trusted};
use super::ended::Ended;
use super::kept::Kept;
use super::template::Template;
use crate::clock::{Clock, within};
use crate::config::Source;
use crate::disk_reserve::DiskReserve;
use crate::dispatch::{EndpointProblem, answer};
use crate::extract::{Extracted, Extraction, Extractor, Received};
use crate::metrics::{ReconcileMetrics, SourceMetrics};
use crate::node::{NewArrival, NodeHandle};
use crate::{limits, order};

/// What sources are compared with, by name.
pub type Comparers = BTreeMap<String, Arc<Comparer>>;

/// What a source is compared with.
pub struct Comparer {
    name: String,
    asker: Asker,
    kept: Kept,
    template: Template,
    extractor: Extractor,
    /// Whether what it has may come in.
    brings: bool,
    disk: Arc<DiskReserve>,
    metrics: ReconcileMetrics,
    events: SourceMetrics,
    /// Whether the last question came to nothing: that is told once.
    fails: AtomicBool,
}

impl fmt::Debug for Comparer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Comparer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a source has of a key.
struct Found {
    position: Position,
    body: Vec<u8>,
}

impl Comparer {
    /// What a source is compared with; none where it is not.
    ///
    /// # Errors
    /// [`EndpointProblem`] says what of the configuration cannot be used.
    pub fn new(
        name: &str,
        config: &Source,
        (metrics, events): (ReconcileMetrics, SourceMetrics),
        disk: &Arc<DiskReserve>,
    ) -> Result<Option<Self>, EndpointProblem> {
        let Some(reconcile) = &config.reconcile else { return Ok(None) };
        let trusted = Trusted { allow: &reconcile.allow, ca: reconcile.ca.as_deref() };
        let asker = Asker::new(reconcile.template.url(), &reconcile.headers, &trusted)?;
        let brings = reconcile.then == Then::Event;
        let most = match brings {
            true => usize::try_from(config.max_body).unwrap_or(usize::MAX),
            false => usize::MAX,
        };
        Ok(Some(Self {
            name: name.to_owned(),
            asker: asker.reading_at_most(most.min(limits::RECONCILE_BYTES)),
            kept: Kept::default(),
            template: reconcile.template.clone(),
            extractor: reconcile.extractor().map_err(|_| EndpointProblem::Url)?,
            brings,
            disk: disk.clone(),
            metrics,
            events,
            fails: AtomicBool::new(false),
        }))
    }

    /// One question.
    pub async fn compare(&self, clock: Clock, compare: Compare) -> Compared {
        let asked = within(limits::RECONCILE_TIME, self.ask(clock, &compare)).await;
        let found = asked.unwrap_or_else(|| {
            let detail = format!("it took more than {:?}", limits::RECONCILE_TIME);
            Err(Ended::with(RefillOutcome::Unfinished, detail))
        });
        let (ended, found) = match found {
            Ok(found) => (Ended::with(RefillOutcome::Whole, ""), Some(found)),
            Err(ended) => (ended, None),
        };
        self.tell(&ended);
        let Compare { id, key, quiet } = compare;
        let body = found.as_ref().filter(|_| self.brings).map(|found| found.body.as_slice().into());
        Compared {
            id,
            key,
            quiet,
            outcome: ended.outcome,
            theirs: found.map(|found| found.position),
            body,
            retry_after: ended.retry_after,
        }
    }

    /// Counts it, and tells an operator when a source begins to fail, and when it is back.
    fn tell(&self, ended: &Ended) {
        let (name, outcome, detail) = (&self.name, ended.outcome.as_str(), &ended.detail);
        self.metrics.ended(ended.outcome);
        // That it has no such resource any more is an answer.
        let absent = matches!(ended.outcome, RefillOutcome::Answered { status: 404 | 410 });
        let fails = !absent && ended.outcome != RefillOutcome::Whole;
        match (self.fails.swap(fails, Ordering::Relaxed), fails) {
            (false, true) => tracing::warn!(
                "source {name:?} was asked what it has of a key in vain: {outcome} {detail}"
            ),
            (true, false) => {
                tracing::info!("source {name:?} says what it has of a key again");
            }
            _ => tracing::debug!(source = %name, outcome, "reconcile {detail}"),
        }
    }

    async fn ask(&self, clock: Clock, compare: &Compare) -> Result<Found, Ended> {
        let nothing = Range { from: 0, to: 0 };
        let Some(target) = self.template.fill(&compare.key.name, nothing) else {
            let detail = "its key has a part that would mean another directory";
            return Err(Ended::with(RefillOutcome::Refused, detail));
        };
        let mut connection = self.kept.take(clock.now().elapsed);
        let answered = self.asker.get(&mut connection, &target).await;
        if let Some(connection) = connection {
            self.kept.put(clock.now().elapsed, connection);
        }
        let answered = answered?;
        if !answered.status.is_success() {
            let status = answered.status.as_u16();
            let retry_after = answer::retry_after(&answered.headers, clock.now().clock);
            let outcome = RefillOutcome::Answered { status };
            return Err(Ended { outcome, retry_after, detail: format!("with status {status}") });
        }
        let position = self.read(&answered.body)?.position;
        Ok(Found { position: order::position(position), body: answered.body })
    }

    /// What an answer says.
    fn read(&self, body: &[u8]) -> Result<Extracted, Ended> {
        let digest = sha256(&[body]);
        let headers = HeaderMap::new();
        let received = Received { headers: &headers, query: "", body, digest: &digest.0 };
        let unreadable = |why: String| Ended::with(RefillOutcome::Unreadable, why);
        match self.extractor.extract(received) {
            Ok(Extraction::Event(extracted)) => Ok(extracted),
            Ok(Extraction::Ignored { .. }) => Err(unreadable("its type is not taken".to_owned())),
            Err(error) => Err(unreadable(error.to_string())),
        }
    }

    /// Brings in what it has, as an event. What cannot be taken now is found again in the next pass.
    pub async fn bring(&self, node: &NodeHandle, theirs: Theirs) {
        let Theirs { key, position, body } = theirs;
        if self.disk.is_reached() {
            return;
        }
        let Ok(Extracted { event_type, .. }) = self.read(&body) else { return };
        let arrival = NewArrival {
            id: Some(Arc::from(format!("reconciled:{}", position.text()))),
            key,
            position,
            event_type: Arc::from(event_type),
            content_type: Arc::from("application/json"),
            headers: Vec::new(),
            digest: sha256(&[&body]),
            in_time: true,
            depends_on: None,
            origin: Origin::Reconciled,
        };
        if let Answer::Event { status, .. } = node.receive(arrival, body).await {
            self.events.asked_for(status);
        }
    }
}
