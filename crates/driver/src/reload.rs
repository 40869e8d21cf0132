//! Another configuration while everything goes on (decision 015). What it means for keys and lanes is
//! the core's; here it is brought to all of them at once, or to none.
//!
//! ```text
//!            history reads otherwise, something waits, or patience ends: refused, nothing changed
//!               ▲
//!   asked ──▶ wanted ──▶ accepted ──▶ names declared ──▶ durable ──▶ in force
//!                           └───────────── nothing to declare ──────────▲
//! ```
//!
//! - **Wanted.** It is decided when history can be written and, where a destination is gone, all
//!   partitions serve and nothing is left for it durably: what a commit that fails might bring back
//!   counts as left (L7). That may take a moment, for which it waits; in doubt it is refused.
//! - **Accepted.** Nothing can refuse it any more. From this step on no event enters a destination
//!   that goes, so that what was found empty stays so; everything else is as it was.
//! - **Declared.** Partition 0 writes down the names that are new and those that are retired. Until
//!   that is durable no fact may use their numbers, and no partition begins a term (F6).
//! - **In force.** In one step: settings, rates and destinations are what the plan says, in every
//!   partition that serves; one that recovers resumes under them. The notice that says so lies before
//!   every attempt that is decided under them.
//!
//! **Crashes.** What is in force is not durable: the next process reads what the operator's file says
//! then and decides about it as at any start. Before the declarations are durable nothing of the
//! reload is left. After that its names have their numbers, whatever is configured next: one that is
//! configured no more has nothing that waits for it, one that was retired is, and comes again as
//! another. **A partition 0 that loses its term** in between declares again, what history does not
//! have by then.

use std::sync::Arc;

use sprag_core::chain::Digest;
use sprag_core::destination::Destination;
use sprag_core::fact::Fact;
use sprag_core::id::{DestinationId, PartitionId};
use sprag_core::input::{Command, Input};
use sprag_core::partition::Left;
use sprag_core::plan::Plan;
use sprag_core::settings::Settings;
use sprag_core::time::{ElapsedMicros, Now};
use sprag_log::Log;

use crate::effect::{Configured, Effect, Notice, ReloadRefused};
use crate::limits;
use crate::node::{Node, OWN_TICKET};
use crate::owner::Stage;
use crate::state::State;

/// What becomes of another configuration.
#[derive(Debug, Default)]
pub(crate) enum Reload {
    /// There is none.
    #[default]
    None,
    /// It waits until it can be decided, for so long.
    Wanted(Box<Plan>, ElapsedMicros),
    /// It is the node's plan, and waits for its names.
    Accepted,
}

/// Whether a plan may follow.
enum Verdict {
    Accepted(Settings, Vec<Fact>),
    Refused(ReloadRefused),
    /// It cannot be said now.
    Later,
}

impl<L: Log, S: State, D: Digest + Clone> Node<L, S, D> {
    /// Another configuration. A notice says what became of it: [`Notice::Reloaded`], or
    /// [`Notice::ReloadRefused`] and nothing has changed.
    pub fn reload(&mut self, now: Now, plan: Plan) {
        match self.reload {
            Reload::None => {
                // Which restore the log comes from is not configured.
                let plan = Plan { restore: self.plan.restore, ..plan };
                let until = now.elapsed.after(limits::RELOAD_PATIENCE);
                self.reload = Reload::Wanted(Box::new(plan), until);
            }
            _ => self.refuse_reload(ReloadRefused::Busy),
        }
    }

    fn refuse_reload(&mut self, why: ReloadRefused) {
        self.effects.push_back(Effect::Notice(Notice::ReloadRefused(why)));
    }

    /// Decides about what is wanted, if that can be said by now.
    pub(crate) fn decide_reload(&mut self, now: Now) -> bool {
        let Reload::Wanted(plan, until) = &self.reload else { return false };
        let verdict = self.judge(plan);
        let is_over = *until <= now.elapsed;
        match verdict {
            Verdict::Later if !is_over => return false,
            Verdict::Later => {
                self.reload = Reload::None;
                self.refuse_reload(ReloadRefused::NotNow);
            }
            Verdict::Refused(why) => {
                self.reload = Reload::None;
                self.refuse_reload(why);
            }
            Verdict::Accepted(settings, facts) => self.accept(now, settings, &facts),
        }
        true
    }

    fn judge(&self, plan: &Plan) -> Verdict {
        let is_ready = self.is_declared && matches!(self.owners[0].stage, Stage::Serving);
        // What goes at this moment a destination that comes may still take.
        if !is_ready || self.retention.is_deleting() {
            return Verdict::Later;
        }
        let directory = self.owners[0].partition.directory();
        let (settings, facts) = match plan.resolve(directory) {
            Ok(resolved) => resolved,
            Err(changed) => return Verdict::Refused(ReloadRefused::SourceChanged(changed)),
        };
        for gone in plan.removed(directory) {
            match self.left_for(gone.destination) {
                Left::Nothing => {}
                Left::Unsure => return Verdict::Later,
                Left::Something => {
                    let removed = crate::effect::RemovedTooEarly {
                        backlog: self.backlog(gone.destination),
                        name: gone.name,
                    };
                    return Verdict::Refused(ReloadRefused::RemovedTooEarly(removed));
                }
            }
        }
        Verdict::Accepted(settings, facts)
    }

