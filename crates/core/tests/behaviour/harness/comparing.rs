//! Comparing with the authority, as the driver carries it.

use std::sync::Arc;
use std::time::Duration;

use sprag_core::compares::{Comparer, Compares};
use sprag_core::fact::{Origin, RefillOutcome};
use sprag_core::input::{Compared, Input};
use sprag_core::output::{Compare, Output};
use sprag_core::position::Position;
use sprag_core::settings::Settings;

use super::describe;
use super::outside::Post;
use super::world::{World, partition_of};

/// The turns of comparisons, and those that are under way; those of a term before still end.
#[derive(Debug, Default)]
pub(crate) struct Comparing {
    pub(crate) turns: Compares,
    pub(crate) under_way: Vec<Compare>,
}

impl Comparing {
    /// A process starts.
    pub(crate) fn by(settings: &Settings) -> Self {
        let mut comparing = Self::default();
        comparing.turns.revise(settings);
        comparing
    }
}

impl World {
    pub(super) fn about_compare(&mut self, at: usize, output: Output) {
        let partition = self.nodes[at].log.partition;
        match output {
            Output::WantCompare(source) => {
                self.comparing.turns.want(Comparer { source, partition });
            }
            Output::SpareCompare(source) => self.comparing.turns.spare(source),
            Output::Compare(compare) => {
                self.trace.push(format!("  compare {}", compare.key.name));
                self.comparing.under_way.push(*compare);
            }
            Output::BringTheirs(theirs) => {
                let position = describe::position(&theirs.position);
                self.trace.push(format!("  theirs {} position={position}", theirs.key.name));
                self.post(&Post {
                    source: theirs.key.source.0,
                    key: theirs.key.name.to_string(),
                    id: Some(format!("reconciled:{}", theirs.position.text())),
                    position: theirs.position,
                    event_type: "changed".to_owned(),
                    body: String::from_utf8_lossy(&theirs.body).into_owned(),
                    origin: Origin::Reconciled,
                    ..Post::default()
                });
            }
            _ => {}
        }
    }

    pub(super) fn let_compare(&mut self) -> bool {
        let Some(next) = self.comparing.turns.poll(self.now.elapsed) else { return false };
        self.handle(usize::from(next.partition.0), Input::MayCompare(next.source));
        true
    }

    /// A comparison under way ends.
    pub(crate) fn end_compare(
        &mut self,
        which: usize,
        outcome: RefillOutcome,
        theirs: Option<Position>,
        retry_after: Option<Duration>,
    ) {
        let Compare { id, key, quiet } = self.comparing.under_way.remove(which);
        self.comparing.turns.ended(self.now.elapsed, key.source, outcome, retry_after);
        let at = usize::from(partition_of(&key).0);
        let body = theirs.as_ref().map(|theirs| Arc::from(theirs.text().as_bytes()));
        let compared = Compared { id, key, quiet, outcome, theirs, body, retry_after };
        self.handle(at, Input::Compared(Box::new(compared)));
    }
}
