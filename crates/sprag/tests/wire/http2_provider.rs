//! A provider over HTTP/2 frame by frame (RFC 9113), that does what no library does.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Nothing that is expected takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(20);

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection to a gateway.
pub(crate) struct Provider(pub(crate) TcpStream);

impl Provider {
    /// Connects and says the preface and empty settings.
    pub(crate) fn begin(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut provider = Self(stream);
        provider.0.write_all(PREFACE).unwrap();
        provider.send(&frame(SETTINGS, 0, 0, &[]));
        provider
    }

    /// Sends bytes; the other side may have closed before it reads them.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// The next frame but those of settings and windows; none at the end.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.read(&mut head)?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.read(&mut payload)?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match (head[3], head[4] & ACK) {
                (SETTINGS, 0) => _ = self.send(&frame(SETTINGS, ACK, 0, &[])),
                (SETTINGS | WINDOW_UPDATE, _) => {}
                (kind, _) => return Some(Frame { kind, stream, payload }),
            }
        }
    }

    /// The code the connection was closed with; none when it just ended.
    pub(crate) fn farewell(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY {
                code = Some(u32::from_be_bytes(frame.payload[4..8].try_into().unwrap()));
            }
        }
        code
    }

    fn read(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.0.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came for {PATIENCE:?}, and the connection did not end")
            }
            Err(_) => None,
        }
    }
}

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// The head of `POST path` with one header more (HPACK, nothing indexed but what its static table has).
pub(crate) fn head(path: &str, name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let method_and_scheme = [0x83, 0x86];
    let path = [&[0x04][..], &text(path)].concat();
    let authority = [&[0x01][..], &text("sprag")].concat();
    let header = [&[0x00][..], &text(name), &text(value)].concat();
    [&method_and_scheme[..], &path, &authority, &header].concat()
}