    /// What is left for a destination, over all partitions.
    fn left_for(&self, destination: DestinationId) -> Left {
        let left = self.owners.iter().map(|owner| match owner.stage {
            Stage::Serving => owner.partition.left_for(destination),
            _ => Left::Unsure,
        });
        left.max().unwrap_or(Left::Nothing)
    }

    fn accept(&mut self, now: Now, settings: Settings, facts: &[Fact]) {
        let Reload::Wanted(plan, _) = std::mem::replace(&mut self.reload, Reload::Accepted) else {
            return;
        };
        self.plan = *plan;
        if facts.is_empty() {
            self.put_in_force(now, settings);
            return;
        }
        self.is_declared = false;
        self.close_what_goes(now, &settings);
        self.declare(now);
    }

    /// Whether a reload is accepted and not in force yet: until then nothing of history goes.
    pub(crate) fn is_reloading(&self) -> bool {
        matches!(self.reload, Reload::Accepted)
    }

    /// No event enters a destination that goes any more.
    fn close_what_goes(&mut self, now: Now, next: &Settings) {
        let Some(settings) = &self.settings else { return };
        let stays = |id: &DestinationId| next.destinations.contains_key(id);
        if settings.destinations.keys().all(stays) {
            return;
        }
        let mut closed = Settings::clone(settings);
        closed.sources.values_mut().for_each(|source| source.destinations.retain(stays));
        self.bring(now, &Arc::new(closed));
    }

    /// Lets partition 0 write down the names that history does not know yet.
    pub(crate) fn declare(&mut self, now: Now) {
        let Ok((_, facts)) = self.plan.resolve(self.owners[0].partition.directory()) else {
            return;
        };
        if facts.is_empty() {
            self.declared(now);
        } else {
            let command = Command::Declare(facts);
            let input = Input::Command { ticket: OWN_TICKET, command };
            self.input(now, PartitionId(0), input);
        }
    }

    /// The names are written down durably: from now on facts may use their numbers.
    pub(crate) fn declared(&mut self, now: Now) {
        self.is_declared = true;
        if matches!(self.reload, Reload::Accepted)
            && let Ok((settings, _)) = self.plan.resolve(self.owners[0].partition.directory())
        {
            self.put_in_force(now, settings);
        }
        self.resume_others(now);
    }

    fn put_in_force(&mut self, now: Now, settings: Settings) {
        self.reload = Reload::None;
        let settings = Arc::new(settings);
        for (id, told) in &settings.destinations {
            let known = self.destinations.entry(*id);
            known.and_modify(|to| to.revise(told)).or_insert_with(|| Destination::new(told));
        }
        self.intake.revise(&settings);
        self.refills.revise(&settings);
        self.compares.revise(&settings);
        self.lists.revise(now, &settings);
        self.retention.revise(self.plan.retention);
        self.retention.judge_anew();
        let configured = Configured::by(&settings);
        self.effects.push_back(Effect::Notice(Notice::Reloaded(configured)));
        for fact in self.owners[0].partition.pauses() {
            self.pause_destinations(&fact);
        }
        self.bring(now, &settings);
        self.let_destinations_go(now);
    }

    /// Brings settings to every partition that serves; the others resume with them.
    fn bring(&mut self, now: Now, settings: &Arc<Settings>) {
        self.settings = Some(settings.clone());
        for owner in self.owners.iter_mut().filter(|owner| matches!(owner.stage, Stage::Serving)) {
            owner.partition.handle(now, Input::Settings(settings.clone()));
        }
    }

    /// Forgets the destinations that are configured no more, once nothing is under way to them.
    pub(crate) fn let_destinations_go(&mut self, now: Now) {
        let Some(settings) = &self.settings else { return };
        let is_over = |(id, to): &(&DestinationId, &Destination)| {
            !settings.destinations.contains_key(id) && to.in_flight() == 0
        };
        let over: Vec<_> = self.destinations.iter().filter(is_over).collect();
        let over: Vec<_> = over.into_iter().map(|(id, to)| (*id, to.is_open())).collect();
        for (destination, was_open) in over {
            self.destinations.remove(&destination);
            // Should it come again, it is not known to be down.
            if was_open {
                for owner in &mut self.owners {
                    let input = Input::Breaker { destination, is_open: false };
                    owner.partition.handle(now, input);
                }
            }
        }
    }
}
