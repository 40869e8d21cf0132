//! A secret as bytes: wiped when dropped, never printed.
//!
//! It must not know where secrets come from (`config::secrets`) nor what they sign.

use zeroize::Zeroizing;

/// Bytes that must not appear in a log, an error, the API or a debug print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes as they are.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for a function that signs, compares or sends them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_bytes_nor_length() {
        let short = format!("{:?}", Secret::from("a"));
        let long = format!("{:?}", vec![Secret::from("hunter2 hunter2")]);
        assert_eq!(short, "Secret(…)");
        assert!(!long.contains("hunter"));
    }
}
