//! What an operator may ask of a partition, and why it may be refused.

use alloc::boxed::Box;

use super::Partition;
use super::draft::Promise;
use super::order::head_gap;
use crate::chain::Digest;
use crate::fact::{
    AbandonReason, DeadLetter, DestinationPaused, Dropped, Fact, GapAbandoned, KeyPaused,
    KeyResumed, PauseReason, Redriven,
};
use crate::id::{DestinationId, Key, LaneId, Sequence};
use crate::input::{Command, Input, Ticket};
use crate::limits;
use crate::output::{Answer, Output, Rejection};
use crate::record::{KeyRecord, Lane};
use crate::slab::Slot;

impl<D: Digest> Partition<D> {
    /// Carries out a command, or says why not. The answer waits for the commit.
    pub(super) fn command(&mut self, ticket: Ticket, command: Command) {
        let slot = match key_of(&command) {
            None => None,
            Some(key) => {
                let waiting = || Input::Command { ticket, command: command.clone() };
                let Some(slot) = self.slot_or_load(key, waiting) else { return };
                Some(slot)
            }
        };
        if let Command::Acknowledge { key, destination, from, to } = command {
            return self.acknowledge(slot, ticket, (key, destination), (from, to));
        }
        match self.carry_out(slot, command) {
            Ok(()) => self.promise(Promise::Answer(ticket, Answer::Done)),
            Err(rejection) => {
                let answer = Answer::Rejected(rejection);
                self.outputs.push_back(Output::Answer { ticket, answer });
            }
        }
    }

    fn carry_out(&mut self, slot: Option<Slot>, command: Command) -> Result<(), Rejection> {
        match command {
            Command::PauseKey(key) => {
                self.known(slot)?;
                self.write(Fact::KeyPaused(KeyPaused { key }));
            }
            Command::ResumeKey(key) => {
                self.known(slot)?;
                self.write(Fact::KeyResumed(KeyResumed { key }));
            }
            Command::Rebase(key) => {
                self.known(slot)?;
                if let Some(slot) = slot {
                    self.rebase(slot, &key);
                }
            }
            Command::GiveUpGap { key, from } => self.give_up_gap(slot, &key, from)?,
            Command::Redrive { key, destination, passed } => {
                self.redrive(slot, key, destination, passed)?;
            }
            Command::Rewind { key, destination, from, until } => {
                self.rewind(slot, key, destination, (from, until))?;
            }
            Command::RedriveGone { destination, passed, .. } => {
                self.may_redrive(slot, destination, passed)?;
                return Err(Rejection::BodyGone);
            }
            Command::Drop { key, letter } => self.drop_letter(slot, key, letter)?,
            // It has its own answers and leaves the key's other lanes alone.
            Command::Acknowledge { .. } => {}
            Command::PauseDestination(destination) => {
                self.known_destination(destination)?;
                self.pause(destination, PauseReason::Operator);
            }
            Command::PauseGone(destination) => {
                self.known_destination(destination)?;
                if !self.directory.paused.contains(&destination) {
                    self.pause(destination, PauseReason::Gone);
                }
            }
            Command::ResumeDestination(destination) => {
                self.known_destination(destination)?;
                self.write_forwarded(Self::resumed(destination));
                self.promise(Promise::WakeAll);
            }
            Command::Declare(facts) => {
                for fact in facts {
                    self.write(fact);
                }
            }
        }
        if let Some(slot) = slot {
            self.rest_on_command(slot);
        }
        Ok(())
    }

    /// What the key's lanes send from now on rests on the command just written.
    fn rest_on_command(&mut self, slot: Slot) {
        let written = self.taken.next();
        let lanes = self.keys.get_mut(slot).map(|hot| hot.lanes.iter_mut());
        lanes.into_iter().flatten().for_each(|lane| lane.rests_on = written);
        self.promise(Promise::Wake(slot));
    }

    fn pause(&mut self, destination: DestinationId, reason: PauseReason) {
        let fact = DestinationPaused { destination, reason };
        self.write_forwarded(Fact::DestinationPaused(fact));
    }

    fn write_forwarded(&mut self, fact: Fact) {
        let place = self.write(fact.clone());
        self.promise(Promise::Forward(place, Box::new(fact)));
    }

    /// The key's record, if anything is known of it.
    fn known(&self, slot: Option<Slot>) -> Result<&KeyRecord, Rejection> {
        let hot = slot.and_then(|slot| self.keys.get(slot));
        let record = hot.map(|hot| &hot.record).filter(|record| record.newest.frame.0 > 0);
        record.ok_or(Rejection::UnknownKey)
    }

    fn known_lane(&self, slot: Option<Slot>, to: DestinationId) -> Result<&Lane, Rejection> {
        self.known(slot)?.lane(to).ok_or(Rejection::UnknownLane)
    }

    fn known_destination(&self, destination: DestinationId) -> Result<(), Rejection> {
        let known = self.directory.destinations.contains_key(&destination);
        if known { Ok(()) } else { Err(Rejection::UnknownDestination) }
    }

