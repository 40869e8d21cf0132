//! One connection of a provider: sign, post, and try again what was not taken.

use super::limits::{ANSWER_BYTES, TRIES, TRY_TIME, WAIT_FIRST, WAIT_MOST};
use super::post::Post;
use crate::clock::Clock;
use crate::verify::{Signed, Signer};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, RETRY_AFTER};
use http::uri::{Scheme, Uri};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Where events are posted: `http://HOST[:PORT]/in/SOURCE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    address: String,
    host: HeaderValue,
    path: String,
}

/// Why an address cannot be posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetProblem {
    /// It is no URL with scheme and host.
    NoUrl,
    /// Only plain `http` is spoken here: Sprag ends no TLS itself.
    NotHttp,
    /// The query is for values of events.
    Query,
}

impl fmt::Display for TargetProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoUrl => "a URL is needed, such as http://127.0.0.1:8080/in/billing",
            Self::NotHttp => "only http:// is posted to; give the address Sprag itself listens on",
            Self::Query => "the URL may have no query; values of events are put there",
        })
    }
}

impl Target {
    /// Reads a URL.
    pub fn parse(url: &str) -> Result<Self, TargetProblem> {
        let uri: Uri = url.parse().map_err(|_| TargetProblem::NoUrl)?;
        let authority = uri.authority().ok_or(TargetProblem::NoUrl)?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err(TargetProblem::NotHttp);
        }
        if uri.query().is_some() {
            return Err(TargetProblem::Query);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| TargetProblem::NoUrl)?;
        let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
        Ok(Self { address, host, path: uri.path().to_owned() })
    }

    fn uri(&self, query: &str) -> Option<Uri> {
        match query {
            "" => self.path.parse().ok(),
            query => format!("{}?{query}", self.path).parse().ok(),
        }
    }
}

/// What became of one event at last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 2xx: durable. The `status` member of the answer, such as `released` or `duplicate`; empty
    /// when the answer has none.
    Acknowledged(String),
    /// Any other status, with the `code` of its problem document.
    Refused(u16, String),
    /// No answer, or 429 and 5xx until the last try.
    Unanswered(String),
}

/// A connection that is made when it is needed.
pub(super) struct Client {
    target: Arc<Target>,
    signer: Arc<Signer>,
    clock: Clock,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// What one try showed.
enum Try {
    Final(Answer),
    Again { why: String, wait: Option<Duration> },
}

impl Client {
    pub(super) fn new(target: Arc<Target>, signer: Arc<Signer>, clock: Clock) -> Self {
        Self { target, signer, clock, sender: None }
    }

    /// Posts one event until it is taken, refused, or the tries are used up. Says how often it was
    /// tried.
    pub(super) async fn post(&mut self, post: &Post) -> (Answer, u32) {
        let mut wait = WAIT_FIRST;
        for number in 1..=TRIES {
            match self.attempt(post).await {
                Try::Final(answer) => return (answer, number),
                Try::Again { why, .. } if number == TRIES => {
                    return (Answer::Unanswered(why), number);
                }
                Try::Again { wait: asked, .. } => {
                    tokio::time::sleep(asked.unwrap_or(wait).min(WAIT_MOST)).await;
                    wait *= 2;
                }
            }
        }
        (Answer::Unanswered("not tried".into()), 0)
    }

    async fn attempt(&mut self, post: &Post) -> Try {
        let Some(request) = self.request(post) else {
            let why = "the event's id or key cannot be sent in a header".to_owned();
            return Try::Final(Answer::Unanswered(why));
        };
        match tokio::time::timeout(TRY_TIME, self.exchange(request)).await {
            Ok(Ok((code, wait, body))) => judge(code, wait, &body),
            Ok(Err(why)) => Try::Again { why, wait: None },
            Err(_) => {
                self.sender = None;
                Try::Again { why: "no answer in time".into(), wait: None }
            }
        }
    }

    fn request(&self, post: &Post) -> Option<Request<Full<Bytes>>> {
        let at_us = i64::try_from(self.clock.now().clock.0).unwrap_or(i64::MAX);
        let signed = Signed { id: &post.id, at_us, sequence: post.sequence, query: &post.query };
        let signature = self.signer.sign(signed, &post.body)?;
        let mut request = Request::new(Full::new(post.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.uri(&post.query)?;
        let headers = request.headers_mut();
        headers.extend(post.headers.iter().cloned());
        // What is signed wins: it is the same value where the source reads both from one header.
        for (name, value) in signature {
            headers.insert(name, value);
        }
        headers.insert(HOST, self.target.host.clone());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(post.body.len()));
        Some(request)
    }

    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Option<Duration>, Bytes), String> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await.map_err(|error| error.to_string())?,
        };
        sender.ready().await.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let code = response.status();
        let wait = retry_after(&response);
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        self.sender = Some(sender);
        Ok((code, wait, body))
    }

    async fn connect(
        &self,
    ) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.target.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends when the sender is dropped or the gateway closes; how is told by the request.
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
        return Try::Again { why: format!("{} {problem}", code.as_u16()), wait };
    }
    Try::Final(Answer::Refused(code.as_u16(), problem))
}

/// `Retry-After` in seconds, as Sprag sends it.
fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
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
    fn targets_are_plain_http_urls_without_a_query() {
        let target = Target::parse("http://localhost:8080/in/billing").unwrap();
        assert_eq!(
            (target.address.as_str(), target.path.as_str()),
            ("localhost:8080", "/in/billing")
        );
        assert_eq!(target.uri("a=1").unwrap().to_string(), "/in/billing?a=1");
        assert_eq!(Target::parse("http://[::1]/in/a").unwrap().address, "[::1]:80");
        for (url, problem) in [
            ("/in/billing", TargetProblem::NoUrl),
            ("not a url", TargetProblem::NoUrl),
            ("https://example.com/in/a", TargetProblem::NotHttp),
            ("http://localhost/in/a?x=1", TargetProblem::Query),
        ] {
            assert_eq!(Target::parse(url), Err(problem), "{url}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let is_final = |code: u16| {
            matches!(judge(StatusCode::from_u16(code).unwrap(), None, b"{}"), Try::Final(_))
        };
        assert!([200, 202, 400, 401, 413, 422].into_iter().all(is_final));
        assert!(![429, 500, 503].into_iter().any(is_final));
    }
}
