//! Where in a request a value is found: `header:NAME`, `body:/json/pointer`, `form:NAME`,
//! `query:NAME`, `const:VALUE`.

use super::{Pointer, PointerProblem};
use http::HeaderName;

/// One place in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A request header. It must occur once.
    Header(HeaderName),
    /// A value of the JSON body.
    Body(Pointer),
    /// A field of a form body. It must occur once.
    Form(String),
    /// A parameter of the URL. It must occur once.
    Query(String),
    /// The same text for every event.
    Const(String),
}

/// Why a text is no location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocationProblem {
    /// It starts with none of the five words.
    UnknownPlace,
    /// `header:` is not followed by a header name.
    BadHeaderName,
    /// `body:` is not followed by a JSON pointer.
    BadPointer(PointerProblem),
    /// `form:`, `query:` or `const:` is followed by nothing.
    Empty,
}

impl std::fmt::Display for LocationProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownPlace => formatter.write_str(
                "a location is header:NAME, body:/json/pointer, form:NAME, query:NAME or const:VALUE",
            ),
            Self::BadHeaderName => formatter.write_str("not a header name"),
            Self::BadPointer(problem) => problem.fmt(formatter),
            Self::Empty => formatter.write_str("a name or value is needed after the colon"),
        }
    }
}

impl Location {
    /// Reads a location.
    pub fn parse(text: &str) -> Result<Self, LocationProblem> {
        let (place, rest) = text.split_once(':').ok_or(LocationProblem::UnknownPlace)?;
        let named = || match rest {
            "" => Err(LocationProblem::Empty),
            name => Ok(name.to_owned()),
        };
        match place {
            "header" => HeaderName::from_bytes(rest.as_bytes())
                .map(Self::Header)
                .map_err(|_| LocationProblem::BadHeaderName),
            "body" => Pointer::parse(rest).map(Self::Body).map_err(LocationProblem::BadPointer),
            "form" => named().map(Self::Form),
            "query" => named().map(Self::Query),
            "const" => named().map(Self::Const),
            _ => Err(LocationProblem::UnknownPlace),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(name) => write!(formatter, "header:{name}"),
            Self::Body(pointer) => write!(formatter, "body:{}", pointer.as_str()),
            Self::Form(name) => write!(formatter, "form:{name}"),
            Self::Query(name) => write!(formatter, "query:{name}"),
            Self::Const(value) => write!(formatter, "const:{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_read_and_written_back() {
        for text in ["header:x-id", "body:/a/0/b~1c", "body:", "form:a b", "query:id", "const:a:b"]
        {
            assert_eq!(Location::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Location::parse("header:X-Id"), Location::parse("header:x-id"));
    }

    #[test]
    fn problems_are_told_apart() {
        use LocationProblem::*;
        for (text, problem) in [
            ("/data/id", UnknownPlace),
            ("cookie:a", UnknownPlace),
            ("header:", BadHeaderName),
            ("header:a b", BadHeaderName),
            ("body:data", BadPointer(PointerProblem::NoSlash)),
            ("const:", Empty),
        ] {
            assert_eq!(Location::parse(text), Err(problem), "{text}");
        }
    }
}
