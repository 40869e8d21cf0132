//! Providers over HTTP/2, with prior knowledge: what they are answered, and what they cannot do to the gateway or to
//! each other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

#[path = "wire/http2_provider.rs"]
mod http2_provider;
#[path = "wire/post.rs"]
mod post;
#[expect(dead_code, unused_imports, reason = "other tests need more of it")]
mod wire;

use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, StatusCode};
use http2_provider::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PREFACE, Provider,
    RST_STREAM, frame, head,
};
use post::post;
use serde_json::Value;
use sprag::limits::{REQUEST_HEADERS, REQUEST_STREAMS};
use wire::Gateway;

const LIMITS: &str = "disk_reserve = \"1MiB\"\n";
const CANCEL: u32 = 8;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

const SOURCES: &str = r#"
[sources.open]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/order"
position = { sequence = "body:/number" }
max_body = "1MiB"
"#;

fn gateway(limits: &str) -> Gateway {
    Gateway::start(&format!("{LIMITS}{limits}"), SOURCES)
}

fn body(order: &str, number: u64) -> String {
    format!(r#"{{"order":"{order}","number":{number}}}"#)
}

/// The gateway still takes events of others.
fn assert_serves(gateway: &Gateway, order: &str) {
    let id = format!("x-id: {order}\r\n");
    let answer = gateway.ask(&post("/in/open", &id, &body(order, 1)));
    assert_eq!(answer.status(), 200, "{answer:?}");
}

/// A connection of a library, as providers have it. Until it is told how many requests may be under way it has as many
/// as hyper and nghttp2: without that it sends all at once, and those beyond the limit are refused.
async fn connect(gateway: &Gateway) -> SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(gateway.listen()).await.unwrap();
    let mut client = h2::client::Builder::new();
    client.initial_max_send_streams(REQUEST_STREAMS as usize);
    let (sender, connection) = client.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(id: &str, headers: usize) -> Request<()> {
    let mut request = Request::post("http://sprag/in/open").header("x-id", id);
    request = request.header("content-type", "application/json");
    for number in 0..headers {
        request = request.header(format!("x-more-{number}"), "a");
    }
    request.body(()).unwrap()
}

/// Sends an event; its status and answer.
async fn send(
    sender: &SendRequest<Bytes>,
    request: Request<()>,
    body: String,
) -> (StatusCode, Vec<u8>) {
    let mut sender = sender.clone().ready().await.unwrap();
    let (answer, mut stream) = sender.send_request(request, false).unwrap();
    // A request that is refused by its head need not be sent to its end.
    let _ = stream.send_data(Bytes::from(body), true);
    let (head, mut incoming) = answer.await.unwrap().into_parts();
    let mut read = Vec::new();
    while let Some(piece) = incoming.data().await {
        let piece = piece.unwrap();
        incoming.flow_control().release_capacity(piece.len()).unwrap();
        read.extend_from_slice(&piece);
    }
    (head.status, read)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

#[test]
fn one_connection_carries_many_events_at_once() {
    let gateway = gateway("");
    block_on(async {
        let sender = connect(&gateway).await;
        let events = (1..=300_u64).map(|number| {
            let sender = sender.clone();
            let order = format!("order-{}", number % 10);
            async move {
                let (id, sequence) = (number.to_string(), (number - 1) / 10 + 1);
                send(&sender, request(&id, 0), body(&order, sequence)).await
            }
        });
        for (status, answer) in futures_util::future::join_all(events).await {
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(status, 200, "{answer}");
        }
        // Over HTTP/1.1 they are known.
        let again = gateway.ask(&post("/in/open", "x-id: 1\r\n", &body("order-1", 1)));
        let again: Value = serde_json::from_slice(&again.body).unwrap();
        assert_eq!(again["status"], "duplicate", "{again}");
    });
}

#[test]
fn bodies_and_heads_are_bounded() {
    let gateway = gateway("");
    block_on(async {
        let sender = connect(&gateway).await;
        let large = body(&"a".repeat(2 << 20), 1);
        let (status, answer) = send(&sender, request("large", 0), large).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((status.as_u16(), &answer["code"]), (413, &"body-too-large".into()));
        let many = request("many", REQUEST_HEADERS);
        assert_eq!(send(&sender, many, body("a", 1)).await.0, 431, "too many headers");
        let mut long = request("long", 0);
        long.headers_mut().insert("x-long", "a".repeat(80 * 1024).parse().unwrap());
        assert_eq!(send(&sender, long, body("a", 1)).await.0, 431, "too long a head");
        // The connection and others go on.
        assert_eq!(send(&sender, request("well", 0), body("a", 1)).await.0, 200);
    });
    assert_serves(&gateway, "others");
}

#[test]
fn a_head_without_an_end_is_cut_off() {
    let gateway = gateway("");
    let mut provider = Provider::begin(gateway.listen());
    let begin = head("/in/open", "x-id", "one");
    provider.send(&frame(HEADERS, END_STREAM, 1, &begin));
    // A header of 100 bytes that HPACK shall not remember, a million times.
    let header = [&[0x00, 1, b'x', 100][..], &[b'a'; 100]].concat();
    let piece = frame(CONTINUATION, 0, 1, &header.repeat(100));
    let taken = (0..10_000).take_while(|_| provider.send(&piece)).count();
    assert!(taken < 10_000, "100 MB of head are read");
    assert_serves(&gateway, "others");
}

#[test]
fn requests_beyond_the_limit_of_streams_are_refused() {
    let gateway = gateway("");
    let mut provider = Provider::begin(gateway.listen());
    // The limit holds once it is known; its frame is the first that comes.
    let streams: Vec<u32> = (0..REQUEST_STREAMS + 10).map(|number| 2 * number + 1).collect();
    for stream in &streams {
        let id = head("/in/open", "x-id", &stream.to_string());
        provider.send(&frame(HEADERS, END_HEADERS, *stream, &id));
    }
    for _ in 0..10 {
        let Some(Frame { kind, stream, payload }) = provider.next() else { panic!("it ended") };
        assert_eq!((kind, payload), (RST_STREAM, REFUSED_STREAM.to_be_bytes().to_vec()));
        assert!(stream > 2 * REQUEST_STREAMS, "{stream} is within the limit");
    }
    // One of those that are taken goes on to its answer.
    provider.send(&frame(DATA, END_STREAM, 1, body("a", 1).as_bytes()));
    let answered = provider.next().unwrap();
    assert_eq!((answered.kind, answered.stream), (HEADERS, 1));
    // HPACK's static table has status 200 as entry 8.
    assert_eq!(answered.payload[0], 0x88);
    assert_serves(&gateway, "others");
}

/// As many as Envoy sends before it has read anything, unless it is told otherwise.
const BURST: u32 = 1024;

#[test]
fn who_cannot_know_the_limit_yet_keeps_its_connection() {
    let gateway = gateway("");
    let mut provider = Provider::begin(gateway.listen());
    let mut burst = Vec::new();
    for number in 0..BURST {
        let stream = 2 * number + 1;
        let id = head("/in/open", "x-id", &stream.to_string());
        burst.extend(frame(HEADERS, END_HEADERS, stream, &id));
        // Those within the limit stay under way, so that none of the others finds room.
        if number >= REQUEST_STREAMS {
            burst.extend(frame(DATA, END_STREAM, stream, body("a", 1).as_bytes()));
        }
    }
    assert!(provider.send(&burst));
    let mut refused = 0;
    while refused < BURST - REQUEST_STREAMS {
        let Some(Frame { kind, stream, payload }) = provider.next() else { panic!("it ended") };
        assert_eq!(kind, RST_STREAM, "of {stream}, after {refused} were refused");
        // A body behind a refusal is reset once more, for another reason.
        refused += u32::from(payload == REFUSED_STREAM.to_be_bytes());
    }
    // One of those that are taken goes on to its answer.
    provider.send(&frame(DATA, END_STREAM, 1, body("a", 1).as_bytes()));
    let mut frames = std::iter::from_fn(|| provider.next());
    let answered = frames.find(|frame| frame.kind != RST_STREAM).unwrap();
    assert_eq!((answered.kind, answered.stream), (HEADERS, 1));
    assert_eq!(answered.payload[0], 0x88);
    assert_serves(&gateway, "others");
}

/// Its connection is closed before it has sent all, or with the reason; others are served.
fn assert_cut_off(gateway: &Gateway, provider: &mut Provider, burst: &[u8]) {
    let taken = burst.chunks(64 * 1024).take_while(|piece| provider.send(piece)).count();
    let code = provider.farewell();
    let all = burst.chunks(64 * 1024).count();
    // A reset may take the farewell with it.
    assert!(code == Some(ENHANCE_YOUR_CALM) || taken < all, "{code:?} after {taken} of {all}");
    assert_serves(gateway, "others");
}

#[test]
fn who_goes_on_with_what_is_refused_is_cut_off() {
    let gateway = gateway("");
    let mut provider = Provider::begin(gateway.listen());
    let mut burst = Vec::new();
    for stream in (1..20_000_u32).step_by(2) {
        let id = head("/in/open", "x-id", &stream.to_string());
        burst.extend(frame(HEADERS, END_HEADERS, stream, &id));
    }
    assert_cut_off(&gateway, &mut provider, &burst);
}

#[test]
fn who_cancels_at_once_what_it_asks_is_cut_off() {
    let gateway = gateway("");
    let mut provider = Provider::begin(gateway.listen());
    let mut burst = Vec::new();
    for number in 0..10_000_u32 {
        let stream = 2 * number + 1;
        let id = head("/in/open", "x-id", &stream.to_string());
        burst.extend(frame(HEADERS, END_HEADERS, stream, &id));
        burst.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    assert_cut_off(&gateway, &mut provider, &burst);
}

#[test]
fn no_connection_keeps_others_waiting_for_ever() {
    let gateway = gateway("request_time = \"1s\"");
    let mut silent = std::net::TcpStream::connect(gateway.listen()).unwrap();
    let mut half_preface = std::net::TcpStream::connect(gateway.listen()).unwrap();
    half_preface.write_all(&PREFACE[..12]).unwrap();
    let mut idle = Provider::begin(gateway.listen());
    let mut slow_head = Provider::begin(gateway.listen());
    let begin = head("/in/open", "x-id", "one");
    slow_head.send(&frame(HEADERS, END_STREAM, 1, &begin[..2]));
    let mut slow_body = Provider::begin(gateway.listen());
    slow_body.send(&frame(HEADERS, END_HEADERS, 1, &begin));
    let dripping = std::thread::spawn(move || {
        // Each byte by itself, far longer than the head may take.
        let rest = begin[2..].iter().copied().chain(std::iter::repeat(0));
        rest.take(400)
            .take_while(|byte| {
                std::thread::sleep(Duration::from_millis(50));
                slow_head.send(&frame(CONTINUATION, 0, 1, &[*byte]))
            })
            .count()
    });
    // What has begun is told; then nothing is under way.
    let said: Vec<(u8, u32)> =
        std::iter::from_fn(|| slow_body.next()).map(|frame| (frame.kind, frame.stream)).collect();
    assert!(said.contains(&(HEADERS, 1)) && said.contains(&(GOAWAY, 0)), "{said:?}");
    assert_eq!(idle.farewell(), Some(0));
    for stream in [&mut silent, &mut half_preface] {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let ended = std::io::copy(stream, &mut std::io::sink());
        assert!(
            !matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
            "{ended:?}"
        );
    }
    assert!(dripping.join().unwrap() < 400, "the slow head was never cut off");
    assert_serves(&gateway, "others");
}
