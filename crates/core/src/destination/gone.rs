//! A destination that says it is gone: 410 of three keys within a minute (DESIGN L3).

use alloc::vec::Vec;

use crate::limits;
use crate::time::ElapsedMicros;

/// The keys that were answered 410 lately.
#[derive(Debug, Default)]
pub(super) struct Gone {
    keys: Vec<(u64, ElapsedMicros)>,
    is_gone: bool,
}

impl Gone {
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// A key was answered 410.
    pub(super) fn note(&mut self, now: ElapsedMicros, key: u64) {
        let other = |(known, at): &(u64, ElapsedMicros)| {
            *known != key && now.since(*at) <= limits::GONE_WINDOW
        };
        self.keys.retain(other);
        self.keys.push((key, now));
        self.is_gone |= self.keys.len() >= limits::GONE_KEYS;
    }

    /// It is paused, or resumed: what was seen is dealt with.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
