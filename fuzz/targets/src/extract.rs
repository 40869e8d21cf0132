//! Reading events: the scanner and the extractor against a tree that `serde_json` built, and a plain
//! reading of the rules (DESIGN K1, K3).

use std::cell::Cell;

use arbitrary::{Result, Unstructured};
use http::{HeaderMap, HeaderName, HeaderValue};
use sprag::extract::json::{Found, scan, unescape};
use sprag::extract::{
    ExtractError, Extracted, ExtractedPosition, Extraction, Extractor, IdRule, InstantUnit,
    KeyRule, Location, Paths, Pattern, Pointer, PositionRule, Received, Rules, StateAt, Subject,
};
use sprag::limits::{ID_BYTES, JSON_DEPTH, KEY_BYTES, TYPE_BYTES};

use crate::reference::event::Reading;
use crate::reference::json::{Led, Tree};
use crate::reference::mac;

/// Names of members, headers and fields: few, so that bytes often hit one.
const NAMES: [&str; 6] = ["a", "b", "k", "0", "1", "x~/\"é"];

/// Reads the body and the request that the bytes choose.
///
/// # Panics
/// When product and reference read differently.
pub fn run(data: &[u8]) {
    // Bytes that have run out choose the first of everything.
    let _ = compare(&mut Unstructured::new(data));
}

fn compare(choices: &mut Unstructured<'_>) -> Result<()> {
    let request = Request {
        header: [choices.arbitrary()?, choices.arbitrary()?],
        query: choices.arbitrary::<&str>()?,
        rules: rules(choices)?,
        pointers: pointers(choices)?,
        body: crate::rest(choices).to_vec(),
    };
    let tree = Tree::read(&request.body);
    compare_scan(&request, &tree);
    compare_extraction(&request, tree.as_ref().ok());
    Ok(())
}

/// A request, the rules it is read by, and pointers that are followed in its body.
pub(crate) struct Request<'a> {
    /// The values of `x-a` and `x-b`.
    pub(crate) header: [Option<&'a [u8]>; 2],
    pub(crate) query: &'a str,
    pub(crate) rules: Rules,
    pub(crate) pointers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

fn pointers(choices: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let count = choices.int_in_range(0..=4)?;
    (0..count).map(|_| pointer(choices)).collect()
}

fn pointer(choices: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    for _ in 0..choices.int_in_range(0..=4)? {
        let name = choices.choose(&NAMES)?;
        text.push('/');
        text.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    Ok(text)
}

/// The same documents, the same values.
fn compare_scan(request: &Request<'_>, tree: &std::result::Result<Tree, serde_json::Error>) {
    let parsed: Vec<Pointer> =
        request.pointers.iter().map(|text| Pointer::parse(text).expect("a pointer")).collect();
    let mut paths = Paths::default();
    assert!(parsed.iter().all(|pointer| paths.add(pointer)), "so few always fit");
    let shown = String::from_utf8_lossy(&request.body);
    let found = match (scan(&request.body, &paths), tree) {
        (Ok(found), Ok(_)) => found,
        (Ok(_), Err(error)) => return assert!(is_judged_later(error), "{error}: {shown}"),
        (Err(_), Err(_)) => return,
        (Err(fault), Ok(_)) => {
            assert!(fault.offset <= request.body.len());
            // Deeper than anyone reads; serde_json counts one more.
            let depth = request.body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
            return assert!(depth > JSON_DEPTH, "{fault}: {shown}");
        }
    };
    let Ok(tree) = tree else { return };
    for (pointer, text) in parsed.iter().zip(&request.pointers) {
        let (found, led) = (paths.find(pointer, &found), tree.at(text));
        assert!(agrees(found, led), "{text}: {found:?}, by the reference {led:?}: {shown}");
    }
}

/// What only a reader of the value can judge: how large a number is, halves of UTF-16 pairs.
fn is_judged_later(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    ["out of range", "surrogate", "hex escape"].iter().any(|word| text.contains(word))
}

fn agrees(found: Found<'_>, led: Led<'_>) -> bool {
    match (found, led) {
        (Found::Missing, Led::Nowhere) | (Found::Duplicate, Led::Twice) => true,
        (Found::Null, Led::To(Tree::Null)) => true,
        (Found::Boolean(found), Led::To(Tree::Boolean(is_so))) => found == *is_so,
        (Found::Object(text), Led::To(object @ Tree::Object(_))) => {
            Tree::read(text.as_bytes()).is_ok_and(|tree| tree == *object)
        }
        (Found::Array(text), Led::To(array @ Tree::Array(_))) => {
            Tree::read(text.as_bytes()).is_ok_and(|tree| tree == *array)
        }
        (Found::Number(text), Led::To(number @ Tree::Number(_))) => {
            Tree::read(text.as_bytes()).is_ok_and(|tree| tree == *number)
        }
        (Found::String { quoted, .. }, Led::To(Tree::Text(text))) => {
            unescape(quoted).as_ref() == Some(text)
        }
        _ => false,
    }
}

fn location(choices: &mut Unstructured<'_>, is_form: bool) -> Result<Location> {
    let name = *choices.choose(&NAMES[..3])?;
    let text = match choices.int_in_range(0..=6)? {
        0 => format!("header:x-{name}"),
        1 => format!("query:{name}"),
        2 => format!("const:{name}/é"),
        _ if is_form => format!("form:{name}"),
        _ => format!("body:{}", pointer(choices)?),
    };
    Ok(Location::parse(&text).expect("a location"))
}

fn rules(choices: &mut Unstructured<'_>) -> Result<Rules> {
    let is_form = choices.ratio(1, 4)?;
    let pattern = |text: &str| Pattern::parse(text).expect("a pattern");
    let parts = |choices: &mut Unstructured<'_>| {
        let count = choices.int_in_range(1..=3)?;
        (0..count).map(|_| location(choices, is_form)).collect::<Result<Vec<_>>>()
    };
    let id = match choices.int_in_range(0..=2)? {
        0 => IdRule::Sha256,
        1 => IdRule::None,
        _ => IdRule::At(location(choices, is_form)?),
    };
    let key = match choices.ratio(1, 4)? {
        true => KeyRule::ByType(vec![
            (pattern("a*"), parts(choices)?),
            (pattern("*.b"), parts(choices)?),
        ]),
        false => KeyRule::Parts(parts(choices)?),
    };
    let event_type = if choices.ratio(1, 2)? { Some(location(choices, is_form)?) } else { None };
    let accept =
        if choices.ratio(1, 4)? { vec![pattern("a*"), pattern("b")] } else { vec![pattern("*")] };
    let position = match choices.int_in_range(0..=8)? {
        0 => PositionRule::None,
        1 => PositionRule::Sequence(location(choices, is_form)?),
        2 => PositionRule::Version(location(choices, is_form)?),
        3 => PositionRule::Timestamp {
            at: location(choices, is_form)?,
            unit: InstantUnit::Milliseconds,
        },
        4 if !is_form => {
            let at = Location::parse(&format!("body:{}", pointer(choices)?)).expect("a location");
            PositionRule::Fields { at, unit: None, values: None }
        }
        8 => PositionRule::Link {
            before: location(choices, is_form)?,
            after: location(choices, is_form)?,
            forced: match !is_form && choices.ratio(1, 2)? {
                true => Some(
                    Location::parse(&format!("body:{}", pointer(choices)?)).expect("a location"),
                ),
                false => None,
            },
        },
        6 => PositionRule::State { state: location(choices, is_form)?, at: None },
        7 => PositionRule::State {
            state: location(choices, is_form)?,
            at: Some(StateAt { at: location(choices, is_form)?, unit: None }),
        },
        _ => {
            PositionRule::Timestamp { at: location(choices, is_form)?, unit: InstantUnit::Rfc3339 }
        }
    };
    Ok(Rules { id, key, event_type, accept, position, split: None, depends_on: None })
}

fn header_map(request: &Request<'_>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in ["x-a", "x-b"].iter().zip(request.header) {
        if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value).ok()) {
            map.append(HeaderName::from_static(name), value);
        }
    }
    map
}

