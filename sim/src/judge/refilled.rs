//! The judge of refills: how sources are asked for what is missing. Sees the asks, not who decides them.
//!
//! No more asks than the rate allows, no more under way and no more in vain than may be; only for what is
//! missing; and what came of them is marked as such in history, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sprag_core::id::{Epoch, Hash, Key, Place, SourceId};
use sprag_core::output::{Fetch, Status};
use sprag_core::ranges::Ranges;
use sprag_core::rate::Rate;
use sprag_core::record::Order;
use sprag_core::settings::{Contract, First, RefillSettings};

use super::{Verdict, must};
use crate::schedule::Instant;

/// Positions that one ask may name.
const POSITIONS: u64 = 1_000;
/// Asks of one source that may be under way.
const UNDER_WAY: usize = 4;
/// A token, in millionths.
const TOKEN: u64 = 1_000_000;

/// The asks of a source in this life of the process.
#[derive(Debug)]
struct Asks {
    under_way: usize,
    /// What its rate leaves, and when that was so.
    tokens: u64,
    at: Instant,
}

/// What was asked and given.
#[derive(Debug, Default)]
pub(crate) struct Refilled {
    asks: BTreeMap<SourceId, Asks>,
    /// Of what was asked for that may follow: after which position in which term, since when, how often.
    tails: BTreeMap<Key, ((Epoch, u64), Instant, u32)>,
    /// Keys that were not silent since they were last asked for what follows: an attempt of theirs ended, or an
    /// event came.
    broken: BTreeSet<Key>,
    /// Keys whose last ask came too often for their source: they ask once more.
    resting: BTreeSet<Key>,
    /// Keys that a source was ahead of: what follows is asked for once more.
    behind: BTreeSet<Key>,
    given: BTreeSet<(usize, Hash)>,
    /// Positions of which an authority said that there is none.
    none: BTreeSet<(usize, u64)>,
    kept: BTreeSet<Place>,
}

impl Refilled {
    /// The process is gone, and what it knew of rates.
    pub(crate) fn disconnected(&mut self) {
        self.asks.clear();
        self.tails.clear();
        self.broken.clear();
        self.resting.clear();
        self.behind.clear();
    }

    /// A source said what it has of a key: if that is more, what follows is asked for, in whatever time.
    pub(crate) fn may_follow_once_more(&mut self, key: &Key) {
        self.behind.insert(key.clone());
    }

    /// An event is given that was asked for.
    pub(crate) fn given(&mut self, resource: usize, digest: Hash) {
        self.given.insert((resource, digest));
    }

    /// It is answered.
    pub(crate) fn answered(&mut self, status: Status, event: Option<Place>) {
        if !matches!(status, Status::Duplicate | Status::Ignored) {
            self.kept.extend(event);
        }
    }

    /// A source is asked.
    pub(crate) fn asked(
        &mut self,
        now: Instant,
        fetch: &Fetch,
        (contract, settings): (Contract, RefillSettings),
        order: Option<&Order>,
    ) -> Verdict {
        let Rate { count, period } = settings.rate;
        let most = u64::from(count) * TOKEN;
        let asks = self.asks.entry(fetch.key.source).or_insert(Asks {
            under_way: 0,
            tokens: most,
            at: now,
        });
        let period = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        let gained = (now - asks.at).saturating_mul(most) / period;
        // What is lost by rounding is less than a hundredth of a token.
        let tokens = asks.tokens.saturating_add(gained + 10_000).min(most);
        must(tokens >= TOKEN, || format!("{fetch:?} is beyond the rate"))?;
        asks.under_way += 1;
        (asks.tokens, asks.at) = (tokens - TOKEN, now);
        must(asks.under_way <= UNDER_WAY, || format!("{} asks are under way", asks.under_way))?;
        must((1..=settings.attempts).contains(&fetch.attempt), || {
            format!("{fetch:?} although {} asks in vain are allowed", settings.attempts)
        })?;
        let (from, to) = (fetch.asked.from, fetch.asked.to);
        must(from <= to && to - from < POSITIONS, || format!("{fetch:?} asks for too much"))?;
        let Some(order) = order else { return Ok(()) };
        // Or it was said a while ago, and its turn came late.
        let is_behind = self.behind.contains(&fetch.key);
        if order.held.is_empty() && (settings.every.is_some() || is_behind) {
            may_follow(contract, order, from)?;
            if let Some(every) = settings.every.filter(|_| !self.behind.remove(&fetch.key)) {
                return self.asked_seldom(now, fetch, every);
            }
            return Ok(());
        }
        is_missing(contract, order, (from, to))
    }

