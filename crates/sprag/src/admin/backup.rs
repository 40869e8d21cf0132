//! `POST /v1/backup`: the log as it stands, as a tar; `GET /v1/restore`: whether it comes from one.
//!
//! The answer begins once the files are held. It has no length and ends with the manifest: whoever
//! does not find that has no backup.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Serialize;
use sprag_core::id::{FrameNumber, PartitionId};
use sprag_log::{Answer, Query};
use utoipa::ToSchema;

use super::answer::{Answered, time};
use super::problems::{CommandProblems, ReadProblems};
use super::state::AdminState;
use crate::backup::{BackupError, ManifestTip};
use crate::problem::{Code, Problem};

/// The restore that this log comes from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Restore)]
pub(super) struct Shown {
    /// Absent where it was never restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<Boundary>,
}

/// What a restore left (rule D10).
#[derive(Debug, Serialize, ToSchema)]
struct Boundary {
    /// Which restore it was, in hexadecimal digits.
    restore: String,
    /// How many sequences every key jumps over when it next releases an event.
    jump: u64,
    /// The same for all restores of this log.
    total: u64,
}

/// A backup: the segments of the log as they stand, and `manifest.json` as the last entry of a tar.
/// An answer that ends without it broke off.
#[utoipa::path(post, path = "/v1/backup", tag = "backup",
    responses((status = 200, content_type = "application/x-tar", body = [u8]), CommandProblems))]
pub(super) async fn make(State(state): State<AdminState>) -> Result<Response, Problem> {
    let source = state.parts().backups.clone();
    let busy = source.begin().ok_or(Problem::new(Code::BackupUnderWay))?;
    let now = state.parts().clock.now().clock;
    let held = tokio::task::spawn_blocking(move || source.hold(busy, now.0)).await;
    let begun = held.map_err(|_| Problem::new(Code::Internal))?;
    let begun = begun.map_err(|error: BackupError| {
        Problem::new(Code::Internal).with_detail(error.to_string())
    })?;
    let mut tips = Vec::new();
    for (partition, last) in (0..).zip(&begun.cut().last) {
        tips.push(tip(&state, PartitionId(partition), *last).await?);
    }
    let made = time(now).unwrap_or_default();
    let name = format!("attachment; filename=\"sprag-{}.tar\"", made.replace(':', ""));
    let seconds = Duration::from_micros(now.0).as_secs();
    let stream = begun.stream(made, seconds, tips);
    let pieces = unfold(stream, |mut stream| async { Some((stream.recv().await?, stream)) });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-tar"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Where the chain of a partition stands with this frame.
async fn tip(
    state: &AdminState,
    partition: PartitionId,
    last: FrameNumber,
) -> Result<ManifestTip, Problem> {
    let nothing = ManifestTip { partition: partition.0, frame: 0, epoch: 0, hash: String::new() };
    if last.0 == 0 {
        return Ok(nothing);
    }
    let query = Query::Frames { partition, from: last, most: 1, bytes: 1 };
    match state.ask(query).await? {
        Some(Answer::Frames(frames)) if !frames.frames.is_empty() => {
            let frame = &frames.frames[0];
            let (epoch, hash) = (frame.epoch.0, frame.hash.to_string());
            Ok(ManifestTip { frame: frame.number.0, epoch, hash, ..nothing })
        }
        _ => Err(Problem::new(Code::NotReady).retry_after(1)),
    }
}

/// Whether the log was restored from a backup, and how far sequences jumped.
#[utoipa::path(get, path = "/v1/restore", tag = "backup",
    responses((status = 200, body = Shown), ReadProblems))]
pub(super) async fn restored(State(state): State<AdminState>) -> Answered<Shown> {
    let restored = state.node().directory().await.restored.map(|restored| Boundary {
        restore: format!("{:016x}", restored.restore),
        jump: restored.jump,
        total: restored.total,
    });
    Ok(Json(Shown { restored }))
}
