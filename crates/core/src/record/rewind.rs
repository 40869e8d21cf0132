//! What a lane that sends history again knows of where it stood.

use alloc::vec::Vec;

use super::{Lane, Omission};
use crate::id::Sequence;

/// Where a lane that was set back goes on behind what it sends again (decision record 037).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewind {
    /// The last event that it sends again.
    pub until: Sequence,
    /// Where it stood: everything before was settled.
    pub resume: Sequence,
    /// The last event it had delivered in order then.
    pub delivered: Sequence,
    /// What it had settled without delivery since.
    pub omitted: Vec<Omission>,
    /// How often the event it stood at had failed: what was tried was taken, whatever its destination takes by
    /// then, and its tries count on.
    pub failures: u32,
}

impl Lane {
    /// The last event it comes to without a jump.
    #[must_use]
    pub fn reach(&self) -> Sequence {
        let rewound = self.rewound.as_ref().filter(|rewind| rewind.until.next() < rewind.resume);
        rewound.map_or(self.tail, |rewind| rewind.until)
    }

    /// Whether it sends an event again that it had settled.
    #[must_use]
    pub fn sends_again(&self, sequence: Sequence) -> bool {
        self.rewound.as_ref().is_some_and(|rewind| sequence <= rewind.until)
    }

    /// The event that it stood at when it was set back, if that had been tried.
    #[must_use]
    pub fn tried_before(&self) -> Option<Sequence> {
        let rewound = self.rewound.as_ref().filter(|rewind| rewind.failures > 0);
        rewound.map(|rewind| rewind.resume)
    }

    /// Whether it jumps over an event that it does not send again.
    #[must_use]
    pub fn jumps_over(&self, sequence: Sequence) -> bool {
        let rewound = self.rewound.as_ref();
        rewound.is_some_and(|rewind| sequence > rewind.until && sequence < rewind.resume)
    }
}
