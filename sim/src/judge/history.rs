//! History as an auditor reads it: every frame of every partition, replayed fact by fact.

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::fact::{
    AbandonReason, Attempted, Consequence, DeadLetter, Fact, Filtered, InvalidReason, Late, Origin,
    Outcome, PauseReason, Received, Refused, Released,
};
use sprag_core::id::{DestinationId, Epoch, FrameNumber, Hash, Key, PartitionId, Place, SourceId};
use sprag_log::ReadFrame;

use super::answers::Answers;
use super::brought::Brought;
use super::causal::Causal;
use super::chain;
use super::commands::{Asked, Commands};
use super::compensation::Kept;
use super::forgetting::Buried;
use super::key_history::KeyHistory;
use super::lane_history::When;
use super::links::Links;
use super::outages::Outages;
use super::policies::{Policies, SourcePolicy};
use super::reconciled::Said;
use super::{Verdict, must};
use crate::acker::Acked;
use crate::workload::type_of;
use sprag_core::settings::Start;

/// All frames, by partition.
pub(crate) type Frames = BTreeMap<PartitionId, Vec<ReadFrame>>;

/// When a frame was handed to the log, in uptime.
pub(crate) type Submitted = BTreeMap<(PartitionId, FrameNumber, Epoch), u64>;

/// What is known from elsewhere while history is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) policies: &'a Policies,
    pub(crate) answers: &'a Answers,
    pub(crate) submitted: &'a Submitted,
    pub(crate) resources: &'a BTreeMap<Key, usize>,
    pub(crate) commands: &'a Commands,
    pub(crate) outages: &'a Outages,
    /// What authorities said that resources have.
    pub(crate) said: &'a Said,
    /// What came in of that.
    pub(crate) brought: &'a Brought,
    /// What consumers acknowledged by requests.
    pub(crate) acknowledged: &'a BTreeSet<Acked>,
}

/// Everything that happened.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) keys: BTreeMap<usize, KeyHistory>,
    pub(crate) paused: BTreeSet<DestinationId>,
    pub(crate) retired: BTreeSet<DestinationId>,
    pub(crate) facts: BTreeMap<&'static str, u64>,
    sources: BTreeSet<SourceId>,
    destinations: BTreeSet<DestinationId>,
    buried: Buried,
    pub(crate) ignored: u64,
    /// The lines about refused requests, with their terms.
    pub(crate) refused: Vec<(Epoch, Refused)>,
    pub(crate) marked: Marked,
}

/// Events that are marked by what brought them.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    /// They were asked for.
    pub(crate) refilled: BTreeMap<Place, (usize, Hash)>,
    /// They are what an authority has.
    pub(crate) reconciled: BTreeSet<Place>,
}

impl Marked {
    fn note(&mut self, place: Place, resource: usize, received: &Received) {
        match received.origin {
            Origin::Refilled => drop(self.refilled.insert(place, (resource, received.digest))),
            Origin::Reconciled => drop(self.reconciled.insert(place)),
            Origin::Posted | Origin::Again => {}
        }
    }
}

impl History {
    /// Reads all frames; the first thing that breaks a rule is the verdict.
    pub(crate) fn read(frames: &Frames, context: &Context<'_>) -> Result<Self, String> {
        let mut history = Self::default();
        for (partition, frames) in frames {
            chain::frames_follow(*partition, frames)?;
            for frame in frames {
                let uptime = context.submitted.get(&(*partition, frame.number, frame.epoch));
                open_time(frame, uptime.copied())
                    .and_then(|()| history.frame(*partition, frame, uptime.copied(), context))
                    .map_err(|what| format!("frame {}-{}: {what}", partition.0, frame.number.0))?;
            }
        }
        history.names_are_declared()?;
        let at_once = history.keys.values().map(|key| key.at_once).sum();
        history.facts.insert("released: same instant", at_once);
        let settled = history.keys.values().map(|key| &key.settled);
        let (sorted, ranked) = settled.fold((0, 0), |(sorted, ranked), settled| {
            (sorted + settled.sorted, ranked + settled.ranked)
        });
        history.facts.insert("released: sorted as it settled", sorted);
        history.facts.insert("released: by rank", ranked);
        let partly = history.keys.values().map(|key| key.merged.partly).sum();
        history.facts.insert("released: fresh in part", partly);
        let causal = |count: fn(&Causal) -> u64| {
            history.keys.values().map(|key| count(&key.causal)).sum::<u64>()
        };
        let counts = [
            ("released: concurrent", causal(|key| key.concurrent)),
            ("released: without its causes", causal(|key| key.in_vain)),
            ("released: behind its causes", causal(|key| key.in_their_turn)),
            ("released: passed while it waited", causal(|key| key.untrue)),
        ];
        history.facts.extend(counts);
        let applied = history.keys.values().map(|key| &key.applied);
        let (undone, again) = applied.clone().fold((0, 0), |(undone, again), applied| {
            (undone + applied.compensated, again + applied.of_repeated)
        });
        history.facts.insert("released: undone", undone);
        history.facts.insert("released: undone once more", again);
        let most = applied.map(|applied| applied.most).max().unwrap_or_default();
        history.facts.insert("released: several undone", u64::from(most > 1));
        let machines = history.keys.values().map(|key| &key.machine);
        let (over, behind) = machines.fold((0, 0), |(over, behind), machine| {
            (over + machine.passed_over, behind + machine.left_behind)
        });
        history.facts.insert("released: over states that never came", over);
        history.facts.insert("held, then never next", behind);
        let links = |count: fn(&Links) -> u64| {
            history.keys.values().map(|key| count(&key.links)).sum::<u64>()
        };
        let counts = [
            ("released: over what led there", links(|key| key.over_breaks)),
            ("released: late by its link", links(|key| key.late)),
            ("released: one of several that follow", links(|key| key.forks)),
            ("held, then a contradiction", links(|key| key.contradicted)),
        ];
        history.facts.extend(counts);
        Ok(history)
    }

