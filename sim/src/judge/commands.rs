//! What an operator asked for and was told, and what may follow from it.
//!
//! A command whose outcome is unknown (503, crash) may have been carried out or not.

use std::collections::BTreeMap;

use sprag_core::fact::DeadLetter;
use sprag_core::id::{DestinationId, Place};
use sprag_core::input::Ticket;
use sprag_core::output::{Answer, Rejection};

/// A command as the judges see it: resources by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    PauseKey(usize),
    ResumeKey(usize),
    PauseDestination(DestinationId),
    ResumeDestination(DestinationId),
    Redrive(usize, DestinationId),
    RedrivePassed(usize, DestinationId, u64),
    Drop(usize, DestinationId, u64),
    DropAtIngress(usize, Place),
    Rebase(usize),
    /// What begins with this position.
    GiveUpGap(usize, u64),
    /// From the first of these events to the last.
    Rewind(usize, DestinationId, u64, u64),
}

impl Asked {
    /// The resource that it is about; none where it is about a destination.
    pub(crate) fn resource(self) -> Option<usize> {
        match self {
            Self::PauseKey(resource)
            | Self::ResumeKey(resource)
            | Self::Redrive(resource, _)
            | Self::RedrivePassed(resource, ..)
            | Self::Drop(resource, ..)
            | Self::DropAtIngress(resource, _)
            | Self::Rebase(resource)
            | Self::GiveUpGap(resource, _)
            | Self::Rewind(resource, ..) => Some(resource),
            Self::PauseDestination(_) | Self::ResumeDestination(_) => None,
        }
    }

    /// A dropped dead letter as the judges see it.
    pub(crate) fn dropped(resource: usize, letter: DeadLetter) -> Self {
        match letter {
            DeadLetter::InLane { destination, sequence } => {
                Self::Drop(resource, destination, sequence.0)
            }
            DeadLetter::AtIngress { event } => Self::DropAtIngress(resource, event),
        }
    }
}

/// What is paused: a resource or a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pausable {
    Key(usize),
    Destination(DestinationId),
}

/// Everything asked so far.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    waiting: BTreeMap<Ticket, Asked>,
    /// How often it was asked for and not rejected.
    possible: BTreeMap<Asked, u64>,
    /// Paused for sure, since this uptime.
    paused: BTreeMap<Pausable, u64>,
    /// Commands to let something paused go on that have no answer yet.
    resuming: BTreeMap<Pausable, u64>,
    redrives: BTreeMap<(usize, DestinationId), u64>,
    /// How often the positions of a resource began anew for sure.
    rebased: BTreeMap<usize, u64>,
}

impl Commands {
    pub(crate) fn asked(&mut self, ticket: Ticket, asked: Asked) {
        self.waiting.insert(ticket, asked);
        *self.possible.entry(asked).or_default() += 1;
        match asked {
            Asked::ResumeKey(key) => self.let_go(Pausable::Key(key)),
            Asked::ResumeDestination(to) => self.let_go(Pausable::Destination(to)),
            Asked::Redrive(key, to) | Asked::RedrivePassed(key, to, _) => {
                *self.redrives.entry((key, to)).or_default() += 1;
            }
            _ => {}
        }
    }

    fn let_go(&mut self, what: Pausable) {
        self.paused.remove(&what);
        *self.resuming.entry(what).or_default() += 1;
    }

    /// A command is answered; gives it back.
    pub(crate) fn answered(
        &mut self,
        ticket: Ticket,
        answer: &Answer,
        uptime: u64,
    ) -> Option<Asked> {
        let asked = self.waiting.remove(&ticket)?;
        let pausing = match asked {
            Asked::PauseKey(key) => Some(Pausable::Key(key)),
            Asked::PauseDestination(to) => Some(Pausable::Destination(to)),
            _ => None,
        };
        let resuming = match asked {
            Asked::ResumeKey(key) => Some(Pausable::Key(key)),
            Asked::ResumeDestination(to) => Some(Pausable::Destination(to)),
            _ => None,
        };
        if let Some(what) = resuming
            && let Some(count) = self.resuming.get_mut(&what)
            && matches!(answer, Answer::Done | Answer::Rejected(_))
        {
            *count = count.saturating_sub(1);
        }
        if let (Asked::Rebase(key), Answer::Done) = (asked, answer) {
            *self.rebased.entry(key).or_default() += 1;
        }
        if let Some(what) = pausing
            && matches!(answer, Answer::Done)
            && self.resuming.get(&what).is_none_or(|count| *count == 0)
        {
            self.paused.insert(what, uptime);
        }
        if matches!(answer, Answer::Rejected(_))
            && let Some(count) = self.possible.get_mut(&asked)
        {
            *count = count.saturating_sub(1);
        }
        Some(asked)
    }

