//! Reads a request's body whole, within its bound.

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use std::sync::Arc;

use crate::problem::{Code, Problem};

/// The body, at most `most` bytes.
///
/// # Errors
/// 413 when it is larger, told from its declared length where that is possible; 400 when the
/// connection ends before the body does.
pub(crate) async fn read(mut body: Incoming, most: usize) -> Result<Arc<[u8]>, Problem> {
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
