//! The keys of `[destinations.*]`.

use super::Omitted::{Absent, Required, Value};
use super::{Key, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "destinations.*.from",
        "array of source names",
        Required,
        "Whose events are delivered. Empty where a source's `late_to` names the destination.",
    ),
    key(
        "destinations.*.start",
        "`now`, `earliest` or an RFC 3339 time",
        Value(r#""now""#),
        "Where it begins, decided once, when it is first started with: with what is released from then on, with the first event of every key as far as events are kept, or with the first that was released at that time or later. Events before it are `filtered`.",
    ),
    key(
        "destinations.*.retired",
        "boolean",
        Value("false"),
        "Nothing is sent any more, and what waits is `abandoned`. A destination for which something waits cannot be removed otherwise. Once nothing waits the section can go; the name can then be given to a new destination, which begins as its `start` says.",
    ),
    key(
        "destinations.*.types",
        "array of patterns",
        Value(r#"["*"]"#),
        "Types of the events that are delivered. Others do not enter the lanes: their fate is `filtered`, and the next delivery names them in `sprag-omitted`. What was released before a change keeps its fate. `*` stands for any run of characters.",
    ),
    key("destinations.*.url", "`http` or `https` URL", Required, "Where deliveries are posted."),
    key(
        "destinations.*.secrets",
        "array of secrets",
        Required,
        "`whsec_` secrets (base64) sign with an HMAC (`v1`), `whsk_` private keys with Ed25519 (`v1a`). Each signs every delivery, in this order. At most 8.",
    ),
    key(
        "destinations.*.headers",
        "table",
        Absent("none"),
        "Headers sent with every delivery, such as an `authorization` of the consumer's. They are not under the signatures. At most 32.",
    ),
    key(
        "destinations.*.headers.*",
        "string, or `env:NAME` or `file:PATH`",
        Required,
        "The value, or where it is.",
    ),
    key(
        "destinations.*.forward",
        "array of header names",
        Value("[]"),
        "Headers of the provider's request that are kept and passed on as received. They are not under Sprag's signatures; `authorization` and cookies are never kept. At most 32.",
    ),
    key(
        "destinations.*.timeout",
        "duration 100ms–10m",
        Value(r#""15s""#),
        "For a whole attempt, from connecting to the head of the answer.",
    ),
    key(
        "destinations.*.connect_timeout",
        "duration 10ms–10m",
        Value(r#""5s""#),
        "For connecting, TLS included; at most `timeout`.",
    ),
    key(
        "destinations.*.http",
        "`auto`, `1.1` or `2`",
        Value(r#""auto""#),
        "`auto`: HTTP/2 where an `https` destination offers it, else HTTP/1.1. `2`: HTTP/2 only, to `http` destinations without asking (prior knowledge). Attempts share HTTP/2 connections.",
    ),
    key(
        "destinations.*.concurrency",
        "integer 1–4096",
        Value("64"),
        "Attempts in flight that are not slow.",
    ),
    key(
        "destinations.*.slow_concurrency",
        "integer 1–65536",
        Absent("4 × `concurrency`"),
        "Slow attempts in flight: those that take much longer than usual, and those of lanes whose last attempt failed or was slow. A consumer that always takes longer than `slow_after` has so many at once, and half of `concurrency` besides for lanes that were not tried yet: raise it for more, or `slow_after` above the time it takes and `concurrency` to as many as are to be in flight.",
    ),
    key(
        "destinations.*.slow_after",
        "duration 50ms–10m",
        Value(r#""1s""#),
        "An attempt older than this is slow; earlier if it is eight times as old as usual.",
    ),
    key(
        "destinations.*.rate",
        "`N/s`, `N/m` or `N/h`",
        Absent("no limit"),
        "Attempts at the most; as many may go at once.",
    ),
    key(
        "destinations.*.key_rate",
        "`N/s`, `N/m` or `N/h`",
        Absent("no limit"),
        "Attempts of one lane at the most.",
    ),
    key(
        "destinations.*.retry",
        "table",
        Absent("the defaults below"),
        "When a failed attempt is repeated: exponential with full jitter.",
    ),
    key(
        "destinations.*.retry.first",
        "duration 10ms–1d",
        Value(r#""1s""#),
        "Upper end of the first wait.",
    ),
    key(
        "destinations.*.retry.cap",
        "duration 10ms–7d",
        Value(r#""1h""#),
        "Upper end of any wait; at least `first`.",
    ),
    key(
        "destinations.*.retry.for",
        "duration 1s–365d",
        Value(r#""72h""#),
        "Give up after this time.",
    ),
    key(
        "destinations.*.retry.attempts",
        "integer 1–1000000",
        Absent("only time counts"),
        "Give up after so many attempts.",
    ),
    key(
        "destinations.*.on_give_up",
        "`halt`, `park`, `skip`",
        Value(r#""halt""#),
        "Keep the event at the head of its lane; dead-letter it and all that follows in the lane; or dead-letter it and go on.",
    ),
    key(
        "destinations.*.ack",
        "`answer`, `explicit`",
        Value(r#""answer""#),
        "What acknowledges an event that is answered 202. `answer`: the answer itself. `explicit`: the lane waits until the consumer posts the event's `webhook-id` to `/out/{destination}/ack`. Any other 2xx acknowledges at once.",
    ),
    key(
        "destinations.*.ack_timeout",
        "duration 1s–30d",
        Value(r#""5m""#),
        "How long a 202 waits for its acknowledgement; then the attempt has failed and is repeated or given up like any other. Time during which Sprag does not run does not count. Only with `ack = \"explicit\"`.",
    ),
    key(
        "destinations.*.batch",
        "integer 1–100",
        Absent("each event by itself"),
        "Events of one key that an attempt carries at the most, as a JSON array of envelopes; `sprag-acknowledged: N` in the answer acknowledges a part. Only for sources that read their events as JSON and are not `unordered`, and `batch` times the largest `max_body` of them is at most 64MiB.",
    ),
    key(
        "destinations.*.token",
        "secret",
        Absent("none"),
        "What consumers bring as `Authorization: Bearer …` to `/out/{destination}/…`. Without one that is closed.",
    ),
    key(
        "destinations.*.allow",
        "array of address ranges",
        Value("[]"),
        "Private, loopback and link-local addresses that may be connected to, such as `127.0.0.0/8`. All others of them are refused.",
    ),
    key(
        "destinations.*.ca",
        "path",
        Absent("the public roots"),
        "A PEM file with roots accepted besides the public ones.",
    ),
];