    /// The process died: every waiting command's outcome is unknown. Whether a resume of unknown
    /// outcome took place shows only later, so its thing never counts as paused for sure again.
    pub(crate) fn disconnected(&mut self) {
        self.waiting.clear();
    }

    /// Since when, in uptime, a key is paused for sure.
    pub(crate) fn key_paused(&self, key: usize) -> Option<u64> {
        self.paused.get(&Pausable::Key(key)).copied()
    }

    /// Since when, in uptime, a destination is paused for sure.
    pub(crate) fn destination_paused(&self, to: DestinationId) -> Option<u64> {
        self.paused.get(&Pausable::Destination(to)).copied()
    }

    /// Whether a command was given that may have been carried out.
    pub(crate) fn may_have(&self, asked: Asked) -> bool {
        self.possible(asked) > 0
    }

    /// How often a command may have been carried out.
    pub(crate) fn possible(&self, asked: Asked) -> u64 {
        self.possible.get(&asked).copied().unwrap_or(0)
    }

    /// The resources whose positions began anew for sure, and how often.
    pub(crate) fn rebased(&self) -> &BTreeMap<usize, u64> {
        &self.rebased
    }

    /// The resources whose positions may begin anew at any moment.
    pub(crate) fn rebasing(&self) -> Vec<usize> {
        let rebases = self.waiting.values().filter_map(|asked| match asked {
            Asked::Rebase(key) => Some(*key),
            _ => None,
        });
        rebases.collect()
    }

    /// How often a lane may have been set back, and the least event up to which, among those times that
    /// reach this one.
    pub(crate) fn rewinds(
        &self,
        key: usize,
        to: DestinationId,
        sequence: u64,
    ) -> (u64, Option<u64>) {
        let of = Asked::Rewind(key, to, 0, 0)..=Asked::Rewind(key, to, u64::MAX, u64::MAX);
        let mut least = None;
        let mut count = 0;
        for (asked, possible) in self.possible.range(of).filter(|(_, possible)| **possible > 0) {
            let Asked::Rewind(_, _, from, until) = *asked else { continue };
            count += possible;
            if (from..=until).contains(&sequence) {
                least = Some(least.map_or(until, |least: u64| least.min(until)));
            }
        }
        (count, least)
    }

    /// How often an operator had a lane begin anew, or may have: redriven, or set back. When its consumer wanted to be asked
    /// again before that says nothing any more.
    pub(crate) fn begins_anew(&self, key: usize, to: DestinationId) -> u64 {
        self.redrives(key, to) + self.rewinds(key, to, 0).0
    }

    /// How often a lane was redriven, or may have been.
    pub(crate) fn redrives(&self, key: usize, to: DestinationId) -> u64 {
        self.redrives.get(&(key, to)).copied().unwrap_or(0)
    }

    /// Whether any command waits for its answer.
    pub(crate) fn any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// Rejections whose reason a judge can check against what it knows.
pub(crate) fn is_plausible(asked: Asked, rejection: Rejection) -> bool {
    match rejection {
        Rejection::UnknownKey => !matches!(asked, Asked::PauseDestination(_)),
        Rejection::UnknownLane | Rejection::NotStopped | Rejection::NotPassed => {
            let of_lane =
                matches!(asked, Asked::Redrive(..) | Asked::RedrivePassed(..) | Asked::Drop(..));
            of_lane || (rejection == Rejection::UnknownLane && matches!(asked, Asked::Rewind(..)))
        }
        Rejection::LaneBusy
        | Rejection::Stopped
        | Rejection::Unordered
        | Rejection::NothingToReplay => matches!(asked, Asked::Rewind(..)),
        Rejection::NoGap => matches!(asked, Asked::GiveUpGap(..)),
        Rejection::UnknownDestination => {
            matches!(
                asked,
                Asked::PauseDestination(_)
                    | Asked::ResumeDestination(_)
                    | Asked::Redrive(..)
                    | Asked::RedrivePassed(..)
                    | Asked::Rewind(..)
            )
        }
        Rejection::AlreadyRedriven => {
            matches!(asked, Asked::RedrivePassed(..) | Asked::Drop(..))
        }
        Rejection::BodyGone => matches!(asked, Asked::RedrivePassed(..)),
        Rejection::TooManyRedriven => matches!(asked, Asked::RedrivePassed(..)),
        Rejection::NotDroppable => matches!(asked, Asked::Drop(..)),
        Rejection::OutsideTolerance
        | Rejection::NotWaiting
        | Rejection::UnknownEvent
        | Rejection::NotExplicit => false,
    }
}
