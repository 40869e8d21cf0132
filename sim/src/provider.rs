//! The provider: sends, waits for the answer, and sends again until it gets a 2xx.

use std::collections::{BTreeMap, BTreeSet};

use sprag_core::input::Ticket;
use sprag_core::output::{Answer, Busy};

use crate::dice::Dice;
use crate::schedule::{Instant, MILLISECOND};
use crate::workload::Post;

/// Tries after which a provider that only hears "busy" gives up, once all else is repaired.
const PATIENCE: u32 = 25;

/// How far the sending of a post has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Planned,
    Sent,
    Over,
}

/// The provider of a simulation.
#[derive(Debug)]
pub(crate) struct Provider {
    posts: Vec<Post>,
    progress: Vec<(Progress, u32)>,
    tickets: BTreeMap<Ticket, usize>,
    left: usize,
    /// Since when posts are turned away because memory is full.
    turned_away: BTreeMap<usize, Instant>,
    /// Where it sends in the order of its posts, whatever breaks: those that wait to be sent once more.
    put_off: Option<BTreeSet<usize>>,
    pub(crate) dice: Dice,
}

impl Provider {
    pub(crate) fn new(posts: Vec<Post>, dice: Dice) -> Self {
        let progress = vec![(Progress::Planned, 0); posts.len()];
        let (left, turned_away) = (posts.len(), BTreeMap::new());
        Self { posts, progress, tickets: BTreeMap::new(), left, turned_away, put_off: None, dice }
    }

    /// What broke off is sent once more at once, and before anything behind it.
    pub(crate) fn keep_order(&mut self) {
        self.put_off = Some(BTreeSet::new());
    }

    /// A post could not be sent, or is to be sent once more.
    pub(crate) fn is_put_off(&mut self, post: usize) {
        self.put_off.iter_mut().for_each(|waiting| waiting.extend([post]));
    }

    /// Whether no earlier post waits to be sent once more.
    pub(crate) fn is_turn_of(&self, post: usize) -> bool {
        let waiting = self.put_off.as_ref().and_then(BTreeSet::first);
        waiting.is_none_or(|first| *first >= post)
    }

    /// One more thing to send.
    pub(crate) fn add(&mut self, post: Post) -> usize {
        self.posts.push(post);
        self.progress.push((Progress::Planned, 0));
        self.left += 1;
        self.posts.len() - 1
    }

    pub(crate) fn posts(&self) -> &[Post] {
        &self.posts
    }

    /// Whether everything was answered or given up.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// A post leaves under a ticket.
    pub(crate) fn sent(&mut self, post: usize, ticket: Ticket) {
        self.progress[post].0 = Progress::Sent;
        self.progress[post].1 += 1;
        self.tickets.insert(ticket, post);
        self.put_off.iter_mut().for_each(|waiting| waiting.retain(|other| *other != post));
    }

    /// The post of a ticket that is answered now.
    pub(crate) fn answered(&mut self, ticket: Ticket) -> Option<usize> {
        self.tickets.remove(&ticket)
    }

    /// What comes after an answer: nothing, or another try after a while.
    pub(crate) fn next_try(
        &mut self,
        post: usize,
        answer: &Answer,
        patient: bool,
    ) -> Option<Instant> {
        let again = match answer {
            Answer::Event { .. } | Answer::Done | Answer::Settled => false,
            Answer::Rejected(_) => !std::mem::replace(&mut self.posts[post].in_time, true),
            // A halted gap may fill a key for ever; memory has room again.
            Answer::Busy(Busy::KeyBacklog) => patient || self.progress[post].1 < PATIENCE,
            Answer::Busy(Busy::Keys | Busy::Loading | Busy::Rate { .. }) => true,
            Answer::Unavailable => true,
        };
        if !again {
            self.progress[post].0 = Progress::Over;
            self.left -= 1;
            return None;
        }
        Some(if self.put_off.is_some() { 100 * MILLISECOND } else { self.pause() })
    }

    /// Since when a post is turned away for want of memory, given its newest answer.
    pub(crate) fn turned_away(
        &mut self,
        post: usize,
        now: Instant,
        answer: &Answer,
    ) -> Option<Instant> {
        if *answer != Answer::Busy(Busy::Keys) {
            self.turned_away.remove(&post);
            return None;
        }
        Some(*self.turned_away.entry(post).or_insert(now))
    }

    /// How long it waits before it tries again.
    pub(crate) fn pause(&mut self) -> Instant {
        if self.put_off.is_some() {
            return MILLISECOND;
        }
        self.dice.between(100 * MILLISECOND, 2_000 * MILLISECOND)
    }

    /// All connections broke: who waited for an answer has none.
    pub(crate) fn disconnected(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.tickets).into_values().collect()
    }

    /// Tickets that have no answer yet, oldest first.
    pub(crate) fn oldest_ticket(&self) -> Option<Ticket> {
        self.tickets.first_key_value().map(|(ticket, _)| *ticket)
    }
}
