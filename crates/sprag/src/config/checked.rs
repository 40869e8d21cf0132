//! The configuration after every check: what the rest of the gateway is started with.
//!
//! Values here are valid together; nobody looks at TOML or units after this. It must not know
//! tokio, sockets or, but for rates, the core's own types.

use super::network::Network;
use crate::extract::{Extractor, Rules, RulesProblem};
use crate::refill::envelope::Envelope;
use crate::refill::page::Signs;
use crate::refill::{ListKind, Template};
use crate::secret::Secret;
use crate::verify::{Scheme, SecretProblem, Signer, Verifier};
use http::{HeaderName, HeaderValue};
use sprag_core::pattern::Pattern;
use sprag_core::rate::Rate;
use sprag_core::settings::Start;
use sprag_core::states::StateTable;
use sprag_log::pack::Packing;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything an instance needs to start.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Addresses and the data directory.
    pub server: Server,
    /// Which log engine keeps the frames.
    pub engine: Engine,
    /// How the log stores bodies.
    pub body_codec: Packing,
    /// The token of the admin API, from `SPRAG_ADMIN_TOKEN` or `[admin] token`. Absent only when
    /// `server.admin` is a loopback address: then a random one is made and printed at start.
    pub admin_token: Option<Secret>,
    /// By name.
    pub sources: BTreeMap<String, Source>,
    /// By name, but those that are retired.
    pub destinations: BTreeMap<String, Destination>,
    /// The names of those that are retired.
    pub retired: Vec<String>,
    /// Bounds an operator may change.
    pub limits: Limits,
    /// How long history is kept.
    pub retention: Retention,
}

/// `[retention]` (rule D6)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Bodies that nothing waits for.
    pub bodies: Duration,
    /// Facts.
    pub facts: Duration,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `/in/…` and `/out/…`
    pub listen: SocketAddr,
    /// `/v1/…`, health and metrics.
    pub admin: SocketAddr,
    /// The data directory.
    pub data: PathBuf,
    /// Fixed for the life of a data directory (rule K2).
    pub partitions: u16,
}

/// `log.engine`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Segment files in the data directory.
    Embedded,
}

/// `[sources.NAME]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// How requests are signed.
    pub scheme: Scheme,
    /// Any of them may match.
    pub secrets: Vec<Secret>,
    /// How far a signed time may be from now, both ways.
    pub tolerance: Duration,
    /// Where id, key, type and position are, and which types are taken.
    pub rules: Rules,
    /// How positions become an order.
    pub contract: Contract,
    /// How the provider makes sure that it may post here.
    pub handshake: Handshake,
    /// What becomes of an event without a usable id, key, type or position.
    pub on_invalid: OnInvalid,
    /// What becomes of an event that comes after its place was given up.
    pub on_late: OnLate,
    /// Events at the most (rule L8).
    pub rate: Option<Rate>,
    /// How long ids are remembered.
    pub dedupe: Duration,
    /// How long a key is idle before it is forgotten (rule D8); none: it never is.
    pub forget_after: Option<Duration>,
    /// How long a silence of it is no alert.
    pub expect_every: Option<Duration>,
    /// Largest body, bytes.
    pub max_body: u64,
    /// Whose resources its events refer to, and how long those are waited for.
    pub depends_on: Option<DependsOn>,
    /// How it is asked for positions that are missing; none: it is not.
    pub refill: Option<Refill>,
    /// How the list of all it has is read; none: it is not.
    pub list: Option<List>,
}

/// `depends_on`, but for where the key is: that is one of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DependsOn {
    /// The name of the source of the other resources.
    pub source: String,
    /// How long an event waits after its release, in open time.
    pub wait: Duration,
}

/// `refill` with `list`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Whose list it is.
    pub kind: ListKind,
    /// Its first page.
    pub url: Url,
    /// Sent with every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How old an event is before it is taken from it.
    pub after: Duration,
    /// How often it is read.
    pub every: Duration,
    /// How far back it is read at a start.
    pub reach: Duration,
    /// Requests at the most.
    pub rate: Rate,
    /// Private addresses that may be connected to all the same.
    pub allow: Vec<Network>,
    /// A PEM file with roots accepted besides the public ones.
    pub ca: Option<PathBuf>,
}

/// `refill`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refill {
    /// Where it is asked, with what is asked for left open.
    pub template: Template,
    /// Sent with every ask.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long positions are missing before they are asked for.
    pub after: Duration,
    /// Asks in vain after which no more are made.
    pub attempts: u32,
    /// After how long a silence of a key what may follow is asked for.
    pub every: Option<Duration>,
    /// Asks at the most, over all keys.
    pub rate: Rate,
    /// What a page is split by, and an element of it read by.
    pub rules: Rules,
    /// Where headers and body of an event are in an element of a page; none: it is a body.
    pub envelope: Option<Envelope>,
    /// Where a page says that there is another, and what there is not.
    pub signs: Signs,
    /// Private addresses that may be connected to all the same.
    pub allow: Vec<Network>,
    /// A PEM file with roots accepted besides the public ones.
    pub ca: Option<PathBuf>,
}

