//! Every key of the configuration: the one table behind the check for unknown keys and the page
//! docs/reference/configuration.md.
//!
//! `*` stands for a name, `[]` for the elements of an array. A key that is not here cannot be
//! read: `raw` refuses it, and a test compares this table with what the checks read.

/// What it means that a key is omitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Omitted {
    /// Must be given.
    Required,
    /// May be given; absence means what the text says.
    Absent(&'static str),
    /// This TOML value.
    Value(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// `sources.*.hold.wait`
    pub path: &'static str,
    /// What is written there.
    pub kind: &'static str,
    /// What applies without it.
    pub default: Omitted,
    /// What it does, in one or two sentences.
    pub meaning: &'static str,
}

const fn key(
    path: &'static str,
    kind: &'static str,
    default: Omitted,
    meaning: &'static str,
) -> Key {
    Key { path, kind, default, meaning }
}

use Omitted::{Absent, Required, Value};

pub use super::reference_page::reference_markdown;

/// The whole configuration, section by section.
pub const KEYS: &[Key] = &[
    key(
        "server.listen",
        "address",
        Value(r#""127.0.0.1:8080""#),
        "Where providers post (`/in/…`) and consumers ask (`/out/…`).",
    ),
    key(
        "server.admin",
        "address",
        Value(r#""127.0.0.1:8081""#),
        "Where the admin API, health and metrics are. An address that is not loopback needs an admin token.",
    ),
    key(
        "server.data",
        "path",
        Value(r#""./sprag-data""#),
        "The data directory. One process uses it at a time.",
    ),
    key(
        "server.partitions",
        "integer 1–1024",
        Value("16"),
        "Hash ranges of keys, fixed for the life of a data directory.",
    ),
    key(
        "log.engine",
        "`embedded`",
        Value(r#""embedded""#),
        "Where frames are kept: segment files in the data directory.",
    ),
    key(
        "log.body_codec",
        "`zstd` or `none`",
        Value(r#""zstd""#),
        "How bodies are stored: packed one by one where that makes them shorter, or as received. Bodies that are stored already stay as they are and are read either way. `none` saves 10 to 30 µs of CPU per event and takes several times the space.",
    ),
    key(
        "admin.token",
        "secret",
        Absent("`SPRAG_ADMIN_TOKEN`; without that a random token on a loopback address"),
        "Protects the admin API. The environment variable `SPRAG_ADMIN_TOKEN` comes first.",
    ),
    key(
        "sources.*.preset",
        "name of a provider",
        Absent("nothing is preset"),
        "What a provider's webhooks need, in one word; docs/guides/providers has a page for each. Whatever is written beside it comes first.",
    ),
    key(
        "sources.*.verify",
        "table",
        Required,
        "How requests are verified. Nothing is accepted unverified unless `scheme = \"none\"` says so.",
    ),
    key(
        "sources.*.verify.scheme",
        "`standard-webhooks`, `svix`, `sprag`, `github`, `stripe`, `shopify`, `slack`, `square`, `twilio`, `hmac`, `token`, `basic`, `none`",
        Required,
        "The scheme of the signature.",
    ),
    key(
        "sources.*.verify.secrets",
        "array of secrets",
        Absent("none, which only scheme `none` allows"),
        "Any of them may match, so a secret is rotated by naming the old and the new one. At most 8. `whsec_` secrets or `whpk_` public keys with `standard-webhooks`, `svix` and `sprag`; `user:password` with `basic`.",
    ),
    key(
        "sources.*.verify.tolerance",
        "duration 1s–7d",
        Value(r#""5m""#),
        "How far a signed time may be from now, in the past or in the future. Only for schemes that sign a time.",
    ),
    key(
        "sources.*.verify.public_url",
        "URL",
        Absent("required with `square` and `twilio`"),
        "The URL of this source as it is registered at the provider, without its query: the signature binds it, and behind a proxy it is another one.",
    ),
    key(
        "sources.*.verify.header",
        "header name",
        Absent("required with `hmac`; `authorization` with `token`"),
        "Where the signature or token is. In `authorization` a token may follow `Bearer `.",
    ),
    key(
        "sources.*.verify.algorithm",
        "`sha256`, `sha1`, `sha512`",
        Value(r#""sha256""#),
        "Scheme `hmac`: the digest.",
    ),
    key(
        "sources.*.verify.prefix",
        "text",
        Value(r#""""#),
        "Scheme `hmac`: what precedes the encoded signature, such as `sha256=`. Several signatures may be separated by commas or blanks; others are skipped.",
    ),
    key(
        "sources.*.verify.encoding",
        "`hex`, `base64`",
        Value(r#""hex""#),
        "Scheme `hmac`: how the signature is written.",
    ),
    key(
        "sources.*.verify.secret_encoding",
        "`raw`, `hex`, `base64`",
        Value(r#""raw""#),
        "Scheme `hmac`: how the secret becomes key bytes.",
    ),
    key(
        "sources.*.verify.signed",
        "template",
        Value(r#""{body}""#),
        "Scheme `hmac`: the signed text made of `{timestamp}`, `{id}`, `{sequence}`, `{body}` and literals. With `{sequence}` the signature binds the place in the order; read the position from the same header.",
    ),
    key(
        "sources.*.verify.timestamp",
        "table",
        Absent("required when the template has `{timestamp}`"),
        "Scheme `hmac`: where the signed time is.",
    ),
    key(
        "sources.*.verify.timestamp.at",
        "`header:NAME`",
        Required,
        "The header of the signed time.",
    ),
    key(
        "sources.*.verify.timestamp.unit",
        "`s`, `ms`, `rfc3339`",
        Required,
        "How it is written. A time without a zone is refused.",
    ),
    key(
        "sources.*.verify.id",
        "`header:NAME`",
        Absent("required when the template has `{id}`"),
        "Scheme `hmac`: the header of the signed id.",
    ),
    key(
        "sources.*.verify.sequence",
        "`header:NAME`",
        Absent("required when the template has `{sequence}`"),
        "Scheme `hmac`: the header of the signed sequence.",
    ),
    key(
        "sources.*.id",
        "location, `sha256`, `none`",
        Required,
        "What makes a repeat recognisable. `sha256` is the digest of the body; `none` leaves it to positions.",
    ),
    key(
        "sources.*.key",
        "location, `{ join = […] }`, or array of rules by type",
        Required,
        "The resource whose events stay in order. Parts are percent-encoded and joined by `/`.",
    ),
    key(
        "sources.*.key.join",
        "array of locations",
        Absent("the key is one location"),
        "The parts of a key, at most 8.",
    ),
    key(
        "sources.*.key[].type",
        "pattern",
        Required,
        "Types this rule is for; the first rule that matches counts.",
    ),
    key("sources.*.key[].at", "location or `{ join = […] }`", Required, "The key of those types."),
    key(
        "sources.*.key[].at.join",
        "array of locations",
        Absent("the key is one location"),
        "The parts of the key of those types.",
    ),
    key(
        "sources.*.type",
        "location",
        Absent("events have no type"),
        "The type of an event, such as `invoice.paid`.",
    ),
    key(
        "sources.*.accept",
        "array of patterns",
        Value(r#"["*"]"#),
        "Types that are taken. Others are answered 200 and end as `ignored`. `*` stands for any run of characters.",
    ),
    key(
        "sources.*.split",
        "`body:/pointer`",
        Absent("a request is one event"),
        "Where the array is whose elements are the events, at most 1,000; `body:` is the whole body. `body:` locations then begin at the element, which is what is delivered. One answer, `{\"events\": […]}`, when all are durable.",
    ),
    key(
        "sources.*.position",
        "`{ sequence = … }`, `{ version = … }`, `{ timestamp = …, unit = … }`, `none`",
        Value(r#""none""#),
        "What the source says about order.",
    ),
    key(
        "sources.*.position.sequence",
        "location",
        Absent("no position"),
        "A number per event, contiguous within a key: an integer or a string of digits, 0 to 2^64-1; leading zeros mean nothing.",
    ),
    key(
        "sources.*.position.version",
        "location",
        Absent("no position"),
        "A number that grows with every change of a key, with gaps, written as a sequence is.",
    ),
    key(
        "sources.*.position.timestamp",
        "location",
        Absent("no position"),
        "A time, compared as an instant in nanoseconds.",
    ),
    key(
        "sources.*.position.unit",
        "`s`, `ms`, `us`, `ns`, `rfc3339`",
        Absent("required with a timestamp"),
        "How the time is written: whole units since 1970, or RFC 3339 with an offset. A time without a zone is refused.",
    ),
    key(
        "sources.*.contract",
        "`fifo`, `latest`, `arrival`, `unordered`",
        Value(r#""fifo""#),
        "How positions become an order. `fifo` needs a sequence and waits for what is missing; `latest` needs a version, timestamp or sequence and lets nothing older than the newest released pass; `arrival` keeps the order in which events came and `unordered` none: each event by itself, up to 64 of a key beside each other; both take no position.",
    ),
    key(
        "sources.*.coalesce",
        "boolean",
        Value("false"),
        "Contract `latest`: whether a newer event supersedes an older one that is not delivered yet.",
    ),
    key(
        "sources.*.max_ahead",
        "duration 1s–30d",
        Value(r#""5m""#),
        "Contract `latest` with a timestamp: how far it may be ahead of the time of receipt; beyond it the event is dead-lettered.",
    ),
    key(
        "sources.*.handshake",
        "`none`, `slack`, `cloudevents`",
        Absent("`slack` with scheme `slack`, else `none`"),
        "How the provider makes sure that it may post here: `slack` answers its challenge, `cloudevents` grants `OPTIONS` with `WebHook-Request-Origin` (also Azure Event Grid).",
    ),
    key(
        "sources.*.on_invalid",
        "`refuse`, `dead-letter`",
        Value(r#""refuse""#),
        "An event without a usable id, key, type or position is answered 422, or kept as a dead letter and answered 200.",
    ),
    key(
        "sources.*.first",
        "integer or `any`",
        Value("1"),
        "Contract `fifo`: the position an unknown key begins with. With `any` every unknown key waits `hold.wait` and begins at the lowest position seen.",
    ),
    key(
        "sources.*.strict_first",
        "boolean",
        Value("false"),
        "Contract `fifo`: whether positions from `first` on that are missing at the beginning of a key are a gap like any other.",
    ),
    key(
        "sources.*.hold",
        "table",
        Absent("the defaults below"),
        "Contract `fifo`: how long and how much is held behind a gap.",
    ),
    key(
        "sources.*.hold.wait",
        "duration 1ms–30d",
        Value(r#""5s""#),
        "How long an event waits for what is missing before it. Time in which Sprag was not open does not count.",
    ),
    key(
        "sources.*.hold.events",
        "integer 1–1000000",
        Value("1000"),
        "Held events of a key that end the waiting under `on_gap = \"skip\"`.",
    ),
    key(
        "sources.*.hold.span",
        "integer 1–1000000000",
        Value("10000"),
        "How far a position may be ahead of the highest known one; beyond it the event is dead-lettered.",
    ),
    key(
        "sources.*.on_gap",
        "`skip`, `halt`",
        Value(r#""skip""#),
        "Contract `fifo`: after `hold.wait`, go on without what is missing, or wait until it comes.",
    ),
    key(
        "sources.*.rate",
        "`N/s`, `N/m` or `N/h`",
        Absent("no limit"),
        "Events at the most; beyond it the answer is 429.",
    ),
    key("sources.*.dedupe", "duration 1s–400d", Value(r#""7d""#), "How long ids are remembered."),
    key(
        "sources.*.forget_after",
        "duration 1s–3650d",
        Absent("keys are never forgotten"),
        "A key about which nothing happened for so long, and for which nothing waits, is forgotten: its name goes, a tombstone by its fingerprint stays, and if it comes back it goes on where it was. No shorter than `retention.bodies`.",
    ),
    key(
        "sources.*.max_body",
        "size 1B–64MiB",
        Value(r#""1MiB""#),
        "Largest body; a larger one is answered 413.",
    ),
    key("destinations.*.from", "array of source names", Required, "Whose events are delivered."),
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
        "Slow attempts in flight: those that take much longer than usual, and those of lanes whose last attempt failed or was slow.",
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
        "For receiving the head and body of one request.",
    ),
    key(
        "limits.hot_keys",
        "integer 1–100000000",
        Value("100000"),
        "Keys with their state in memory, over all partitions.",
    ),
    key(
        "limits.key_backlog",
        "integer 1–10000000",
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
        Value("1000000"),
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

/// The keys that may stand directly in a table: the next word after its pattern.
pub(super) fn children(pattern: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| match pattern {
            "" => Some(key.path),
            _ => key.path.strip_prefix(pattern)?.strip_prefix('.'),
        })
        .filter_map(|rest| rest.split(['.', '[']).next())
        .collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_tables() {
        assert_eq!(
            children(""),
            ["server", "log", "admin", "sources", "destinations", "limits", "retention"]
        );
        assert_eq!(children("sources"), ["*"]);
        assert_eq!(children("sources.*.hold"), ["wait", "events", "span"]);
        assert_eq!(children("sources.*.key[]"), ["type", "at"]);
        assert_eq!(children("sources.*.key"), ["join"]);
        assert!(children("sources.*.hold.wait").is_empty());
    }

    #[test]
    fn the_page_has_a_row_for_every_key() {
        let page = reference_markdown();
        assert_eq!(page.matches("\n| `").count(), KEYS.len());
        assert!(page.contains("\n## `[sources.NAME]`\n"));
        assert!(page.contains("| `hold.wait` | duration 1ms–30d | `\"5s\"` |"), "{page}");
    }

    #[test]
    fn no_key_is_described_twice() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(KEYS[at + 1..].iter().all(|other| other.path != key.path), "{}", key.path);
        }
    }
}
