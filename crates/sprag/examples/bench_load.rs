//! Writes the load of `cargo xtask bench`: complete HTTP/1.1 requests, signed beforehand, so that
//! the load generator only copies bytes to sockets and both sides of a comparison get the same.
//!
//! `cargo run --release -p sprag --example bench_load -- --events 1000 --keys 100 --secret x
//! --out FILE`
//!
//! The file is a sequence of requests, each preceded by its length in bytes (u32 little-endian).
//! Keys come in a fixed pseudo-random order; the sequence of each key is contiguous from 1.

#![allow(clippy::unwrap_used, reason = "an example stops at its first fault")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Parser;
use http::HeaderName;
use sprag::secret::Secret;
use sprag::verify::hmac::{Algorithm, Declared, SecretEncoding, SignatureEncoding};
use sprag::verify::template::Template;
use sprag::verify::{Scheme, Signed, Signer};

/// Bytes of a body: the size the budgets of DESIGN section 6 are given for.
const BODY_BYTES: usize = 1_000;

/// What to write.
#[derive(Parser)]
struct Options {
    /// Requests
    #[arg(long)]
    events: u64,
    /// Different keys
    #[arg(long)]
    keys: u32,
    /// The secret the source verifies with, as it is
    #[arg(long)]
    secret: String,
    /// The file to write
    #[arg(long)]
    out: PathBuf,
}

/// Marsaglia's xorshift64: the same keys in the same order in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(bound)).unwrap()
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

/// A JSON body of `BODY_BYTES` with what a source reads at both ends, as real events have it.
fn body(event: u64, key: u32, sequence: u64) -> Vec<u8> {
    let head = format!(
        r#"{{"id":"evt_{event:09}","type":"invoice.updated","data":{{"customer":"cus_{key:07}","lines":["#
    );
    let tail = format!(r#""end"]}},"sequence":{sequence}}}"#);
    let mut body = head.into_bytes();
    let line = br#"{"amount":1250,"currency":"eur","text":"Seat, monthly"},"#;
    while body.len() + line.len() + tail.len() <= BODY_BYTES {
        body.extend_from_slice(line);
    }
    let padding = BODY_BYTES - body.len() - tail.len();
    body.resize(body.len() + padding, b' ');
    body.extend_from_slice(tail.as_bytes());
    body
}

fn request(signer: &Signer, event: u64, body: &[u8]) -> Vec<u8> {
    let id = format!("evt_{event:09}");
    let signed = Signed { id: &id, at_us: 0, sequence: 0, query: "" };
    let mut head = format!(
        "POST /in/bench HTTP/1.1\r\nhost: bench.example\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nx-event-id: {id}\r\n",
        body.len()
    );
    for (name, value) in signer.sign(signed, body).unwrap() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

fn main() {
    let options = Options::parse();
    let secret = Secret::from(options.secret.as_str());
    let signer = Signer::new(&scheme(), &[secret]).unwrap();
    let mut out = BufWriter::new(File::create(&options.out).unwrap());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut sequences = vec![0_u64; usize::try_from(options.keys).unwrap()];
    for event in 1..=options.events {
        let key = dice.below(options.keys);
        let sequence = &mut sequences[usize::try_from(key).unwrap()];
        *sequence += 1;
        let request = request(&signer, event, &body(event, key, *sequence));
        out.write_all(&u32::try_from(request.len()).unwrap().to_le_bytes()).unwrap();
        out.write_all(&request).unwrap();
    }
    out.flush().unwrap();
}
