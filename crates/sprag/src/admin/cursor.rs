//! Where a page ended, as a text that only this API reads.

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::{Code, Problem};

pub(super) fn write(place: &impl Serialize) -> Result<String, Problem> {
    let bytes = serde_json::to_vec(place).map_err(|_| Problem::new(Code::Internal))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

pub(super) fn read<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok();
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.map(Some).ok_or_else(|| {
        Problem::new(Code::InvalidParameter).with_detail("cursor is none of this list's `next`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_other_texts_are_refused() {
        let text = write(&(3_u16, "a/b")).unwrap();
        assert_eq!(read(Some(&text)).unwrap(), Some((3_u16, "a/b".to_owned())));
        assert_eq!(read::<u16>(None).unwrap(), None);
        for text in ["", "!", "bm8", &text[1..]] {
            let refused = read::<(u16, String)>(Some(text)).unwrap_err();
            assert_eq!(refused.code, Code::InvalidParameter, "{text}");
        }
    }
}
