//! Writes the load of `cargo xtask bench`: complete HTTP/1.1 requests, signed beforehand, so that
//! the load generator only copies bytes to sockets and both sides of a comparison get the same.
//!
//! `cargo run --release -p sprag --example bench_load -- --events 1000 --keys 100 --secret x
//! --out FILE`
//!
//! The file is a sequence of requests, each preceded by its length in bytes (u32 little-endian).
//! Keys come in a fixed pseudo-random order; the sequence of each key is contiguous.

#![allow(clippy::unwrap_used, reason = "an example stops at its first fault")]

#[path = "bench/event.rs"]
mod event;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Parser;
use http::HeaderName;
use sprag::secret::Secret;
use sprag::verify::hmac::{Algorithm, Declared, SecretEncoding, SignatureEncoding};
use sprag::verify::template::Template;
use sprag::verify::{Scheme, Signer};

/// What to write.
#[derive(Parser)]
struct Options {
    /// Requests
    #[arg(long)]
    events: u64,
    /// Different keys
    #[arg(long)]
    keys: u32,
    /// The number of the first key
    #[arg(long, default_value_t = 0)]
    first_key: u64,
    /// The number of the first event, from which its id is made
    #[arg(long, default_value_t = 1)]
    first_event: u64,
    /// The sequence that each key begins with
    #[arg(long, default_value_t = 1)]
    first_sequence: u64,
    /// Events that were written before: those of a longer load
    #[arg(long, default_value_t = 0)]
    skip: u64,
    /// So many more keys, from 9,000,000 on, that the consumer may treat otherwise: each has two events, put
    /// between the first ones of the others
    #[arg(long, default_value_t = 0)]
    apart: u64,
    /// Every so many-th event is of the first key, whatever else it has; 0 for none
    #[arg(long, default_value_t = 0)]
    hot_every: u64,
    /// Keys by Zipf's law: the second is half as frequent as the first, the third a third
    #[arg(long)]
    zipf: bool,
    /// The secret the source verifies with, as it is
    #[arg(long)]
    secret: String,
    /// The file to write
    #[arg(long)]
    out: PathBuf,
}

/// The number of the first key, and of the first event, that is `apart`.
const APART: (u64, u64) = (9_000_000, 500_000_000);
/// Between two of their events come so many of others.
const APART_EVERY: u64 = 25;
/// Events of each of them.
const APART_EVENTS: u64 = 2;

/// Marsaglia's xorshift64: the same keys in the same order in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound)).unwrap()
    }

    /// By Zipf's law: a rank whose logarithm is even has chance ln(1 + 1/rank), 1/rank nearly. Neighbours by rank are
    /// none by number.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "53 bits of chance, and a rank from 1 to `bound`"
    )]
    fn by_zipf(&mut self, bound: u32) -> u32 {
        let chance = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = (f64::from(bound) + 1.0).powf(chance) as u64 - 1;
        u32::try_from((rank * 2_654_435_761) % u64::from(bound)).unwrap()
    }
}

/// The scheme of the source in the configuration that `cargo xtask bench` writes.
fn scheme() -> Scheme {
    Scheme::Hmac(Declared {
        algorithm: Algorithm::Sha256,
        header: HeaderName::from_static("x-signature"),
        prefix: String::new(),
        encoding: SignatureEncoding::Hex,
        secret_encoding: SecretEncoding::Raw,
        signed: Template::parse("{body}").unwrap(),
        timestamp: None,
        id: None,
        sequence: None,
    })
}

fn request(signer: &Signer, event: u64, body: &[u8]) -> Vec<u8> {
    let id = event::id(event);
    let mut head = format!(
        "POST /in/bench HTTP/1.1\r\nhost: bench.example\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nx-event-id: {id}\r\n",
        body.len()
    );
    for (name, value) in signer.sign(event::signed(&id), body).unwrap() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

fn write(out: &mut impl Write, signer: &Signer, event: u64, body: &[u8]) {
    let request = request(signer, event, body);
    out.write_all(&u32::try_from(request.len()).unwrap().to_le_bytes()).unwrap();
    out.write_all(&request).unwrap();
}

fn main() {
    let options = Options::parse();
    let secret = Secret::from(options.secret.as_str());
    let signer = Signer::new(&scheme(), &[secret]).unwrap();
    let mut out = BufWriter::new(File::create(&options.out).unwrap());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut next = vec![options.first_sequence; usize::try_from(options.keys).unwrap()];
    for number in 0..options.skip + options.events {
        let is_hot = options.hot_every > 0 && number % options.hot_every == 0;
        let key = match (is_hot, options.zipf) {
            (true, _) => 0,
            (_, true) => dice.by_zipf(options.keys),
            _ => dice.below(options.keys),
        };
        let next = &mut next[usize::try_from(key).unwrap()];
        let sequence = *next;
        *next += 1;
        if number < options.skip {
            continue;
        }
        if number % APART_EVERY == 0 && number / APART_EVERY < options.apart * APART_EVENTS {
            let apart = number / APART_EVERY;
            let (event, key) = (APART.1 + apart, APART.0 + apart % options.apart);
            write(&mut out, &signer, event, &event::body(event, key, apart / options.apart + 1));
        }
        let event = options.first_event + number;
        let body = event::body(event, options.first_key + u64::from(key), sequence);
        write(&mut out, &signer, event, &body);
    }
    out.flush().unwrap();
}
