//! One connection that is made when it is needed: a request out, its answer in, and once more what
//! may pass.
//!
//! It must not know what the requests say.

use super::client::Answer;
use super::limits::{ANSWER_BYTES, TRIES, TRY_TIME, WAIT_FIRST, WAIT_MOST};
use super::target::Target;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;

/// A connection to one address.
pub(crate) struct Connection {
    address: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// What one try showed.
enum Try {
    Final(Answer),
    Again { why: String, wait: Option<Duration> },
}

impl Connection {
    pub(crate) fn to(target: &Target) -> Self {
        Self { address: target.address().to_owned(), sender: None }
    }

    /// Sends until it is taken, refused, or the tries are used up; each try is made anew, for a
    /// signature has its time. `again` hears why, before each try but the first. Says how often it was
    /// tried.
    pub(crate) async fn post(
        &mut self,
        make: impl Fn() -> Option<Request<Full<Bytes>>>,
        again: impl Fn(&str),
    ) -> (Answer, u32) {
        let mut wait = WAIT_FIRST;
        for number in 1..=TRIES {
            let Some(request) = make() else {
                let why = "the event's id or key cannot be sent in a header".to_owned();
                return (Answer::Unanswered(why), number);
            };
            match self.attempt(request).await {
                Try::Final(answer) => return (answer, number),
                Try::Again { why, .. } if number == TRIES => {
                    return (Answer::Unanswered(why), number);
                }
                Try::Again { why, wait: asked } => {
                    again(&why);
                    tokio::time::sleep(asked.unwrap_or(wait).min(WAIT_MOST)).await;
                    wait *= 2;
                }
            }
        }
        (Answer::Unanswered("not tried".into()), 0)
    }

    async fn attempt(&mut self, request: Request<Full<Bytes>>) -> Try {
        match self.exchange(request).await {
            Ok(response) => judge(response.status(), retry_after(&response), response.body()),
            Err(why) => Try::Again { why, wait: None },
        }
    }

    /// One request and its answer, within the time of one try.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, String> {
        // Where it does not end in time the connection is not used again.
        let sender = self.sender.take();
        let exchanged = tokio::time::timeout(TRY_TIME, self.exchange_on(sender, request)).await;
        let (response, sender) = exchanged.map_err(|_| "no answer in time".to_owned())??;
        self.sender = Some(sender);
        Ok(response)
    }

    async fn exchange_on(
        &self,
        sender: Option<SendRequest<Full<Bytes>>>,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Bytes>, SendRequest<Full<Bytes>>), String> {
        let mut sender = match sender.filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await.map_err(|error| error.to_string())?,
        };
        sender.ready().await.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok((Response::from_parts(head, body), sender))
    }

    async fn connect(
        &self,
    ) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        // What is passed on keeps the case of its header names; what is made here is in lower case.
        let builder = Builder::new().preserve_header_case(true).handshake(TokioIo::new(stream));
        let (sender, connection) = builder.await?;
        // It ends when the sender is dropped or the other side closes; how is told by the request.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

/// 429 and 5xx may pass; everything else is final.
fn judge(code: StatusCode, wait: Option<Duration>, body: &[u8]) -> Try {
    if code.is_success() {
        return Try::Final(Answer::Acknowledged(member(body, "status")));
    }
    let problem = member(body, "code");
    if code == StatusCode::TOO_MANY_REQUESTS || code.is_server_error() {
        let why = format!("{} {problem}", code.as_u16()).trim_end().to_owned();
        return Try::Again { why, wait };
    }
    Try::Final(Answer::Refused(code.as_u16(), problem))
}

/// `Retry-After` in seconds, as Sprag sends it.
fn retry_after(response: &Response<Bytes>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_secs)
}

fn member(body: &[u8], name: &str) -> String {
    let document: Option<Value> = serde_json::from_slice(body).ok();
    let member = document.as_ref().and_then(|document| document.get(name)?.as_str());
    member.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let is_final = |code: u16| {
            matches!(judge(StatusCode::from_u16(code).unwrap(), None, b"{}"), Try::Final(_))
        };
        assert!([200, 202, 400, 401, 413, 422].into_iter().all(is_final));
        assert!(![429, 500, 503].into_iter().any(is_final));
    }
}
