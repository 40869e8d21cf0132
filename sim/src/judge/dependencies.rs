//! The judge of what waits for another resource (`depends_on`, decision 042).
//!
//! On the wire: what refers to another resource is not sent for the first time before something of that was settled at the same
//! consumer, unless it says that it waited in vain (`sprag-unmet`); what says so has waited for as long as its release
//! allows; and where everything works, nothing waits in vain for what was there before. In history: a lane says it once, of
//! what it waits for, and not before its time.

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::fact::{DependsOn, Unmet};
use sprag_core::id::{DestinationId, Key};
use sprag_core::record::OmitReason;
use sprag_core::settings::{OnGiveUp, Start};
use sprag_driver::cache::ReleasedEvent;

use super::commands::{Asked, Commands};
use super::deliveries::{Arrived, Deliveries, Seen};
use super::key_history::KeyHistory;
use super::lane_history::When;
use super::policies::Policies;
use super::{Verdict, must};

/// What is asked about takes at the most this long, in uptime, where everything works.
const WORD: u64 = 3_000_000;

/// What went before anything was seen of the resource that it refers to.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    went_before: BTreeMap<(DestinationId, usize), (usize, u64)>,
}

impl Deliveries {
    /// An attempt arrives: of each event for the first time. `works_since` is none while anything may fail.
    pub(crate) fn depends(
        &mut self,
        arrived: &Arrived<'_>,
        numbers: &BTreeMap<Key, usize>,
        (policies, commands): (&Policies, &Commands),
        works_since: Option<u64>,
    ) -> Verdict {
        let Arrived { attempt, event, others, uptime, .. } = *arrived;
        self.follows(arrived, policies)?;
        let first = event.released.depends_on.as_deref();
        if attempt.unmet {
            let Some(depends_on) = first else { return Err("unmet, and refers to nothing".into()) };
            must(uptime >= depends_on.until.0, || {
                format!("waited until {uptime} of uptime in vain, and may until {depends_on:?}")
            })?;
        }
        if attempt.redelivery || attempt.out_of_order {
            return Ok(());
        }
        for (at, event) in std::iter::once(event).chain(others).enumerate() {
            let Some(depends_on) = event.released.depends_on.as_deref() else { continue };
            let resource = numbers.get(&depends_on.of).copied();
            if at == 0 && attempt.unmet {
                self.waited_in_vain(arrived, depends_on, resource, works_since)?;
                continue;
            }
            let Some(resource) = resource else {
                return Err(format!("sent before {:?}, which never was", depends_on.of));
            };
            self.is_met((arrived, event), resource, (policies, commands))?;
        }
        Ok(())
    }

    /// Nothing of a resource was seen yet when what refers to it went: then nothing may be before what comes now.
    fn follows(&mut self, arrived: &Arrived<'_>, policies: &Policies) -> Verdict {
        let attempt = arrived.attempt;
        let lane = (attempt.destination, arrived.resource);
        let Some(dependent) = self.dependencies.went_before.remove(&lane) else { return Ok(()) };
        let begins_now = policies.start_of(attempt.destination) == Some(Start::Now);
        let is_first = attempt.omitted.is_empty() && attempt.previous.0 == 0;
        let is_first = is_first && !attempt.redelivery && !attempt.out_of_order && begins_now;
        must(!is_first, || {
            let (resource, sequence) = dependent;
            format!(
                "the first of its resource, behind {sequence} of resource {resource}, which refers to it"
            )
        })
    }

    fn is_met(
        &mut self,
        (arrived, event): (&Arrived<'_>, &ReleasedEvent),
        other: usize,
        (policies, commands): (&Policies, &Commands),
    ) -> Verdict {
        let to = arrived.attempt.destination;
        let Some(seen) =
            self.lanes.get(&(to, other, 0)).filter(|seen| seen.attempted().next().is_some())
        else {
            // It may have gone past events that were never sent: then what it sends first says so.
            let dependent = (arrived.resource, event.released.sequence.0);
            self.dependencies.went_before.insert((to, other), dependent);
            return Ok(());
        };
        let policy = policies.destinations.get(&to);
        let skips = policy.is_none_or(|policy| policy.on_give_up.contains(&OnGiveUp::Skip));
        let dropped = |sequence: &u64| commands.may_have(Asked::Drop(other, to, *sequence));
        let may_be_dropped = seen.attempted().any(dropped);
        must(seen.has_settled(skips) || may_be_dropped || policies.limits_backlog, || {
            format!(
                "sent while the first event of resource {other}, which it refers to, is not settled"
            )
        })
    }

    fn waited_in_vain(
        &self,
        arrived: &Arrived<'_>,
        depends_on: &DependsOn,
        other: Option<usize>,
        works_since: Option<u64>,
    ) -> Verdict {
        let Some((since, other)) = works_since.zip(other) else { return Ok(()) };
        let lane = self.lanes.get(&(arrived.attempt.destination, other, 0));
        let was_there = lane.is_some_and(|seen| seen.was_acknowledged_before(since));
        // Of what was forgotten for good nothing is known.
        let was_there = was_there && !self.was_forgotten(other);
        must(!was_there || depends_on.until.0 < since + WORD, || {
            format!(
                "waited in vain for resource {other}, which was there before: {depends_on:?} of {arrived:?}"
            )
        })
    }
}

impl Seen {
    /// Whether its consumer settled anything of it, or the lane may have gone on without.
    fn has_settled(&self, skips: bool) -> bool {
        let may_be_given_up = skips && self.has_failed();
        !self.acknowledged.is_empty()
            || !self.acknowledged_again.is_empty()
            || !self.settled.is_empty()
            || self.omitted.values().any(|reason| *reason != OmitReason::Skipped)
            || self.is_dropped_or_passed()
            || may_be_given_up
    }

    fn was_acknowledged_before(&self, uptime: u64) -> bool {
        let sent = |sequence: &u64| self.sent.get(sequence).is_some_and(|sent| *sent < uptime);
        self.acknowledged.keys().any(sent)
    }
}

/// The lanes that said that an event waited in vain.
#[derive(Debug, Default)]
pub(crate) struct InVain(BTreeSet<(DestinationId, u64)>);

impl KeyHistory {
    /// A lane says that it waited in vain.
    pub(crate) fn waits_in_vain(&mut self, fact: &Unmet, when: When) -> Verdict {
        let released = self.released.get(&fact.sequence.0);
        let depends_on = released.and_then(|released| released.depends_on.as_deref());
        let Some(DependsOn { of, until }) = depends_on else {
            return Err(format!("refers to nothing: {fact:?}"));
        };
        must(*of == fact.of, || format!("refers to {of:?}: {fact:?}"))?;
        let is_over = when.uptime.is_none_or(|uptime| uptime >= until.0);
        must(is_over, || format!("at {:?} of {until:?}: {fact:?}", when.uptime))?;
        let is_new = self.in_vain.0.insert((fact.destination, fact.sequence.0));
        must(is_new, || format!("said twice: {fact:?}"))
    }
}
