//! Reads a request's body whole, within its bound; and what is left of it, for nothing.

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::sync::Arc;

use crate::limits;
use crate::problem::{Code, Problem};

/// The body, at most `most` bytes.
///
/// # Errors
/// 413 when it is larger, told from its declared length where that is possible; 400 when the
/// connection ends before the body does.
pub(crate) async fn read(body: &mut Incoming, most: usize) -> Result<Arc<[u8]>, Problem> {
    let too_large = || {
        let detail = format!("bodies of at most {most} bytes are taken here");
        Problem::new(Code::BodyTooLarge).with_detail(detail)
    };
    let declared = body.size_hint().lower();
    if declared > most as u64 {
        return Err(too_large());
    }
    let mut read: Vec<u8> = Vec::with_capacity(usize::try_from(declared).unwrap_or(0));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Code::UnreadableRequest))?;
        let Some(data) = frame.data_ref() else { continue };
        if read.len() + data.len() > most {
            return Err(too_large());
        }
        read.extend_from_slice(data);
    }
    Ok(Arc::from(read))
}

/// Reads on, apart, what a request that is answered already still sends. A connection that is closed
/// over unread bytes is reset, and a reset takes an answer away that its receiver has not read yet.
pub(super) fn discard(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(tokio::time::timeout(limits::DISCARD_TIME, async move {
        let mut left = limits::DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len()));
            if left == 0 {
                return;
            }
        }
    }));
}
