//! Every fixed bound of the pure parts of the gateway, with its unit and the reason for it.
//!
//! A bound an operator may change is a configuration key (see `config::reference`) and not here.
//! This file holds numbers only; it must not know what is done at a limit.

/// Encoded key, bytes (rule K1). A key is in every delivery header and in every index.
pub const KEY_BYTES: usize = 200;

/// Id of an event as its source gave it, bytes. Longest id of the known providers: 64.
pub const ID_BYTES: usize = 256;

/// Type of an event, bytes. Types are dotted words; the longest known has 80.
pub const TYPE_BYTES: usize = 256;

/// Depth of nested arrays and objects in a JSON body: what `serde_json` accepts, so that a consumer
/// can parse what was accepted here. The scanner keeps one bit per level in a `u128`.
pub const JSON_DEPTH: usize = 127;

/// Different JSON pointers one source may read. A bit set of 64 tells duplicate members.
pub const POINTERS: usize = 32;

/// Segments of one JSON pointer.
pub const POINTER_SEGMENTS: usize = 16;

/// Locations joined to one key. 200 bytes hold no more useful parts.
pub const JOIN_PARTS: usize = 8;

/// Rules of a key that depends on the type. They are tried in order for every event.
pub const KEY_RULES: usize = 64;

/// Patterns in one `accept` or `types` list. They are tried in order for every event.
pub const TYPE_PATTERNS: usize = 64;

/// Bytes of a challenge that is given back. Slack's have about 50.
pub const CHALLENGE_BYTES: usize = 1_024;

/// Events in one request of a source with `split`. The largest batch of the known providers has
/// 1,000 (Meta).
pub const SPLIT_EVENTS: usize = 1_000;

/// Bytes of the events of one attempt that carries a range (rule L9): it is in memory as a whole.
pub const BATCH_BYTES: u64 = 64 << 20;

/// Bytes of the body of one request that acknowledges events.
pub const ACK_BYTES: usize = 512 << 10;

/// Events that one request acknowledges: each is a command of its own.
pub const ACK_IDS: usize = 1_000;

/// Ids of one destination whose acknowledgement waits for the node. Beyond, its consumers try again.
pub const ACK_IDS_UNDER_WAY: usize = 10_000;

/// Events on a page that a consumer asks for, unless it says how many.
pub const OUT_PAGE: usize = 100;
/// Events on a page at the most.
pub const OUT_PAGE_MOST: usize = 500;
/// Bytes of the events of a page, as written; one event more may be on it than fits. Half of what a page of
/// missing events may have ([`REFILL_PAGE_BYTES`]).
pub const OUT_PAGE_BYTES: usize = 4 << 20;
/// Sequences that are looked for at once: the thread that reads for the node as well is not held for longer.
pub const OUT_SEQUENCES: u64 = 512;
/// Looks for a page: what is no longer kept, or is another destination's, takes looks as well.
pub const OUT_LOOKS: usize = 16;
/// Pages of one destination's consumers that are made or sent at once: as many as one source may be asked for.
pub const OUT_READS: usize = 4;
/// The same of all destinations: 128 MiB at the most.
pub const OUT_READS_OF_ALL: usize = 32;
/// How often, for pages, what was decided is brought to the state store, which has the dead letters. Pages asked for
/// meanwhile share it.
pub const OUT_STORE_EVERY: std::time::Duration = std::time::Duration::from_millis(250);

/// Digits of a sequence, leading zeros included. `u64` needs 20; padded ones seldom exceed 32.
pub const SEQUENCE_DIGITS: usize = 64;

/// Secrets of one source or destination. Each costs one HMAC of the body for a wrong signature.
pub const SECRETS: usize = 8;

/// Bytes of one secret. A secret file that is larger is the wrong file.
pub const SECRET_BYTES: usize = 4096;

/// Bytes of a file that a configuration names. All public root certificates have about 250 KiB.
pub const FILE_BYTES: usize = 1 << 20;

/// Signatures looked at in one signature header. Signers that rotate send two or three.
pub const SIGNATURES: usize = 16;

/// Bytes of an id, sequence or timestamp header that goes under a signature.
pub const SIGNED_HEADER_BYTES: usize = 256;

/// Parts (literals and placeholders) of a signed-text template.
pub const TEMPLATE_PARTS: usize = 16;

/// Name of a source or destination, bytes: part of paths, metric labels and every `webhook-id`.
pub const NAME_BYTES: usize = 64;

