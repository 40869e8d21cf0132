//! Values of a configuration key from what the table of keys says of its kind: those it allows, at
//! their limits, and others just beyond or of another kind.

use proptest::test_runner::{RngAlgorithm, TestRng};
use sprag::config::reference::Key;
use sprag::config::units;
use sprag::preset;

/// A TOML value.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) text: String,
    /// Whether the kind allows it; other keys may still contradict.
    pub(crate) allowed: bool,
}

/// The same choices in every run.
pub(crate) fn dice() -> TestRng {
    TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32])
}

fn values(allowed: &[&str], others: &[&str]) -> Vec<Value> {
    let value = |allowed| move |text: &&str| Value { text: (*text).to_owned(), allowed };
    allowed.iter().map(value(true)).chain(others.iter().map(value(false))).collect()
}

fn owned(allowed: Vec<String>, others: Vec<String>) -> Vec<Value> {
    let of = |allowed| move |text| Value { text, allowed };
    allowed.into_iter().map(of(true)).chain(others.into_iter().map(of(false))).collect()
}

/// The values tried for a key; none for those that are tables of other keys.
pub(crate) fn of(key: &Key) -> Option<Vec<Value>> {
    if let Some(range) = key.kind.strip_prefix("duration ") {
        return Some(durations(range));
    }
    if let Some(range) = key.kind.strip_prefix("size ") {
        return Some(sizes(range));
    }
    if let Some(range) = key.kind.strip_prefix("integer ").filter(|rest| rest.contains('–')) {
        return Some(integers(range));
    }
    if let Some(some) = words(key.kind).or_else(|| links(key.kind)) {
        return Some(some);
    }
    Some(match key.kind {
        "table" => return None,
        "boolean" => values(&["true", "false"], &["\"true\"", "1"]),
        "integer or `any`" => values(&["0", "1", "7", "\"any\""], &["-1", "\"some\"", "1.5"]),
        "`N/s`, `N/m` or `N/h`" => {
            values(&["\"1/s\"", "\"600/m\"", "\"1000/h\""], &["\"0/s\"", "\"5/d\"", "5"])
        }
        "secret" => {
            values(&["\"env:HEX\""], &["\"plain\"", "\"env:\"", "\"env:NOT_SET_ANYWHERE\""])
        }
        "array of secrets" => values(
            &["[\"env:A\"]", "[\"env:A\", \"env:A\"]"],
            &["[]", "\"env:A\"", "[\"whsec_plain\"]", "[\"file:/nowhere/at/all\"]"],
        ),
        "location" | "location or `{ join = […] }`" => locations(&[]),
        "location, `sha256`, `none`" => locations(&["\"sha256\"", "\"none\""]),
        "location, `{ join = […] }`, or array of rules by type" => {
            locations(&["{ join = [\"body:/a\", \"const:b\"] }"])
        }
        // Its table has a value already, which is one location.
        "array of locations" => return None,
        "array of patterns" => values(&["[\"*\"]", "[\"a.*\", \"b\"]"], &["[]", "\"*\"", "[7]"]),
        "array of states" => {
            values(&["[\"a\"]", "[\"a\", \"b\"]"], &["\"a\"", "[7]", "[\"\"]", "[\"a\", \"a\"]"])
        }
        "pattern" => values(&["\"*\"", "\"a.*\""], &["7"]),
        "array of source names" => values(&["[\"made\"]"], &["[]", "[\"nobody\"]", "\"made\""]),
        "name of a source" => values(&["\"made\""], &["\"nobody\"", "\"\"", "7"]),
        "name of a destination" => values(&["\"made\""], &["\"nobody\"", "\"\"", "7"]),
        "array of header names" => {
            values(&["[]", "[\"x-trace\"]"], &["[\"no name\"]", "[\"authorization\"]", "7"])
        }
        "array of address ranges" => values(
            &["[]", "[\"10.0.0.0/8\", \"::1/128\"]"],
            &["[\"10.0.0.0/33\"]", "[\"home\"]", "7"],
        ),
        "header name" => values(&["\"x-mac\""], &["\"no name\"", "7"]),
        "`header:NAME`" => values(&["\"header:x-other\""], &["\"body:/a\"", "\"header:\"", "7"]),
        "`body:/pointer`" => values(&["\"body:/events\"", "\"body:\""], &["\"header:x-a\"", "7"]),
        "text" => values(&["\"sha256=\"", "\"\""], &["7"]),
        "template" => values(&["\"{body}\"", "\"v0:{body}\""], &["\"{bdy}\"", "\"\"", "7"]),
        "path" => values(&[], &["\"/nowhere/at/all.pem\"", "7"]),
        "string, or `env:NAME` or `file:PATH`" => {
            values(&["\"plain\"", "\"env:A\""], &["\"env:NOT_SET_ANYWHERE\"", "7"])
        }
        "name of a provider" => presets(),
        // Needs its other keys; `position.*` sets them.
        "`{ sequence = … }`, `{ version = … }`, `{ timestamp = …, unit = … }`, `{ fields = … }`, `{ clock = …, node = … }`, `{ state = … }`, `{ link = … }`, `none`" =>
        {
            return None;
        }
        "`now`, `earliest` or an RFC 3339 time" => values(
            &["\"now\"", "\"earliest\"", "\"2026-01-01T00:00:00Z\""],
            &["\"yesterday\"", "\"2026-01-01T00:00:00\"", "7"],
        ),
        "address" => values(&["\"127.0.0.1:0\""], &["\"localhost\"", "7"]),
        unknown => panic!("{}: teach `values` the kind {unknown:?}", key.path),
    })
}