impl Refill {
    /// The rules prepared for use on pages.
    pub fn extractor(&self) -> Result<Extractor, RulesProblem> {
        Extractor::new(self.rules.clone())
    }
}

impl Source {
    /// The verifier with its keys prepared.
    pub fn verifier(&self) -> Result<Verifier, SecretProblem> {
        let tolerance_us = i64::try_from(self.tolerance.as_micros()).unwrap_or(i64::MAX);
        Verifier::new(&self.scheme, &self.secrets, tolerance_us)
    }

    /// The sending side, for `send` and `demo`.
    pub fn signer(&self) -> Result<Signer, SecretProblem> {
        Signer::new(&self.scheme, &self.secrets)
    }

    /// The rules prepared for use on requests.
    pub fn extractor(&self) -> Result<Extractor, RulesProblem> {
        Extractor::new(self.rules.clone())
    }
}

/// `contract`, with what only it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contract {
    /// By sequence, waiting for what is missing.
    Fifo(Fifo),
    /// The newest state counts: what is older than the last released is stale.
    Latest(Latest),
    /// As they arrive.
    Arrival,
    /// Several at once, in no order.
    Unordered,
    /// By instant, waiting for what may still come before.
    Settle(Settle),
    /// What brings anything newer, field by field.
    Merge(Merge),
    /// By vector clock, waiting for what an event knows.
    Causal(Causal),
    /// From state to state, as a table says.
    States(States),
    /// By hash links, waiting for what is missing: `fifo` without numbers.
    Links(Links),
}

impl Contract {
    /// Whether an event may come after its place was given up.
    pub(crate) fn is_ever_late(&self) -> bool {
        self.places_late() || matches!(self, Self::Causal(_) | Self::Links(_))
    }

    /// Whether the place of such an event is known.
    pub(crate) fn places_late(&self) -> bool {
        matches!(self, Self::Fifo(_) | Self::Settle(_))
    }
}

/// The settings of `contract = "causal"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Causal {
    /// How long and how much is held for what is missing.
    pub hold: Hold,
    /// What ends the waiting.
    pub on_gap: OnGap,
}

/// The settings of `contract = "fifo"` where positions are links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Links {
    /// How long an event waits for what leads to it.
    pub wait: Duration,
    /// Events of a key that may wait; beyond, waiting ends.
    pub events: u64,
    /// What ends the waiting.
    pub on_gap: OnGap,
}

/// The settings of `contract = "states"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States {
    /// How a resource may go from state to state.
    pub table: Arc<StateTable>,
    /// How long what skips ahead waits for what lies between.
    pub wait: Duration,
    /// Events of a key that may wait; beyond, waiting ends.
    pub events: u64,
    /// What ends the waiting.
    pub on_gap: OnGap,
    /// How far a state's time may be ahead of the time of receipt (rule K4).
    pub max_ahead: Duration,
}

/// The settings of `contract = "merge"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// How far a field's time may be ahead of the time of receipt (rule K4).
    pub max_ahead: Duration,
}

/// The settings of `contract = "settle"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// How long an event waits for what sorts before it.
    pub settle: Duration,
    /// Types in the order of events of one instant.
    pub ranks: Vec<Pattern>,
    /// Events of a key that may wait; beyond, the first does not.
    pub events: u64,
    /// How far a timestamp may be ahead of the time of receipt (rule K4).
    pub max_ahead: Duration,
}

/// The settings of `contract = "latest"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    /// May a newer event supersede an older one that is not delivered yet?
    pub coalesce: bool,
    /// How far a timestamp may be ahead of the time of receipt (rule K4).
    pub max_ahead: Duration,
}

/// `handshake`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// There is none.
    None,
    /// Slack: a signed `url_verification` is answered with its challenge.
    Slack,
    /// CloudEvents and Event Grid: `OPTIONS` with `WebHook-Request-Origin` is granted.
    CloudEvents,
}

/// `on_invalid`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnInvalid {
    /// The request is answered 422.
    Refuse,
    /// The event is kept as a dead letter and answered 200.
    DeadLetter,
}

/// `on_late` and `late_to`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnLate {
    /// It goes where any event goes.
    Deliver,
    /// It is a dead letter wherever it would have gone.
    DeadLetter,
    /// What was released after its place is undone before it, and released once more behind it.
    Compensate,
    /// It goes to this destination alone.
    To(String),
}

/// The settings of `contract = "fifo"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fifo {
    /// Where an unknown key begins (rule K7).
    pub first: First,
    /// How long and how much is held behind a gap.
    pub hold: Hold,
    /// What ends the waiting.
    pub on_gap: OnGap,
}

