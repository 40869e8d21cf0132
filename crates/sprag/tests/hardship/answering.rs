//! A consumer of many keys that answers by a rule, and remembers what it took.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The status for a delivery of this key; none leaves it without an answer.
type Rule = Box<dyn Fn(&str) -> Option<u16> + Send + Sync>;

/// What it saw.
#[derive(Default)]
struct Seen {
    /// Deliveries, whatever they were answered.
    attempts: usize,
    /// The sequences that were acknowledged, in their order, by key.
    acknowledged: HashMap<String, Vec<u64>>,
}

/// A running consumer.
pub(crate) struct Answering {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _runtime: Runtime,
}

impl Answering {
    pub(crate) fn start(rule: impl Fn(&str) -> Option<u16> + Send + Sync + 'static) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::default());
        runtime.spawn(accept(listener, Arc::new(Box::new(rule)), Arc::clone(&seen)));
        Self { address, seen, _runtime: runtime }
    }

    fn look<Found>(&self, look: impl FnOnce(&Seen) -> Found) -> Found {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn attempts(&self) -> usize {
        self.look(|seen| seen.attempts)
    }

    /// Events that were acknowledged, of all keys.
    pub(crate) fn acknowledged(&self) -> usize {
        self.look(|seen| seen.acknowledged.values().map(Vec::len).sum())
    }

    /// The keys whose acknowledged sequences are not 1, 2, 3… each once.
    pub(crate) fn out_of_order(&self) -> Vec<String> {
        let wrong = |sequences: &[u64]| !(1..).zip(sequences).all(|(at, sequence)| at == *sequence);
        self.look(|seen| {
            let keys = seen.acknowledged.iter().filter(|(_, sequences)| wrong(sequences));
            keys.map(|(key, sequences)| format!("{key}: {sequences:?}")).collect()
        })
    }
}

async fn accept(listener: TcpListener, rule: Arc<Rule>, seen: Arc<Mutex<Seen>>) {
    loop {
        // Without a descriptor for it a connection waits; the next one may be taken.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (rule, seen) = (rule.clone(), seen.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, rule.clone(), seen.clone()));
            // A broken connection is the other side's affair.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    rule: Arc<Rule>,
    seen: Arc<Mutex<Seen>>,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    body.collect().await?;
    let header = |name| head.headers[name].to_str().unwrap().to_owned();
    let (key, sequence) = (header("sprag-key"), header("sprag-sequence").parse().unwrap());
    let status = rule(&key);
    {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.attempts += 1;
        if status == Some(204) {
            seen.acknowledged.entry(key).or_default().push(sequence);
        }
    }
    let Some(status) = status else {
        let never: Infallible = std::future::pending().await;
        match never {}
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}
