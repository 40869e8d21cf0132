//! Whether anything is under way on a connection, and since when nothing is.
//!
//! A connection may be open for ever and keep nothing waiting but itself: it has said nothing yet, begins a head and does
//! not end it, or does not read its answers. HTTP/1.1 has a clock of its own for heads and HTTP/2 has none; this one
//! holds for both. It must not know what requests are.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// See the module.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    under_way: u32,
    /// When the last one ended, or the connection began.
    quiet_since: Instant,
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay<'a>(&'a Activity);

impl Activity {
    /// Of a connection that begins.
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { under_way: 0, quiet_since: Instant::now() }))
    }

    /// A request begins.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.state().under_way += 1;
        UnderWay(self)
    }

    /// Returns when nothing was under way for so long.
    pub(super) async fn is_over(&self, patience: Duration) {
        loop {
            let now = Instant::now();
            let over = {
                let state = self.state();
                let since = if state.under_way == 0 { state.quiet_since } else { now };
                since + patience
            };
            if over <= now {
                return;
            }
            sleep_until(over).await;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Two numbers that belong together at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        state.quiet_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_of_the_whole_time_is_the_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (activity, patience) = (Activity::new(), Duration::from_millis(40));
            let request = activity.begin();
            let waits = tokio::time::timeout(3 * patience, activity.is_over(patience)).await;
            assert!(waits.is_err(), "a request is under way");
            let began = Instant::now();
            drop(request);
            activity.is_over(patience).await;
            assert!(began.elapsed() >= patience);
        });
    }
}
