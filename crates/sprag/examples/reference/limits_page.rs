//! The page of limits: every constant of every `limits.rs` as it stands there, what of the
//! configuration bounds something, and what is answered at a limit.
//!
//! Read from the source text, so that a limit without words is a page that cannot be made.

use std::fmt::Write as _;

use sprag::config::reference::{KEYS, Omitted};
use sprag::problem::Code;

/// Each `limits.rs`, by what it bounds.
const FILES: &[(&str, &str, &str)] = &[
    (
        "Order and delivery",
        "crates/core/src/limits.rs",
        include_str!("../../../core/src/limits.rs"),
    ),
    ("The log", "crates/log/src/limits.rs", include_str!("../../../log/src/limits.rs")),
    ("The node", "crates/driver/src/limits.rs", include_str!("../../../driver/src/limits.rs")),
    ("The gateway", "crates/sprag/src/limits.rs", include_str!("../../src/limits.rs")),
    (
        "The admin API",
        "crates/sprag/src/admin/limits.rs",
        include_str!("../../src/admin/limits.rs"),
    ),
    (
        "The state store",
        "crates/sprag/src/state/limits.rs",
        include_str!("../../src/state/limits.rs"),
    ),
    ("`sprag sink`", "crates/sprag/src/sink/limits.rs", include_str!("../../src/sink/limits.rs")),
    (
        "`sprag send`, `sprag demo`",
        "crates/sprag/src/provider/limits.rs",
        include_str!("../../src/provider/limits.rs"),
    ),
    (
        "`sprag chaos`",
        "crates/sprag/src/chaos/limits.rs",
        include_str!("../../src/chaos/limits.rs"),
    ),
];

/// Keys outside of `limits` that bound something.
const BOUNDS: &[&str] = &[
    "hold.wait",
    "hold.events",
    "hold.span",
    "max_ahead",
    "max_body",
    "rate",
    "key_rate",
    "dedupe",
    "timeout",
    "connect_timeout",
    "concurrency",
    "slow_concurrency",
    "retry.cap",
    "retry.for",
    "retry.attempts",
];

const HEAD: &str = "# Limits\n\nGenerated from the code by `cargo xtask docs`. Everything that can grow \
    has a bound: the ones below that are configured, and the fixed ones with their unit and reason.\n";

/// Statuses that say that something is over a limit.
const AT_A_LIMIT: [u16; 4] = [408, 413, 429, 503];
/// Codes of other statuses that say so as well.
const CODES: [Code; 2] = [Code::TooManyRedriven, Code::BackupUnderWay];

/// The page.
///
/// # Errors
/// Names the constant that has no words.
pub(crate) fn page() -> Result<String, String> {
    let mut page = HEAD.to_owned();
    answers(&mut page);
    configured(&mut page);
    for (title, file, text) in FILES {
        fixed(&mut page, title, file, text)?;
    }
    Ok(page)
}

fn row(page: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn answers(page: &mut String) {
    page.push_str("\n## What is answered at a limit\n\n| status | code | when |\n|---|---|---|\n");
    let is_limit = |code: &&Code| AT_A_LIMIT.contains(&code.status()) || CODES.contains(code);
    for code in Code::ALL.iter().filter(is_limit) {
        let status = code.status().to_string();
        row(page, &[&status, &format!("`{}`", code.as_str()), code.meaning().trim()]);
    }
}

fn configured(page: &mut String) {
    page.push_str("\n## Configured\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
    let bounds = |path: &str| {
        let name = path.splitn(3, '.').nth(2).unwrap_or_default();
        path.starts_with("limits.") || BOUNDS.contains(&name)
    };
    for key in KEYS.iter().filter(|key| bounds(key.path)) {
        let default = match key.default {
            Omitted::Required => "required".to_owned(),
            Omitted::Absent(text) => text.to_owned(),
            Omitted::Value(value) => format!("`{value}`"),
        };
        row(page, &[&format!("`{}`", key.path), key.kind, &default, key.meaning.trim()]);
    }
}

fn fixed(page: &mut String, title: &str, file: &str, text: &str) -> Result<(), String> {
    let _ = writeln!(page, "\n## {title}\n\n[{file}](../../{file})\n");
    page.push_str("| limit | value | unit and reason |\n|---|---|---|\n");
    let mut words: Vec<&str> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(word) = line.strip_prefix("///") {
            words.push(word.trim());
        } else if let Some(declared) = constant(line, &mut lines) {
            let (name, value) = declared;
            if words.is_empty() {
                return Err(format!("{file}: {name} says neither unit nor reason"));
            }
            let value = value.replace("std::time::", "").replace("Duration::from_", "");
            let words = words.join(" ").replace("[`", "`").replace("`]", "`");
            row(page, &[&format!("`{name}`"), &format!("`{value}`"), &words]);
        } else {
            words.clear();
            continue;
        }
        if !line.starts_with("///") {
            words.clear();
        }
    }
    Ok(())
}

/// Name and value of a constant that begins in this line.
fn constant<'a>(
    line: &'a str,
    rest: &mut impl Iterator<Item = &'a str>,
) -> Option<(&'a str, String)> {
    let begins = line.strip_prefix("pub const ").or_else(|| line.strip_prefix("pub(crate) const "));
    let begins = begins.or_else(|| line.strip_prefix("pub(super) const "))?;
    let (name, declared) = begins.split_once(':')?;
    let mut declared = declared.to_owned();
    while !declared.ends_with(';') {
        declared.push(' ');
        declared.push_str(rest.next()?.trim());
    }
    let (_, value) = declared.split_once('=')?;
    Some((name, value.trim().trim_end_matches(';').to_owned()))
}
