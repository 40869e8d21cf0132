//! Where a secret comes from: `env:NAME` or `file:PATH`, never the configuration itself.
//!
//! Reading is behind a closure, so that checking a configuration stays pure; `from_machine` is the
//! closure of the command line.

use crate::limits::{FILE_BYTES, SECRET_BYTES};
use crate::secret::Secret;
use std::io::Read;
use std::path::PathBuf;

/// A named place of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretReference {
    /// An environment variable.
    Environment(String),
    /// A file; a relative path starts at the working directory.
    File(PathBuf),
}

/// Why a place gave no secret. Never quotes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFault {
    /// The variable is not set, or the file does not exist.
    Absent,
    /// It exists and cannot be used.
    Unusable(String),
}

impl std::fmt::Display for SecretFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => formatter.write_str("does not exist"),
            Self::Unusable(reason) => formatter.write_str(reason),
        }
    }
}

/// Reads the secret at a place.
pub type Resolve<'a> = &'a dyn Fn(&SecretReference) -> Result<Secret, SecretFault>;

impl SecretReference {
    /// Reads `env:NAME` or `file:PATH`; `None` for anything else, which may be the secret itself
    /// and so is never repeated in a message.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("env", name) if !name.is_empty() => Some(Self::Environment(name.to_owned())),
            ("file", path) if !path.is_empty() => Some(Self::File(path.into())),
            _ => None,
        }
    }

    /// Reads it from this process's environment and file system.
    pub fn from_machine(&self) -> Result<Secret, SecretFault> {
        match self {
            Self::Environment(name) => std::env::var(name)
                .map(|text| Secret::from(text.as_str()))
                .map_err(|error| match error {
                    std::env::VarError::NotPresent => SecretFault::Absent,
                    std::env::VarError::NotUnicode(_) => {
                        SecretFault::Unusable("is not UTF-8".into())
                    }
                }),
            Self::File(path) => {
                let file = std::fs::File::open(path).map_err(|error| fault(&error))?;
                let mut bytes = Vec::new();
                let limit = FILE_BYTES as u64 + 1;
                file.take(limit).read_to_end(&mut bytes).map_err(|error| fault(&error))?;
                if bytes.len() > FILE_BYTES {
                    let reason = format!("has more than {FILE_BYTES} bytes");
                    return Err(SecretFault::Unusable(reason));
                }
                Ok(Secret::new(bytes))
            }
        }
    }
}

fn fault(error: &std::io::Error) -> SecretFault {
    match error.kind() {
        std::io::ErrorKind::NotFound => SecretFault::Absent,
        _ => SecretFault::Unusable(format!("cannot be read: {error}")),
    }
}

impl std::fmt::Display for SecretReference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment(name) => write!(formatter, "env:{name}"),
            Self::File(path) => write!(formatter, "file:{}", path.display()),
        }
    }
}

/// Bounds a secret and drops the newline that editors and `echo` leave at the end.
pub(super) fn tidied(secret: &Secret) -> Result<Secret, SecretFault> {
    let bytes = secret.expose();
    if bytes.len() > SECRET_BYTES {
        return Err(SecretFault::Unusable(format!("has more than {SECRET_BYTES} bytes")));
    }
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.is_empty() {
        return Err(SecretFault::Unusable("is empty".into()));
    }
    Ok(Secret::new(bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_places_and_nothing_else() {
        let reference = |text| SecretReference::parse(text).map(|place| place.to_string());
        assert_eq!(reference("env:A_B"), Some("env:A_B".into()));
        assert_eq!(reference("file:/run/secrets/a"), Some("file:/run/secrets/a".into()));
        for text in ["whsec_abc", "env:", "file:", "vault:x", ""] {
            assert_eq!(reference(text), None, "{text}");
        }
    }

    #[test]
    fn files_are_read_bounded_and_absence_is_told() {
        let directory = std::env::temp_dir().join(format!("sprag-secret-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("secret");
        std::fs::write(&path, b"s3cret\r\n").unwrap();
        let read = || SecretReference::File(path.clone()).from_machine();
        assert_eq!(tidied(&read().unwrap()).unwrap().expose(), b"s3cret");
        std::fs::write(&path, vec![b'x'; SECRET_BYTES * 2]).unwrap();
        assert!(matches!(tidied(&read().unwrap()), Err(SecretFault::Unusable(_))));
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(read(), Err(SecretFault::Absent));
        let variable = SecretReference::Environment("SPRAG_TEST_NOT_SET".into());
        assert_eq!(variable.from_machine(), Err(SecretFault::Absent));
    }
}
