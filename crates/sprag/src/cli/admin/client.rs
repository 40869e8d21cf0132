//! Speaks to the admin API: one connection, one request at a time, bounded in bytes and time.

use super::bearer;
use crate::cli::Failure;
use crate::config::Url;
use crate::limits;
use crate::secret::Secret;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What is kept as it is in a segment of a path and in a query's value.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// One segment of a path, or one value of a query.
pub(in crate::cli) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// Why a request has no answer that can be used.
#[derive(Debug)]
pub(in crate::cli) enum Refused {
    /// A problem document.
    Problem {
        /// Its code, of the published list.
        code: String,
        /// What it says.
        text: String,
    },
    /// No answer, or none of the admin API.
    Failed(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Problem { code, text } => write!(formatter, "{text} ({code})"),
            Self::Failed(why) => formatter.write_str(why),
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::new(refused)
    }
}

/// What an answer is.
type Answered<T> = Result<T, Refused>;

/// The admin API of one Sprag.
pub(in crate::cli) struct Client {
    url: Url,
    authorization: HeaderValue,
    tls: Option<Arc<ClientConfig>>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(super) fn new(url: Url, token: &Secret) -> Result<Self, Failure> {
        let tls = url.tls.then(tls).transpose()?;
        Ok(Self { url, authorization: bearer(token)?, tls, sender: None })
    }

    /// Reads something: `path` from `/`, with its query.
    pub(in crate::cli) async fn get(&mut self, path: &str) -> Answered<Value> {
        self.ask(Method::GET, path, None).await
    }

    /// Reads something that is text.
    pub(in crate::cli) async fn text(&mut self, path: &str) -> Answered<String> {
        let exchange = async {
            let (status, body) = self.answer(Method::GET, path, None).await?;
            if status.is_success() {
                return Ok(String::from_utf8_lossy(&body).into_owned());
            }
            let document = serde_json::from_slice(&body).unwrap_or_default();
            Err(self.refused(status, &document))
        };
        match tokio::time::timeout(limits::ADMIN_CLIENT_TIME, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(self.failed(&"no answer in time")),
        }
    }

    /// Does something; a body of null is none.
    pub(in crate::cli) async fn post(&mut self, path: &str, body: &Value) -> Answered<Value> {
        self.ask(Method::POST, path, Some(body).filter(|body| !body.is_null())).await
    }

    /// Does something whose answer is as long as it is, and gives that out piece by piece as it comes.
    pub(in crate::cli) async fn download(&mut self, path: &str) -> Answered<Incoming> {
        let exchange = async {
            let request = self.request(Method::POST, path, None)?;
            let mut sender = self.sender().await?;
            sender.send_request(request).await.map_err(|error| self.failed(&error))
        };
        let answer = tokio::time::timeout(limits::ADMIN_CLIENT_TIME, exchange).await;
        let answer = answer.map_err(|_| self.failed(&"no answer in time"))??;
        let (head, body) = answer.into_parts();
        if head.status.is_success() {
            return Ok(body);
        }
        let body = Limited::new(body, limits::ADMIN_CLIENT_BYTES).collect().await;
        let body = body.map_err(|error| self.failed(&error))?.to_bytes();
        let document = serde_json::from_slice(&body).unwrap_or_default();
        Err(self.refused(head.status, &document))
    }

    async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> Answered<Value> {
        let exchange = self.exchange(method, path, body);
        match tokio::time::timeout(limits::ADMIN_CLIENT_TIME, exchange).await {
            Ok(answer) => answer,
            Err(_) => {
                self.sender = None;
                Err(self.failed(&"no answer in time"))
            }
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answered<Value> {
        let (status, body) = self.answer(method, path, body).await?;
        let value: Value = serde_json::from_slice(&body)
            .map_err(|_| self.failed(&format!("{status} without JSON")))?;
        if status.is_success() { Ok(value) } else { Err(self.refused(status, &value)) }
    }

    /// The whole answer; its connection is kept.
    async fn answer(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answered<(StatusCode, Bytes)> {
        let request = self.request(method, path, body)?;
        let mut sender = self.sender().await?;
        let answer = sender.send_request(request).await.map_err(|error| self.failed(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, limits::ADMIN_CLIENT_BYTES).collect().await;
        let body = body.map_err(|error| self.failed(&error))?.to_bytes();
        self.sender = Some(sender);
        Ok((head.status, body))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answered<Request<Full<Bytes>>> {
        let target = format!("{}{path}", self.url.target.trim_end_matches('/'));
        let host = HeaderValue::from_str(&self.url.authority);
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, host.map_err(|error| self.failed(&error))?)
            .header(AUTHORIZATION, self.authorization.clone());
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(ToString::to_string).unwrap_or_default();
        request.body(Full::from(bytes)).map_err(|error| self.failed(&error))
    }

    /// The connection of the last request while it lasts, or a new one.
    async fn sender(&mut self) -> Answered<SendRequest<Full<Bytes>>> {
        if let Some(mut sender) = self.sender.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        self.connect().await
    }

    async fn connect(&self) -> Answered<SendRequest<Full<Bytes>>> {
        let address = (self.url.host.as_str(), self.url.port);
        let stream = TcpStream::connect(address).await.map_err(|error| self.failed(&error))?;
        match &self.tls {
            None => self.begin(stream).await,
            Some(config) => {
                let name = ServerName::try_from(self.url.host.clone());
                let name = name.map_err(|error| self.failed(&error))?;
                let stream = TlsConnector::from(config.clone()).connect(name, stream).await;
                self.begin(stream.map_err(|error| self.failed(&error))?).await
            }
        }
    }

    async fn begin<S>(&self, stream: S) -> Answered<SendRequest<Full<Bytes>>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let begun = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = begun.map_err(|error| self.failed(&error))?;
        // How it ended is told by the request that was under way.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn failed(&self, why: &dyn fmt::Display) -> Refused {
        let scheme = if self.url.tls { "https" } else { "http" };
        Refused::Failed(format!(
            "the admin API at {scheme}://{} cannot be asked: {why}",
            self.url.authority
        ))
    }

    fn refused(&self, status: StatusCode, document: &Value) -> Refused {
        let member = |name: &str| document[name].as_str().map(str::to_owned);
        let Some(code) = member("code") else { return self.failed(&status) };
        let title = member("title").unwrap_or_else(|| status.to_string());
        let text = match member("detail") {
            Some(detail) => format!("{title}: {detail}"),
            None => title,
        };
        Refused::Problem { code, text }
    }
}

/// With the machine's roots.
fn tls() -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Failure::new)?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
