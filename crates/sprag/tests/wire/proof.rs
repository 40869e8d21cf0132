//! Signatures and hashes of a delivery, computed from what arrived and the rules' text alone.

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use sprag_log::digest::sha256;

use crate::wire::{Message, SECRET};

/// `v1` and the HMAC under `env:` this name.
pub(crate) fn hmac_of(name: char, signed: &[u8]) -> String {
    let secret = BASE64.decode(format!("{name}{SECRET}").as_bytes()).unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed);
    format!("v1,{}", BASE64.encode(tag.as_ref()))
}

/// The two signed texts of a delivery (Standard Webhooks, rule C3), from what arrived.
pub(crate) fn signed_texts(delivery: &Message) -> (Vec<u8>, Vec<u8>) {
    let (id, at) = (delivery.header("webhook-id"), delivery.header("webhook-timestamp"));
    let webhook = [format!("{id}.{at}.").as_bytes(), &delivery.body].concat();
    let mut own: Vec<_> = delivery.headers.clone();
    own.retain(|(name, _)| name.starts_with("sprag-") && name != "sprag-signature");
    own.sort();
    let lines: String = own.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    (webhook, format!("{id}.{at}\n{lines}").into_bytes())
}

/// Rule C1, from what arrived and the raw source id.
pub(crate) fn hash_of(delivery: &Message, source_id: &str, previous: &str) -> String {
    let sequence: u64 = delivery.header("sprag-sequence").parse().unwrap();
    let previous = data_encoding::HEXLOWER.decode(previous.as_bytes()).unwrap();
    let parts: [&[u8]; 10] = [
        b"sprag-event-1",
        delivery.header("sprag-source").as_bytes(),
        delivery.header("sprag-key").as_bytes(),
        &sequence.to_be_bytes(),
        delivery.header("sprag-position").as_bytes(),
        delivery.header("sprag-kind").as_bytes(),
        delivery.header("content-type").as_bytes(),
        source_id.as_bytes(),
        &previous,
        &sha256(&[&delivery.body]).0,
    ];
    let framed = parts.iter().flat_map(|part| {
        let length = u32::try_from(part.len()).unwrap().to_be_bytes();
        [&length, *part].concat()
    });
    sha256(&[&framed.collect::<Vec<u8>>()]).to_string()
}
