//! How the admin API of a configuration is reached, for commands that only ask it.
//!
//! They run where the secrets of sources and destinations need not be, so nothing else is read.

use super::finding::{Finding, Severity};
use super::raw::{Notes, Section};
use super::secrets::{Resolve, SecretFault, SecretReference};
use super::{ADMIN_TOKEN_VARIABLE, check_server, document};
use crate::secret::Secret;
use std::net::SocketAddr;

/// Where the admin API listens, and its token.
#[derive(Debug)]
pub struct AdminAccess {
    /// `server.admin`.
    pub address: SocketAddr,
    /// [`ADMIN_TOKEN_VARIABLE`], or else `admin.token`; none where neither is there.
    pub token: Option<Secret>,
}

/// Reads `[server] admin` and `[admin] token`.
///
/// # Errors
/// The findings about these keys.
pub fn admin_access(
    text: &str,
    file: &str,
    resolve: Resolve<'_>,
) -> Result<AdminAccess, Vec<Finding>> {
    let notes = Notes::new(file, text, resolve);
    let read = document(&notes, text).and_then(|document| {
        let root = Section::root(&notes, &document);
        let address = check_server::server(&root.section("server"))?.admin;
        Some(AdminAccess { address, token: token(&root)? })
    });
    match read {
        Some(access) => Ok(access),
        None => {
            let mut findings = notes.into_findings();
            findings.retain(|finding| finding.severity == Severity::Error);
            Err(findings)
        }
    }
}

fn token(root: &Section<'_>) -> Option<Option<Secret>> {
    let written = root.section("admin").get("token");
    let variable = SecretReference::Environment(ADMIN_TOKEN_VARIABLE.into());
    match (root.notes.resolve(&variable), written) {
        (Ok(token), _) => Some(Some(token)),
        (Err(SecretFault::Absent), Some(entry)) => Some(Some(entry.secret()?)),
        (Err(SecretFault::Absent), None) => Some(None),
        (Err(SecretFault::Unusable(reason)), _) => {
            root.error(&format!("{variable} {reason}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: &str = "[sources.a]\nverify = { scheme = \"github\", secrets = [\"env:A\"] }\n";

    #[test]
    fn other_secrets_are_not_needed() {
        let text = format!("[server]\nadmin = \"127.0.0.1:9\"\n{SECRETS}");
        let access = admin_access(&text, "a", &|_| Err(SecretFault::Absent)).unwrap();
        assert_eq!((access.address.port(), access.token), (9, None));
        let text = format!("[admin]\ntoken = \"file:t\"\n{SECRETS}");
        let file = |place: &SecretReference| match place {
            SecretReference::File(_) => Ok(Secret::from("a token of a file")),
            SecretReference::Environment(_) => Err(SecretFault::Absent),
        };
        let access = admin_access(&text, "a", &file).unwrap();
        assert_eq!(access.address.port(), 8081);
        assert_eq!(access.token, Some(Secret::from("a token of a file")));
    }

    #[test]
    fn what_stands_in_the_way_is_told_with_its_line() {
        let refused = |text: &str| {
            let findings = admin_access(text, "a", &|_| Err(SecretFault::Absent)).unwrap_err();
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        assert_eq!(refused("[server]\n\nadmin = 8081\n"), [3]);
        assert_eq!(refused("[admin]\ntoken = \"env:NONE\"\n"), [2]);
        assert_eq!(refused("[server\n").len(), 1);
    }
}
