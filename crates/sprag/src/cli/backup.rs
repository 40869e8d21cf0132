//! `sprag backup`: a backup of a gateway that runs.

use super::admin::AdminArguments;
use super::words::say;
use super::{Failure, Verdict, block_on};
use crate::backup::{Manifest, unpack};
use crate::limits;
use bytes::{Buf, Bytes};
use clap::Args;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use std::io::{self, Read};
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Back up the log of a gateway that runs
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    sprag backup --to backups/2026-01-31\n\n\
    The directory holds the segments of the log and manifest.json, with their digests and where the\n\
    chain of every partition stood. Bodies are in it: keep it as safe as the log. The same as a tar:\n  \
    curl -X POST -H \"authorization: Bearer $SPRAG_ADMIN_TOKEN\" http://127.0.0.1:8081/v1/backup\n\n\
    Exit code: 0 backed up and compared with its digests, 2 could not")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// Write it into this directory, which must be empty or not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    let manifest = block_on(async {
        let body = client.download("/v1/backup").await?;
        let (pieces, received) = mpsc::channel(limits::BACKUP_PIECES);
        let to = arguments.to.clone();
        let stream = Received { pieces: received, rest: Bytes::new() };
        let unpacked = tokio::task::spawn_blocking(move || unpack(stream, &to));
        receive(body, &pieces).await;
        drop(pieces);
        unpacked.await.map_err(Failure::new)?.map_err(Failure::new)
    })?;
    tell(arguments, &manifest);
    Ok(Verdict::Fine)
}

/// Hands the answer on. Why it broke off is told by who reads it.
async fn receive(mut body: Incoming, pieces: &mpsc::Sender<io::Result<Bytes>>) {
    while let Some(frame) = body.frame().await {
        let piece = match frame {
            Ok(frame) => frame.into_data().map(Ok).unwrap_or(Ok(Bytes::new())),
            Err(error) => Err(io::Error::other(error)),
        };
        if pieces.send(piece).await.is_err() {
            return;
        }
    }
}

fn tell(arguments: &Arguments, manifest: &Manifest) {
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let to = arguments.to.display();
    if arguments.json {
        let frames: u64 = manifest.tips.iter().map(|tip| tip.frame).sum();
        let (made, files) = (&manifest.made, manifest.files.len());
        say(json!({ "made": made, "files": files, "bytes": bytes, "frames": frames }));
    } else {
        let files = manifest.files.len();
        say(format!("{to}: {files} segments, {bytes} bytes, as of {}", manifest.made));
    }
}

/// The answer as it comes.
struct Received {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for Received {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let read = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}