/// Configuration text, bytes. Thousands of sources fit.
pub const CONFIGURATION_BYTES: usize = 4 * 1024 * 1024;

/// Sources, and destinations, in one configuration: both are metric labels.
pub const NAMES: usize = 1024;

/// Longest configurable duration, seconds (10 years): sums of two never overflow.
pub const DURATION_SECONDS: u64 = 10 * 366 * 86_400;

/// Largest configurable `max_body`, bytes: a body is held in memory whole.
pub const BODY_BYTES: u64 = 64 * 1024 * 1024;
/// The most tombstones of forgotten keys that can be configured: about 250 GB of the state store.
pub const FORGOTTEN_MOST: u64 = 1_000_000_000;

/// Largest configurable number of partitions: each costs threads' time and a file of state.
pub const PARTITIONS: u64 = 1024;

/// Bytes of events that may be with the deciding thread unanswered: a body counts with [`UNANSWERED_LEAST`] more, and two of
/// the largest that can be configured fit. A disk that stands still lets no more pile up; more is answered
/// `not-durable` at once.
pub const UNANSWERED_BYTES: usize = 136 << 20;

/// What an event counts for beside its body and the headers kept of it: its key, and who waits for it.
pub const UNANSWERED_LEAST: u32 = 1_024;

/// Refused requests that may wait to be noted; more are counted and not noted, as those are that come too often.
pub const REFUSALS_WAITING: usize = 1_024;

/// Cores up to which attempts are made by the thread that decides them. On two, requests have the other one; on
/// more, one thread for deciding and all that goes out would leave some idle.
pub const FEW_CORES: usize = 2;

/// Messages the deciding thread takes in before it carries out what follows from them: enough to
/// fill a frame under load, few enough that answers do not wait for long.
pub const MESSAGES_PER_TURN: usize = 1_024;

/// Addresses of a destination's name that are tried in one attempt.
pub const RESOLVED_ADDRESSES: usize = 4;

/// How long one of them may take to answer before the next is tried beside it (RFC 8305 section 5 recommends this).
pub const NEXT_ADDRESS: std::time::Duration = std::time::Duration::from_millis(250);

/// Bytes of the head of a consumer's answer; hyper needs at least 8 KiB.
pub const ANSWER_HEAD_BYTES: usize = 64 * 1024;

/// Headers of a consumer's answer.
pub const ANSWER_HEADERS: usize = 100;

/// Bytes of a consumer's answer that are read to keep its connection (DESIGN L1).
pub const ANSWER_BYTES: usize = 64 * 1024;

/// How long an answer's body may take before its connection is given up.
pub const ANSWER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Attempts that share one HTTP/2 connection, where the consumer takes so many: they share its
/// congestion window, and its loss leaves all their outcomes unknown.
pub const SHARED_STREAMS: usize = 256;

/// Bytes of answers on the way on one HTTP/2 connection: one that is not read must not stop the
/// others.
pub const ANSWERS_WINDOW_BYTES: u32 = 1024 * 1024;

/// How often a consumer with HTTP/2 attempts open is asked whether it is there.
pub const PING_EVERY: std::time::Duration = std::time::Duration::from_secs(10);

/// How long an HTTP/1.1 connection to a consumer may rest before it is used no more: what lies between (a load balancer, an
/// address translation) forgets one after a minute or more, some without a sign of it.
pub const IDLE_KEPT: std::time::Duration = std::time::Duration::from_secs(60);

/// How long it may take to answer that before its connection is given up. A process that is busy
/// answers late; a machine that is gone never.
pub const PONG_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// How long a shared connection is kept without an attempt: servers and what lies between give up
/// idle ones after a minute or more.
pub const SHARED_IDLE: std::time::Duration = std::time::Duration::from_secs(60);

/// Shared connections that one attempt may find closing before it counts as unreachable: a consumer
/// that restarts closes one, and perhaps the next.
pub const CLOSING_CONNECTIONS: usize = 2;

/// How often a backup looks for the segments there are, when some go while it links them.
pub const BACKUP_LOOKS: usize = 10;

