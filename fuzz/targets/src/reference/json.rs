//! A JSON document as a tree that keeps members that repeat, read by `serde_json`.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// What a pointer leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Led<'a> {
    Nowhere,
    /// An object on the way has the member twice.
    Twice,
    To(&'a Tree),
}

impl Tree {
    /// Reads a whole document.
    pub(crate) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// What a pointer as it is written leads to (RFC 6901).
    pub(crate) fn at(&self, pointer: &str) -> Led<'_> {
        let name = |segment: &str| segment.replace("~1", "/").replace("~0", "~");
        let segments: Vec<String> = pointer.split('/').skip(1).map(name).collect();
        self.follow(&segments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn follow(&self, segments: &[&str]) -> Led<'_> {
        let Some((segment, rest)) = segments.split_first() else { return Led::To(self) };
        match self {
            Self::Array(items) => match items.get(index(segment).unwrap_or(usize::MAX)) {
                Some(item) => item.follow(rest),
                None => Led::Nowhere,
            },
            Self::Object(members) => {
                let mut named = members.iter().filter(|(name, _)| name == segment);
                match (named.next(), named.next()) {
                    (None, _) => Led::Nowhere,
                    (Some((_, value)), None) => value.follow(rest),
                    (Some(_), Some(_)) => Led::Twice,
                }
            }
            _ => Led::Nowhere,
        }
    }
}

/// Digits without leading zeros.
fn index(segment: &str) -> Option<usize> {
    let index: usize = segment.parse().ok()?;
    (index.to_string() == segment).then_some(index)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Tree;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, is_so: bool) -> Result<Tree, E> {
        Ok(Tree::Boolean(is_so))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Number::from_f64(number).map_or(Tree::Null, Tree::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Tree::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = members.next_entry()? {
            all.push(member);
        }
        Ok(Tree::Object(all))
    }
}
