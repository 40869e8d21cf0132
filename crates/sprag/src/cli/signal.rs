//! SIGTERM and SIGINT: the first asks, the second insists. SIGHUP: the configuration is read again.

use super::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears both signals from the moment it is made.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Hears SIGHUP from the moment it is made; before, it would end the process.
pub(super) struct Hangup(Signal);

impl Hangup {
    pub(super) fn listen() -> Result<Self, Failure> {
        signal(SignalKind::hangup()).map(Self).map_err(Failure::new)
    }

    /// Waits for one; several that came meanwhile are one.
    pub(super) async fn wait(&mut self) {
        self.0.recv().await;
    }
}

/// The exit code of a process that SIGINT ended, as shells count.
const ENDED_BY_SIGNAL: i32 = 130;

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(Failure::new);
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
        })
    }

    /// Waits for either.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// From now on either ends the process at once: whoever asks twice does not want to wait.
    /// What is durable stays so.
    pub(super) fn end_at_once(mut self) {
        tokio::spawn(async move {
            self.wait().await;
            eprintln!("sprag: stopped at once");
            std::process::exit(ENDED_BY_SIGNAL);
        });
    }
}
