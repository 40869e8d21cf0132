//! Which scheme a source is verified with, without its secrets: what the configuration declares.

use super::hmac::Declared;
use http::HeaderName;

/// How requests of a source are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks 1.0.0 with `v1` signatures.
    StandardWebhooks,
    /// GitHub's `X-Hub-Signature-256`.
    Github,
    /// A declared HMAC.
    Hmac(Declared),
    /// A static token in a header.
    Token {
        /// The header that carries the token; `authorization` may carry it as `Bearer`.
        header: HeaderName,
    },
    /// Nothing is verified.
    None,
}

impl Scheme {
    /// Does the signature cover the value of this header (rule C5 of the delivery section)?
    /// `token` vouches for whoever sent the request, so for all of it.
    #[must_use]
    pub fn covers_header(&self, name: &HeaderName) -> bool {
        match self {
            Self::StandardWebhooks => {
                name == super::standard_webhooks::ID || name == super::standard_webhooks::TIMESTAMP
            }
            Self::Github | Self::None => false,
            Self::Hmac(declared) => declared.signed_headers().any(|signed| signed == name),
            Self::Token { .. } => true,
        }
    }

    /// The headers that prove who sent an event, kept with it as evidence (DESIGN F13). A token
    /// is none of them: whoever reads it can send with it.
    #[must_use]
    pub fn evidence_headers(&self) -> Vec<HeaderName> {
        match self {
            Self::StandardWebhooks => {
                use super::standard_webhooks::{ID, SIGNATURE, TIMESTAMP};
                vec![ID, TIMESTAMP, SIGNATURE]
            }
            Self::Github => vec![super::github::SIGNATURE],
            Self::Hmac(declared) => std::iter::once(&declared.header)
                .chain(declared.signed_headers())
                .cloned()
                .collect(),
            Self::Token { .. } | Self::None => Vec::new(),
        }
    }

    /// Does the signature cover the query of the URL? No scheme here signs it.
    #[must_use]
    pub const fn covers_query(&self) -> bool {
        matches!(self, Self::Token { .. })
    }

    /// Does the signature cover the body?
    #[must_use]
    pub const fn covers_body(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Does the signature cover a time, so that a tolerance means something?
    #[must_use]
    pub const fn signs_time(&self) -> bool {
        match self {
            Self::StandardWebhooks => true,
            Self::Hmac(declared) => declared.timestamp.is_some(),
            Self::Github | Self::Token { .. } | Self::None => false,
        }
    }
}

/// Why a secret cannot be used by a scheme. Never quotes the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretProblem {
    /// No secret at all.
    Absent,
    /// A secret with no bytes.
    Empty,
    /// Not base64 in the standard alphabet with padding.
    NotBase64,
    /// Not hexadecimal.
    NotHex,
    /// `whsk_` or `whpk_`: an Ed25519 key where an HMAC secret is needed.
    Asymmetric,
    /// A token with bytes that no header can carry.
    NotAHeaderValue,
}

impl std::fmt::Display for SecretProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Absent => "at least one secret is needed",
            Self::Empty => "the secret is empty",
            Self::NotBase64 => "the secret is not base64 (standard alphabet, with padding)",
            Self::NotHex => "the secret is not hexadecimal",
            Self::NotAHeaderValue => "the token has bytes that no header can carry",
            Self::Asymmetric => "whsk_ and whpk_ are Ed25519 keys; a whsec_ secret is needed",
        })
    }
}
