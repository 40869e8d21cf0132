//! Backups of a log, and the way back from one (DESIGN D10).
//!
//! A backup is the segments of the log as they stood at one moment: sealed ones whole, the open one
//! as far as it was synced, and a manifest with the digest of each and where every partition's chain
//! stood. It is taken while the gateway runs: hard links hold the files meanwhile, so neither
//! trimming nor rewriting waits for it, nor disturbs it. The state store is not part of it: it is
//! rebuilt from the log.
//!
//! | the process ends … | what is there |
//! |---|---|
//! | while a backup is written | a tar without its last entry, the manifest: it is no backup, and is refused |
//! | while the links are held | links, removed at the next start |
//! | while a backup is restored | a data directory that says it was restored and does not serve; without its log complete it is refused when told how far to jump |
//! | after it was told, before the boundary is durable | a directory that brings the same boundary again: the log knows it by its number |
//!
//! It must not know what facts mean, but which sequence a key has.

mod error;
mod hold;
mod manifest;
mod marker;
mod newest;
mod restore;
mod source;
mod unpack;
mod write;

pub use error::BackupError;
pub use hold::clear as clear_holds;
pub use manifest::{Manifest, ManifestFile, ManifestTip};
pub use marker::Marker;
pub use newest::Newest;
pub use restore::{Restored, Told, restore, tell};
pub use source::{BackupSource, Busy, Stream};
pub use unpack::unpack;

/// The directory of the log within a data directory, and within a backup.
const LOG: &str = "log";
/// The last entry of a backup: without it, it is none.
const MANIFEST: &str = "manifest.json";
