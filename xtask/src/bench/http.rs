//! One GET to a server of our own, and numbers out of what it answers.
//! Must not know what the numbers mean. HTTP/1.0, so that no answer is chunked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::Failure;

/// A server of ours that does not answer for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// What our servers know their operator by.
pub(crate) const TOKEN: &str = "bench";

/// The body of a 200.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<String, Failure> {
    let answer = exchange(address, path)
        .map_err(Failure::while_doing(format!("GET {path} of {address}")))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(body.to_owned()),
        _ => {
            let line = answer.lines().next().unwrap_or_default();
            Err(Failure::new(format!("GET {path} of {address}: {line}")))
        }
    }
}

fn exchange(address: SocketAddr, path: &str) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!("host: {address}\r\nauthorization: Bearer {TOKEN}");
    stream.write_all(format!("GET {path} HTTP/1.0\r\n{head}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The value of the one line of a metrics page that starts so.
pub(crate) fn metric(page: &str, line: &str) -> Option<f64> {
    let found = page.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(' '));
    found.and_then(|value| value.trim().parse().ok())
}

/// The first whole number that is a member of this name in a JSON text.
pub(crate) fn json_number(text: &str, name: &str) -> Option<u64> {
    let (_, after) = text.split_once(&format!("\"{name}\":"))?;
    let digits = after.trim_start();
    let end = digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    fn answered(answer: &'static str) -> Result<String, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut request = [0; 512];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let got = get(address, "/metrics");
        server.join().unwrap();
        got
    }

    #[test]
    fn only_200_is_an_answer() {
        assert_eq!(answered("HTTP/1.0 200 OK\r\na: b\r\n\r\nbody").unwrap(), "body");
        let failure = answered("HTTP/1.0 503 Not ready\r\n\r\n").unwrap_err().to_string();
        assert!(failure.contains("503"), "{failure}");
    }

    #[test]
    fn numbers_are_found_by_their_whole_name() {
        let page = "# HELP a\na_total{x=\"y\"} 41\na 1.5\n";
        assert_eq!(metric(page, "a_total{x=\"y\"}"), Some(41.0));
        assert_eq!(metric(page, "a"), Some(1.5));
        assert_eq!(metric(page, "b"), None);
        let json = r#"{"events":12,"late":0,"violations":{"order":3}}"#;
        assert_eq!(json_number(json, "events"), Some(12));
        assert_eq!(json_number(json, "order"), Some(3));
        assert_eq!(json_number(json, "vents"), None);
    }
}
