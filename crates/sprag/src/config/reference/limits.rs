//! The keys of `[limits]` and `[retention]`.

use super::Omitted::{Absent, Value};
use super::{Key, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "limits.connections",
        "integer 1–1000000",
        Value("10000"),
        "Open connections to `server.listen`; further ones wait to be accepted.",
    ),
    key(
        "limits.request_time",
        "duration 1s–10m",
        Value(r#""30s""#),
        "For receiving the head and body of one request, and a connection on which nothing is under way ends after it.",
    ),
    key(
        "limits.hot_keys",
        "integer 1–100000000",
        Value("100000"),
        "Keys with their state in memory, over all partitions.",
    ),
    key(
        "limits.key_backlog",
        "integer 1–30000",
        Value("10000"),
        "Events one key may hold behind a gap; beyond it this key is answered 429.",
    ),
    key(
        "limits.destination_backlog",
        "size 1KiB–16384GiB",
        Absent("the disk is the limit"),
        "Bytes of bodies that may wait for one destination. Operators are told at 50 and 80 %; at the limit the lanes that made no progress for longest become dead letters (`backlog-full`). Ingress and other destinations are not affected.",
    ),
    key(
        "limits.dedupe_ids",
        "integer 1–100000000",
        Value("250000"),
        "Ids and positions kept in memory for dedupe, over all partitions; older ones are looked up.",
    ),
    key("limits.forgotten", "integer 0–1000000000", Value("1000000"), "Tombstones that are kept."),
    key(
        "limits.partition_rate",
        "`N/s`, `N/m` or `N/h`",
        Absent("no limit"),
        "Events of one partition at the most; beyond it the answer is 429.",
    ),
    key(
        "limits.disk_reserve",
        "size 1MiB–1024GiB",
        Value(r#""512MiB""#),
        "Free space below which ingress answers 503.",
    ),
    key(
        "retention.bodies",
        "duration 1s–3650d",
        Value(r#""30d""#),
        "Bodies that nothing waits for are deleted after this time. Facts and hashes stay.",
    ),
    key(
        "retention.facts",
        "duration 1s–3650d",
        Value(r#""400d""#),
        "History is deleted after this time, but for what waits and all behind it. No shorter than `bodies`, or than any source's `dedupe` or `hold.wait`.",
    ),
];
