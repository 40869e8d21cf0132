//! Tables by numbers that Sprag itself gives: places, tickets, attempts, questions to the log.
//!
//! Nobody outside chooses them, so the hash need not withstand one who does, as the standard library's must.
//! Must not know: what is in a table.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

/// Values by such a number.
pub type ByNumber<Number, Value> = HashMap<Number, Value, RandomState>;

/// Such numbers.
pub type Numbers<Number> = HashSet<Number, RandomState>;