    /// An attempt of a key ended, or an event of it came: its silence, which is told from its last fact (decision
    /// 035), begins anew.
    pub(crate) fn is_news_of(&mut self, key: &Key) {
        if self.tails.contains_key(key) {
            self.broken.insert(key.clone());
        }
    }

    /// What follows the same position is asked for when a silence has doubled, in the same term.
    fn asked_seldom(&mut self, now: Instant, fetch: &Fetch, every: Duration) -> Verdict {
        // The same turn once more: of an ask in vain, or because the source rested.
        if self.resting.remove(&fetch.key) || fetch.attempt > 1 {
            return Ok(());
        }
        let of = (fetch.id.epoch, fetch.asked.from);
        let (known, since, asks) = self.tails.entry(fetch.key.clone()).or_insert((of, now, 0));
        if self.broken.remove(&fetch.key) || *known != of {
            (*known, *since, *asks) = (of, now, 0);
        }
        *asks += 1;
        let times = 1 + (now - *since) / u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
        // One more for a turn that came late, and one besides.
        let most = 3 + times.ilog2();
        must(*asks <= most, || format!("{fetch:?} is number {asks} in {times} times {every:?}"))
    }

    /// An ask is over; `rests` says that it came too often for its source.
    pub(crate) fn ended(&mut self, key: &Key, rests: bool) {
        if let Some(asks) = self.asks.get_mut(&key.source) {
            asks.under_way = asks.under_way.saturating_sub(1);
        }
        if rests {
            self.resting.insert(key.clone());
        }
    }

    /// Of these positions of a resource an authority says that there is none.
    pub(crate) fn said_none(&mut self, resource: usize, none: &Ranges) {
        let positions = none.as_slice().iter().flat_map(|range| range.from..=range.to);
        self.none.extend(positions.map(|position| (resource, position)));
    }

    /// What was given up because there is none, an authority said so.
    pub(crate) fn judge_gone(&self, resource: usize, gone: &[(u64, u64)]) -> Verdict {
        let mut given_up = gone.iter().flat_map(|(from, to)| *from..=*to);
        let unsaid = given_up.find(|position| !self.none.contains(&(resource, *position)));
        must(unsaid.is_none(), || {
            format!("resource {resource} gave {unsaid:?} up as if there were none")
        })
    }

    /// History marks what came of asks, and nothing else.
    pub(crate) fn judge(&self, marked: &BTreeMap<Place, (usize, Hash)>) -> Verdict {
        for place in &self.kept {
            must(marked.contains_key(place), || {
                format!("{place} was asked for and is not marked")
            })?;
        }
        for (place, event) in marked {
            must(self.given.contains(event), || {
                format!("{place} is marked and was not asked for")
            })?;
        }
        Ok(())
    }
}

/// What may follow is asked for from the next position on, unless it came while the ask was on its way.
fn may_follow(contract: Contract, order: &Order, from: u64) -> Verdict {
    let next = order.next.or(strictly(contract));
    must(next.is_some_and(|next| next >= from), || format!("{from} is asked for, {next:?} is next"))
}

fn strictly(contract: Contract) -> Option<u64> {
    match contract {
        Contract::Fifo { first: First::Strictly(first) } => Some(first),
        _ => None,
    }
}

/// What is asked for is missing, unless it came while the ask was on its way out.
fn is_missing(contract: Contract, order: &Order, (from, to): (u64, u64)) -> Verdict {
    let Some(next) = order.next.or(strictly(contract)).filter(|next| *next <= from) else {
        return Ok(());
    };
    let held = order.held.keys().find(|held| (from..=to).contains(&held.number));
    let beyond = order.held.last_key_value().is_some_and(|(highest, _)| highest.number > to);
    must(next == from && held.is_none() && beyond, || {
        format!("{from}-{to} is asked for, {next} is next and {:?} wait", order.held.keys())
    })
}
