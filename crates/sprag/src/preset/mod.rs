//! What `preset = "stripe"` stands for: one table of data, `presets.toml`.
//!
//! A preset is a piece of configuration in the configuration's own words; `config` completes a
//! source with it and checks the result like anything written by hand. So a provider is added
//! without touching code. It must not know what the settings mean.

#[cfg(test)]
mod examples;
mod page;
#[cfg(test)]
mod tests;

pub use page::{index, page};

use std::sync::LazyLock;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The table as written.
const TEXT: &str = include_str!("presets.toml");

/// One provider.
#[derive(Debug)]
pub struct Preset {
    /// As configured.
    pub name: &'static str,
    /// The provider's name.
    pub title: &'static str,
    /// Which of its webhooks.
    pub about: &'static str,
    /// What `verify.secrets` holds.
    pub secret: &'static str,
    /// Lines that the configuration needs besides `preset`.
    pub add: &'static str,
    /// What order it can promise.
    pub promise: &'static str,
    /// What else to know.
    pub notes: Vec<&'static str>,
    /// Settings as under `[sources.NAME]`.
    pub source: &'static DeTable<'static>,
}

static DOCUMENT: LazyLock<Spanned<DeTable<'static>>> =
    LazyLock::new(|| DeTable::parse(TEXT).expect("a test reads presets.toml"));
static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let tables = DOCUMENT.get_ref().iter();
    let presets = tables.map(|(name, value)| preset(name.get_ref(), value.get_ref()));
    let presets = presets.collect::<Option<_>>();
    presets.expect("a test reads presets.toml")
});

/// All presets by name.
#[must_use]
pub fn all() -> &'static [Preset] {
    &PRESETS
}

/// The preset of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Preset> {
    all().iter().find(|preset| preset.name == name)
}

/// `None` when one of the parts is missing or of another kind.
fn preset(name: &'static str, value: &'static DeValue<'static>) -> Option<Preset> {
    let table = value.as_table()?;
    let text = |part: &str| table.get(part)?.get_ref().as_str();
    let notes = table.get("notes")?.get_ref().as_array()?.iter();
    Some(Preset {
        name,
        title: text("title")?,
        about: text("about")?,
        secret: text("secret")?,
        add: text("add")?,
        promise: text("promise")?.trim(),
        notes: notes.map(|note| note.get_ref().as_str()).collect::<Option<_>>()?,
        source: table.get("source")?.get_ref().as_table()?,
    })
}
