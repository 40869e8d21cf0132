//! HTTP/2 frame by frame (RFC 9113), for consumers that do what no library does.

use std::io::{Read, Write};
use std::net::TcpStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection of a gateway that speaks HTTP/2 with prior knowledge.
pub(crate) struct Frames {
    stream: TcpStream,
    /// Whether PINGs are answered, which they are before any other frame is given out.
    pub(crate) answers_pings: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frames {
    /// Reads the preface and sends these settings.
    pub(crate) fn begin(mut stream: TcpStream, settings: &[(u16, u32)]) -> Self {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut frames = Self { stream, answers_pings: true };
        let pair =
            |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        frames.send(SETTINGS, 0, 0, &settings.iter().flat_map(pair).collect::<Vec<_>>());
        frames
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.stream.write_all(&[&head, payload].concat()).unwrap();
    }

    /// The next frame about a stream; none at the end.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match (head[3], head[4] & ACK) {
                (SETTINGS, 0) => self.send(SETTINGS, ACK, 0, &[]),
                (PING, 0) if self.answers_pings => self.send(PING, ACK, 0, &payload),
                (kind, _) if stream > 0 => return Some(Frame { kind, stream, payload }),
                _ => {}
            }
        }
    }

    /// The next request's stream.
    pub(crate) fn request(&mut self) -> u32 {
        loop {
            let frame = self.next().expect("a request");
            if frame.kind == HEADERS {
                return frame.stream;
            }
        }
    }

    /// Answers 204 (HPACK's static table has it as entry 9).
    pub(crate) fn acknowledge(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &[0x89]);
    }

    pub(crate) fn reset(&mut self, stream: u32, code: u32) {
        self.send(RST_STREAM, 0, stream, &code.to_be_bytes());
    }

    /// Nothing behind `last` was looked at.
    pub(crate) fn go_away(&mut self, last: u32, code: u32) {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat());
    }
}
