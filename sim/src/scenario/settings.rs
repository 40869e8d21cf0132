//! What a scenario configures: calm sources and destinations, but for what its lines say.

use std::sync::Arc;
use std::time::Duration;

use sprag_core::id::Revision;
use sprag_core::pattern::Pattern;
use sprag_core::plan::{Plan, PlannedDestination, PlannedSource};
use sprag_core::rate::Rate;
use sprag_core::settings::{
    Ack, Contract, DestinationSettings, First, ListSettings, OnGap, OnGiveUp, OnLate,
    ReconcileSettings, RefillSettings, RetentionSettings, Retry, SourceSettings, Start, Then,
};
use sprag_core::states::StateTable;

use super::words::Words;
use crate::setting::HOLD_SPAN;
use crate::{latest, settle, states};

/// How long ids are remembered: no scenario lasts that long.
const DEDUPE: Duration = Duration::from_secs(7 * 86_400);

/// A plan of nothing, without limits that anything here reaches.
pub(crate) fn plan() -> Plan {
    Plan {
        revision: Revision(1),
        sources: Vec::new(),
        destinations: Vec::new(),
        retired: Vec::new(),
        hot_keys: 10_000,
        key_backlog: 200,
        dedupe_ids: 100_000,
        partition_rate: None,
        forgotten: usize::MAX,
        destination_backlog: None,
        retention: RetentionSettings::default(),
        restore: None,
    }
}

/// `limits hot_keys=1 key_backlog=6`
pub(crate) fn limits(words: &mut Words<'_>, plan: &mut Plan) -> Result<(), String> {
    plan.hot_keys = words.size("hot_keys")?.unwrap_or(plan.hot_keys);
    plan.key_backlog = words.size("key_backlog")?.unwrap_or(plan.key_backlog);
    plan.dedupe_ids = words.size("dedupe_ids")?.unwrap_or(plan.dedupe_ids);
    Ok(())
}

/// `source orders fifo first=1 wait=5s on_gap=halt on_late=compensate refill=300ms depends_on=users`
pub(crate) fn source(words: &mut Words<'_>) -> Result<PlannedSource, String> {
    let contract = contract(words)?;
    let mut source = PlannedSource {
        identity: format!("{contract:?}").into(),
        late_to: words.take("late_to").map(Arc::from),
        depends_on: depends_on(words)?,
        settings: quiet_source(words.word(1)?.into(), contract),
    };
    let settings = &mut source.settings;
    settings.hold_wait = words.duration("wait")?.unwrap_or(settings.hold_wait);
    settings.hold_events = words.size("events")?.unwrap_or(settings.hold_events);
    settings.hold_span = words.number("span")?.unwrap_or(settings.hold_span);
    settings.rate = words.rate("rate")?;
    settings.on_gap = match words.take("on_gap") {
        None | Some("skip") => OnGap::Skip,
        Some("halt") => OnGap::Halt,
        Some(other) => return words.wrong(&format!("{other} is no `on_gap`")),
    };
    settings.on_late = match words.take("on_late") {
        None | Some("deliver") => OnLate::Deliver,
        Some("dead-letter") => OnLate::DeadLetter,
        Some("compensate") => OnLate::Compensate,
        Some(other) => return words.wrong(&format!("{other} is no `on_late`")),
    };
    settings.refill = refill(words)?;
    settings.list = list(words, settings.dedupe)?;
    settings.reconcile = reconcile(words)?;
    Ok(source)
}

/// A source that does nothing of its own accord. The one place that names every setting.
fn quiet_source(name: Arc<str>, contract: Contract) -> SourceSettings {
    SourceSettings {
        name,
        contract,
        hold_wait: Duration::from_secs(5),
        hold_events: 1_000,
        hold_span: HOLD_SPAN,
        max_ahead: latest::MAX_AHEAD,
        states: match contract {
            Contract::States => Arc::new(states::table()),
            _ => Arc::new(StateTable::default()),
        },
        ranks: if contract == Contract::Settle { settle::ranks() } else { Vec::new() },
        on_gap: OnGap::Skip,
        on_late: OnLate::Deliver,
        dedupe: DEDUPE,
        facts: RetentionSettings::default().facts,
        forget_after: None,
        destinations: Vec::new(),
        rate: None,
        refill: None,
        list: None,
        reconcile: None,
        depends_on: None,
    }
}

/// `depends_on=users depends_wait=2s`
fn depends_on(words: &mut Words<'_>) -> Result<Option<(Arc<str>, Duration)>, String> {
    let wait = words.duration("depends_wait")?.unwrap_or(Duration::from_secs(5));
    Ok(words.take("depends_on").map(|name| (name.into(), wait)))
}