/// The same event, or none where the reference finds none.
pub(crate) fn compare_extraction(request: &Request<'_>, tree: Option<&Tree>) {
    let extractor =
        Extractor::new(request.rules.clone()).expect("a form or JSON, and few pointers");
    let (headers, digest) = (header_map(request), mac::sha256(&request.body));
    let received =
        Received { headers: &headers, query: request.query, body: &request.body, digest: &digest };
    let ours = extractor.extract(received);
    let shown = String::from_utf8_lossy(&request.body);
    if let Ok(Extraction::Event(event)) = &ours {
        assert_bounded(event);
    }
    let needs_tree = request.rules.locations().any(|at| matches!(at, Location::Body(_)));
    if needs_tree && tree.is_none() {
        // What serde_json refuses may still be judged later; then nothing is compared.
        return;
    }
    let reading = Reading {
        rules: &request.rules,
        headers: &headers,
        query: request.query,
        body: &request.body,
        tree,
        cannot_tell: Cell::new(false),
    };
    let expected = reading.extraction();
    let is_judged_elsewhere = match &ours {
        Err(ExtractError::Unreadable(_)) => true,
        // When a text is a time by RFC 3339 is left to the library.
        Err(ExtractError::Invalid(invalid)) => {
            invalid.subject == Subject::Position && is_rfc3339(&request.rules)
        }
        Ok(_) => false,
    };
    if is_judged_elsewhere || reading.cannot_tell.get() {
        return;
    }
    assert_eq!(
        ours.ok().map(without_instant(&request.rules)),
        expected,
        "{:?} {shown}",
        request.rules
    );
}

fn is_rfc3339(rules: &Rules) -> bool {
    matches!(rules.position, PositionRule::Timestamp { unit: InstantUnit::Rfc3339, .. })
}

/// What the reference can compare: it reads no RFC 3339.
fn without_instant(rules: &Rules) -> impl Fn(Extraction) -> Extraction {
    let unread = is_rfc3339(rules);
    move |extraction| match extraction {
        Extraction::Event(event) if unread => {
            Extraction::Event(Extracted { position: ExtractedPosition::Timestamp(0), ..event })
        }
        other => other,
    }
}

fn assert_bounded(event: &Extracted) {
    assert!(event.id.as_ref().is_none_or(|id| !id.is_empty() && id.len() <= ID_BYTES));
    assert!(
        !event.key.is_empty()
            && event.key.len() <= KEY_BYTES
            && event.event_type.len() <= TYPE_BYTES
    );
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~%/".contains(&byte);
    assert!(event.key.bytes().all(allowed), "{}", event.key);
}
