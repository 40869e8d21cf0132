//! How parts of keys and ids are written: percent-encoded, one form everywhere (rule K1).
//!
//! Kept as they are: `A-Z a-z 0-9 - _ ~`, the unreserved characters of RFC 3986 but for `.`, which
//! Standard Webhooks forbids in an id. Every other byte becomes `%XX`. So a key is encoded once and
//! has the same text in the log, the API, `sprag-key` and `webhook-id`. `/` joins the parts of a
//! key, `:` the parts of an id; neither can occur in a part.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// Appends one part.
pub fn push_part(text: &mut String, part: &[u8]) {
    text.extend(percent_encode(part, ENCODED));
}

/// One part alone, for `sprag-type` and `sprag-source-id`.
#[must_use]
pub fn encode_part(part: &[u8]) -> String {
    let mut text = String::with_capacity(part.len());
    push_part(&mut text, part);
    text
}

/// The `webhook-id` of a delivery (DESIGN section 5): `{source}:{key}:{sequence}`, the same on
/// every attempt. `key` is an encoded key as this module writes it.
#[must_use]
pub fn webhook_id(source: &str, key: &str, sequence: u64) -> String {
    let mut text = String::with_capacity(source.len() + key.len() + 22);
    push_part(&mut text, source.as_bytes());
    text.push(':');
    text.push_str(key);
    text.push(':');
    text.push_str(&sequence.to_string());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreserved_but_the_dot_is_kept() {
        assert_eq!(encode_part(b"Az09-_~"), "Az09-_~");
        assert_eq!(encode_part(b"a.b/c:d e%"), "a%2Eb%2Fc%3Ad%20e%25");
        assert_eq!(encode_part("é\u{1F600}".as_bytes()), "%C3%A9%F0%9F%98%80");
        assert_eq!(encode_part(b"\xff\x00"), "%FF%00");
    }

    #[test]
    fn an_id_has_three_parts_and_no_dot() {
        let key = format!("{}/{}", encode_part(b"octo.org"), encode_part(b"42"));
        let id = webhook_id("github", &key, u64::MAX);
        assert_eq!(id, "github:octo%2Eorg/42:18446744073709551615");
        assert_eq!(id.split(':').count(), 3);
    }
}
