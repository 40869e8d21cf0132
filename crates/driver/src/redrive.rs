//! Redrives of events that their lane has passed: first the log is asked whether there is still a
//! body to send (DESIGN D6). And lanes that are set back: their lane asks for what is kept when it comes to
//! it.
//!
//! While retention deletes both wait, for what the log would say may not be so a moment later, and what was
//! judged dead before a lane is set back would go after it.

use std::collections::{BTreeSet, VecDeque};

use sprag_core::chain::Digest;
use sprag_core::fact::Fact;
use sprag_core::id::PartitionId;
use sprag_core::input::{Command, Input, Ticket};
use sprag_core::output::Answer as CoreAnswer;
use sprag_core::time::Now;
use sprag_log::{Answer, Log, Query, ReadError};

use crate::ask::Asked;
use crate::node::Node;
use crate::state::State;

/// Redrives of passed events that are not answered yet. There are no more than requests of
/// operators.
#[derive(Debug, Default)]
pub(crate) struct Redrives {
    under_way: BTreeSet<Ticket>,
    waiting: VecDeque<(PartitionId, Ticket, Command)>,
}

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// Looks for the event that is to be sent again, or has a lane set back.
    pub(crate) fn redrive(
        &mut self,
        now: Now,
        partition: PartitionId,
        ticket: Ticket,
        command: Command,
    ) {
        if self.retention.is_deleting() {
            self.redrives.waiting.push_back((partition, ticket, command));
            return;
        }
        self.retention.redrive_begins();
        self.redrives.under_way.insert(ticket);
        let Command::Redrive { key, passed: Some(sequence), .. } = &command else {
            self.input(now, partition, Input::Command { ticket, command });
            return;
        };
        let (key, from, to) = (key.clone(), *sequence, *sequence);
        let query = Query::Sequences { partition, key, from, to, most: 1 };
        self.ask(Asked::Redriven(partition, ticket, Box::new(command)), query);
    }

    /// The log answered where the event is, or whether it is there. A refusal is the core's.
    pub(crate) fn redriven(
        &mut self,
        now: Now,
        partition: PartitionId,
        ticket: Ticket,
        command: Box<Command>,
        result: Result<Answer, ReadError>,
    ) {
        let command = match result {
            Ok(Answer::Sequences(found)) if !found.is_empty() => {
                if let Some(Fact::Released(released)) = found.into_iter().next().map(|f| f.fact) {
                    let query = Query::Event { place: released.event };
                    self.ask(Asked::Redriven(partition, ticket, command), query);
                }
                return;
            }
            Ok(Answer::Sequences(_)) | Err(ReadError::BodyDropped | ReadError::Trimmed { .. }) => {
                gone(*command)
            }
            // Whether there is anything to send is not known now: nothing is promised.
            Err(ReadError::Failed(_)) => {
                self.answer(now, usize::from(partition.0), ticket, CoreAnswer::Unavailable);
                return;
            }
            _ => *command,
        };
        self.input(now, partition, Input::Command { ticket, command });
    }

    pub(crate) fn redrive_answered(&mut self, ticket: Ticket) {
        if self.redrives.under_way.remove(&ticket) {
            self.retention.redrive_ends();
        }
    }

    /// Nothing is being deleted any more.
    pub(crate) fn redrives_go_on(&mut self, now: Now) {
        for (partition, ticket, command) in std::mem::take(&mut self.redrives.waiting) {
            self.redrive(now, partition, ticket, command);
        }
    }
}

/// The command that answers a redrive of an event whose body is gone.
fn gone(command: Command) -> Command {
    match command {
        Command::Redrive { key, destination, passed: Some(passed) } => {
            Command::RedriveGone { key, destination, passed }
        }
        other => other,
    }
}