fn contract(words: &mut Words<'_>) -> Result<Contract, String> {
    let strict = words.take("strict_first") == Some("true");
    let first = match words.take("first") {
        Some("any") => First::Any,
        text => match (text.unwrap_or("1").parse(), strict) {
            (Ok(number), true) => First::Strictly(number),
            (Ok(number), false) => First::At(number),
            (Err(_), _) => return words.wrong("`first` is a number or `any`"),
        },
    };
    let coalesce = words.take("coalesce") == Some("true");
    match words.word(2)? {
        "fifo" => Ok(Contract::Fifo { first }),
        "latest" => Ok(Contract::Latest { coalesce }),
        "settle" => Ok(Contract::Settle),
        "causal" => Ok(Contract::Causal),
        "states" => Ok(Contract::States),
        "merge" => Ok(Contract::Merge),
        "links" => Ok(Contract::Link),
        "arrival" => Ok(Contract::Arrival),
        "unordered" => Ok(Contract::Unordered),
        other => words.wrong(&format!("{other} is no contract")),
    }
}

/// `refill=300ms asks=2`: after how long, and how often in vain.
fn refill(words: &mut Words<'_>) -> Result<Option<RefillSettings>, String> {
    let attempts = words.number("asks")?.unwrap_or(3);
    let after = words.duration("refill")?;
    Ok(after.map(|after| RefillSettings {
        after,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        rate: Rate { count: 20, period: Duration::from_secs(1) },
        every: None,
    }))
}

/// `list=2s list_after=500ms`: how often it is read, and how old an event is before it is taken from there.
fn list(words: &mut Words<'_>, dedupe: Duration) -> Result<Option<ListSettings>, String> {
    let after = words.duration("list_after")?.unwrap_or(Duration::from_millis(500));
    let every = words.duration("list")?;
    Ok(every.map(|every| ListSettings {
        after,
        every,
        reach: dedupe / 2,
        rate: Rate { count: 100, period: Duration::from_secs(1) },
        silence: None,
    }))
}

/// `reconcile=2s grace=500ms then=event`: how often keys are compared that are quiet for how long, and what follows.
fn reconcile(words: &mut Words<'_>) -> Result<Option<ReconcileSettings>, String> {
    let grace = words.duration("grace")?.unwrap_or(Duration::from_millis(500));
    let every = words.duration("reconcile")?;
    let then = match words.take("then") {
        None | Some("note") => Then::Note,
        Some("refill") => Then::Refill,
        Some("event") => Then::Event,
        Some(other) => return words.wrong(&format!("{other} is no `then`")),
    };
    Ok(every.map(|every| ReconcileSettings {
        every,
        grace,
        sample: 1_000,
        rate: Rate { count: 50, period: Duration::from_secs(1) },
        then,
    }))
}

/// `destination app from=orders,users attempts=3 give_up=skip`; without `from` it takes every source.
pub(crate) fn destination(
    words: &mut Words<'_>,
    sources: &[PlannedSource],
) -> Result<PlannedDestination, String> {
    let all = || sources.iter().map(|source| source.settings.name.clone()).collect();
    let from =
        words.take("from").map_or_else(all, |names| names.split(',').map(Arc::from).collect());
    let mut settings = quiet_destination(words.word(1)?.into());
    settings.start = match words.take("start") {
        None | Some("now") => Start::Now,
        Some("earliest") => Start::Earliest,
        Some(other) => return words.wrong(&format!("{other} is no `start`")),
    };
    if let Some(types) = words.take("types") {
        let types = types.split(',').map(Pattern::parse).collect::<Result<_, _>>();
        settings.types = types.or_else(|_| words.wrong("these are no types"))?;
    }
    settings.retry.first = words.duration("retry")?.unwrap_or(settings.retry.first);
    settings.retry.attempts = match words.number("attempts")? {
        None => settings.retry.attempts,
        Some(most) => Some(u32::try_from(most).unwrap_or(u32::MAX)),
    };
    settings.on_give_up = match words.take("give_up") {
        None | Some("halt") => OnGiveUp::Halt,
        Some("park") => OnGiveUp::Park,
        Some("skip") => OnGiveUp::Skip,
        Some(other) => return words.wrong(&format!("{other} is no `give_up`")),
    };
    settings.batch = words.size("batch")?;
    Ok(PlannedDestination { from, settings })
}

/// A destination that has room for everything and gives nothing up.
fn quiet_destination(name: Arc<str>) -> DestinationSettings {
    DestinationSettings {
        name,
        start: Start::Now,
        types: vec![Pattern::any()],
        concurrency: 8,
        slow_concurrency: None,
        slow_after: Duration::from_secs(1),
        rate: None,
        key_rate: None,
        retry: Retry {
            first: Duration::from_millis(200),
            cap: Duration::from_secs(2),
            give_up_after: Duration::from_secs(86_400),
            attempts: None,
        },
        on_give_up: OnGiveUp::Halt,
        ack: Ack::Answer,
        batch: None,
    }
}
