//! The scanner against `serde_json`: the same documents are accepted, the same values are found.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use proptest::prelude::*;
use serde_json::Value;
use sprag::extract::json::{Found, Unreadable, scan, unescape};
use sprag::extract::{Paths, Pointer};
use sprag::limits::{JSON_DEPTH, POINTERS};

fn find<'a>(body: &'a [u8], pointers: &[&str]) -> Result<Vec<Found<'a>>, Unreadable> {
    let pointers: Vec<Pointer> =
        pointers.iter().map(|pointer| Pointer::parse(pointer).unwrap()).collect();
    let mut paths = Paths::default();
    for pointer in &pointers {
        assert!(paths.add(pointer));
    }
    let found = scan(body, &paths)?;
    Ok(pointers.iter().map(|pointer| paths.find(pointer, &found)).collect())
}

fn one<'a>(body: &'a str, pointer: &str) -> Found<'a> {
    find(body.as_bytes(), &[pointer]).unwrap()[0]
}

fn string(quoted: &str) -> Found<'_> {
    Found::String { quoted, escaped: false }
}

#[test]
fn every_kind_of_value_is_found_in_one_pass() {
    let body = br#" {"a":{"b":[10,{"c":"x"},[]],"t":true},"n":null,"f":-1.5e3,"":"e"} "#;
    let pointers =
        ["/a/b/0", "/a/b/1/c", "/a/b/2", "/a/t", "/n", "/f", "/", "/a", "", "/a/b/3", "/z"];
    assert_eq!(
        find(body, &pointers).unwrap(),
        [
            Found::Number("10"),
            string(r#""x""#),
            Found::Array("[]"),
            Found::Boolean(true),
            Found::Null,
            Found::Number("-1.5e3"),
            string(r#""e""#),
            Found::Object(r#"{"b":[10,{"c":"x"},[]],"t":true}"#),
            Found::Object(std::str::from_utf8(body).unwrap().trim()),
            Found::Missing,
            Found::Missing,
        ]
    );
}

#[test]
fn member_names_are_compared_unescaped() {
    assert_eq!(one(r#"{"cust\u006fmer":"x"}"#, "/customer"), string(r#""x""#));
    assert_eq!(one(r#"{"a/b~c":1}"#, "/a~1b~0c"), Found::Number("1"));
    assert_eq!(one(r#"{"\ud800":1,"a":2}"#, "/a"), Found::Number("2"));
}

#[test]
fn indexes_are_canonical() {
    assert_eq!(one("[5,6]", "/1"), Found::Number("6"));
    assert_eq!(one("[5,6]", "/01"), Found::Missing);
    assert_eq!(one("[5,6]", "/-"), Found::Missing);
    assert_eq!(one(r#"{"01":7}"#, "/01"), Found::Number("7"));
}

#[test]
fn a_duplicate_is_told_only_on_a_followed_path() {
    let body = br#"{"a":{"k":1},"b":1,"b":2,"a":{"k":1}}"#;
    let found = find(body, &["/a/k", "/a", "/c"]).unwrap();
    assert_eq!(found, [Found::Duplicate, Found::Duplicate, Found::Missing]);
    assert_eq!(one(r#"{"k":1,"\u006b":2}"#, "/k"), Found::Duplicate);
    assert_eq!(one(r#"{"a":{"x":1,"x":2},"k":3}"#, "/k"), Found::Number("3"));
    assert_eq!(one(r#"[{"k":1},{"k":2}]"#, "/1/k"), Found::Number("2"));
}

#[test]
fn nesting_is_bounded_inside_and_outside_of_a_path() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for pointers in [&[][..], &["/0/0/0/0/0/0/0"][..]] {
        assert!(find(nested(JSON_DEPTH).as_bytes(), pointers).is_ok());
        assert!(find(nested(JSON_DEPTH + 1).as_bytes(), pointers).is_err());
    }
    assert!(serde_json::from_str::<Value>(&nested(JSON_DEPTH)).is_ok());
    assert!(serde_json::from_str::<Value>(&nested(JSON_DEPTH + 1)).is_err());
    assert!(find("[".repeat(1_000_000).as_bytes(), &[]).is_err());
}

#[test]
fn a_fault_is_placed() {
    for (body, offset) in [
        ("", 0),
        ("{", 1),
        (r#"{"a" 1}"#, 5),
        (r#"{"a":1,}"#, 7),
        ("[1 2]", 3),
        ("[01]", 2),
        ("nul", 0),
        ("\"a\u{1}\"", 2),
        (r#""\x""#, 2),
        (r#""\u12g4""#, 2),
        ("1.", 2),
        ("-", 1),
        ("{} x", 3),
        ("\u{feff}{}", 0),
    ] {
        assert_eq!(find(body.as_bytes(), &["/a"]).unwrap_err().offset, offset, "{body}");
    }
    assert_eq!(find(b"[\"\xff\"]", &[]).unwrap_err().offset, 2);
}

/// Every special byte at every offset of an eight-byte step.
#[test]
fn strings_end_where_they_end() {
    for length in 0..40 {
        let text = format!("{}é", "x".repeat(length));
        let body = format!(r#"["{text}","b\\"]"#);
        let found = find(body.as_bytes(), &["/0", "/1"]).unwrap();
        assert_eq!(found[0], string(&format!("\"{text}\"")));
        assert_eq!(found[1], Found::String { quoted: r#""b\\""#, escaped: true });
        let control = format!("[\"{text}\u{1f}\"]");
        assert!(find(control.as_bytes(), &[]).is_err());
    }
}

#[test]
fn pointers_are_bounded_and_equal_ones_are_one() {
    let mut paths = Paths::default();
    for number in 0..POINTERS {
        assert!(paths.add(&Pointer::parse(&format!("/{number}")).unwrap()));
    }
    assert!(!paths.add(&Pointer::parse("/x").unwrap()));
    assert!(paths.add(&Pointer::parse("/0").unwrap()), "an equal pointer needs no room");
}

/// Documents with unique member names, nested a little, with awkward names and texts.
fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let name = prop_oneof!["[ab/~0-2é\"\\\\]{0,2}", Just("k".to_owned())];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Pointers to every value of the document.
fn pointers(value: &Value, prefix: &str, into: &mut Vec<String>) {
    into.push(prefix.to_owned());
    let escape = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{prefix}/{index}"), into);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                pointers(member, &format!("{prefix}/{}", escape(name)), into);
            }
        }
        _ => {}
    }
}

fn agrees(found: Found<'_>, value: Option<&Value>) -> bool {
    match (found, value) {
        (Found::Missing, None)
        | (Found::Null, Some(Value::Null))
        | (Found::Object(_), Some(Value::Object(_)))
        | (Found::Array(_), Some(Value::Array(_))) => true,
        (Found::Boolean(found), Some(Value::Bool(value))) => found == *value,
        (Found::Number(text), Some(Value::Number(number))) => text == number.to_string(),
        (Found::String { quoted, .. }, Some(Value::String(text))) => {
            unescape(quoted).as_ref() == Some(text)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn the_same_values_as_serde_json(document in documents(), pretty: bool) {
        let body = if pretty {
            serde_json::to_string_pretty(&document).unwrap()
        } else {
            document.to_string()
        };
        let mut wanted = Vec::new();
        pointers(&document, "", &mut wanted);
        wanted.truncate(POINTERS - 2);
        wanted.extend(["/k/9".to_owned(), "/absent".to_owned()]);
        let texts: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let found = find(body.as_bytes(), &texts).unwrap();
        for (pointer, found) in wanted.iter().zip(found) {
            prop_assert!(agrees(found, document.pointer(pointer)), "{body} {pointer} {found:?}");
        }
    }

    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = find(&body, &["/a/0", "/k"]);
    }

    /// Near-JSON: whatever serde_json reads is read, and the other way round but for numbers out
    /// of range and halves of UTF-16 pairs, which only a reader of the value can judge.
    #[test]
    fn the_same_documents_as_serde_json(body in r#"[\[\]{}:,"\\ua0-1.eE+\- tfnrulse\x01é]{0,12}"#) {
        let ours = find(body.as_bytes(), &["/a", "/0"]);
        match serde_json::from_str::<Value>(&body) {
            Ok(_) => prop_assert!(ours.is_ok(), "{body} {ours:?}"),
            Err(error) => {
                let text = error.to_string();
                let judged_later = text.contains("out of range") || text.contains("surrogate")
                    || text.contains("hex escape");
                prop_assert!(ours.is_err() || judged_later, "{body} {text}");
            }
        }
    }
}