/// `first` and `strict_first`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// This position is released at once; a key that begins higher waits, then starts there.
    At(u64),
    /// As `At`, but what is missing from this position on is a gap like any other.
    Strictly(u64),
    /// As `Strictly`, because there is a `refill` and nothing else is said: history is read the same with
    /// it and without.
    Refilled(u64),
    /// Positions have no natural start.
    Any,
}

/// `hold`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// From the first event beyond a gap (rule G1).
    pub wait: Duration,
    /// Held events of a key that end the waiting under `skip` (rule G2).
    pub events: u64,
    /// How far a position may be ahead (rule K4).
    pub span: u64,
}

/// `on_gap`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnGap {
    /// Abandon what is missing and go on.
    Skip,
    /// Wait until it comes.
    Halt,
}

/// `[destinations.NAME]`
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// Names of sources.
    pub from: Vec<String>,
    /// Is what waits for it abandoned, and nothing sent any more?
    pub retired: bool,
    /// Where its lanes begin, if history does not know it yet (rule L7).
    pub start: Start,
    /// Types of the events it takes.
    pub types: Vec<Pattern>,
    /// Where attempts are posted.
    pub url: Url,
    /// `whsec_` secrets; each signs every delivery.
    pub secrets: Vec<Secret>,
    /// For a whole attempt.
    pub timeout: Duration,
    /// For TCP and TLS together.
    pub connect_timeout: Duration,
    /// Which HTTP is spoken.
    pub http: HttpVersion,
    /// Attempts in flight.
    pub concurrency: u32,
    /// Slow attempts in flight; four times `concurrency` unless told (rule D4).
    pub slow_concurrency: Option<u32>,
    /// An attempt older than this is slow in any case (rule D4).
    pub slow_after: Duration,
    /// Attempts at the most (rule L8).
    pub rate: Option<Rate>,
    /// Attempts of one lane at the most (rule L8).
    pub key_rate: Option<Rate>,
    /// When a failed attempt is repeated and when it is given up.
    pub retry: Retry,
    /// What happens to the lane then (rule L4).
    pub on_give_up: OnGiveUp,
    /// What acknowledges an event that is answered 202.
    pub ack: Ack,
    /// Events that one attempt carries at the most (rule L9); none: each by itself.
    pub batch: Option<u64>,
    /// What consumers bring to `/out/{destination}/…`; without one that is closed.
    pub token: Option<Secret>,
    /// Sent with every delivery.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The provider's headers that are passed on.
    pub forward: Vec<HeaderName>,
    /// Private addresses that may be connected to all the same.
    pub allow: Vec<Network>,
    /// A PEM file with roots accepted besides the public ones.
    pub ca: Option<PathBuf>,
}

/// `ack` and `ack_timeout`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// The answer.
    Answer,
    /// A request of its own, within this time.
    Explicit(Duration),
}

/// `http` of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/2 where the TLS handshake agrees on it, else HTTP/1.1.
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only; without TLS with prior knowledge.
    Http2,
}

/// An `http` or `https` URL with its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Is it `https`?
    pub tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Given or by scheme.
    pub port: u16,
    /// The `Host` header: host and port as written.
    pub authority: String,
    /// Path and query, from `/`.
    pub target: String,
}

impl std::str::FromStr for Url {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        super::check_destination::url(text)
    }
}

/// `retry`: exponential with full jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Upper end of the first wait.
    pub first: Duration,
    /// Upper end of any wait.
    pub cap: Duration,
    /// Give up after this time.
    pub during: Duration,
    /// Or after so many attempts.
    pub attempts: Option<u32>,
}

/// `on_give_up`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnGiveUp {
    /// Keep it at the head of its lane.
    Halt,
    /// Dead-letter it and all that follows in the lane.
    Park,
    /// Dead-letter it and go on.
    Skip,
}

/// `[limits]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of providers and consumers.
    pub connections: u32,
    /// For the head and body of one request.
    pub request_time: Duration,
    /// Keys with their state in memory, over all partitions.
    pub hot_keys: u64,
    /// Events one key may hold behind a gap; beyond, 429 for this key (rule G2).
    pub key_backlog: u64,
    /// Bytes that may wait for one destination; none where the disk is the limit (rule D9).
    pub destination_backlog: Option<u64>,
    /// Ids and positions in memory for dedupe, over all partitions (foundation F4).
    pub dedupe_ids: u64,
    /// Tombstones of forgotten keys that are kept, over all partitions (rule D8).
    pub forgotten: u64,
    /// Events of one partition at the most (rule L8).
    pub partition_rate: Option<Rate>,
    /// Free disk below which ingress answers 503, bytes.
    pub disk_reserve: u64,
}
