//! Lists of secrets, and what is said of `whsec_` secrets: how one is made, and that one is short.

use super::raw::Entry;
use crate::limits;
use crate::secret::Secret;
use crate::verify::whsec_bytes;

/// Bytes that Standard Webhooks asks for at least.
const SHORT: usize = 24;

/// How one is made.
const MAKE: &str = "; make one: export NAME=whsec_$(openssl rand -base64 24)";

/// An array of named secrets.
pub(super) fn list(entry: &Entry<'_>) -> Option<Vec<Secret>> {
    read(entry, "")
}

/// The same of secrets as Standard Webhooks has them; whether each can be a key, `usable` says.
pub(super) fn whsec_list<P: std::fmt::Display>(
    entry: &Entry<'_>,
    usable: impl Fn(&[Secret]) -> Result<(), P>,
) -> Option<Vec<Secret>> {
    let secrets = read(entry, MAKE)?;
    if let Err(problem) = usable(&secrets) {
        entry.error(format!("{problem}{MAKE}"));
        return None;
    }
    for (at, secret) in secrets.iter().enumerate() {
        let short = whsec_bytes(secret).filter(|bytes| *bytes < SHORT);
        if let Some(bytes) = short {
            entry.warn(format!(
                "secret {} has {bytes} byte(s) and may be guessed: Standard Webhooks asks for 24 to 64{MAKE}",
                at + 1
            ));
        }
    }
    Some(secrets)
}

fn read(entry: &Entry<'_>, hint: &str) -> Option<Vec<Secret>> {
    let entries = entry.list(limits::SECRETS)?;
    let secrets: Vec<_> = entries.iter().map(|entry| entry.secret_or(hint)).collect();
    secrets.into_iter().collect()
}
