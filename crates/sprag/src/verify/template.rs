//! The signed text of a declared HMAC: literals and placeholders, for example
//! `v0:{timestamp}:{body}`.
//!
//! It must not know headers: the caller says what each placeholder stands for.

use crate::limits;

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The signed time, as the header has it.
    Timestamp,
    /// The id of the event, as the header has it.
    Id,
    /// The sequence of the event, as the header has it: the signature then binds the place in the
    /// order, and nobody in between can renumber an event.
    Sequence,
    /// The raw body.
    Body,
}

const NAMES: [(&str, Placeholder); 4] = [
    ("{timestamp}", Placeholder::Timestamp),
    ("{id}", Placeholder::Id),
    ("{sequence}", Placeholder::Sequence),
    ("{body}", Placeholder::Body),
];

/// One part of the signed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes as written.
    Literal(String),
    /// A value of the request.
    Value(Placeholder),
}

/// The parsed signed text. Holds `{body}` exactly once and every other placeholder at most once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// Why a template is not usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateProblem {
    /// A brace that opens or closes none of the four placeholders.
    UnknownPlaceholder,
    /// A placeholder occurs twice.
    Repeated(Placeholder),
    /// Without the body under the signature anybody in between may replace it.
    NoBody,
    /// More than `limits::TEMPLATE_PARTS` parts.
    TooManyParts,
    /// Two values without a literal between them: bytes could move from one to the other under
    /// the same signature. A time in front of the body is allowed, for providers do it and a time
    /// is read strictly.
    Adjacent(Placeholder, Placeholder),
}

impl std::fmt::Display for TemplateProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownPlaceholder => formatter
                .write_str("only {timestamp}, {id}, {sequence} and {body} may stand in braces"),
            Self::Repeated(value) => write!(formatter, "{} occurs twice", name(*value)),
            Self::NoBody => formatter.write_str("{body} must be part of the signed text"),
            Self::TooManyParts => {
                write!(formatter, "more than {} parts", limits::TEMPLATE_PARTS)
            }
            Self::Adjacent(first, second) => {
                write!(
                    formatter,
                    "a literal is needed between {} and {}",
                    name(*first),
                    name(*second)
                )
            }
        }
    }
}

fn name(value: Placeholder) -> &'static str {
    NAMES.iter().find(|(_, known)| *known == value).map_or("", |(name, _)| name)
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateProblem> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (part, after) = first_part(rest)?;
            parts.push(part);
            rest = after;
        }
        if parts.len() > limits::TEMPLATE_PARTS {
            return Err(TemplateProblem::TooManyParts);
        }
        let template = Self(parts);
        template.check()?;
        Ok(template)
    }

    /// The parts in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Is this value under the signature?
    #[must_use]
    pub fn has(&self, value: Placeholder) -> bool {
        self.0.contains(&Part::Value(value))
    }

    /// The literal that follows a value: that value must not contain it, else bytes could move
    /// across it under the same signature. Empty at the end of the text.
    pub(super) fn separator_after(&self, value: Placeholder) -> &str {
        let after =
            self.0.iter().position(|part| *part == Part::Value(value)).map_or(0, |at| at + 1);
        match self.0.get(after) {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }

    /// The literal before a value that stands anywhere behind the body: that value must not contain it either. Then
    /// the end of the text can be cut in one way only, and bytes move neither between such values nor into the body.
    pub(super) fn separator_behind_body(&self, value: Placeholder) -> Option<&str> {
        let behind_body = self.0.iter().skip_while(|part| **part != Part::Value(Placeholder::Body));
        let parts: Vec<&Part> = behind_body.collect();
        parts.windows(2).find_map(|pair| match pair {
            [Part::Literal(text), Part::Value(found)] if *found == value => Some(&**text),
            _ => None,
        })
    }

    fn check(&self) -> Result<(), TemplateProblem> {
        for (_, value) in NAMES {
            if self.0.iter().filter(|part| **part == Part::Value(value)).count() > 1 {
                return Err(TemplateProblem::Repeated(value));
            }
        }
        if !self.has(Placeholder::Body) {
            return Err(TemplateProblem::NoBody);
        }
        self.0.windows(2).try_for_each(|pair| match pair {
            [Part::Value(Placeholder::Timestamp), Part::Value(Placeholder::Body)] => Ok(()),
            [Part::Value(first), Part::Value(second)] => {
                Err(TemplateProblem::Adjacent(*first, *second))
            }
            _ => Ok(()),
        })
    }
}

/// Takes one placeholder, or the literal up to the next brace.
fn first_part(text: &str) -> Result<(Part, &str), TemplateProblem> {
    for (name, value) in NAMES {
        if let Some(after) = text.strip_prefix(name) {
            return Ok((Part::Value(value), after));
        }
    }
    let end = text.find(['{', '}']).unwrap_or(text.len());
    if end == 0 {
        return Err(TemplateProblem::UnknownPlaceholder);
    }
    let (literal, after) = text.split_at(end);
    Ok((Part::Literal(literal.to_owned()), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slack_reads_as_literals_and_values() {
        let template = Template::parse("v0:{timestamp}:{body}").unwrap();
        assert_eq!(
            template.parts(),
            [
                Part::Literal("v0:".into()),
                Part::Value(Placeholder::Timestamp),
                Part::Literal(":".into()),
                Part::Value(Placeholder::Body),
            ]
        );
        assert_eq!(template.separator_after(Placeholder::Timestamp), ":");
        assert_eq!(template.separator_after(Placeholder::Body), "");
        assert!(!template.has(Placeholder::Sequence));
    }

    #[test]
    fn unsafe_or_unknown_templates_are_refused() {
        use TemplateProblem::*;
        let cases = [
            ("", NoBody),
            ("{timestamp}.{id}", NoBody),
            ("{boby}", UnknownPlaceholder),
            ("{body", UnknownPlaceholder),
            ("body}", UnknownPlaceholder),
            ("{body}.{body}", Repeated(Placeholder::Body)),
            ("{id}{body}", Adjacent(Placeholder::Id, Placeholder::Body)),
            (
                "{sequence}{timestamp}.{body}",
                Adjacent(Placeholder::Sequence, Placeholder::Timestamp),
            ),
        ];
        for (text, problem) in cases {
            assert_eq!(Template::parse(text), Err(problem), "{text}");
        }
        assert!(Template::parse("{timestamp}{body}").is_ok());
    }
}
