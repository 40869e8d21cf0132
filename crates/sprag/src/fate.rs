//! The words for what became of an event: one list for what it is at ingress, one for how it
//! fares in a lane. Answers, metrics and the admin API take them from here, and the test run looks
//! whether each of them was observed.
//!
//! It must not know how an event comes to its fate.

use sprag_core::output::Status;

macro_rules! words {
    ($(#[doc = $what:literal])+ $list:ident { $($(#[doc = $meaning:literal])+ $name:ident = $word:literal,)+ }) => {
        $(#[doc = $what])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $list {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl $list {
            /// All of them, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As answers, metrics and documents have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($meaning),+).trim_ascii(),)+ }
            }
        }
    };
}

words! {
    /// What an event is once it is durable: `held` until its turn comes, anything else for good.
    AtIngress {
        /// It has its sequence and entered its lanes.
        Released = "released",
        /// Released after its place was given up.
        Late = "late",
        /// It waits for positions before it.
        Held = "held",
        /// It was received before.
        Duplicate = "duplicate",
        /// Another event has its position; a dead letter.
        Conflict = "conflict",
        /// Its position cannot be right, or nothing usable is in it; a dead letter.
        Invalid = "invalid",
        /// Its type is not accepted here.
        Ignored = "ignored",
        /// A newer event of its key was released before.
        Stale = "stale",
    }
}

impl From<Status> for AtIngress {
    fn from(status: Status) -> Self {
        match status {
            Status::Released => Self::Released,
            Status::Late => Self::Late,
            Status::Held => Self::Held,
            Status::Duplicate => Self::Duplicate,
            Status::Conflict => Self::Conflict,
            Status::Invalid => Self::Invalid,
            Status::Ignored => Self::Ignored,
            Status::Stale => Self::Stale,
        }
    }
}

words! {
    /// How a released event fares in one lane.
    InLane {
        /// It waits for its turn, or for its next attempt.
        Pending = "pending",
        /// An attempt is under way.
        InFlight = "in-flight",
        /// A consumer acknowledged it.
        Delivered = "delivered",
        /// It is a dead letter, or an operator gave it up.
        Dead = "dead",
        /// An override or a newer event went past it.
        Skipped = "skipped",
        /// The destination does not take events of its type.
        Filtered = "filtered",
        /// Its destination was retired.
        Abandoned = "abandoned",
        /// Delivered or dead, and what would tell which lies beyond the search.
        Settled = "settled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_in_the_order_of_their_declaration() {
        let at_ingress: Vec<&str> = AtIngress::ALL.iter().map(|fate| fate.as_str()).collect();
        let in_lane: Vec<&str> = InLane::ALL.iter().map(|fate| fate.as_str()).collect();
        for words in [&at_ingress, &in_lane] {
            assert!(words.iter().enumerate().all(|(at, word)| !words[..at].contains(word)));
        }
        assert!((0..).zip(AtIngress::ALL).all(|(at, fate)| *fate as usize == at));
        assert!((0..).zip(InLane::ALL).all(|(at, fate)| *fate as usize == at));
    }
}
