//! Fields of a form or query, by the WHATWG URL standard, as bytes.

/// All fields in their order, decoded. `a&&b` has two.
pub(crate) fn fields(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut fields = Vec::new();
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = decode(halves.next().unwrap_or_default());
        fields.push((name, decode(halves.next().unwrap_or_default())));
    }
    fields
}

/// The value of the only field of this name.
pub(crate) fn only(text: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut values = fields(text).into_iter().filter(|(field, _)| field == name.as_bytes());
    let (_, value) = values.next()?;
    if values.next().is_some() { None } else { Some(value) }
}

fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 2;
            }
            (b'+', _, _) => decoded.push(b' '),
            _ => decoded.push(*byte),
        }
        at += 1;
    }
    decoded
}
