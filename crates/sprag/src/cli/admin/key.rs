//! How keys and events are named on the command line: as Sprag prints them.
//!
//! `SOURCE:KEY` is a key (the beginning of the `webhook-id` of each of its events), with
//! `:SEQUENCE` it is an event; `3-1042-7` is the permanent id of an event.

use super::client::{Client, escaped};
use crate::cli::Failure;
use crate::source_changed;
use serde_json::Value;
use sprag_core::id::Place;
use std::str::FromStr;

/// A key by its source and encoded name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct KeyName {
    pub(in crate::cli) source: String,
    pub(in crate::cli) key: String,
}

impl FromStr for KeyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Name::from_str(text)? {
            Name::Key(key) => Ok(key),
            Name::Event(_) => Err(format!("{text} is an event; a key is SOURCE:KEY")),
            Name::Bare(_) => Err("a key is SOURCE:KEY, such as billing:cus_42".to_owned()),
        }
    }
}

impl KeyName {
    /// The path of its state in the admin API.
    pub(in crate::cli) fn state_path(&self) -> String {
        format!("/v1/state/{}/{}", escaped(&self.source), escaped(&self.key))
    }

    /// Its path in the admin API.
    pub(in crate::cli) fn path(&self) -> String {
        format!("/v1/sources/{}/keys/{}", escaped(&self.source), escaped(&self.key))
    }
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.source, self.key)
    }
}

/// A key or an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Name {
    /// `SOURCE:KEY`
    Key(KeyName),
    /// `SOURCE:KEY:SEQUENCE`, or a place.
    Event(String),
    /// A key without its source, which does where there is only one.
    Bare(String),
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["", ..] => Err("the source is missing: SOURCE:KEY".to_owned()),
            [_, "", ..] => Err("the key is missing: SOURCE:KEY".to_owned()),
            [_] if text.parse::<Place>().is_ok() => Ok(Self::Event(text.to_owned())),
            [bare] => Ok(Self::Bare((*bare).to_owned())),
            [source, key] => {
                Ok(Self::Key(KeyName { source: (*source).to_owned(), key: (*key).to_owned() }))
            }
            [_, _, sequence] if sequence.parse::<u64>().is_ok() => Ok(Self::Event(text.to_owned())),
            _ => Err("SOURCE:KEY, SOURCE:KEY:SEQUENCE or an id such as 3-1042-7 is needed; a `:` \
                 within a key is written %3A"
                .to_owned()),
        }
    }
}

impl Name {
    /// With the only source, where none was named.
    pub(in crate::cli) async fn complete(self, client: &mut Client) -> Result<Self, Failure> {
        let Self::Bare(key) = self else { return Ok(self) };
        let sources = sources(client).await?;
        match sources.as_slice() {
            [source] => Ok(Self::Key(KeyName { source: source.clone(), key })),
            _ => Err(Failure::new(format!(
                "{key:?} needs its source, as in SOURCE:{key}; there are {}",
                sources.join(", ")
            ))),
        }
    }
}

/// The contract of a source, as history has it; empty where it is not known.
pub(in crate::cli) async fn contract(client: &mut Client, source: &str) -> Result<String, Failure> {
    let page = client.get("/v1/sources").await?;
    let mut items = page["items"].as_array().into_iter().flatten();
    let known = items.find(|known| known["name"] == source);
    let identity = known.and_then(|known| known["identity"].as_str()).unwrap_or_default();
    Ok(source_changed::contract(identity).to_owned())
}

/// The names of all sources.
pub(in crate::cli) async fn sources(client: &mut Client) -> Result<Vec<String>, Failure> {
    let page = client.get("/v1/sources").await?;
    let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |source: &Value| source["name"].as_str().map(str::to_owned);
    Ok(items.iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_events_are_told_apart() {
        let key = KeyName { source: "s".into(), key: "a/b".into() };
        assert_eq!(Name::from_str("s:a/b"), Ok(Name::Key(key.clone())));
        assert_eq!(key.path(), "/v1/sources/s/keys/a%2Fb");
        assert_eq!(Name::from_str("s:a:7"), Ok(Name::Event("s:a:7".into())));
        assert_eq!(Name::from_str("3-1042-7"), Ok(Name::Event("3-1042-7".into())));
        assert_eq!(Name::from_str("cus_42"), Ok(Name::Bare("cus_42".into())));
        assert_eq!(Name::from_str("s:"), Err("the key is missing: SOURCE:KEY".to_owned()));
        assert!(Name::from_str("s:a:b").is_err() && Name::from_str(":a").is_err());
        assert!(KeyName::from_str("s:a:7").is_err() && KeyName::from_str("a").is_err());
    }
}