/// Steps in which a time limit for somebody else's answer is spent, and how long one may be: a process
/// that stood still spends one of them, however long that took, and each is a timer. A second is what
/// open time grows at the most (DESIGN F9).
pub const PATIENCE_STEPS: u32 = 8;
/// See [`PATIENCE_STEPS`]. Shorter ones are no timers any more but noise.
pub const PATIENCE_STEP_LEAST: std::time::Duration = std::time::Duration::from_millis(50);
/// See [`PATIENCE_STEPS`].
pub const PATIENCE_STEP_MOST: std::time::Duration = std::time::Duration::from_secs(1);

/// A timer that is so late was not looked at: the process stood still, or had no turn.
pub const STANDSTILL: std::time::Duration = std::time::Duration::from_millis(100);

/// Bytes of a backup that are handed on at a time.
pub const BACKUP_PIECE_BYTES: usize = 256 * 1024;

/// Pieces of a backup that wait to be read.
pub const BACKUP_PIECES: usize = 4;

/// How long a backup waits for who reads it: what it holds takes space that trimming would free.
pub const BACKUP_PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Bytes of a backup's manifest: a hundred thousand segments fit.
pub const MANIFEST_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes of frame heads read at a time when a restored log is verified.
pub const RESTORE_READ_BYTES: usize = 4 * 1024 * 1024;

/// Differences between a state store and its log that are told: who sees ten needs no more to rebuild it.
pub const REBUILD_DIFFERENCES: usize = 10;

/// By how much epochs rise at a restore: more terms than a log begins between two backups.
pub const EPOCH_JUMP: u64 = 1_000_000;

/// How far sequences jump at the most, for all restores of a log 16 million times that.
pub const JUMP_MOST: u64 = 1 << 40;

/// How far they jump besides what consumers have seen, unless told: events that were released and
/// not delivered yet.
pub const JUMP_BESIDES: u64 = 1_000;

/// Bytes of `sprag-missing` and `sprag-omitted` (DESIGN C4).
pub const RANGES_HEADER_BYTES: usize = 1024;

/// Bytes of a request that are read on for nothing once it is answered, so that its sender sees the
/// answer: most senders read none before they have sent all. A mistaken path or a body that is a little
/// too large must be told; who sends more than 16 MiB is cut off.
pub const DISCARD_BYTES: usize = 16 << 20;

/// How long that takes at most.
pub const DISCARD_TIME: std::time::Duration = std::time::Duration::from_secs(5);

/// Bytes of a request's head; hyper needs at least 8 KiB. Signatures and trace headers of the
/// known providers stay below 8 KiB.
pub const REQUEST_HEAD_BYTES: usize = 64 * 1024;

/// Headers of a request. Proxies add a dozen to the sender's.
pub const REQUEST_HEADERS: usize = 100;

/// Requests under way at once on one HTTP/2 connection of a provider: what RFC 9113 (6.5.2) asks for at least. Over
/// all such connections no more than `limits.connections` are looked at, so that this is no way around that limit.
pub const REQUEST_STREAMS: u32 = 100;

/// Bytes of one request's body on the way over HTTP/2 that are not read yet: a body of the usual size without a
/// wait for the other side.
pub const REQUEST_WINDOW_BYTES: u32 = 64 * 1024;

/// The same for all requests of one connection: what a connection can have us keep whose requests wait.
pub const REQUESTS_WINDOW_BYTES: u32 = 256 * 1024;

/// Requests of one HTTP/2 connection that its sender cancelled before they were looked at. A sender that does so on
/// purpose makes work and never waits for it: then the connection is closed.
pub const CANCELLED_REQUESTS: usize = 20;

/// Resets of requests of one HTTP/2 connection that its sender did not ask for; then it is closed. Refusals count too, and
/// each piece of a body behind one: Envoy sends up to 1,024 requests before it can know [`REQUEST_STREAMS`], which is no fault.
pub const FAULTY_REQUESTS: usize = 4096;

/// Bytes of answers to one HTTP/2 request that wait to be sent. All are smaller but pages of events.
pub const ANSWER_SEND_BYTES: usize = 64 * 1024;

/// How long a connection has to end on which nothing came for `limits.request_time`: what crosses with the
/// farewell is still answered. A sender that does not read never ends it.
pub const FAREWELL_TIME: std::time::Duration = std::time::Duration::from_secs(2);

/// Bytes of a kept header's value; longer ones are not kept. The longest signature header known
/// has a few hundred.
pub const STORED_HEADER_BYTES: usize = 4 * 1024;

