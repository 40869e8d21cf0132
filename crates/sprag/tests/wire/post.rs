//! A post of JSON as bytes.

/// To this path, with these headers besides (`name: value\r\n` each).
pub(crate) fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = "host: sprag\r\ncontent-type: application/json";
    format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
        .into()
}
