//! The configuration as the core reads it.

use std::sync::Arc;
use std::time::Duration;

use sprag_core::chain::Digest as _;
use sprag_core::id::Revision;
use sprag_core::plan::{Plan, PlannedDestination, PlannedSource};
use sprag_core::settings::{
    Ack, DestinationSettings, ListSettings, OnGap, OnGiveUp, OnLate, RefillSettings, Restore,
    RetentionSettings, Retry, SourceSettings,
};
use sprag_log::digest::Sha256;

use crate::config::{self, Config, Source};
use crate::extract::{PositionRule, Rules};
use crate::{limits, order};

/// The plan of a configuration, for a log that comes from this restore, if from any.
#[must_use]
pub fn plan(config: &Config, restore: Option<Restore>) -> Plan {
    let partitions = usize::from(config.server.partitions.max(1));
    let share = |total: u64| usize::try_from(total).unwrap_or(usize::MAX).div_ceil(partitions);
    Plan {
        revision: revision(config),
        sources: config
            .sources
            .iter()
            .map(|(name, source)| planned_source(name, source, config.retention.facts))
            .collect(),
        destinations: config.destinations.iter().map(planned_destination).collect(),
        retired: config.retired.iter().map(|name| Arc::from(name.as_str())).collect(),
        hot_keys: share(config.limits.hot_keys),
        destination_backlog: config.limits.destination_backlog,
        key_backlog: usize::try_from(config.limits.key_backlog).unwrap_or(usize::MAX),
        dedupe_ids: share(config.limits.dedupe_ids),
        forgotten: share(config.limits.forgotten),
        partition_rate: config.limits.partition_rate,
        retention: RetentionSettings {
            bodies: config.retention.bodies,
            facts: config.retention.facts,
        },
        restore,
    }
}

/// The first four bytes of the digest of what decisions depend on: tells configurations apart,
/// says nothing about their order.
fn revision(config: &Config) -> Revision {
    let sources = config.sources.iter().map(|(name, source)| {
        let (contract, on_late) = (&source.contract, &source.on_late);
        format!("{name} {} {contract:?} {:?} {on_late:?}", identity(source), source.dedupe)
    });
    let destinations = config.destinations.iter().map(|(name, to)| {
        let types: Vec<_> = to.types.iter().map(ToString::to_string).collect();
        let (from, retry, ends) = (&to.from, &to.retry, (to.on_give_up, to.ack, to.batch));
        format!("{name} {from:?} {types:?} {retry:?} {ends:?} {:?}", to.concurrency)
    });
    let retired = config.retired.iter().map(|name| format!("{name} retired"));
    let text: Vec<String> = sources.chain(destinations).chain(retired).collect();
    let hash = Sha256.sha256(&[text.join("\n").as_bytes()]);
    Revision(u32::from_be_bytes([hash.0[0], hash.0[1], hash.0[2], hash.0[3]]))
}

fn planned_source(name: &str, source: &Source, facts: Duration) -> PlannedSource {
    let (hold_wait, hold_events, on_gap) = waits(&source.contract);
    let settle = match &source.contract {
        config::Contract::Settle(settle) => Some(settle),
        _ => None,
    };
    let states = match &source.contract {
        config::Contract::States(states) => Some(states),
        _ => None,
    };
    PlannedSource {
        identity: Arc::from(identity(source)),
        late_to: match &source.on_late {
            config::OnLate::To(name) => Some(Arc::from(name.as_str())),
            config::OnLate::Deliver | config::OnLate::DeadLetter | config::OnLate::Compensate => {
                None
            }
        },
        depends_on: source
            .depends_on
            .as_ref()
            .map(|depends_on| (Arc::from(depends_on.source.as_str()), depends_on.wait)),
        settings: SourceSettings {
            name: Arc::from(name),
            contract: order::to_core(&source.contract),
            hold_wait,
            hold_events: usize::try_from(hold_events).unwrap_or(usize::MAX),
            hold_span: span(source),
            max_ahead: match &source.contract {
                config::Contract::Latest(latest) => latest.max_ahead,
                config::Contract::Settle(settle) => settle.max_ahead,
                config::Contract::Merge(merge) => merge.max_ahead,
                config::Contract::States(states) => states.max_ahead,
                _ => Duration::ZERO,
            },
            ranks: settle.map_or_else(Vec::new, |settle| settle.ranks.clone()),
            states: states.map_or_else(Arc::default, |states| states.table.clone()),
            on_gap,
            on_late: match source.on_late {
                config::OnLate::DeadLetter => OnLate::DeadLetter,
                config::OnLate::Compensate => OnLate::Compensate,
                // Which number a destination has, history says.
                config::OnLate::Deliver | config::OnLate::To(_) => OnLate::Deliver,
            },
            rate: source.rate,
            dedupe: source.dedupe,
            facts,
            forget_after: source.forget_after,
            destinations: Vec::new(),
            refill: source.refill.as_ref().map(|refill| RefillSettings {
                after: refill.after,
                attempts: refill.attempts,
                rate: refill.rate,
                every: refill.every,
            }),
            list: source.list.as_ref().map(|list| ListSettings {
                after: list.after,
                every: list.every,
                reach: list.reach,
                rate: list.rate,
                silence: source.expect_every,
            }),
            // Which number the other source has, history says.
            depends_on: None,
        },
    }
}