/// Kinds that lead somewhere.
fn links(kind: &str) -> Option<Vec<Value>> {
    Some(match kind {
        "URL" => values(&["\"https://example.com/hook\""], &["\"example\"", "7"]),
        "URL with placeholders" => values(
            &["\"https://api.example/{key}?from={from}&to={to}\""],
            &[
                "\"https://{key}/\"",
                "\"https://api.example/\"",
                "\"https://api.example/{id}\"",
                "7",
            ],
        ),
        "URL of a consumers' side" => values(
            &["\"https://api.example/out/app\"", "\"http://127.0.0.1:9/a/out/app/\""],
            &["\"https://api.example/\"", "\"https://api.example/out/app/events\"", "7"],
        ),
        "`link` or `body:/pointer`" => {
            values(&["\"link\"", "\"body:/next\""], &["\"header:x-a\"", "\"page\"", "7"])
        }
        "`http` or `https` URL" => values(
            &["\"http://127.0.0.1:9/a?b=c\"", "\"https://localhost/\"", "\"http://[::1]:9\""],
            &["\"ftp://localhost/\"", "\"http://127.0.0.1:0/\"", "\"no url\"", "7"],
        ),
        _ => return None,
    })
}

/// `` `a`, `b` or `c` ``: one of these words.
fn words(kind: &str) -> Option<Vec<Value>> {
    let plain = |part: &&str| {
        let word = part.strip_prefix('`').and_then(|part| part.strip_suffix('`'));
        word.is_some_and(|word| {
            word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        })
    };
    let parts: Vec<&str> = kind.split(", ").flat_map(|part| part.split(" or ")).collect();
    if !parts.iter().all(plain) {
        return None;
    }
    let quoted = parts.iter().map(|part| format!("\"{}\"", part.trim_matches('`'))).collect();
    Some(owned(quoted, vec!["\"nothing-like-it\"".to_owned(), "7".to_owned()]))
}

fn locations(more: &[&str]) -> Vec<Value> {
    let places = ["\"header:x-a\"", "\"body:/a/0/b~1c\"", "\"query:a\"", "\"const:a\""];
    let allowed: Vec<&str> = places.iter().chain(more).copied().collect();
    values(&allowed, &["\"cookie:a\"", "\"header:\"", "\"body:a\"", "\"\"", "7"])
}

fn presets() -> Vec<Value> {
    let names = preset::all().iter().map(|preset| format!("{:?}", preset.name)).collect();
    owned(names, vec!["\"nobody\"".to_owned(), "7".to_owned()])
}

fn ends(range: &str) -> (&str, &str) {
    range.split_once('–').unwrap_or_else(|| panic!("{range} is no range"))
}

fn integers(range: &str) -> Vec<Value> {
    let (least, most) = ends(range);
    let beyond = most.parse::<u64>().unwrap() + 1;
    owned(
        vec![least.to_owned(), most.to_owned()],
        vec![beyond.to_string(), "-1".to_owned(), "1.5".to_owned(), format!("\"{least}\"")],
    )
}

fn durations(range: &str) -> Vec<Value> {
    let (least, most) = ends(range);
    let beyond = units::duration(most).unwrap() + std::time::Duration::from_millis(1);
    owned(
        vec![format!("\"{least}\""), format!("\"{most}\"")],
        vec![
            format!("\"{}ms\"", beyond.as_millis()),
            "\"0s\"".to_owned(),
            "\"5\"".to_owned(),
            "\"5 fortnights\"".to_owned(),
            "5".to_owned(),
        ],
    )
}

fn sizes(range: &str) -> Vec<Value> {
    let (least, most) = ends(range);
    let beyond = units::size(most).unwrap() + 1;
    owned(
        vec![format!("\"{least}\""), format!("\"{most}\"")],
        vec![format!("\"{beyond}B\""), "\"0B\"".to_owned(), "\"5\"".to_owned(), "5".to_owned()],
    )
}
