//! The keys of `[sources.*.reconcile]`.

use super::Omitted::{Absent, Required, Value};
use super::{Key, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "sources.*.reconcile",
        "table",
        Absent("a source is not compared"),
        "Contracts `fifo` with a sequence, `latest` and `settle`: keys that are at rest are compared with what the source has of them. A difference is a fact, a metric and an alert.",
    ),
    key(
        "sources.*.reconcile.url",
        "URL with a key",
        Required,
        "Where the resource of a key is: got, and read as JSON. `{key}` is the key as `sprag-key` has it, `{key.1}` its first part; in path and query only.",
    ),
    key(
        "sources.*.reconcile.headers",
        "table",
        Absent("none are added"),
        "Headers that go with every question, at most 32.",
    ),
    key(
        "sources.*.reconcile.headers.*",
        "string, or `env:NAME` or `file:PATH`",
        Required,
        "A header and its value; one that begins with `env:` or `file:` is read there and never shown.",
    ),
    key(
        "sources.*.reconcile.version",
        "`body:/pointer`",
        Absent("required where `position` is a sequence or version"),
        "Where the newest number of the resource is in an answer: what its newest event had.",
    ),
    key(
        "sources.*.reconcile.timestamp",
        "`body:/pointer`",
        Absent("required where `position` is a timestamp"),
        "Where the time of the newest change of the resource is in an answer: exactly what its newest event had.",
    ),
    key(
        "sources.*.reconcile.unit",
        "`s`, `ms`, `us`, `ns`, `rfc3339`",
        Absent("as `position` says"),
        "How that time is written.",
    ),
    key(
        "sources.*.reconcile.type_at",
        "`body:/pointer` or `const:TEXT`",
        Value(r#""const:reconciled""#),
        "With `then = \"event\"` the type of the event.",
    ),
    key(
        "sources.*.reconcile.every",
        "duration 1s–400d",
        Value(r#""1h""#),
        "How long between two passes through the keys of the source.",
    ),
    key(
        "sources.*.reconcile.sample",
        "percentage 0.1%–100%",
        Value(r#""100%""#),
        "Which share of the keys a pass compares: another share each time, so that all keys come in turn.",
    ),
    key(
        "sources.*.reconcile.rate",
        "`N/s`, `N/m` or `N/h`",
        Value(r#""1/s""#),
        "Questions at the most, over all keys of the source; four are under way at a time.",
    ),
    key(
        "sources.*.reconcile.grace",
        "duration 100ms–30d",
        Value(r#""1m""#),
        "How long a key must be quiet, with nothing held and everything delivered, before it is compared: what is on its way is no difference.",
    ),
    key(
        "sources.*.reconcile.then",
        "`note`, `refill`, `event`",
        Value(r#""note""#),
        "What follows where the source is ahead: nothing more; what follows the key's last position is asked for (`refill`); or the answer comes in as an event with `sprag-origin: reconciled`, whose id is `reconciled:` and its position (not with `fifo`).",
    ),
    key(
        "sources.*.reconcile.allow",
        "array of address ranges",
        Value("[]"),
        "Private addresses that may be connected to all the same, such as `127.0.0.0/8`.",
    ),
    key(
        "sources.*.reconcile.ca",
        "path",
        Absent("only public roots are accepted"),
        "A PEM file with roots accepted besides the public ones.",
    ),
];
