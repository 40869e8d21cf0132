//! An event of the load and how its provider signs and posts it: two providers, two schemes.

use aws_lc_rs::hmac;
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use http::Request;
use http_body_util::Full;
use std::time::SystemTime;

/// The keys of the two providers.
pub(crate) const SECRETS: [[u8; 24]; 2] =
    [*b"orders-are-signed-so-2-4", *b"meters-are-signed-so-2-4"];
/// Their names.
pub(crate) const SOURCES: [&str; 2] = ["orders", "meters"];

/// One event, the same bytes in every post.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Index into [`SOURCES`].
    pub(crate) source: usize,
    pub(crate) key: usize,
    /// From 1 per source and key.
    pub(crate) position: u64,
    pub(crate) body: Bytes,
}

impl Event {
    pub(crate) fn new(source: usize, key: usize, position: u64, filler: usize) -> Self {
        let filler = "☃".repeat(filler);
        let body = format!("{{\"n\": {position},\t\"key\": \"k{key}\", \"filler\": \"{filler}\"}}");
        Self { source, key, position, body: body.into() }
    }

    /// Its provider's id.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}-{}", SOURCES[self.source], self.key, self.position)
    }

    /// `{source}:{key}:{sequence}`; every position is delivered, so they are the sequences.
    pub(crate) fn webhook_id(&self) -> String {
        format!("{}:k{}:{}", SOURCES[self.source], self.key, self.position)
    }

    /// A signed request.
    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let request = Request::post(format!("/in/{}", SOURCES[self.source]))
            .header("host", "sprag")
            .header("content-type", "application/json");
        let id = self.id();
        let request = if self.source == 0 {
            let now = unix_seconds();
            let signature = BASE64.encode(&self.mac(&format!("{id}.{now}.")));
            request
                .header("webhook-id", id)
                .header("webhook-timestamp", now)
                .header("webhook-signature", format!("v1,{signature}"))
        } else {
            let signature = HEXLOWER.encode(&self.mac(&format!("{id}.{}.", self.position)));
            request
                .header("x-id", id)
                .header("x-sequence", self.position)
                .header("x-signature", signature)
        };
        request.body(Full::new(self.body.clone())).unwrap()
    }

    fn mac(&self, before: &str) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &SECRETS[self.source]);
        hmac::sign(&key, &[before.as_bytes(), &self.body].concat()).as_ref().to_owned()
    }
}

#[expect(clippy::disallowed_methods, reason = "signatures are judged by the machine's clock")]
fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("the clock is after 1970").as_secs()
}
