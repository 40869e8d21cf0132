//! The newest sequences that consumers have seen, from a file.
//!
//! A line is `source,key,sequence` or a `webhook-id`: source and key encoded as in the headers of
//! deliveries. Of a key that stands in it more than once, the highest counts, so files of several
//! consumers may be put one behind the other.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::BackupError;

/// The highest sequence by source and encoded key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest(pub BTreeMap<(String, String), u64>);

impl Newest {
    /// Reads a file. Empty lines, those that begin with `#` and the names of the columns are passed.
    ///
    /// # Errors
    /// At the first line that is something else.
    pub fn read(lines: impl BufRead) -> Result<Self, BackupError> {
        let mut newest = Self::default();
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.map_err(|error| BackupError::Newest(number, error.to_string()))?;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line == "source,key,sequence" {
                continue;
            }
            let (source, key, sequence) = parts(line).ok_or_else(|| {
                let what = format!("{line:?} is neither source,key,sequence nor a webhook-id");
                BackupError::Newest(number, what)
            })?;
            let known = newest.0.entry((source.to_owned(), key.to_owned())).or_default();
            *known = sequence.max(*known);
        }
        Ok(newest)
    }
}

fn parts(line: &str) -> Option<(&str, &str, u64)> {
    let separator = if line.contains(',') { ',' } else { ':' };
    let mut parts = line.split(separator).map(|part| part.trim().trim_matches('"'));
    let (source, key, sequence) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = parts.next().is_none() && !source.is_empty() && !key.is_empty();
    is_whole.then_some((source, key, sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_webhook_ids_are_read_and_the_highest_counts() {
        let text =
            "source,key,sequence\n# app\nshop,a%20b,7\n\nshop:a%20b:9\n\"shop\",\"c\",\"1\"\n";
        let newest = Newest::read(text.as_bytes()).unwrap();
        let key = |key: &str| ("shop".to_owned(), key.to_owned());
        assert_eq!(newest.0, [(key("a%20b"), 9), (key("c"), 1)].into());
    }

    #[test]
    fn any_other_line_is_named() {
        for line in ["shop,a", "shop,a,x", "shop,,1", "shop:a:1:2", "what", "shop,a,1,2"] {
            let error = Newest::read(format!("shop,a,1\n{line}\n").as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with("line 2 "), "{line}: {error}");
        }
    }
}
