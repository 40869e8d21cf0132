//! The configuration as written: a tree of TOML values that know their line, read key by key.
//!
//! Reading never stops at a fault: it is noted, and the checks go on, so that all are reported at
//! once. A key that `reference` does not list is refused when its table is opened. It must not know
//! what the keys mean.

use super::finding::{Finding, Severity};
use super::reference;
use super::secrets::{Resolve, SecretReference, tidied};
use super::units;
use crate::secret::Secret;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the checks note while they read.
pub(super) struct Notes<'a> {
    file: &'a str,
    text: &'a str,
    resolve: Resolve<'a>,
    findings: RefCell<Vec<Finding>>,
    /// Patterns of the keys that were asked for, compared with the reference by a test.
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Notes<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, resolve: Resolve<'a>) -> Self {
        Self { file, text, resolve, findings: RefCell::default(), asked: RefCell::default() }
    }

    pub(super) fn note(&self, severity: Severity, at: usize, key: &str, reason: String) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        let (file, key) = (self.file.to_owned(), key.to_owned());
        self.findings.borrow_mut().push(Finding { severity, file, line, key, reason });
    }

    pub(super) fn has_errors(&self) -> bool {
        self.findings.borrow().iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The findings, errors first, by line.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        let mut findings = self.findings.into_inner();
        let order = |finding: &Finding| (finding.severity, finding.line, finding.key.clone());
        findings.sort_by_key(order);
        // A table that is opened by two checks tells of an unknown key twice.
        findings.dedup();
        findings
    }

    #[cfg(test)]
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// Reads a secret where the reference says.
    pub(super) fn resolve(
        &self,
        reference: &SecretReference,
    ) -> Result<Secret, super::SecretFault> {
        (self.resolve)(reference).and_then(|secret| tidied(&secret))
    }
}

/// A table, possibly absent: then everything in it is absent.
#[derive(Clone)]
pub(super) struct Section<'a> {
    pub(super) notes: &'a Notes<'a>,
    table: Option<&'a DeTable<'a>>,
    path: String,
    pattern: String,
    at: usize,
    defaults: Option<Defaults<'a>>,
    /// Where findings about this table are told: it is part of a preset named there.
    placed: Option<usize>,
}

/// Values that apply where a section has none of its own: those of a preset.
#[derive(Clone)]
pub(super) struct Defaults<'a> {
    pub(super) table: &'a DeTable<'a>,
    /// Where the preset is named: what is wrong with its values is told there.
    pub(super) at: usize,
    /// Keys that do not apply because others that go with them are written.
    pub(super) hidden: Vec<&'static str>,
    /// Keys whose tables are completed key by key; others are replaced whole.
    pub(super) merged: &'static [&'static str],
}

/// A value that is present.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    notes: &'a Notes<'a>,
    value: &'a DeValue<'a>,
    path: String,
    pattern: String,
    at: usize,
    defaults: Option<Defaults<'a>>,
    placed: Option<usize>,
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

impl<'a> Section<'a> {
    pub(super) fn root(notes: &'a Notes<'a>, document: &'a Spanned<DeTable<'a>>) -> Self {
        Self::open(notes, document.get_ref(), String::new(), String::new(), 0)
    }

    fn open(
        notes: &'a Notes<'a>,
        table: &'a DeTable<'a>,
        path: String,
        pattern: String,
        at: usize,
    ) -> Self {
        let known = reference::children(&pattern);
        if known != ["*"] {
            for (name, _) in
                table.iter().filter(|(name, _)| !known.contains(&name.get_ref().as_ref()))
            {
                let name_at = name.span().start;
                let path = joined(&path, name.get_ref());
                notes.note(Severity::Error, name_at, &path, unknown(name.get_ref(), &known));
            }
        }
        Self { notes, table: Some(table), path, pattern, at, defaults: None, placed: None }
    }

    /// The same section, completed by a preset.
    pub(super) fn completed_by(self, defaults: Defaults<'a>) -> Self {
        // Opened for its unknown keys, which are told where the preset is named.
        let (path, pattern) = (self.path.clone(), self.pattern.clone());
        Self::open(self.notes, defaults.table, path, pattern, defaults.at);
        Self { defaults: Some(defaults), ..self }
    }

