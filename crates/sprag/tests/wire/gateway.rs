//! A gateway in this process on a data directory of the test's own.

use std::net::SocketAddr;

use sprag::clock::Clock;
use sprag::config::{Resolve, SecretReference};
use sprag::secret::Secret;
use sprag::serve::Running;
use tokio::runtime::Runtime;

use super::{Connection, Message, until};

/// What every `env:` secret is, after the name's own letter: `env:A` is not `env:B`.
pub(crate) const SECRET: &str = "2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A gateway that serves until it is dropped.
pub(crate) struct Gateway {
    pub(crate) running: Running,
    /// What reads the machine's clocks.
    pub(crate) clock: Clock,
    _runtime: Runtime,
    _data: tempfile::TempDir,
}

impl Gateway {
    /// Starts with these lines of `[limits]` and these sections.
    pub(crate) fn start(limits: &str, sections: &str) -> Self {
        Self::start_with(limits, sections, &|reference| match reference {
            SecretReference::Environment(name) => {
                Ok(Secret::from(format!("whsec_{name}{SECRET}").as_str()))
            }
            file => file.from_machine(),
        })
    }

    /// The same with secrets of the test's own.
    pub(crate) fn start_with(limits: &str, sections: &str, resolve: Resolve<'_>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ndata = {:?}\n\
             [limits]\n{limits}\n{sections}",
            data.path().join("data")
        );
        let checked = sprag::config::check(&text, "wire.toml", resolve);
        let config = checked.unwrap_or_else(|findings| panic!("{findings:#?}\n{text}")).config;
        let runtime = Runtime::new().unwrap();
        let running = runtime.block_on(sprag::serve::start(config)).unwrap();
        Self { running, clock: Clock::start(), _runtime: runtime, _data: data }
    }

    /// Where providers post.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.running.listen
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: &[u8]) -> Message {
        let mut connection = Connection::to(self.listen());
        connection.send(request);
        connection.message().expect("an answer before the connection ends")
    }

    /// A counter or gauge of `/metrics`; 0 when it is not there.
    pub(crate) fn counted(&self, sample: &str) -> u64 {
        let mut connection = Connection::to(self.running.admin);
        connection.send(b"GET /metrics HTTP/1.1\r\nhost: sprag\r\n\r\n");
        let page = connection.message().expect("metrics");
        let page = String::from_utf8(page.body).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// Waits until a counter has reached a number.
    pub(crate) fn until_counted(&self, sample: &str, least: u64) {
        let reached = || (self.counted(sample) >= least).then_some(());
        until(&format!("{sample} is {least}"), reached);
    }
}
