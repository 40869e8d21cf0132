//! What a page holds: its events, as written, and where the next page is.

use serde::Deserialize;
use sprag_core::ranges::Range;

use crate::extract::json::{Found, scan, unescape};
use crate::extract::{Extractor, Paths, Pointer};
use crate::limits;

/// Where a page says that there is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nowhere: an answer is one page.
    None,
    /// In the `Link` header, with the relation `next`.
    Link,
    /// In the body: a URL, or nothing.
    At(Pointer),
}

/// What a page says besides its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signs {
    /// Where it says that there is another.
    pub next: Next,
    /// Where it says of which positions there is none; none: it never does.
    pub none: Option<Pointer>,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<'a> {
    /// Its events in their order, each as written.
    pub events: Vec<&'a [u8]>,
    /// The link to the next page; none on the last.
    pub next: Option<String>,
    /// Positions of which its source says that there is none.
    pub none: Vec<Range>,
}

/// A range of them, as written; why there is none is the source's affair.
#[derive(Debug, Deserialize)]
struct Omitted {
    from: u64,
    to: u64,
}

/// Reads a page. `link` is its `Link` header.
///
/// # Errors
/// What is not as configured.
pub fn read<'a>(
    body: &'a [u8],
    link: Option<&str>,
    extractor: &Extractor,
    signs: &Signs,
) -> Result<Page<'a>, String> {
    let events = extractor.bodies(body).map_err(|error| error.to_string())?;
    let next = match &signs.next {
        Next::None => None,
        Next::Link => link.and_then(super::link::next_of).map(str::to_owned),
        Next::At(pointer) => next_at(body, pointer)?,
    };
    let none = signs.none.as_ref().map_or(Ok(Vec::new()), |pointer| none_at(body, pointer))?;
    Ok(Page { events, next, none })
}

/// The ranges of an array; absent and null say that nothing is left out.
fn none_at(body: &[u8], pointer: &Pointer) -> Result<Vec<Range>, String> {
    let mut paths = Paths::default();
    paths.add(pointer);
    let found = scan(body, &paths).map_err(|unreadable| unreadable.to_string())?;
    let unreadable = |why: &str| format!("body:{}: what there is not: {why}", pointer.as_str());
    let omitted: Vec<Omitted> = match paths.find(pointer, &found) {
        Found::Missing | Found::Null => Vec::new(),
        Found::Array(array) => {
            serde_json::from_str(array).map_err(|error| unreadable(&error.to_string()))?
        }
        _ => return Err(unreadable("no array")),
    };
    let range =
        |Omitted { from, to }: &Omitted| (from <= to).then_some(Range { from: *from, to: *to });
    omitted
        .iter()
        .map(range)
        .collect::<Option<_>>()
        .ok_or_else(|| unreadable("it ends before it begins"))
}

/// Absent, null, false and empty say that there is none.
fn next_at(body: &[u8], pointer: &Pointer) -> Result<Option<String>, String> {
    let mut paths = Paths::default();
    paths.add(pointer);
    let found = scan(body, &paths).map_err(|unreadable| unreadable.to_string())?;
    let wrong = |what: &str| Err(format!("body:{}: the next page is {what}", pointer.as_str()));
    let text = match paths.find(pointer, &found) {
        Found::Missing | Found::Null | Found::Boolean(_) => return Ok(None),
        Found::Duplicate => return wrong("named twice"),
        Found::Number(_) => return wrong("a number"),
        Found::Object(_) => return wrong("an object"),
        Found::Array(_) => return wrong("an array"),
        Found::String { quoted, escaped: false } => quoted[1..quoted.len() - 1].to_owned(),
        Found::String { quoted, escaped: true } => match unescape(quoted) {
            Some(text) => text,
            None => return wrong("no text"),
        },
    };
    if text.len() > limits::REFILL_URL_BYTES {
        return wrong("too long");
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}
