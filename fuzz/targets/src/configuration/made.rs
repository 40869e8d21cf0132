//! Sound configurations of every kind of source, then lines of any key with any value.

use std::collections::BTreeMap;

use arbitrary::{Result, Unstructured};
use sprag::config::reference::KEYS;

const BODY: &str = "id = \"header:x-id\"\nkey = \"body:/key\"\n";
const SOURCES: [(&str, &str); 9] = [
    ("verify.scheme = \"none\"\n", "position.sequence = \"body:/n\"\n"),
    ("verify.scheme = \"none\"\n", "position.version = \"body:/n\"\ncontract = \"latest\"\n"),
    ("verify.scheme = \"none\"\n", "contract = \"unordered\"\n"),
    (
        "verify.scheme = \"hmac\"\nverify.header = \"x-mac\"\nverify.secrets = [\"env:A\"]\n",
        "contract = \"arrival\"\n",
    ),
    ("verify.scheme = \"token\"\nverify.secrets = [\"env:A\"]\n", "contract = \"arrival\"\n"),
    (
        "verify.scheme = \"standard-webhooks\"\nverify.secrets = [\"env:A\"]\n",
        "contract = \"arrival\"\n",
    ),
    ("preset = \"github\"\nverify.secrets = [\"env:A\"]\n", ""),
    (
        "verify.scheme = \"none\"\n",
        "position.state = \"body:/s\"\ncontract = \"states\"\nstates.initial = [\"a\"]\nstates.allow.a = [\"b\"]\n",
    ),
    (
        "verify.scheme = \"none\"\n",
        "position.link = { before = \"body:/b\", after = \"body:/a\" }\n",
    ),
];
const DESTINATION: &str = "from = [\"made\"]\nurl = \"http://127.0.0.1:9/\"\nsecrets = [\"env:A\"]\nallow = [\"127.0.0.0/8\"]\n";
/// Values that fit many keys; the bytes make others.
const VALUES: [&str; 30] = [
    "0",
    "1",
    "7",
    "1000000",
    "-1",
    "1.5",
    "true",
    "false",
    "\"5s\"",
    "\"7d\"",
    "\"400d\"",
    "\"1MiB\"",
    "\"64MiB\"",
    "\"10/s\"",
    "\"any\"",
    "\"header:x-a\"",
    "\"body:/a/0\"",
    "\"sha256\"",
    "\"none\"",
    "[\"*\"]",
    "[\"a.*\", \"b\"]",
    "[]",
    "{}",
    "\"env:HEX\"",
    "[\"env:PASSWORD\"]",
    "{ join = [\"body:/a\", \"const:b\"] }",
    "\"now\"",
    "\"2026-01-01T00:00:00Z\"",
    "[\"a\", \"b\"]",
    "{ initial = [\"a\"], allow = { a = [\"b\", \"a\"], c = [] } }",
];
/// Words of all keys that are one of several words.
const WORDS: [&str; 27] = [
    "fifo",
    "latest",
    "arrival",
    "unordered",
    "skip",
    "halt",
    "park",
    "deliver",
    "dead-letter",
    "compensate",
    "refuse",
    "answer",
    "explicit",
    "embedded",
    "zstd",
    "hex",
    "base64",
    "raw",
    "sha1",
    "sha512",
    "basic",
    "stripe",
    "slack",
    "square",
    "auto",
    "2",
    "earliest",
];

/// Sections of lines by key.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

pub(super) fn text(choices: &mut Unstructured<'_>) -> Result<String> {
    let mut made = Sections::new();
    let (verify, order) = *choices.choose(&SOURCES)?;
    let body = if verify.starts_with("preset") { "" } else { BODY };
    let server = "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = \"data\"\n";
    for (section, lines) in [
        ("server", server),
        ("sources.made", [verify, body, order].concat().as_str()),
        ("destinations.made", DESTINATION),
    ] {
        for (key, value) in lines.lines().filter_map(|line| line.split_once(" = ")) {
            set(&mut made, section, key, value.to_owned());
        }
    }
    for _ in 0..choices.int_in_range(0..=8)? {
        let path = choices.choose(KEYS)?.path.replace("headers.*", "headers.x-made");
        let value = value(choices)?;
        set_path(&mut made, &path.replace('*', "made").replace("[]", ""), value);
    }
    let section = |(name, lines): (&String, &BTreeMap<String, String>)| {
        let lines: String = lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        format!("[{name}]\n{lines}\n")
    };
    Ok(made.iter().map(section).collect())
}

fn set(made: &mut Sections, section: &str, key: &str, value: String) {
    made.entry(section.to_owned()).or_default().insert(key.to_owned(), value);
}

fn set_path(made: &mut Sections, path: &str, value: String) {
    let is_named = path.starts_with("sources") || path.starts_with("destinations");
    let dot = path.match_indices('.').nth(usize::from(is_named));
    if let Some((at, _)) = dot {
        set(made, &path[..at], &path[at + 1..], value);
    }
}

fn value(choices: &mut Unstructured<'_>) -> Result<String> {
    Ok(match choices.int_in_range(0..=4)? {
        0 => format!("{:?}", choices.choose(&WORDS)?),
        1 => choices.arbitrary::<i64>()?.to_string(),
        2 => {
            let count: u32 = choices.arbitrary()?;
            let unit = choices
                .choose(&["ms", "s", "m", "h", "d", "B", "KiB", "MiB", "GiB", "/s", "/h"])?;
            format!("\"{count}{unit}\"")
        }
        3 => format!("{:?}", choices.arbitrary::<&str>()?),
        _ => (*choices.choose(&VALUES)?).to_owned(),
    })
}
