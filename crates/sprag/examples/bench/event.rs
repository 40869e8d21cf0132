//! The events that `cargo xtask bench` measures with: the same keys, ids and bodies whether they are posted
//! (`bench_load`) or written through the log code (`bench_fill`), so that one goes on where the other ended.

use sprag::verify::Signed;

/// Bytes of a body: the size the budgets of DESIGN section 6 are given for.
const BODY_BYTES: usize = 1_000;
/// A line of an invoice: the middle of a body repeats it, as real events repeat their parts.
const LINE: &[u8] = br#"{"amount":1250,"currency":"eur","text":"Seat, monthly"},"#;

/// The name of an event.
pub(crate) fn id(event: u64) -> String {
    format!("evt_{event:09}")
}

/// A JSON body of `BODY_BYTES` with what a source reads at both ends, as real events have it.
pub(crate) fn body(event: u64, key: u64, sequence: u64) -> Vec<u8> {
    let id = id(event);
    let head = format!(
        r#"{{"id":"{id}","type":"invoice.updated","data":{{"customer":"cus_{key:07}","lines":["#
    );
    let tail = format!(r#""end"]}},"sequence":{sequence}}}"#);
    let mut body = Vec::with_capacity(BODY_BYTES);
    body.extend_from_slice(head.as_bytes());
    while body.len() + LINE.len() + tail.len() <= BODY_BYTES {
        body.extend_from_slice(LINE);
    }
    body.resize(BODY_BYTES - tail.len(), b' ');
    body.extend_from_slice(tail.as_bytes());
    body
}

/// What the signer reads of an event beside its body.
pub(crate) fn signed(id: &str) -> Signed<'_> {
    Signed { id, at_us: 0, sequence: 0, query: "" }
}
