//! What stands before a consumer: TLS that is right or wrong in some way, changed while it runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// How it meets who connects.
#[derive(Clone)]
pub(crate) enum Meets {
    /// With a certificate.
    Tls(Arc<ServerConfig>),
    /// As a server that speaks no TLS.
    Plain,
    /// It says nothing.
    Silence,
    /// It passes everything on as it is.
    Open,
}

/// A running front. Whoever is connected is cut off when it changes.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    meets: watch::Sender<Meets>,
}

impl Front {
    pub(crate) async fn start(at: SocketAddr, before: SocketAddr, meets: Meets) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (meets, watched) = watch::channel(meets);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut changes = watched.clone();
                let meets = changes.borrow_and_update().clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = meet(stream, meets, before) => {}
                        _ = changes.changed() => {}
                    }
                });
            }
        });
        Self { address, meets }
    }

    pub(crate) fn change(&self, meets: Meets) {
        self.meets.send_replace(meets);
    }
}

async fn meet(mut stream: TcpStream, meets: Meets, before: SocketAddr) {
    match meets {
        Meets::Tls(config) => {
            // A client that is not content ends the handshake.
            let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
            pass_on(stream, before).await;
        }
        Meets::Open => pass_on(stream, before).await,
        Meets::Plain => {
            let answer = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
            // Who has gone does not hear it.
            let _ = stream.write_all(answer).await;
        }
        Meets::Silence => std::future::pending().await,
    }
}

async fn pass_on(mut stream: impl AsyncRead + AsyncWrite + Unpin, before: SocketAddr) {
    let mut consumer = TcpStream::connect(before).await.unwrap();
    // Either side may go at any time.
    let _ = copy_bidirectional(&mut stream, &mut consumer).await;
}

/// An authority of the test's own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Those who read this file trust it.
    pub(crate) fn write(&self, file: &Path) {
        std::fs::write(file, self.0.pem()).unwrap();
    }

    /// A certificate for a name.
    pub(crate) fn certifies(&self, name: &str) -> Meets {
        self.sign(&CertificateParams::new([name.to_owned()]).unwrap())
    }

    /// One that has expired.
    pub(crate) fn certified(&self, name: &str) -> Meets {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Meets {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let server = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let chain = vec![certificate.der().clone()];
        Meets::Tls(Arc::new(server.with_single_cert(chain, key.into()).unwrap()))
    }
}
