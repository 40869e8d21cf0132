//! Events as they come in: made or of a corpus, signed, and read by the rules of their source.
//! Must not know: nodes, logs.

use std::sync::Arc;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use sprag::config::Config;
use sprag::extract::{Extracted, Extraction, Received};
use sprag::ingress::IngressSource;
use sprag::metrics::Metrics;
use sprag::node::NewArrival;
use sprag::order;
use sprag::verify::Signer;
use sprag_core::id::Key;
use sprag_driver::effect::Configured;
use sprag_log::digest::sha256;

use super::corpus::Corpus;
use super::{Options, event};

/// All of a fill, one after another.
pub(crate) struct Events {
    source: IngressSource,
    signer: Signer,
    content_type: Arc<str>,
    keys: u64,
    /// The next key is so many further, modulo `keys`: neighbours in time are none by name.
    stride: u64,
    corpus: Option<Corpus>,
}

impl Events {
    /// The events that options ask for.
    pub(crate) fn new(options: &Options, config: &Config, configured: &Configured) -> Self {
        let source = &config.sources[&options.source];
        let named = configured.sources.iter().find(|(_, name)| ***name == *options.source);
        let metrics = Metrics::new().source(&options.source);
        Self {
            source: IngressSource::new(*named.unwrap().0, source, std::iter::empty(), metrics)
                .unwrap(),
            signer: source.signer().unwrap(),
            content_type: Arc::from("application/json"),
            keys: options.keys,
            stride: stride(options.keys),
            corpus: options.corpus.as_deref().map(Corpus::read),
        }
    }

    /// The event of this number, from 1.
    pub(crate) fn event(&mut self, number: u64) -> (NewArrival, Arc<[u8]>) {
        let mut headers = HeaderMap::new();
        let (id, body) = match &self.corpus {
            Some(corpus) => {
                let (of_type, body) = corpus.body(number - 1);
                let id = format!("{number:08x}-0b1c-11f0-8000-00155d010203");
                put(&mut headers, "x-github-event", of_type);
                put(&mut headers, "x-github-delivery", &id);
                (id, body)
            }
            None => {
                let (round, place) = ((number - 1) / self.keys, (number - 1) % self.keys);
                let key = place.wrapping_mul(self.stride) % self.keys;
                let id = event::id(number);
                put(&mut headers, "x-event-id", &id);
                (id, event::body(number, key, round + 1))
            }
        };
        headers.extend(self.signer.sign(event::signed(&id), &body).unwrap());
        self.arrival(&headers, Arc::from(body))
    }

    fn arrival(&self, headers: &HeaderMap, body: Arc<[u8]>) -> (NewArrival, Arc<[u8]>) {
        let digest = sha256(&[&body]);
        let received = Received { headers, query: "", body: &body, digest: &digest.0 };
        let Extraction::Event(extracted) = self.source.extractor.extract(received).unwrap() else {
            panic!("the source does not take it");
        };
        let Extracted { id, key, position, event_type, .. } = extracted;
        let arrival = NewArrival {
            key: Key { source: self.source.id, name: Arc::from(key) },
            id: id.map(Arc::from),
            position: order::position(position),
            event_type: Arc::from(event_type),
            content_type: self.content_type.clone(),
            headers: self.source.stored_headers(headers),
            digest,
            in_time: true,
            origin: sprag_core::fact::Origin::Posted,
            depends_on: None,
        };
        (arrival, body)
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
}

/// A number without a common divisor with `keys`, about 0.618 of it: far from every simple fraction.
fn stride(keys: u64) -> u64 {
    let about = keys * 618 / 1_000;
    (about.max(1)..).find(|stride| divisor(*stride, keys) == 1).unwrap()
}

fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { divisor(other, one % other) }
}
