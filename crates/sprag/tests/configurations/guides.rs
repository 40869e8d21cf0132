//! What README and guides show is a configuration: each block of TOML passes the check, with what it leaves out.

use std::fs;
use std::path::{Path, PathBuf};

use sprag::config::{self, SecretFault, SecretReference};
use sprag::secret::Secret;
use toml::de::DeTable;

/// Blocks there were when this was written; fewer mean that they are not found any more.
const LEAST: usize = 30;

/// A secret as the block's scheme wants it, whatever its name.
fn resolve(reference: &SecretReference) -> Result<Secret, SecretFault> {
    let name = reference.to_string();
    let secret = if name.contains("HMAC") {
        "00ff10ef00ff10ef00ff10ef00ff10ef"
    } else {
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    };
    Ok(Secret::from(secret))
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    let mut directories = vec![root.join("docs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The blocks of a page that have a section. The page of a provider also shows what its preset stands for, which is lines
/// without one and is compared with the preset elsewhere.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.filter(|block| block.lines().any(|line| line.starts_with('[')))
}

/// A section's keys; none where the block does not show it.
type Section<'a> = Option<&'a DeTable<'a>>;

/// Lines that a section leaves to its reader: those of which it has no key.
fn left_out(section: Section<'_>, lines: &[(&str, &str)]) -> String {
    let missing = lines.iter().filter(|(key, _)| !has(section, key));
    missing.map(|(key, value)| format!("{key} = {value}\n")).collect()
}

fn has(section: Section<'_>, key: &str) -> bool {
    section.is_some_and(|section| section.contains_key(key))
}

const SOURCE: [(&str, &str); 3] =
    [("verify", "{ scheme = \"none\" }"), ("id", "\"body:/id\""), ("key", "\"body:/key\"")];
const DESTINATION: &str = "url = \"https://app.example/\"\nsecrets = [\"env:A\"]\n";

/// What a source of these lines still needs.
fn source(section: Section<'_>) -> String {
    if has(section, "preset") {
        return String::new();
    }
    let lines = if has(section, "total") { &SOURCE[..2] } else { &SOURCE };
    let mut more = left_out(section, lines);
    if !has(section, "contract") && !has(section, "position") {
        more += "contract = \"arrival\"\n";
    }
    more
}

fn named<'a>(table: &'a DeTable<'a>, kind: &str) -> impl Iterator<Item = (&'a str, Section<'a>)> {
    let all = table.get(kind).and_then(|all| all.get_ref().as_table());
    let sections = all.into_iter().flatten();
    sections.map(|(name, shown)| (&**name.get_ref(), shown.get_ref().as_table()))
}

/// The sources that are spoken of and not shown.
fn strangers<'a>(table: &'a DeTable<'a>) -> Vec<&'a str> {
    let from = named(table, "destinations").filter_map(|(_, shown)| shown?.get("from"));
    let from = from.filter_map(|from| from.get_ref().as_array()).flatten();
    let from = from.filter_map(|name| name.get_ref().as_str());
    from.filter(|from| named(table, "sources").all(|(known, _)| known != *from)).collect()
}

/// A block with what it leaves out.
fn completed(block: &str) -> String {
    let table = DeTable::parse(block).unwrap_or_else(|error| panic!("{error}\n{block}"));
    let table = table.get_ref();
    let mut text = String::new();
    for line in block.lines() {
        text += &format!("{line}\n");
        let section = line.trim().strip_prefix('[').and_then(|rest| rest.split(']').next());
        let Some((kind, name)) = section.and_then(|name| name.split_once('.')) else { continue };
        let shown = named(table, kind).find(|(shown, _)| *shown == name);
        text += &match (kind, shown) {
            ("sources", Some((_, shown))) => source(shown),
            ("destinations", Some((_, shown))) if !has(shown, "url") => DESTINATION.to_owned(),
            _ => String::new(),
        };
    }
    let mut sources: Vec<&str> = named(table, "sources").map(|(name, _)| name).collect();
    let mut unseen = strangers(table);
    if sources.is_empty() && unseen.is_empty() {
        unseen.push("other");
    }
    for name in &unseen {
        text += &format!("[sources.{name}]\n{}", source(None));
    }
    sources.append(&mut unseen);
    if named(table, "destinations").next().is_none() {
        text += &format!("[destinations.app]\nfrom = {sources:?}\n{DESTINATION}");
    }
    if !table.contains_key("server") {
        text += "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = \"data\"\n";
    }
    text
}

#[test]
fn what_the_guides_show_is_a_configuration() {
    let mut found = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for block in blocks(&page) {
            found += 1;
            let text = completed(block);
            if let Err(findings) = config::check(&text, "shown.toml", &resolve) {
                panic!("{}: {findings:#?}\n{text}", path.display());
            }
        }
    }
    assert!(found >= LEAST, "only {found} blocks");
}
