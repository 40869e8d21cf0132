//! The only place that reads a clock. Everything else is told the time.

use std::pin::pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sprag_core::time::{ElapsedMicros, Now, UnixMicros};
use tokio::time::timeout;

use crate::limits;

/// What comes of something within a time limit; none when it does not end in it.
///
/// What it waits for is somebody else's answer, so only time counts in which this process ran: where the
/// process stood still (SIGSTOP, a machine that is suspended), the limit has passed when it goes on,
/// although the answer may be there and was looked at by nobody. The limit is spent in steps; each counts
/// for no more than it was to last (as for rule F9), and behind one that ended late, in which others had
/// no turn either, there is always another.
///
/// What is long is handed in pinned, for it is kept twice otherwise: as it came, and where it is pinned.
pub async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let whole = limit / limits::PATIENCE_STEPS;
    let whole = whole.clamp(limits::PATIENCE_STEP_LEAST, limits::PATIENCE_STEP_MOST);
    let (mut left, mut is_prolonged) = (limit, false);
    loop {
        let step = whole.min(left);
        let began = tokio::time::Instant::now();
        if let Ok(output) = timeout(step, future.as_mut()).await {
            return Some(output);
        }
        left -= step;
        if !left.is_zero() {
            continue;
        }
        let is_late = began.elapsed() >= step + limits::STANDSTILL;
        if !is_late || is_prolonged {
            return None;
        }
        (left, is_prolonged) = (whole, true);
    }
}

/// The machine's clocks, with elapsed time counted from when this was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose elapsed time begins now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock the others are told of")]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Both times at this moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the clock the others are told of")]
    pub fn now(&self) -> Now {
        let elapsed = Instant::now().saturating_duration_since(self.started);
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            elapsed: ElapsedMicros(sprag_core::time::micros(elapsed)),
            clock: UnixMicros(sprag_core::time::micros(clock)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::sync::oneshot;

    const LIMIT: Duration = Duration::from_millis(400);

    #[tokio::test]
    async fn what_does_not_end_in_its_time_is_given_up_then() {
        let began = tokio::time::Instant::now();
        assert_eq!(within(LIMIT, ready(3)).await, Some(3));
        assert_eq!(within(Duration::ZERO, ready(3)).await, Some(3));
        assert_eq!(within(LIMIT, pending::<()>()).await, None);
        assert!(began.elapsed() >= LIMIT);
    }

    /// The answer comes only when others have a turn again, as behind a socket that is read by a task of
    /// its own.
    #[tokio::test]
    async fn time_in_which_nobody_ran_does_not_count() {
        for stands_after in [LIMIT / 8, LIMIT / 2, LIMIT - Duration::from_millis(10)] {
            let (answer, answered) = oneshot::channel();
            tokio::spawn(async move {
                tokio::time::sleep(stands_after).await;
                std::thread::sleep(2 * LIMIT);
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(1)).await;
                let _ = answer.send(());
            });
            assert_eq!(within(LIMIT, answered).await, Some(Ok(())), "{stands_after:?}");
        }
    }
}
