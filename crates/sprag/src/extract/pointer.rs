//! A JSON pointer (RFC 6901), parsed once from the configuration.

use crate::limits;

/// A parsed pointer. The empty pointer is the whole document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    text: String,
    segments: Vec<String>,
}

/// Why a text is no pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointerProblem {
    /// It neither is empty nor starts with `/`.
    NoSlash,
    /// `~` is followed by something else than `0` or `1`.
    BadEscape,
    /// More than `limits::POINTER_SEGMENTS` segments.
    TooDeep,
}

impl std::fmt::Display for PointerProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSlash => formatter.write_str("a JSON pointer starts with `/`"),
            Self::BadEscape => {
                formatter.write_str("in a JSON pointer `~` is written `~0` and `/` is written `~1`")
            }
            Self::TooDeep => {
                write!(
                    formatter,
                    "a JSON pointer has at most {} segments",
                    limits::POINTER_SEGMENTS
                )
            }
        }
    }
}

impl Pointer {
    /// Reads a pointer.
    pub fn parse(text: &str) -> Result<Self, PointerProblem> {
        let segments = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').map(unescape).collect::<Result<Vec<_>, _>>()?,
            None if text.is_empty() => Vec::new(),
            None => return Err(PointerProblem::NoSlash),
        };
        if segments.len() > limits::POINTER_SEGMENTS {
            return Err(PointerProblem::TooDeep);
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The member names and element indexes from the root on, unescaped.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }
}

fn unescape(segment: &str) -> Result<String, PointerProblem> {
    let mut pieces = segment.split('~');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (escaped, rest) = match piece.split_at_checked(1) {
            Some(("0", rest)) => ('~', rest),
            Some(("1", rest)) => ('/', rest),
            _ => return Err(PointerProblem::BadEscape),
        };
        text.push(escaped);
        text.push_str(rest);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(text: &str) -> Vec<String> {
        Pointer::parse(text).unwrap().segments
    }

    #[test]
    fn escapes_and_empty_names() {
        assert_eq!(segments(""), Vec::<String>::new());
        assert_eq!(segments("/"), [""]);
        assert_eq!(segments("/a~1b/m~0n/~01"), ["a/b", "m~n", "~1"]);
    }

    #[test]
    fn texts_that_are_no_pointers() {
        assert_eq!(Pointer::parse("data/id"), Err(PointerProblem::NoSlash));
        assert_eq!(Pointer::parse("/a~"), Err(PointerProblem::BadEscape));
        assert_eq!(Pointer::parse("/a~2"), Err(PointerProblem::BadEscape));
        assert_eq!(Pointer::parse("/~ä"), Err(PointerProblem::BadEscape));
        assert_eq!(Pointer::parse(&"/a".repeat(17)), Err(PointerProblem::TooDeep));
    }
}
