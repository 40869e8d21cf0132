//! One line of a scenario: plain words, then `name=value` pairs; and what values may be.

use std::collections::BTreeMap;
use std::time::Duration;

use sprag_core::rate::Rate;

/// The words of a line. Whatever nobody asked for in the end is a mistake of who wrote it.
pub(crate) struct Words<'a> {
    line: &'a str,
    plain: Vec<&'a str>,
    pairs: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        let (pairs, plain): (Vec<_>, Vec<_>) =
            line.split_whitespace().partition(|word| word.contains('='));
        let pairs = pairs.into_iter().filter_map(|pair| pair.split_once('='));
        Self { line, plain, pairs: pairs.collect() }
    }

    /// Says what is wrong with this line.
    pub(crate) fn wrong<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("`{}`: {what}", self.line))
    }

    pub(crate) fn word(&self, at: usize) -> Result<&'a str, String> {
        self.plain.get(at).copied().map_or_else(|| self.wrong("a word is missing"), Ok)
    }

    /// The plain words from the `at`th on.
    pub(crate) fn rest(&self, at: usize) -> &[&'a str] {
        self.plain.get(at..).unwrap_or_default()
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<&'a str> {
        self.pairs.remove(name)
    }

    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u64>, String> {
        let Some(text) = self.take(name) else { return Ok(None) };
        text.parse().map_or_else(|_| self.wrong(&format!("{text} is no number")), |it| Ok(Some(it)))
    }

    pub(crate) fn size(&mut self, name: &str) -> Result<Option<usize>, String> {
        let number = self.number(name)?;
        Ok(number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    }

    pub(crate) fn duration(&mut self, name: &str) -> Result<Option<Duration>, String> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let wrong = || self.wrong(&format!("{text} is no time, as `300ms`, `2s` and `5m` are"));
        duration(text).map_or_else(wrong, |it| Ok(Some(it)))
    }

    /// `2/1s`: two in a second.
    pub(crate) fn rate(&mut self, name: &str) -> Result<Option<Rate>, String> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let parts = text.split_once('/');
        let rate = parts.and_then(|(count, period)| {
            Some(Rate { count: count.parse().ok()?, period: duration(period)? })
        });
        rate.map_or_else(
            || self.wrong(&format!("{text} is no rate, as `2/1s` is")),
            |it| Ok(Some(it)),
        )
    }

    /// Everything was asked for: the first pair that was not means nothing.
    pub(crate) fn end(self) -> Result<(), String> {
        match self.pairs.keys().next() {
            Some(name) => self.wrong(&format!("`{name}` means nothing here")),
            None => Ok(()),
        }
    }
}

/// `300ms`, `2s`, `5m`, `7d`
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(60 * number)),
        "d" => Some(Duration::from_secs(86_400 * number)),
        _ => None,
    }
}