    fn frame(
        &mut self,
        partition: PartitionId,
        frame: &ReadFrame,
        uptime: Option<u64>,
        context: &Context<'_>,
    ) -> Verdict {
        let (recorded, open) = (frame.recorded.0, frame.open.0);
        let when = When { uptime, recorded, open, epoch: frame.epoch };
        for (index, fact) in (0_u32..).zip(&frame.facts) {
            *self.facts.entry(fact.name()).or_default() += 1;
            if let Some(variety) = variety(fact) {
                *self.facts.entry(variety).or_default() += 1;
            }
            let place = Place { partition, frame: frame.number, index };
            match fact.key() {
                Some(key) => self
                    .about_key(place, key, fact, when, context)
                    .map_err(|what| format!("{}/{}: {what}", key.source.0, key.name))?,
                None => self.about_names(partition, frame.epoch, fact, context)?,
            }
        }
        self.keys.iter().try_for_each(|(resource, key)| {
            key.frame_ends().map_err(|what| format!("resource {resource}: {what}"))
        })
    }

    fn about_names(
        &mut self,
        partition: PartitionId,
        epoch: Epoch,
        fact: &Fact,
        context: &Context<'_>,
    ) -> Verdict {
        match fact {
            Fact::Claimed(claimed) => {
                return must(claimed.epoch == epoch, || format!("{claimed:?} in {epoch:?}"));
            }
            Fact::Ignored(_) => self.ignored += 1,
            Fact::Refused(refused) => self.refused.push((epoch, refused.clone())),
            Fact::SourceDeclared(declared) => drop(self.sources.insert(declared.source)),
            Fact::DestinationDeclared(declared) => {
                self.destinations.insert(declared.destination);
            }
            Fact::DestinationRetired(retired) => {
                self.retired.insert(retired.destination);
            }
            Fact::KeysVisited(_) | Fact::Tombstone(_) => return Ok(()),
            Fact::Boundary(boundary) => return self.buried.boundary(partition, boundary),
            Fact::DestinationPaused(paused) => {
                self.paused.insert(paused.destination);
                if paused.reason == PauseReason::Gone {
                    *self.facts.entry("destination-paused: gone").or_default() += 1;
                    let said = context.outages.gone.contains(&paused.destination);
                    must(said, || format!("{paused:?} never said that it is gone"))?;
                }
            }
            Fact::DestinationResumed(resumed) => drop(self.paused.remove(&resumed.destination)),
            _ => {}
        }
        must(partition == PartitionId(0), || "a fact about names outside partition 0".to_owned())
    }

