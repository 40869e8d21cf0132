//! How often everything happened, over one seed or over a sweep.

use std::collections::BTreeMap;

/// Counts by section and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(&'static str, &'static str), u64>);

/// What a full sweep must have seen at least once, by section.
const REQUIRED: &[(&str, &[&str])] = &[
    (
        "fault",
        &[
            "crash",
            "bad start",
            "crash between effects",
            "crash in a disk operation",
            "power cut",
            "torn tail dropped",
            "unsynced frames kept",
            "clean shutdown",
            "reconfigured",
            "claimed by another owner",
            "clock forwards",
            "clock back",
            "suspended",
            "write failed",
            "write torn",
            "sync failed",
            "sync failed and forgot",
            "new segment failed",
            "read failed",
            "disk full",
            "bit flipped",
            "dictionary damaged",
            "state lost batches",
            "state lost",
            "state of another log",
            "state refused a batch",
            "flood",
            "partition lost its term",
        ],
    ),
    (
        "provider",
        &[
            "shuffled",
            "delayed",
            "dropped",
            "repeated",
            "repeated with another id",
            "repeated with another body",
            "contradicted",
            "poison",
            "stale signature",
            "other type",
            "sent after all",
            "counts anew",
            "unreadable",
            "burst",
            "refused",
            "no connection",
            "connection broke",
        ],
    ),
    (
        "consumer",
        &[
            "answers",
            "fails",
            "fails and says when to retry",
            "hangs",
            "acts, then fails to answer",
            "unreachable",
            "broken key",
            "connection cut",
            "consumer died",
            "hung key",
            "answers slowly",
            "drops",
            "in an outage",
            "outage: unreachable",
            "outage: errors",
            "outage: hangs",
            "outage: throttles",
            "outage: gone",
            "accepts",
            "acknowledges before it answers",
            "acknowledges twice",
            "acknowledges too late",
            "never acknowledges",
            "acknowledged",
            "acknowledged what was settled",
            "acknowledged what does not wait",
            "acknowledges nothing of a range",
            "acknowledges a whole range",
            "acknowledges a part",
            "acknowledges a part and fails",
            "has others of the key",
            "gets what waited in vain",
            "has what it refers to",
        ],
    ),
    (
        "authority",
        &[
            "asked",
            "asked again",
            "asked for what follows",
            "answers",
            "answers late",
            "unreachable",
            "fails",
            "throttles",
            "gives a part",
            "has nothing",
            "says there is none",
            "gives more",
            "gives other bodies",
        ],
    ),
    (
        "compare",
        &[
            "asked",
            "says",
            "says late",
            "lags",
            "claims what never was",
            "has no such resource",
            "unreachable",
            "fails",
            "throttles",
            "says nothing of use",
            "a difference is due",
            "brings in",
        ],
    ),
    ("theirs", &["released", "held", "duplicate"]),
    (
        "list",
        &[
            "read",
            "read once more",
            "answers",
            "answers late",
            "unreachable",
            "fails",
            "throttles",
            "gives a part",
            "gives other bodies",
            "brought what was lost",
            "brought what is known",
        ],
    ),
    ("outage", &["surely down", "probes", "breaker opened", "breaker closed"]),
    ("pool", &["usual", "slow"]),
    (
        "command",
        &[
            "pause key",
            "resume key",
            "pause destination",
            "resume destination",
            "redrive",
            "redrive passed",
            "drop",
            "drop at ingress",
            "rebase",
            "give up a gap",
            "rewind",
        ],
    ),
    ("operator", &["removal refused"]),
    (
        "reload",
        &[
            "accepted",
            "accepted: after its names",
            "refused",
            "refused, removed too early",
            "crashed on the way",
        ],
    ),
    ("restore", &["backup taken", "crashed", "known key", "unknown key"]),
    ("alert", &["sequence-reset"]),
    (
        "memory",
        &[
            "left: nothing to do",
            "left: waits for its time",
            "left: waits for an operator",
            "permit withdrawn",
            "back: a lane is due",
            "back: a hold ends",
            "back: not acknowledged",
            "turn of an unordered key over",
        ],
    ),
    (
        "fact",
        &[
            "claimed",
            "source-declared",
            "destination-declared",
            "destination-paused",
            "destination-paused: gone",
            "destination-resumed",
            "received",
            "received: refilled",
            "received: of the authority",
            "refill-ended",
            "refill-ended: brought events",
            "reconciled",
            "reconciled: the source is older",
            "held",
            "released",
            "released: same instant",
            "released: sorted as it settled",
            "released: by rank",
            "released: fresh in part",
            "released: concurrent",
            "released: without its causes",
            "released: behind its causes",
            "released: over states that never came",
            "held, then never next",
            "released: over what led there",
            "released: late by its link",
            "released: one of several that follow",
            "held, then a contradiction",
            "duplicate",
            "conflict",
            "invalid",
            "invalid: ahead of time",
            "invalid: unreadable",
            "invalid: too many fields",
            "invalid: shrinking clock",
            "invalid: too many nodes",
            "invalid: unknown state",
            "stale",
            "superseded",
            "filtered",
            "late-dead",
            "unmet",
            "released: late and dead",
            "released: late and aside",
            "released: undone",
            "released: undone once more",
            "released: several undone",
            "lane-opened",
            "lane-ended",
            "lane-ended: abandoned",
            "backlog-dropped",
            "backlog-dropped: several",
            "keys-visited",
            "destination-retired",
            "released: filtered",
            "released: unordered",
            "strands-taken",
            "ignored",
            "refused",
            "refused: counted",
            "sequence-reset",
            "rebased",
            "restored",
            "jumped",
            "gap-opened",
            "gap-filled",
            "gap-abandoned",
            "gap-abandoned: operator",
            "gap-abandoned: rebased",
            "gap-abandoned: gone",
            "attempted",
            "attempted: accepted",
            "attempted: not acknowledged",
            "acknowledged",
            "acknowledged: out of order",
            "batched",
            "batched: several",
            "redriven",
            "rewound",
            "dropped",
            "key-paused",
            "key-resumed",
            "carried",
            "forgotten",
            "returned",
            "tombstone",
            "boundary",
        ],
    ),
    ("forgetting", &["forgotten", "came back", "tombstone became a floor", "began behind a floor"]),
    ("backlog", &["below half", "half", "80 %", "full"]),
    (
        "retention",
        &[
            "segment rewritten",
            "rewriting failed",
            "frames deleted",
            "body dropped",
            "state lost behind a deletion",
        ],
    ),
    ("body", &["packed", "packed with a dictionary"]),
    (
        "answer",
        &[
            "released",
            "late",
            "held",
            "duplicate",
            "conflict",
            "invalid",
            "stale",
            "ignored",
            "done",
            "unavailable",
            "busy: key backlog",
            "busy: keys",
            "busy: loading",
            "busy: rate",
            "rejected: unknown key",
            "rejected: unknown lane",
            "rejected: unknown destination",
            "rejected: not stopped",
            "rejected: lane busy",
            "rejected: stopped",
            "rejected: unordered",
            "rejected: nothing to replay",
            "rejected: no gap",
            "rejected: not passed",
            "rejected: already redriven",
            "rejected: too many redriven",
            "rejected: not droppable",
            "rejected: body gone",
            "rejected: outside tolerance",
        ],
    ),
];

