//! Which scheme a source is verified with, without its secrets: what the configuration declares.

use super::hmac::Declared;
use super::public_url::PublicUrl;
use super::standard_webhooks::{Names, STANDARD, SVIX};
use super::{github, shopify, slack, sprag, square, stripe, twilio};
use http::HeaderName;
use http::header::AUTHORIZATION;

/// How requests of a source are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks 1.0.0 with `v1` or `v1a` signatures.
    StandardWebhooks,
    /// The same under the header names of Svix.
    Svix,
    /// What another Sprag delivers.
    Sprag,
    /// GitHub's `X-Hub-Signature-256`.
    Github,
    /// Stripe's `Stripe-Signature`.
    Stripe,
    /// Shopify's `X-Shopify-Hmac-Sha256` or `shopify-hmac-sha256`.
    Shopify,
    /// Slack's `X-Slack-Signature`.
    Slack,
    /// Square's signature over URL and body.
    Square(PublicUrl),
    /// Twilio's signature over URL and form fields.
    Twilio(PublicUrl),
    /// A declared HMAC.
    Hmac(Declared),
    /// A static token in a header.
    Token {
        /// The header that carries the token; `authorization` may carry it as `Bearer`.
        header: HeaderName,
    },
    /// User and password.
    Basic,
    /// Nothing is verified.
    None,
}

impl Scheme {
    /// Does the signature cover the value of this header (rule C5 of the delivery section)?
    /// `token` and `basic` vouch for whoever sent the request, so for all of it.
    #[must_use]
    pub fn covers_header(&self, name: &HeaderName) -> bool {
        let stamped = |names: &Names| name == names.id || name == names.timestamp;
        match self {
            Self::StandardWebhooks => stamped(&STANDARD),
            Self::Svix => stamped(&STANDARD) || stamped(&SVIX),
            Self::Sprag => stamped(&STANDARD) || name.as_str().starts_with(sprag::PREFIX),
            Self::Slack => name == slack::TIMESTAMP,
            Self::Github
            | Self::Stripe
            | Self::Shopify
            | Self::Square(_)
            | Self::Twilio(_)
            | Self::None => false,
            Self::Hmac(declared) => declared.signed_headers().any(|signed| signed == name),
            Self::Token { .. } | Self::Basic => true,
        }
    }

    /// The headers that prove who sent an event, kept with it as evidence (DESIGN F13). A token
    /// is none of them: whoever reads it can send with it.
    #[must_use]
    pub fn evidence_headers(&self) -> Vec<HeaderName> {
        match self {
            Self::StandardWebhooks => all(&STANDARD).to_vec(),
            Self::Svix => [all(&SVIX), all(&STANDARD)].concat(),
            Self::Sprag => {
                [all(&STANDARD).as_slice(), &[sprag::SIGNATURE, sprag::SEQUENCE]].concat()
            }
            Self::Github => vec![github::SIGNATURE],
            Self::Stripe => vec![stripe::SIGNATURE],
            Self::Shopify => vec![shopify::SIGNATURE, shopify::EVENTS_SIGNATURE],
            Self::Slack => vec![slack::TIMESTAMP, slack::SIGNATURE],
            Self::Square(_) => vec![square::SIGNATURE],
            Self::Twilio(_) => vec![twilio::SIGNATURE],
            Self::Hmac(declared) => std::iter::once(&declared.header)
                .chain(declared.signed_headers())
                .cloned()
                .collect(),
            Self::Token { .. } | Self::Basic | Self::None => Vec::new(),
        }
    }

    /// The headers without which nothing proves who sent an event, in families, of which one does.
    #[must_use]
    pub fn needed_headers(&self) -> Vec<Vec<HeaderName>> {
        match self {
            Self::Token { header } => vec![vec![header.clone()]],
            Self::Basic => vec![vec![AUTHORIZATION]],
            Self::Svix => vec![all(&SVIX).to_vec(), all(&STANDARD).to_vec()],
            Self::Shopify => vec![vec![shopify::SIGNATURE], vec![shopify::EVENTS_SIGNATURE]],
            signed => vec![signed.evidence_headers()],
        }
    }

    /// Whether a header is the token itself: whoever reads it can send with it.
    #[must_use]
    pub fn is_token(&self, name: &HeaderName) -> bool {
        matches!(self, Self::Token { header } if header == name)
    }

    /// Does the signature cover the query of the URL?
    #[must_use]
    pub const fn covers_query(&self) -> bool {
        matches!(self, Self::Token { .. } | Self::Basic | Self::Square(_) | Self::Twilio(_))
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
            Self::StandardWebhooks | Self::Svix | Self::Sprag | Self::Stripe | Self::Slack => true,
            Self::Hmac(declared) => declared.timestamp.is_some(),
            Self::Github
            | Self::Shopify
            | Self::Square(_)
            | Self::Twilio(_)
            | Self::Token { .. }
            | Self::Basic
            | Self::None => false,
        }
    }
}

fn all(names: &Names) -> [HeaderName; 3] {
    [names.id, names.timestamp, names.signature].map(Clone::clone)
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
    /// `whsk_`: the private key of the sender, which no receiver should have.
    PrivateKey,
    /// `whpk_` with something else than an Ed25519 public key.
    NotAPublicKey,
    /// `whsk_` with something else than an Ed25519 private key.
    NotAPrivateKey,
    /// A token with bytes that no header can carry.
    NotAHeaderValue,
    /// No colon between user and password.
    NotUserAndPassword,
    /// Nothing but another Sprag can sign for this scheme.
    OnlySpragSigns,
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
            Self::PrivateKey => {
                "whsk_ is the private key of the sender; its whpk_ public key is needed"
            }
            Self::NotAPublicKey => "the whpk_ key is not an Ed25519 public key of 32 bytes",
            Self::NotAPrivateKey => {
                "the whsk_ key is not an Ed25519 private key: a seed of 32 bytes, perhaps with its \
                 public key behind it"
            }
            Self::NotUserAndPassword => "the secret is not user:password",
            Self::OnlySpragSigns => "scheme \"sprag\" takes deliveries; only a Sprag signs them",
        })
    }
}
