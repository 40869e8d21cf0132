//! A backup as a tar: the segments, oldest first, then the manifest.

use std::fs::File;
use std::io::{self, Read, Write};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use tar::{Builder, EntryType, Header};

use super::hold::Hold;
use super::manifest::{Manifest, ManifestFile};
use super::{LOG, MANIFEST};

/// Reads and digests.
struct Digesting<R> {
    from: R,
    digest: Context,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}

/// Writes what is held; the manifest is completed on the way.
pub(super) fn write(
    hold: &Hold,
    mut manifest: Manifest,
    seconds: u64,
    to: impl Write,
) -> io::Result<()> {
    let mut tar = Builder::new(to);
    for file in &hold.cut.files {
        let from = File::open(hold.path(&file.name))?.take(file.bytes);
        let mut from = Digesting { from, digest: Context::new(&SHA256) };
        let mut header = header(file.bytes, seconds);
        tar.append_data(&mut header, format!("{LOG}/{}", file.name), &mut from)?;
        if from.from.limit() > 0 {
            let what = format!("{} is shorter than its history", file.name);
            return Err(io::Error::other(what));
        }
        let sha256 = HEXLOWER.encode(from.digest.finish().as_ref());
        manifest.files.push(ManifestFile { name: file.name.clone(), bytes: file.bytes, sha256 });
    }
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other)?;
    let mut header = header(text.len() as u64, seconds);
    tar.append_data(&mut header, MANIFEST, &text[..])?;
    tar.into_inner()?.flush()
}

/// Readable by nobody but its owner: bodies are in it.
fn header(bytes: u64, seconds: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_mtime(seconds);
    header
}
