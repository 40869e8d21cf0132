//! What the node asks of the network: answers, deliveries, and what an operator must know.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use sprag_core::backlog::Level;
use sprag_core::id::{DestinationId, Key, PartitionId, Revision, SourceId};
use sprag_core::input::{AttemptId, Ticket};
use sprag_core::lists::ListAsk;
use sprag_core::output::{Answer, Attempt, Compare, Fetch, Theirs};
use sprag_core::plan::SourceChanged;
use sprag_core::settings::Settings;
use sprag_core::totals::Backlog;

use crate::cache::ReleasedEvent;

/// One thing to do outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Answer a request.
    Answer {
        /// Whose.
        ticket: Ticket,
        /// What.
        answer: Answer,
    },
    /// Send an event to its destination, and report the attempt's end.
    Deliver {
        /// The partition to report to.
        partition: PartitionId,
        /// The attempt.
        attempt: Box<Attempt>,
        /// The event, or the first of a range.
        event: ReleasedEvent,
        /// The other events of the range, in order.
        others: Vec<ReleasedEvent>,
    },
    /// Break an attempt off: close its connection, then report its end.
    Abort {
        /// The partition to report to.
        partition: PartitionId,
        /// The attempt.
        attempt: AttemptId,
    },
    /// Ask a source for missing positions; report the end once all that came is answered.
    Fetch {
        /// The partition to report to.
        partition: PartitionId,
        /// The ask.
        fetch: Box<Fetch>,
    },
    /// Ask a source what it has of a key, and report what it answered.
    Compare {
        /// The partition to report to.
        partition: PartitionId,
        /// The question.
        compare: Box<Compare>,
    },
    /// Bring in what a source has, as an event.
    BringTheirs(Box<Theirs>),
    /// Read the list of a whole source; report the end once all that came is answered.
    ReadList(ListAsk),
    /// Something an operator must know.
    Notice(Notice),
}

/// How full the backlog of a destination became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacklogLevel {
    /// The destination.
    pub name: Arc<str>,
    /// Since when it is at least so full.
    pub level: Level,
    /// What waits, in bytes, of how many that may.
    pub bytes: u64,
    /// That limit.
    pub limit: u64,
}

impl fmt::Display for BacklogLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, level, bytes, limit } = self;
        write!(formatter, "backlog of destination {name:?}: {bytes} of {limit} bytes wait; ")?;
        formatter.write_str(match level {
            Level::Low => "less than half of `limits.destination_backlog`",
            Level::Half => "half of `limits.destination_backlog` is reached",
            Level::High => {
                "80 % of `limits.destination_backlog` is reached: at the limit its oldest lanes \
                 become dead letters"
            }
            Level::Full => {
                "`limits.destination_backlog` is reached: its oldest lanes become dead letters \
                 (`backlog-full`)"
            }
        })
    }
}

/// Something waits for a destination that is configured no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedTooEarly {
    /// The destination.
    pub name: Arc<str>,
    /// What waits.
    pub backlog: Backlog,
}

impl fmt::Display for RemovedTooEarly {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, backlog } = self;
        write!(
            formatter,
            "destination {name:?} is configured no more, and {} events wait for it in {} lanes: \
             keep it until they are delivered, or keep it with `retired = true` to abandon them",
            backlog.events, backlog.lanes
        )
    }
}

/// What is in force, with the numbers that history has for its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// Which configuration it is.
    pub revision: Revision,
    /// The sources.
    pub sources: BTreeMap<SourceId, Arc<str>>,
    /// The destinations.
    pub destinations: BTreeMap<DestinationId, Arc<str>>,
}

impl Configured {
    pub(crate) fn by(settings: &Settings) -> Self {
        let sources = settings.sources.iter();
        let destinations = settings.destinations.iter();
        Self {
            revision: settings.revision,
            sources: sources.map(|(id, source)| (*id, source.name.clone())).collect(),
            destinations: destinations.map(|(id, to)| (*id, to.name.clone())).collect(),
        }
    }
}

/// Why another configuration is not put in force. Nothing of it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadRefused {
    /// A source is not configured as its history was written (K8).
    SourceChanged(SourceChanged),
    /// Something waits for a destination that is configured no more (L7).
    RemovedTooEarly(RemovedTooEarly),
    /// It could not be decided in time.
    NotNow,
    /// Another one is not decided yet.
    Busy,
}

impl fmt::Display for ReloadRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceChanged(changed) => write!(formatter, "source-changed: {}", why(changed)),
            Self::RemovedTooEarly(removed) => removed.fmt(formatter),
            Self::NotNow => formatter.write_str(
                "it could not be decided: a partition recovers, or a destination that is configured \
                 no more is still in use; try again, or keep the destination with `retired = true`",
            ),
            Self::Busy => formatter.write_str("another reload is not decided yet; try again"),
        }
    }
}

fn why(changed: &SourceChanged) -> String {
    format!(
        "source {:?} was started with {} and is now configured with {}: its keys and positions \
         would be misread; rename the source",
        changed.name, changed.was, changed.is
    )
}

/// Something an operator must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The numbers that history has for the configured names. Comes before anything else leaves.
    Configured(Configured),
    /// Another configuration is in force from here on.
    Reloaded(Configured),
    /// Another configuration is not put in force.
    ReloadRefused(ReloadRefused),
    /// A source is not configured as its history was written: the node does not start (K8).
    SourceChanged(SourceChanged),
    /// Something waits for a destination that is configured no more: the node does not start (L7).
    RemovedTooEarly(RemovedTooEarly),
    /// A partition lost its log; it tries again until it has it back.
    Lost(PartitionId, String),
    /// What is on disk of a partition's history is not what was written: no trying again mends that.
    Damaged(PartitionId, String),
    /// A partition decides again.
    Serving(PartitionId),
    /// The state store refused a batch; it is offered again.
    StateFailed(PartitionId),
    /// The positions of a key seem to begin anew (DESIGN K9).
    SequenceReset(Key),
    /// What waits for a destination came to another share of what may (rule D9).
    Backlog(BacklogLevel),
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured(configured) | Self::Reloaded(configured) => write!(
                formatter,
                "{} sources, {} destinations",
                configured.sources.len(),
                configured.destinations.len()
            ),
            Self::ReloadRefused(refused) => refused.fmt(formatter),
            Self::SourceChanged(changed) => formatter.write_str(&why(changed)),
            Self::RemovedTooEarly(removed) => removed.fmt(formatter),
            Self::Lost(partition, why) => {
                write!(formatter, "partition {} lost its log: {why}; trying again", partition.0)
            }
            Self::Damaged(partition, why) => {
                write!(formatter, "the history of partition {} is damaged: {why}", partition.0)
            }
            Self::Serving(partition) => write!(formatter, "partition {} serves", partition.0),
            Self::SequenceReset(key) => write!(
                formatter,
                "sequence-reset: key {:?} of source {} got many old positions with new ids in a \
                 row; if it counts anew, rebase the key",
                key.name, key.source.0
            ),
            Self::Backlog(level) => level.fmt(formatter),
            Self::StateFailed(partition) => {
                write!(formatter, "the state store refused a batch of partition {}", partition.0)
            }
        }
    }
}