/// How long the listener waits after it could not take a connection.
pub const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// How long an attempt waits that found no file descriptor to connect with, before it looks again.
pub const DESCRIPTOR_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Idle connections kept for each destination while descriptors are scarce: deliveries go on over them
/// when others hold every descriptor there is.
pub const IDLE_WHILE_SCARCE: usize = 1;

/// How long descriptors count as scarce after the last one was missing: longer than a burst, and
/// connecting anew costs a destination little.
pub const SCARCE_FOR: std::time::Duration = std::time::Duration::from_secs(5);

/// How often free disk space is looked at: at a gigabyte a second the reserve lasts for one look.
pub const DISK_LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(500);

/// How long a stop waits for requests under way, and then for the last commit. What is not done by
/// then is made up for by recovery.
pub const STOP_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// How far ahead of the newest a sequence of `latest` may be (rule K4): as far as `hold.span` lets
/// it by default where positions are waited for.
pub const SEQUENCE_SPAN: u64 = 10_000;

/// Headers that one destination adds or forwards: as many as its own deliveries have.
pub const ADDED_HEADERS: usize = 32;

/// How long a command waits for an answer of the admin API, which answers or refuses within 30 s.
pub const ADMIN_CLIENT_TIME: std::time::Duration = std::time::Duration::from_secs(60);

/// Bytes of one page of missing events: a thousand of a few KiB each.
pub const REFILL_PAGE_BYTES: usize = 8 << 20;

/// Bytes of what a source answers when it is asked what it has of a key: a resource with all its fields.
pub const RECONCILE_BYTES: usize = 1 << 20;

/// How long one such question may take: what is compared by then may be another.
pub const RECONCILE_TIME: std::time::Duration = std::time::Duration::from_secs(10);

/// For how long a connection is kept between two such questions: the next of a pass is a second away at the usual rate, and
/// one that rests for longer may be dead without a sign of it.
pub const RECONCILE_KEPT: std::time::Duration = std::time::Duration::from_secs(10);

/// Pages of one ask for missing events. Sources that page by ten still answer for a thousand positions.
pub const REFILL_PAGES: usize = 100;

/// Events of one ask: ten times as many as positions are asked for, for sources that filter little.
pub const REFILL_EVENTS: usize = 10_000;

/// How long one ask may take, its events made durable included: an answer that comes later helps no gap.
pub const REFILL_TIME: std::time::Duration = std::time::Duration::from_secs(30);

/// How long connecting may take, TLS included.
pub const REFILL_CONNECT_TIME: std::time::Duration = std::time::Duration::from_secs(5);

/// How long an event waits that was fetched and cannot be taken in at the moment.
pub const REFILL_PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

/// Events of a page that wait for the log at the same time: a few commits' worth.
pub const REFILL_AT_ONCE: usize = 64;

/// Pages of one pass over the list of a source, and with a hundred events a page what of a list is known at a time:
/// an outage of a day at a source of one event a second.
pub const LIST_PAGES: usize = 1_000;

/// Bytes of pages that are kept on the way through a list; the newest beyond are got again on the way back.
pub const LIST_BYTES: usize = 16 << 20;

/// How long the way back through a list's pages may take, so that there is as much time for what was found.
pub const LIST_WALK: std::time::Duration = std::time::Duration::from_secs(900);

/// How long one pass may take, its events made durable included: what it brought is known by the next.
pub const LIST_TIME: std::time::Duration = std::time::Duration::from_secs(1_800);

/// Bytes of the URL of a page: what servers accept.
pub const REFILL_URL_BYTES: usize = 8 * 1024;

/// Bytes of an answer of the admin API that a command reads. The state of a key is the longest: its newest body, of which
/// each byte may be six as JSON (`\u0001`), and a merged document.
pub const ADMIN_CLIENT_BYTES: usize = 512 << 20;

/// Releases of a key that are looked through for one that settled: as many as may wait beside it by default, and
/// those that come in while it does.
pub const SETTLED_RELEASES: u64 = 10_000;
/// Releases behind the receipt of an event whose frames are looked at for what became of it while it waited. What
/// skips ahead waits for a few.
pub const STALE_FRAMES: usize = 256;
/// Releases that are read at once meanwhile.
pub const SETTLED_PAGE: usize = 256;

/// Events that one key may hold, whatever is configured. When what was missing comes they are released in one step,
/// which is one frame, and a frame has at most 65,536 facts; and each release looks at those that are left.
pub const HELD_EVENTS: u64 = 30_000;