    /// Whether it is known that the event at a lane's head entered it.
    fn knows_head(&self, slot: Option<Slot>, lane: LaneId) -> bool {
        let hot = slot.and_then(|slot| self.keys.get(slot));
        let lane = hot.and_then(|hot| Some((hot, hot.lane_at(lane)?)));
        lane.is_some_and(|(hot, at)| hot.knows_head(at))
    }

    /// Whether an event may be sent again by itself: one that its lane has passed, or one that a
    /// strand of an unordered key stands at.
    fn may_redrive(
        &self,
        slot: Option<Slot>,
        destination: DestinationId,
        sequence: Sequence,
    ) -> Result<(), Rejection> {
        let lane = self.known_lane(slot, destination)?;
        let record = self.known(slot)?;
        let lanes = record.lanes_to(destination);
        match record.strand(destination, sequence) {
            Some(strand) if strand.is_stopped() => return Ok(()),
            Some(strand) if strand.has_backlog() => return Err(Rejection::NotPassed),
            Some(_) => return Err(Rejection::AlreadyRedriven),
            None => {}
        }
        check_passed(lane, lanes.iter().map(|lane| lane.redrives.len()).sum(), sequence)
    }

    /// What stands before a key's held events is given up. Of several gaps it is the first: each is decided by itself.
    fn give_up_gap(&mut self, slot: Option<Slot>, key: &Key, from: u64) -> Result<(), Rejection> {
        let order = &self.known(slot)?.order;
        let source = self.settings.sources.get(&key.source);
        let missing = source.and_then(|source| head_gap(source, order));
        let missing = missing.filter(|missing| missing.from == from);
        let (slot, missing) = slot.zip(missing).ok_or(Rejection::NoGap)?;
        let (key, reason) = (key.clone(), AbandonReason::Operator);
        self.write(Fact::GapAbandoned(GapAbandoned { key: key.clone(), missing, reason }));
        self.drain(slot, &key);
        Ok(())
    }

    fn redrive(
        &mut self,
        slot: Option<Slot>,
        key: Key,
        destination: DestinationId,
        passed: Option<Sequence>,
    ) -> Result<(), Rejection> {
        let lanes = self.known(slot)?.lanes_to(destination);
        match passed {
            Some(sequence) => self.may_redrive(slot, destination, sequence)?,
            None if lanes.is_empty() => return Err(Rejection::UnknownLane),
            None if !lanes.iter().any(Lane::is_stopped) => return Err(Rejection::NotStopped),
            None => {}
        }
        // A lane outlives its destination; nothing it has to send would ever go.
        if !self.settings.destinations.contains_key(&destination) {
            return Err(Rejection::UnknownDestination);
        }
        self.write(Fact::Redriven(Redriven { key, destination, passed }));
        Ok(())
    }

    /// A dropped event is the one its stopped lane stands at, or one its lane has passed.
    fn drop_letter(
        &mut self,
        slot: Option<Slot>,
        key: Key,
        letter: DeadLetter,
    ) -> Result<(), Rejection> {
        self.known(slot)?;
        if let DeadLetter::InLane { destination, sequence } = letter {
            let of_key = self.known_lane(slot, destination)?;
            let lane = self.known(slot)?.strand(destination, sequence).unwrap_or(of_key);
            let stands_at_it = sequence == lane.head && lane.is_stopped();
            // Behind a dropped event stands one of the lane's own, or none is known yet.
            let stands_at_it = stands_at_it && self.knows_head(slot, lane.id());
            if lane.redrives.contains(&sequence) {
                return Err(Rejection::AlreadyRedriven);
            }
            let passed = sequence < lane.head && sequence != Sequence(0);
            if !stands_at_it && !passed {
                return Err(Rejection::NotDroppable);
            }
        }
        self.write(Fact::Dropped(Dropped { key, letter }));
        Ok(())
    }
}

fn check_passed(lane: &Lane, redriven: usize, sequence: Sequence) -> Result<(), Rejection> {
    if sequence >= lane.head || sequence == Sequence(0) {
        return Err(Rejection::NotPassed);
    }
    if lane.redrives.contains(&sequence) {
        return Err(Rejection::AlreadyRedriven);
    }
    if redriven >= limits::LANE_EXCEPTIONS {
        return Err(Rejection::TooManyRedriven);
    }
    Ok(())
}

fn key_of(command: &Command) -> Option<&Key> {
    match command {
        Command::PauseKey(key)
        | Command::ResumeKey(key)
        | Command::Rebase(key)
        | Command::GiveUpGap { key, .. }
        | Command::Redrive { key, .. }
        | Command::RedriveGone { key, .. }
        | Command::Rewind { key, .. }
        | Command::Acknowledge { key, .. }
        | Command::Drop { key, .. } => Some(key),
        Command::PauseDestination(_)
        | Command::PauseGone(_)
        | Command::ResumeDestination(_)
        | Command::Declare(_) => None,
    }
}
