//! A secret on the command line: itself, or better where it is.

use crate::config::SecretReference;
use crate::secret::Secret;
use std::str::FromStr;

/// `whsec_…`, `env:NAME` or `file:PATH`.
#[derive(Debug, Clone)]
pub(super) struct SecretArgument(pub(super) Secret);

impl FromStr for SecretArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(reference) = SecretReference::parse(text) else {
            return Ok(Self(Secret::from(text)));
        };
        match reference.from_machine() {
            Ok(secret) => Ok(Self(Secret::new(secret.expose().trim_ascii_end().to_vec()))),
            Err(fault) => Err(format!("{reference} {fault}")),
        }
    }
}
