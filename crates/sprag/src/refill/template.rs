//! The URL of an ask: `https://…?resource={key}&from={from}&to={to}`.
//!
//! Placeholders stand in path and query only, so that nothing an event says chooses the server. A key is
//! put in as Sprag writes it (rule K1): percent-encoded, its parts joined by `/`.

use std::fmt::Write as _;

use sprag_core::ranges::Range;

use crate::config::Url;
use crate::limits;

/// A piece of the path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The key.
    Key,
    /// A part of the key, from 1.
    Part(usize),
    /// The first position.
    From,
    /// The last position.
    To,
}

/// A URL with what is asked for left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    url: Url,
    pieces: Vec<Piece>,
}

impl Template {
    /// Reads a URL with placeholders.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (_, rest) = text.split_once("://").unwrap_or(("", text));
        let authority = rest.len() - rest.find(['/', '?', '#']).map_or(0, |at| rest.len() - at);
        let begins = text.len() - rest.len() + authority;
        let (server, target) = text.split_at(begins);
        if server.contains('{') {
            return Err("placeholders belong into path and query, not before".to_owned());
        }
        let pieces = pieces(target)?;
        if !pieces.iter().any(|piece| matches!(piece, Piece::Key | Piece::Part(_))) {
            return Err("`{key}` is missing: every ask would be the same".to_owned());
        }
        let sample: String = pieces.iter().map(sample).collect();
        let url: Url = format!("{server}{sample}").parse()?;
        let pieces = if target.starts_with('/') {
            pieces
        } else {
            [Piece::Text("/".to_owned())].into_iter().chain(pieces).collect()
        };
        Ok(Self { url, pieces })
    }

    /// Where it leads, with a path that is only a sample.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it says which positions are asked for.
    #[must_use]
    pub fn names_positions(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::From | Piece::To))
    }

    /// Whether it says from which position on.
    #[must_use]
    pub fn names_from(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::From))
    }

    /// Path and query of an ask. None where the key has no such part, or a part that would mean another
    /// directory to a server.
    #[must_use]
    pub fn fill(&self, key: &str, asked: Range) -> Option<String> {
        let parts: Vec<&str> = key.split('/').collect();
        if parts.iter().any(|part| matches!(*part, "%2E" | "%2E%2E" | "")) {
            return None;
        }
        let mut target = String::new();
        for piece in &self.pieces {
            // Writing to a string cannot fail.
            let _ = match piece {
                Piece::Text(text) => write!(target, "{text}"),
                Piece::Key => write!(target, "{key}"),
                Piece::Part(number) => write!(target, "{}", parts.get(number - 1)?),
                Piece::From => write!(target, "{}", asked.from),
                Piece::To => write!(target, "{}", asked.to),
            };
        }
        Some(target)
    }
}

fn sample(piece: &Piece) -> &str {
    match piece {
        Piece::Text(text) => text,
        _ => "0",
    }
}

fn pieces(target: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = target;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or("a `{` has no `}`")?;
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        pieces.push(placeholder(name)?);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    if pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('}'))) {
        return Err("a `}` has no `{`".to_owned());
    }
    Ok(pieces)
}

fn placeholder(name: &str) -> Result<Piece, String> {
    let part = |number: &str| {
        let number = number.parse().ok().filter(|number| (1..=limits::JOIN_PARTS).contains(number));
        number.map(Piece::Part)
    };
    let piece = match name {
        "key" => Some(Piece::Key),
        "from" => Some(Piece::From),
        "to" => Some(Piece::To),
        name => name.strip_prefix("key.").and_then(part),
    };
    piece.ok_or_else(|| {
        format!("`{{{name}}}` is no placeholder; there are {{key}}, {{key.1}}, {{from}} and {{to}}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, key: &str) -> Option<String> {
        Template::parse(template).unwrap().fill(key, Range { from: 3, to: 5 })
    }

    #[test]
    fn what_is_asked_for_is_put_in() {
        let url = "https://api.example/orders/{key.2}?of={key}&from={from}&to={to}";
        let filled = fill(url, "acme/o%2042").unwrap();
        assert_eq!(filled, "/orders/o%2042?of=acme/o%2042&from=3&to=5");
        assert_eq!(fill("http://localhost:1?k={key}", "a").unwrap(), "/?k=a");
        let template = Template::parse("http://localhost:1?k={key}").unwrap();
        assert_eq!((template.url().port, template.names_positions()), (1, false));
    }

    #[test]
    fn a_key_leads_to_no_other_place() {
        assert_eq!(fill("https://api.example/orders/{key}", "a/%2E%2E/b"), None);
        assert_eq!(fill("https://api.example/orders/{key}", "%2E"), None);
        assert_eq!(fill("https://api.example/orders/{key.2}", "a"), None);
        assert_eq!(fill("https://api.example/orders/{key}", ""), None);
    }

    #[test]
    fn what_is_no_template_is_told() {
        for (text, why) in [
            ("https://{key}.example/", "path and query"),
            ("https://api.example/{resource}", "no placeholder"),
            ("https://api.example/{key.9}", "no placeholder"),
            ("https://api.example/{key", "no `}`"),
            ("https://api.example/{key}}", "no `{`"),
            ("https://api.example/orders", "missing"),
            ("ftp://api.example/{key}", "http"),
            ("https://me@api.example/{key}", "user"),
            ("https://api.example/{key}#top", "fragment"),
            ("/{key}", "URL"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
