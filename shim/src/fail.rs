//! Which calls are made to fail: `SPRAG_SHIM_FAIL` is `KIND ERRNO FIRST TIMES PREFIX`, for instance
//! `write 28 17 1 log/`: the 17th write to a file whose path begins with `log/` gets ENOSPC, once.
//!
//! A prefix of `-` is all files. `any` counts calls of every kind.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use libc::c_int;

use crate::kernel;

/// The calls that can be made to fail.
pub(crate) const OPEN: &str = "open";
pub(crate) const WRITE: &str = "write";
pub(crate) const SYNC: &str = "sync";
pub(crate) const CUT: &str = "cut";
pub(crate) const REMOVE: &str = "remove";

struct Rule {
    kind: &'static str,
    why: c_int,
    first: u64,
    times: u64,
    prefix: &'static str,
}

/// Why this call fails; none when it does not.
pub(crate) fn verdict(kind: &str, path: &[u8]) -> Option<c_int> {
    static RULE: OnceLock<Option<Rule>> = OnceLock::new();
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let read = || Rule::read(kernel::setting(c"SPRAG_SHIM_FAIL")?.to_str().ok()?);
    let rule = RULE.get_or_init(read).as_ref()?;
    if !rule.speaks_of(kind, path) {
        return None;
    }
    let call = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    (call >= rule.first && call - rule.first < rule.times).then_some(rule.why)
}

impl Rule {
    fn read(text: &'static str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            kind: words.next()?,
            why: words.next()?.parse().ok()?,
            first: words.next()?.parse().ok()?,
            times: words.next()?.parse().ok()?,
            prefix: words.next()?,
        })
    }

    fn speaks_of(&self, kind: &str, path: &[u8]) -> bool {
        (self.kind == "any" || self.kind == kind)
            && (self.prefix == "-" || path.starts_with(self.prefix.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_speaks_of_its_kind_below_its_prefix() {
        let rule = Rule::read("write 28 17 1 log/").unwrap();
        assert_eq!((rule.why, rule.first, rule.times), (28, 17, 1));
        assert!(rule.speaks_of(WRITE, b"log/1.segment"));
        assert!(!rule.speaks_of(SYNC, b"log/1.segment") && !rule.speaks_of(WRITE, b"state.sqlite"));
        assert!(Rule::read("any 5 1 9 -").unwrap().speaks_of(CUT, b""));
        assert!(Rule::read("write 28").is_none());
    }
}
