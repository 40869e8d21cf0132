//! What a backup says about itself.

use serde::{Deserialize, Serialize};

use super::BackupError;

/// The version of the format.
const FORMAT: u32 = 1;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the format.
    pub format: u32,
    /// The version of Sprag that made it.
    pub sprag: String,
    /// When, in RFC 3339.
    pub made: String,
    /// How many partitions the log has.
    pub partitions: u16,
    /// The segments, oldest first.
    pub files: Vec<ManifestFile>,
    /// Where the chain of each partition stood.
    pub tips: Vec<ManifestTip>,
}

/// A segment of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name in the directory of the log.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest, in hexadecimal digits.
    pub sha256: String,
}

/// The last frame of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestTip {
    /// The partition.
    pub partition: u16,
    /// Its number; 0 where there is none.
    pub frame: u64,
    /// The term it was written in.
    pub epoch: u64,
    /// Its hash, in hexadecimal digits.
    pub hash: String,
}

impl Manifest {
    /// A manifest of no files yet.
    pub(super) fn new(made: String, tips: Vec<ManifestTip>) -> Self {
        let partitions = u16::try_from(tips.len()).unwrap_or(u16::MAX);
        let sprag = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, sprag, made, partitions, files: Vec::new(), tips }
    }

    /// Reads one.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, BackupError> {
        let damaged = |what: String| BackupError::Damaged(format!("its manifest: {what}"));
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(damaged(format!(
                "format {}; this version reads format {FORMAT}",
                manifest.format
            )));
        }
        Ok(manifest)
    }

    /// The newest term that a frame of it was written in.
    pub(super) fn epoch(&self) -> u64 {
        self.tips.iter().map(|tip| tip.epoch).max().unwrap_or_default()
    }
}

/// Whether a file of a log may have this name: nothing leads out of the directory.
pub(super) fn is_segment(name: &str) -> bool {
    let stem = name.strip_suffix(".segment").unwrap_or_default();
    !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}