    fn about_key(
        &mut self,
        place: Place,
        key: &Key,
        fact: &Fact,
        when: When,
        context: &Context<'_>,
    ) -> Verdict {
        let When { uptime, recorded, .. } = when;
        let resource = context.resources.get(key).copied();
        let Some(resource) = resource else { return Err("no such resource".to_owned()) };
        let Some(source) = context.policies.sources.get(&key.source) else {
            return Err("no such source".to_owned());
        };
        let history = self.keys.entry(resource).or_default();
        history.is_no_resource = key.name.is_empty();
        history.may_go_on(fact)?;
        self.buried.about(place.partition, key, history, source, (fact, when))?;
        match fact {
            Fact::Rebased(_) => history.rebase(context.commands.possible(Asked::Rebase(resource))),
            Fact::GapAbandoned(fact) if fact.reason == AbandonReason::Operator => {
                let most = context.commands.possible(Asked::GiveUpGap(resource, fact.missing.from));
                history.gap_given_up(fact, source, most)
            }
            Fact::SequenceReset(_) => {
                history.resets += 1;
                history.row.told()
            }
            Fact::Received(received) => {
                self.marked.note(place, resource, received);
                context.brought.is_theirs(history, resource, (received, when.epoch))?;
                if received.origin == Origin::Again {
                    return history.received_again(place, received, recorded);
                }
                let sent = context.answers.first_sent(resource, received.digest);
                history.received(place, received, source, sent, recorded)
            }
            Fact::Attempted(attempted) => {
                let to = attempted.destination;
                let Some(policy) = context.policies.destinations.get(&to) else {
                    return Err(format!("no destination {}", to.0));
                };
                history.carries_what_is_sent(attempted)?;
                let fine = history
                    .lane_of(to, attempted.sequence.0)?
                    .attempted(attempted, policy, when)
                    .and_then(|()| context.outages.counts(resource, attempted));
                fine.map_err(|what| format!("destination {}: {what}", to.0))
            }
            Fact::Acknowledged(done) => {
                let (to, from, last) = (done.destination, done.from.0, done.to.0);
                let asked = |sequence| context.acknowledged.contains(&(resource, to, sequence));
                must((from..=last).all(asked), || format!("nobody asked for {done:?}"))?;
                history.lane_of(to, from)?.acknowledge(from, last, done.out_of_order)
            }
            Fact::Batched(batched) => {
                let to = batched.destination;
                let most = context.policies.destinations.get(&to).map_or(0, |to| to.batch);
                let (from, last) = (batched.from.0, batched.to.0);
                history.lane_of(to, from)?.fix_range(from, last, most)
            }
            Fact::Duplicate(duplicate) => history.duplicate(duplicate, source, recorded),
            Fact::Filtered(passed) => pass(history, passed, context),
            Fact::LateDead(dead) => history.die_late(dead),
            Fact::LaneOpened(opened) => {
                let start = context.policies.start_of(opened.destination);
                must(start != Some(Start::Now), || format!("{opened:?} of one that begins now"))?;
                history.open(opened)
            }
            Fact::Released(released) => {
                enters_its_lanes(history, released, (source, context.policies), recorded)?;
                history.release(released, source, (uptime, recorded))
            }
            Fact::Reconciled(fact) => history.differs((resource, source), fact, context.said),
            Fact::Unmet(unmet) => history.waits_in_vain(unmet, when),
            fact => about_order(history, fact, (source, context.policies), uptime),
        }
    }

    /// Every name that facts use by its number is declared (F6).
    fn names_are_declared(&self) -> Verdict {
        for history in self.keys.values() {
            for released in history.released.values() {
                must(self.sources.contains(&released.key.source), || {
                    format!("source {} is not declared", released.key.source.0)
                })?;
            }
            for (destination, _) in history.lanes.keys() {
                must(self.destinations.contains(destination), || {
                    format!("destination {} is not declared", destination.0)
                })?;
            }
        }
        Ok(())
    }
}

/// An event enters the lanes that it is to enter; of what is undone or repeated that is said elsewhere.
fn enters_its_lanes(
    history: &KeyHistory,
    released: &Released,
    (source, policies): (&SourcePolicy, &Policies),
    recorded: u64,
) -> Verdict {
    let event = history.events.get(&released.event).filter(|_| released.earlier.is_none());
    let Some(event) = event else { return Ok(()) };
    let bodies = policies.bodies.unwrap_or(u64::MAX);
    let kept = Kept { bodies, facts: source.memory.facts, now: recorded };
    let found_none = history.may_find_no_place(&event.position, kept);
    policies.entered(released, type_of(&event.digest), found_none)
}

