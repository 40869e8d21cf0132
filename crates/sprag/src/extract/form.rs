//! Fields of `application/x-www-form-urlencoded` text (WHATWG URL standard, section 5.1), as bytes:
//! what is not UTF-8 stays distinguishable (rule K1: bytes compared).

use super::Reason;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// The value of the only field with this name.
pub(crate) fn field<'a>(text: &'a [u8], name: &str) -> Result<Cow<'a, [u8]>, Reason> {
    let mut values = text
        .split(|byte| *byte == b'&')
        .map(split_pair)
        .filter(|(field, _)| decode(field) == name.as_bytes())
        .map(|(_, value)| value);
    let value = values.next().ok_or(Reason::Missing)?;
    if values.next().is_some() { Err(Reason::Repeated) } else { Ok(decode(value)) }
}

/// Every field with its value, decoded, as sent.
pub(crate) fn fields(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    text.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(split_pair)
        .map(|(name, value)| (decode(name).into_owned(), decode(value).into_owned()))
        .collect()
}

fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, b""),
    }
}

fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'+') {
        return percent_decode(text).into();
    }
    let blanks: Vec<u8> =
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    Cow::Owned(percent_decode(&blanks).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let text = b"CallSid=CA1&Seq=7&a%20b=c+d%2B&flag&x=%FF";
        assert_eq!(field(text, "CallSid").unwrap(), &b"CA1"[..]);
        assert_eq!(field(text, "a b").unwrap(), &b"c d+"[..]);
        assert_eq!(field(text, "flag").unwrap(), &b""[..]);
        assert_eq!(field(text, "x").unwrap(), &b"\xff"[..]);
        assert_eq!(field(text, "callsid"), Err(Reason::Missing));
    }

    #[test]
    fn a_repeated_name_is_ambiguous_however_it_is_written() {
        assert_eq!(field(b"id=1&i%64=2", "id"), Err(Reason::Repeated));
    }
}