impl Counts {
    /// One more.
    pub(crate) fn hit(&mut self, section: &'static str, name: &'static str) {
        self.add(section, name, 1);
    }

    /// Several more.
    pub(crate) fn add(&mut self, section: &'static str, name: &'static str, count: u64) {
        *self.0.entry((section, name)).or_default() += count;
    }

    /// How often something happened.
    #[must_use]
    pub fn of(&self, section: &'static str, name: &'static str) -> u64 {
        self.0.get(&(section, name)).copied().unwrap_or(0)
    }

    /// Takes the counts of another seed in.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(*name).or_default() += count;
        }
    }

    /// What a full sweep must have seen and did not.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let all = REQUIRED
            .iter()
            .flat_map(|(section, names)| names.iter().map(move |name| (*section, *name)));
        all.filter(|(section, name)| self.of(section, name) == 0)
            .map(|(section, name)| format!("{section}: {name}"))
            .collect()
    }

    /// The table, one line per name.
    #[must_use]
    pub fn table(&self) -> String {
        let mut all = self.0.clone();
        for (section, names) in REQUIRED {
            for name in *names {
                all.entry((section, name)).or_default();
            }
        }
        let line = |((section, name), count): (&(&str, &str), &u64)| {
            format!("  {section:<10}{name:<34}{count:>12}\n")
        };
        all.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_is_named() {
        let mut counts = Counts::default();
        let all = counts.missing().len();
        counts.hit("fault", "crash");
        assert_eq!(counts.missing().len(), all - 1);
        assert!(counts.missing().contains(&"answer: late".to_owned()));
    }
}