    /// Is it written at all?
    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<Entry<'a>> {
        let pattern = joined(&self.pattern, name);
        self.notes.asked.borrow_mut().insert(pattern.clone());
        let path = joined(&self.path, name);
        let default = self.defaults.as_ref().and_then(|defaults| defaults.value(name));
        let (value, at, placed) = match (self.table.and_then(|table| table.get(name)), default) {
            (Some(value), _) => {
                (value.get_ref(), self.placed.unwrap_or(value.span().start), self.placed)
            }
            (None, Some((value, at))) => (value, at, Some(at)),
            (None, None) => return None,
        };
        let defaults = self.defaults.as_ref().and_then(|defaults| defaults.under(name));
        Some(Entry { notes: self.notes, value, path, pattern, at, defaults, placed })
    }

    /// The value of a key that must be there.
    pub(super) fn required(&self, name: &str) -> Option<Entry<'a>> {
        let entry = self.get(name);
        if entry.is_none() && self.is_present() {
            self.error(&format!("`{name}` is missing"));
        }
        entry
    }

    /// The table under a key; absent when it is not written or no table.
    pub(super) fn section(&self, name: &str) -> Self {
        self.get(name).and_then(|entry| entry.section()).unwrap_or_else(|| Self {
            notes: self.notes,
            table: None,
            path: joined(&self.path, name),
            pattern: joined(&self.pattern, name),
            at: self.at,
            defaults: None,
            placed: None,
        })
    }

    /// The tables under a key by their own names.
    pub(super) fn named(&self, name: &str) -> Vec<(&'a str, Self)> {
        let tables = self.entries(name).into_iter();
        tables.filter_map(|(name, entry)| Some((name, entry.section()?))).collect()
    }

    /// The values under a key by their own names, which may be any.
    pub(super) fn values(&self, name: &str) -> Vec<(&'a str, Entry<'a>)> {
        let pattern = joined(&joined(&self.pattern, name), "*");
        self.notes.asked.borrow_mut().insert(pattern);
        self.entries(name)
    }

    fn entries(&self, name: &str) -> Vec<(&'a str, Entry<'a>)> {
        let Some(parent) = self.get(name).and_then(|entry| entry.section()) else {
            return Vec::new();
        };
        let Some(table) = parent.table else { return Vec::new() };
        let pattern = joined(&parent.pattern, "*");
        let mut entries = Vec::new();
        for (name, value) in table {
            let path = joined(&parent.path, name.get_ref());
            let entry = Entry {
                notes: self.notes,
                value: value.get_ref(),
                path,
                pattern: pattern.clone(),
                at: name.span().start,
                defaults: None,
                placed: None,
            };
            entries.push((name.get_ref().as_ref(), entry));
        }
        entries
    }

    pub(super) fn error(&self, reason: &str) {
        self.notes.note(Severity::Error, self.at, &self.path, reason.to_owned());
    }

    pub(super) fn warn(&self, reason: &str) {
        self.notes.note(Severity::Warning, self.at, &self.path, reason.to_owned());
    }
}

impl<'a> Defaults<'a> {
    fn value(&self, name: &str) -> Option<(&'a DeValue<'a>, usize)> {
        if self.hidden.contains(&name) {
            return None;
        }
        Some((self.table.get(name)?.get_ref(), self.at))
    }

    /// What completes a table that is written under this name.
    fn under(&self, name: &str) -> Option<Self> {
        let merged = self.merged.contains(&name);
        let (DeValue::Table(table), at) = self.value(name).filter(|_| merged)? else { return None };
        Some(Self { table, at, hidden: Vec::new(), merged: &[] })
    }
}