fn about_order(
    history: &mut KeyHistory,
    fact: &Fact,
    (source, policies): (&SourcePolicy, &Policies),
    uptime: Option<u64>,
) -> Verdict {
    match fact {
        Fact::Held(held) => history.hold(held.event, source, uptime),
        Fact::Conflict(conflict) => history.conflict(conflict, source, uptime),
        Fact::Invalid(invalid) => history.invalid(invalid.event, invalid.reason, source),
        Fact::Stale(stale) => history.stale(stale, source),
        Fact::Superseded(fact) => {
            let lane = history.lane_of(fact.destination, fact.from.0)?;
            lane.supersede(fact.from.0, fact.by.0, source, uptime)
        }
        Fact::LaneEnded(ended) => history.end(ended),
        Fact::StrandsTaken(taken) => history.take_strands(taken),
        Fact::BacklogDropped(dropped) => history.drop_backlog(dropped, policies.limits_backlog),
        Fact::GapOpened(gap) => history.gap_opened(gap.missing.from, gap.missing.to, source),
        Fact::GapFilled(_) => history.gap_filled(),
        Fact::GapAbandoned(abandoned) => history.abandon(abandoned, source, uptime),
        Fact::Redriven(redriven) => history.redrive(redriven),
        Fact::Rewound(rewound) => history.rewind(rewound),
        Fact::Dropped(dropped) => match dropped.letter {
            DeadLetter::InLane { destination, sequence } => {
                history.drop_letter(destination, sequence.0)
            }
            DeadLetter::AtIngress { .. } => Ok(()),
        },
        Fact::KeyPaused(_) => {
            history.paused = true;
            Ok(())
        }
        Fact::KeyResumed(_) => {
            history.paused = false;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What a fact is counted as besides its name.
fn variety(fact: &Fact) -> Option<&'static str> {
    match fact {
        Fact::Invalid(invalid) => match invalid.reason {
            InvalidReason::AheadOfTime => Some("invalid: ahead of time"),
            InvalidReason::Unreadable => Some("invalid: unreadable"),
            InvalidReason::TooManyFields => Some("invalid: too many fields"),
            InvalidReason::ShrinkingClock => Some("invalid: shrinking clock"),
            InvalidReason::TooManyNodes => Some("invalid: too many nodes"),
            InvalidReason::UnknownState => Some("invalid: unknown state"),
            InvalidReason::BeyondSpan | InvalidReason::BeforeFirst => None,
        },
        Fact::GapAbandoned(gap) if gap.reason == AbandonReason::Rebased => {
            Some("gap-abandoned: rebased")
        }
        Fact::GapAbandoned(gap) if gap.reason == AbandonReason::Gone => Some("gap-abandoned: gone"),
        Fact::GapAbandoned(gap) if gap.reason == AbandonReason::Operator => {
            Some("gap-abandoned: operator")
        }
        Fact::BacklogDropped(dropped) if dropped.from < dropped.to => {
            Some("backlog-dropped: several")
        }
        Fact::LaneEnded(ended) if ended.from <= ended.to => Some("lane-ended: abandoned"),
        Fact::Received(received) if received.origin == Origin::Refilled => {
            Some("received: refilled")
        }
        Fact::Received(received) if received.origin == Origin::Reconciled => {
            Some("received: of the authority")
        }
        Fact::Reconciled(fact) if fact.theirs.number() < fact.ours.number() => {
            Some("reconciled: the source is older")
        }
        Fact::RefillEnded(ended) if ended.events > 0 => Some("refill-ended: brought events"),
        Fact::Released(released) if released.unordered => Some("released: unordered"),
        Fact::Released(released) if released.late == Late::Dead => Some("released: late and dead"),
        Fact::Released(released) if released.late == Late::Aside => {
            Some("released: late and aside")
        }
        Fact::Attempted(Attempted { consequence: Consequence::Accepted { .. }, .. }) => {
            Some("attempted: accepted")
        }
        Fact::Attempted(Attempted { outcome: Outcome::Unacknowledged, .. }) => {
            Some("attempted: not acknowledged")
        }
        Fact::Batched(batched) if batched.from < batched.to => Some("batched: several"),
        Fact::Acknowledged(done) if done.out_of_order => Some("acknowledged: out of order"),
        Fact::Released(released) if !released.filtered.is_empty() => Some("released: filtered"),
        Fact::Refused(refused) if refused.counted > 0 => Some("refused: counted"),
        _ => None,
    }
}

/// Open time never exceeds the time a process was up (F9, G1).
fn open_time(frame: &ReadFrame, uptime: Option<u64>) -> Verdict {
    must(uptime.is_none_or(|uptime| frame.open.0 <= uptime), || {
        format!("open time {} exceeds uptime {uptime:?}", frame.open.0)
    })
}

/// A lane goes past events that did not enter it.
fn pass(history: &mut KeyHistory, passed: &Filtered, context: &Context<'_>) -> Verdict {
    for sequence in history.pass(passed.destination, (passed.from.0, passed.to.0))? {
        history.may_pass(sequence, passed.destination, context.policies)?;
    }
    Ok(())
}
