//! An event of the load and how its provider signs and posts it. Each source is a row: its name,
//! its signature, its contract; a new contract is a new row here and its lines in `world`.

use aws_lc_rs::hmac;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use http::Request;
use http_body_util::Full;
use std::time::SystemTime;

/// How a provider signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Standard Webhooks.
    Standard,
    /// An HMAC over id, sequence and body.
    Hmac,
}

/// What the order of a source's events promises, as the judge needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Every position is delivered, in the order of positions: each is its own sequence.
    EveryPosition,
    /// Every event is delivered; what passed over others says which, and those come late.
    Announced,
    /// Never anything older after something newer. `coalesced`: a newer event may take the place of
    /// one that waits.
    NothingOlder { coalesced: bool },
    /// Every event, in the order it came.
    AsItCame,
    /// Every event, each by itself.
    ByItself,
}

/// A source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) scheme: Scheme,
    pub(crate) promise: Promise,
    /// Lines of its section beyond verification, id and key.
    pub(crate) lines: &'static str,
}

const fn source(name: &'static str, promise: Promise, lines: &'static str) -> Source {
    Source { name, scheme: Scheme::Standard, promise, lines }
}

/// Every contract there is.
pub(crate) const SOURCES: &[Source] = &[
    source(
        "orders",
        Promise::EveryPosition,
        "position = { sequence = \"body:/n\" }\nstrict_first = true\non_gap = \"halt\"",
    ),
    Source {
        name: "meters",
        scheme: Scheme::Hmac,
        promise: Promise::EveryPosition,
        lines: "position = { sequence = \"header:x-sequence\" }\nstrict_first = true\non_gap = \"halt\"",
    },
    source(
        "skipping",
        Promise::Announced,
        "position = { sequence = \"body:/n\" }\nstrict_first = true\nhold = { wait = \"30ms\" }",
    ),
    source(
        "anywhere",
        Promise::Announced,
        "position = { sequence = \"body:/n\" }\nfirst = \"any\"\nhold = { wait = \"20ms\" }",
    ),
    source(
        "versions",
        Promise::NothingOlder { coalesced: false },
        "position = { version = \"body:/n\" }\ncontract = \"latest\"",
    ),
    source(
        "instants",
        Promise::NothingOlder { coalesced: false },
        "position = { timestamp = \"body:/n\", unit = \"s\" }\ncontract = \"latest\"",
    ),
    source(
        "newest",
        Promise::NothingOlder { coalesced: true },
        "position = { sequence = \"body:/n\" }\ncontract = \"latest\"\ncoalesce = true",
    ),
    source("stream", Promise::AsItCame, "contract = \"arrival\""),
    source("loose", Promise::ByItself, "contract = \"unordered\""),
];

/// The key of a source, which is also the text of its secret.
pub(crate) fn secret(source: usize) -> [u8; 24] {
    let mut key = *b"signed-so-2-4-by-source-";
    key[23] = b'a' + u8::try_from(source).expect("few sources");
    key
}

/// One event, the same bytes in every post.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Index into [`SOURCES`].
    pub(crate) source: usize,
    pub(crate) key: usize,
    /// From 1 per source and key.
    pub(crate) position: u64,
    pub(crate) body: Bytes,
    /// Seconds its provider's clock is ahead.
    pub(crate) ahead: i64,
}

impl Event {
    pub(crate) fn new(source: usize, key: usize, position: u64, filler: usize) -> Self {
        let filler = "☃".repeat(filler);
        let body = format!("{{\"n\": {position},\t\"key\": \"k{key}\", \"filler\": \"{filler}\"}}");
        Self { source, key, position, body: body.into(), ahead: 0 }
    }

    /// Its provider's id.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}-{}", SOURCES[self.source].name, self.key, self.position)
    }

    /// A signed request.
    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let source = &SOURCES[self.source];
        let request = Request::post(format!("/in/{}", source.name))
            .header("host", "sprag")
            .header("content-type", "application/json");
        let id = self.id();
        let request = match source.scheme {
            Scheme::Standard => {
                let now = unix_seconds().saturating_add_signed(self.ahead);
                let signature = BASE64.encode(&self.mac(&format!("{id}.{now}.")));
                request
                    .header("webhook-id", id)
                    .header("webhook-timestamp", now)
                    .header("webhook-signature", format!("v1,{signature}"))
            }
            Scheme::Hmac => {
                let signature = HEXLOWER.encode(&self.mac(&format!("{id}.{}.", self.position)));
                request
                    .header("x-id", id)
                    .header("x-sequence", self.position)
                    .header("x-signature", signature)
            }
        };
        request.body(Full::new(self.body.clone())).unwrap()
    }

    fn mac(&self, before: &str) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret(self.source));
        hmac::sign(&key, &[before.as_bytes(), &self.body].concat()).as_ref().to_owned()
    }
}

#[expect(clippy::disallowed_methods, reason = "signatures are judged by the machine's clock")]
fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("the clock is after 1970").as_secs()
}