/// Reads a key with a default: absent takes it, faulty is `None`.
pub(super) fn or<'a, T>(
    entry: Option<Entry<'a>>,
    default: T,
    read: impl FnOnce(&Entry<'a>) -> Option<T>,
) -> Option<T> {
    match entry {
        Some(entry) => read(&entry),
        None => Some(default),
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    let similarity = |other: &&&str| strsim::jaro_winkler(name, other);
    let nearest = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    match nearest {
        Some(nearest) => format!("unknown key; the nearest known one is `{nearest}`"),
        None => "unknown key; there are no keys here".to_owned(),
    }
}

impl<'a> Entry<'a> {
    /// Where it is written, for what follows from it.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn error(&self, reason: impl Display) {
        self.notes.note(Severity::Error, self.at, &self.path, reason.to_string());
    }

    pub(super) fn warn(&self, reason: impl Display) {
        self.notes.note(Severity::Warning, self.at, &self.path, reason.to_string());
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.error(format!("{what} is needed, not {}", kind(self.value)));
        None
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn is_array(&self) -> bool {
        self.value.is_array()
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => self.expected("a string"),
        }
    }

    /// A text that a function reads.
    pub(super) fn parsed<T, E: Display>(&self, read: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        match read(self.text()?) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.error(reason);
                None
            }
        }
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let chosen = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let words: Vec<String> =
                choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let available = match words.as_slice() {
                [only] => format!("only {only} is"),
                several => format!("one of {} is", several.join(", ")),
            };
            self.error(format!("\"{text}\" is not available; {available}"));
        }
        chosen
    }

    pub(super) fn integer(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let DeValue::Integer(integer) = self.value else { return self.expected("an integer") };
        match u64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) if range.contains(&value) => Some(value),
            _ => {
                self.error(format!("must be {} to {}", range.start(), range.end()));
                None
            }
        }
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.expected("true or false"),
        }
    }

    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let value = self.parsed(units::duration)?;
        if range.contains(&value) {
            return Some(value);
        }
        let (least, most) =
            (units::duration_text(*range.start()), units::duration_text(*range.end()));
        self.error(format!("must be {least} to {most}"));
        None
    }

    pub(super) fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.parsed(units::size)?;
        if range.contains(&value) {
            return Some(value);
        }
        let (least, most) = (units::size_text(*range.start()), units::size_text(*range.end()));
        self.error(format!("must be {least} to {most}"));
        None
    }

    /// The elements of an array, between one and `most` of them.
    pub(super) fn list(&self, most: usize) -> Option<Vec<Self>> {
        let DeValue::Array(array) = self.value else { return self.expected("an array") };
        if array.is_empty() || array.len() > most {
            self.error(format!("1 to {most} elements are needed"));
            return None;
        }
        Some(self.elements())
    }

    /// The elements of an array; none of anything else.
    pub(super) fn elements(&self) -> Vec<Self> {
        let array = self.value.as_array().map_or([].as_slice(), |array| array.as_ref());
        let element = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| Self {
            notes: self.notes,
            value: value.get_ref(),
            path: format!("{}[{index}]", self.path),
            pattern: format!("{}[]", self.pattern),
            at: self.placed.unwrap_or(value.span().start),
            defaults: None,
            placed: self.placed,
        };
        array.iter().enumerate().map(element).collect()
    }

    pub(super) fn section(&self) -> Option<Section<'a>> {
        let DeValue::Table(table) = self.value else { return self.expected("a table") };
        let (path, pattern) = (self.path.clone(), self.pattern.clone());
        let section = Section::open(self.notes, table, path, pattern, self.at);
        Some(Section { defaults: self.defaults.clone(), placed: self.placed, ..section })
    }

    /// The content of a file that is named.
    pub(super) fn file(&self, path: &std::path::Path) -> Option<Vec<u8>> {
        let reference = SecretReference::File(path.to_owned());
        match (self.notes.resolve)(&reference) {
            Ok(content) => Some(content.expose().to_vec()),
            Err(fault) => {
                self.error(format!("{} {fault}", path.display()));
                None
            }
        }
    }

    /// A secret that is named, not written. What is written instead is never repeated.
    pub(super) fn secret(&self) -> Option<Secret> {
        self.secret_or("")
    }

    /// The same; `hint` says what to do where there is none.
    pub(super) fn secret_or(&self, hint: &str) -> Option<Secret> {
        let Some(reference) = SecretReference::parse(self.text()?) else {
            self.error("a secret is env:NAME or file:PATH, never written here");
            return None;
        };
        match self.notes.resolve(&reference) {
            Ok(secret) => Some(secret),
            Err(fault) => {
                self.error(format!("{reference} {fault}{hint}"));
                None
            }
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
