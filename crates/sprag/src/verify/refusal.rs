//! Why a request was refused by its verifier.
//!
//! Each reason has a stable code of its own: `problem::Code` lists them with status and meaning.

/// A reason to answer 401. None of them says which secret or which byte differed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The signature header is absent.
    MissingSignature,
    /// The signature header holds no signature of a known form.
    MalformedSignature,
    /// No signature in the header matches any secret.
    SignatureMismatch,
    /// The header with the signed time is absent.
    MissingTimestamp,
    /// The signed time is not a time of the declared form (rule K3).
    MalformedTimestamp,
    /// The header with the signed id is absent.
    MissingSignedId,
    /// The signed id is empty, too long, or contains the separator that follows it, or behind the body the one before it.
    MalformedSignedId,
    /// The header with the signed sequence is absent.
    MissingSignedSequence,
    /// The signed sequence is empty, too long, or contains the separator that follows it, or behind the body the one before it.
    MalformedSignedSequence,
    /// The header with the token is absent.
    MissingToken,
    /// The token is none of the secrets.
    TokenMismatch,
}

impl Refusal {
    /// Whether a header is absent that must be there.
    #[must_use]
    pub const fn is_of_absence(self) -> bool {
        matches!(
            self,
            Self::MissingSignature
                | Self::MissingTimestamp
                | Self::MissingSignedId
                | Self::MissingSignedSequence
                | Self::MissingToken
        )
    }
}
