//! A consumer that serves HTTP/2 over TLS with a library of its own, and hands every delivery to the
//! test, which answers it when it likes.

use std::future::poll_fn;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request, Response};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::wire::Message;

const PATIENCE: Duration = Duration::from_secs(20);

/// See the module.
pub(crate) struct Server {
    pub(crate) port: u16,
    deliveries: mpsc::Receiver<Delivery>,
    connections: mpsc::Receiver<TcpStream>,
    tls: Arc<ServerConfig>,
    directory: tempfile::TempDir,
    _runtime: Runtime,
}

/// A request that came, and how it is answered.
pub(crate) struct Delivery {
    /// Which connection it came on, from 1.
    pub(crate) connection: usize,
    pub(crate) message: Message,
    respond: SendResponse<Bytes>,
    answering: Option<h2::SendStream<Bytes>>,
    runtime: tokio::runtime::Handle,
}

impl Server {
    /// Serves HTTP/2 where the TLS handshake agrees on it, offering these protocols.
    pub(crate) fn start(offered: &[&[u8]]) -> Self {
        Self::listen(offered, true)
    }

    /// Leaves the connections to the test: see [`Server::tls_stream`].
    pub(crate) fn start_http1(offered: &[&[u8]]) -> Self {
        Self::listen(offered, false)
    }

    fn listen(offered: &[&[u8]], serves: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tls = authority(&directory.path().join("ca.pem"), offered);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let runtime = Runtime::new().unwrap();
        let (sender, deliveries) = mpsc::channel();
        let (streams, connections) = mpsc::channel();
        let (acceptor, handle) = (TlsAcceptor::from(tls.clone()), runtime.handle().clone());
        std::thread::spawn(move || {
            for (connection, stream) in (1..).zip(listener.incoming()) {
                let stream = stream.unwrap();
                if serves {
                    let served = serve(acceptor.clone(), stream, connection, sender.clone());
                    handle.spawn(served);
                } else if streams.send(stream).is_err() {
                    return;
                }
            }
        });
        Self { port, deliveries, connections, tls, directory, _runtime: runtime }
    }

    /// The lines of a destination that trusts it.
    pub(crate) fn destination(&self) -> String {
        let ca = self.directory.path().join("ca.pem");
        format!("url = \"https://localhost:{}/in\"\nca = {ca:?}\n", self.port)
    }

    /// The next request, in the order their bodies were complete.
    pub(crate) fn delivery(&self) -> Delivery {
        self.deliveries.recv_timeout(PATIENCE).expect("a delivery")
    }

    /// The next connection, its handshake still to be made.
    pub(crate) fn tls_stream(&self) -> StreamOwned<ServerConnection, TcpStream> {
        let stream = self.connections.recv_timeout(PATIENCE).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(ServerConnection::new(self.tls.clone()).unwrap(), stream)
    }
}

impl Delivery {
    pub(crate) fn answer(&mut self, status: u16) {
        let response = Response::builder().status(status).body(()).unwrap();
        self.respond.send_response(response, true).unwrap();
    }

    /// Answers with a body of so many bytes that does not end.
    pub(crate) fn answer_with(&mut self, status: u16, bytes: usize) {
        let response = Response::builder().status(status).body(()).unwrap();
        let mut stream = self.respond.send_response(response, false).unwrap();
        stream.send_data(vec![b'a'; bytes].into(), false).unwrap();
        self.answering = Some(stream);
    }

    /// Whether the gateway resets the stream, or has done so.
    pub(crate) fn is_reset(&mut self) -> bool {
        let (respond, answering) = (&mut self.respond, &mut self.answering);
        let reset = poll_fn(|context| match answering {
            Some(stream) => stream.poll_reset(context),
            None => respond.poll_reset(context),
        });
        let reset = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, reset).await });
        matches!(reset, Ok(Ok(h2::Reason::CANCEL)))
    }
}

async fn serve(
    tls: TlsAcceptor,
    stream: TcpStream,
    connection: usize,
    deliveries: mpsc::Sender<Delivery>,
) {
    stream.set_nonblocking(true).unwrap();
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    let Ok(stream) = tls.accept(stream).await else { return };
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let Ok(mut served) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = served.accept().await {
        let deliveries = deliveries.clone();
        tokio::spawn(async move {
            let Some(message) = message(request).await else { return };
            let runtime = tokio::runtime::Handle::current();
            let answering = None;
            // The test may be over.
            let _ = deliveries.send(Delivery { connection, message, respond, answering, runtime });
        });
    }
}

/// A request as one over HTTP/1.1 is given to tests.
async fn message(request: Request<RecvStream>) -> Option<Message> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.ok()?;
        body.extend_from_slice(&data);
        stream.flow_control().release_capacity(data.len()).ok()?;
    }
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    let start = format!("{} {}", head.method, head.uri);
    Some(Message { start, headers: head.headers.iter().map(header).collect(), body })
}

/// An authority of the test's own, as a `ca` file, and a server with a certificate by it.
fn authority(file: &std::path::Path, offered: &[&[u8]]) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    std::fs::write(file, authority.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let server = builder.unwrap().with_no_client_auth();
    let certificates = vec![certificate.der().clone()];
    let mut server = server.with_single_cert(certificates, key.into()).unwrap();
    server.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    Arc::new(server)
}
