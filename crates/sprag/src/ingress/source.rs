//! A source as ingress needs it: keys and rules prepared once.

use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use sprag_core::fact::StoredHeader;
use sprag_core::id::SourceId;

use crate::config::{Handshake, OnInvalid, Source};
use crate::extract::{BodyForm, Extractor, RulesProblem};
use crate::limits;
use crate::metrics::SourceMetrics;
use crate::problem::{Code, Problem};
use crate::verify::{Refusal, SecretProblem, Verifier};

/// A source that events come in for.
#[derive(Debug)]
pub struct IngressSource {
    /// Its number in facts.
    pub id: SourceId,
    /// Who may send.
    pub verifier: Verifier,
    /// The headers that prove who sent an event.
    pub needed: Vec<Vec<HeaderName>>,
    /// Where id, key, type and position are.
    pub extractor: Extractor,
    /// How the provider makes sure that it may post here.
    pub handshake: Handshake,
    /// What becomes of an event that belongs to no resource.
    pub on_invalid: OnInvalid,
    /// Largest body, bytes.
    pub max_body: usize,
    /// Headers kept with the event besides its content type: the signature as evidence, what a rule
    /// reads, and what a destination forwards (DESIGN F13).
    pub kept: Vec<HeaderName>,
    /// Its counters.
    pub metrics: SourceMetrics,
}

/// Why a source cannot be used.
#[derive(Debug)]
pub enum SourceProblem {
    /// One of its secrets.
    Secret(SecretProblem),
    /// Its rules.
    Rules(RulesProblem),
}

impl fmt::Display for SourceProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(problem) => write!(formatter, "one of its secrets: {problem}"),
            Self::Rules(problem) => write!(formatter, "its rules: {problem}"),
        }
    }
}

impl IngressSource {
    /// Prepares keys and rules.
    ///
    /// # Errors
    /// [`SourceProblem`] says what of the configuration cannot be used.
    pub fn new(
        id: SourceId,
        config: &Source,
        forwarded: impl Iterator<Item = HeaderName>,
        metrics: SourceMetrics,
    ) -> Result<Self, SourceProblem> {
        Ok(Self {
            id,
            verifier: config.verifier().map_err(SourceProblem::Secret)?,
            needed: config.scheme.needed_headers(),
            extractor: config.extractor().map_err(SourceProblem::Rules)?,
            handshake: config.handshake,
            on_invalid: config.on_invalid,
            max_body: usize::try_from(config.max_body).unwrap_or(usize::MAX),
            kept: kept_headers(config, forwarded),
            metrics,
        })
    }

    /// The headers of a request that are kept.
    #[must_use]
    pub fn stored_headers(&self, headers: &http::HeaderMap) -> Vec<StoredHeader> {
        stored_headers(&self.kept, headers)
    }

    /// Why a verifier refused a request; of a header that is absent, which are.
    #[must_use]
    pub fn refused(&self, refusal: Refusal, headers: &http::HeaderMap) -> Problem {
        let problem = Problem::from(refusal);
        if !refusal.is_of_absence() {
            return problem;
        }
        let absent = |family: &[HeaderName]| {
            family.iter().filter(|name| !headers.contains_key(*name)).count()
        };
        // Of several families the one that the sender seems to use.
        let family = self.needed.iter().min_by_key(|family| absent(family));
        let family: Vec<&str> = family.into_iter().flatten().map(HeaderName::as_str).collect();
        let absent: Vec<&str> =
            family.iter().copied().filter(|name| !headers.contains_key(*name)).collect();
        problem.with_detail(if absent.is_empty() {
            format!("it is not in what the sender wrote into {}", family.join(", "))
        } else {
            format!("of the headers of its scheme these are missing: {}", absent.join(", "))
        })
    }

    /// What is wrong with a content type.
    #[must_use]
    pub fn other_content_type(&self, content_type: &str) -> Problem {
        let needed = match self.extractor.body_form() {
            BodyForm::Opaque => "a shorter one",
            BodyForm::Json => "application/json, or one that ends with +json,",
            BodyForm::Form => "application/x-www-form-urlencoded",
        };
        let detail = format!("the content type is {content_type:?}: {needed} is needed");
        Problem::new(Code::UnsupportedContentType).with_detail(detail)
    }

    /// Whether a content type fits what is read from the body.
    #[must_use]
    pub fn takes_content_type(&self, content_type: &str) -> bool {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        match self.extractor.body_form() {
            BodyForm::Opaque => true,
            BodyForm::Json => is_json(media),
            BodyForm::Form => media.eq_ignore_ascii_case("application/x-www-form-urlencoded"),
        }
    }
}

/// Of these headers of an event those that are to be kept and fit.
pub(crate) fn stored_headers(kept: &[HeaderName], headers: &http::HeaderMap) -> Vec<StoredHeader> {
    let present = kept.iter().filter_map(|name| headers.get(name).map(|v| (name, v)));
    let fits = present.filter(|(_, value)| value.len() <= limits::STORED_HEADER_BYTES);
    fits.map(|(name, value)| StoredHeader {
        name: Arc::from(name.as_str()),
        value: Arc::from(value.as_bytes()),
    })
    .collect()
}

/// `application/json`, `text/json`, or a `+json` suffix (RFC 6839); absent is taken as JSON, since
/// the body says soon enough whether it is.
fn is_json(media: &str) -> bool {
    let media = media.to_ascii_lowercase();
    media.is_empty() || media.ends_with("/json") || media.ends_with("+json")
}

/// Never tokens, authorization or cookies (DESIGN F13): they grant something.
pub(crate) fn kept_headers(
    config: &Source,
    forwarded: impl Iterator<Item = HeaderName>,
) -> Vec<HeaderName> {
    let evidence = config.scheme.evidence_headers();
    let read = config.rules.header_names();
    let mut kept: Vec<HeaderName> = evidence.into_iter().chain(read).chain(forwarded).collect();
    kept.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    kept.dedup();
    kept.retain(|name| !is_sensitive(name) && !config.scheme.is_token(name));
    kept
}

fn is_sensitive(name: &HeaderName) -> bool {
    [http::header::AUTHORIZATION, http::header::COOKIE, http::header::PROXY_AUTHORIZATION]
        .contains(name)
}
