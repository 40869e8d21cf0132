//! An event that waits for one before it, and for how long: what a clock or a pause must not shorten.

use crate::server::{Server, post, taken};
use crate::support::gateway::{HEAD, Setup};

/// A gateway whose events wait so long for those before them.
pub(crate) struct Held(pub(crate) Server);

impl Held {
    pub(crate) fn start(wait: &str, prepare: impl FnOnce(&mut Setup)) -> Self {
        let source = format!(
            "[sources.a]\nverify = {{ scheme = \"none\" }}\nid = \"header:x-id\"\nkey = \"body:/key\"\n\
             position = {{ sequence = \"body:/n\" }}\nstrict_first = true\nhold = {{ wait = \"{wait}\" }}\n"
        );
        Self(Server::start_prepared(HEAD, &source, prepare))
    }

    /// The second event of a key, which waits for the first.
    pub(crate) fn second(&self, key: &str) {
        taken(&self.0.ask(&event(key, 2)), "held");
    }

    /// The first comes, and is not too late.
    pub(crate) fn first(&self, key: &str) {
        taken(&self.0.ask(&event(key, 1)), "released");
    }
}

/// An event as it is posted.
pub(crate) fn event(key: &str, position: u64) -> Vec<u8> {
    let body = format!(r#"{{"key":"{key}","n":{position}}}"#);
    post("/in/a", &format!("x-id: {key}{position}\r\n"), &body)
}