/// How long what waits does, how many may, and what ends that in vain.
fn waits(contract: &config::Contract) -> (Duration, u64, OnGap) {
    let (wait, events, on_gap) = match contract {
        config::Contract::Fifo(fifo) => (fifo.hold.wait, fifo.hold.events, fifo.on_gap),
        config::Contract::Causal(causal) => (causal.hold.wait, causal.hold.events, causal.on_gap),
        config::Contract::States(states) => (states.wait, states.events, states.on_gap),
        config::Contract::Links(links) => (links.wait, links.events, links.on_gap),
        config::Contract::Settle(settle) => (settle.settle, settle.events, config::OnGap::Skip),
        _ => (Duration::ZERO, 0, config::OnGap::Skip),
    };
    let on_gap = match on_gap {
        config::OnGap::Halt => OnGap::Halt,
        config::OnGap::Skip => OnGap::Skip,
    };
    (wait, events, on_gap)
}

/// How far ahead a position may be (rule K4; decision 007: versions may jump as far as they like).
fn span(source: &Source) -> u64 {
    match (&source.contract, &source.rules.position) {
        (config::Contract::Fifo(fifo), _) => fifo.hold.span,
        (config::Contract::Causal(causal), _) => causal.hold.span,
        (_, PositionRule::Sequence(_)) => limits::SEQUENCE_SPAN,
        _ => u64::MAX,
    }
}

/// The fields of rule K8 as one text: where id, key and position are, contract and first.
fn identity(source: &Source) -> String {
    let rules = &source.rules;
    let contract = match &source.contract {
        config::Contract::Fifo(fifo) => match fifo.first {
            // It may come and go without another reading of history.
            config::First::At(number) | config::First::Refilled(number) => {
                format!("fifo first={number}")
            }
            config::First::Strictly(number) => format!("fifo first={number} strictly"),
            config::First::Any => "fifo first=any".to_owned(),
        },
        config::Contract::Latest(_) => "latest".to_owned(),
        config::Contract::Arrival => "arrival".to_owned(),
        config::Contract::Unordered => "unordered".to_owned(),
        config::Contract::Settle(_) => "settle".to_owned(),
        config::Contract::Merge(_) => "merge".to_owned(),
        config::Contract::Causal(_) => "causal".to_owned(),
        // The table may change: what it allows by then counts.
        config::Contract::States(_) => "states".to_owned(),
        config::Contract::Links(_) => "fifo by links".to_owned(),
    };
    // Keys of a source that splits begin at its elements.
    let split = rules.split.as_ref().map(|at| format!(" split=body:{}", at.as_str()));
    let split = split.unwrap_or_default();
    let Rules { id, key, position, .. } = rules;
    format!("id={id} key={key} position={position} contract={contract}{split}")
}

fn planned_destination((name, to): (&String, &config::Destination)) -> PlannedDestination {
    PlannedDestination {
        from: to.from.iter().map(|name| Arc::from(name.as_str())).collect(),
        settings: DestinationSettings {
            name: Arc::from(name.as_str()),
            start: to.start,
            types: to.types.clone(),
            concurrency: usize::try_from(to.concurrency).unwrap_or(usize::MAX),
            slow_concurrency: to
                .slow_concurrency
                .map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            slow_after: to.slow_after,
            rate: to.rate,
            key_rate: to.key_rate,
            retry: Retry {
                first: to.retry.first,
                cap: to.retry.cap,
                give_up_after: to.retry.during,
                attempts: to.retry.attempts,
            },
            on_give_up: match to.on_give_up {
                config::OnGiveUp::Halt => OnGiveUp::Halt,
                config::OnGiveUp::Park => OnGiveUp::Park,
                config::OnGiveUp::Skip => OnGiveUp::Skip,
            },
            ack: match to.ack {
                config::Ack::Answer => Ack::Answer,
                config::Ack::Explicit(timeout) => Ack::Explicit { timeout },
            },
            batch: to.batch.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        },
    }
}
