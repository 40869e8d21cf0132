//! File descriptors of this process: how many there may be, and who gives some up when there are none.
//!
//! Connections to consumers that wait to be used again are the only ones nobody needs at the moment.
//! When a connection cannot be taken or made, they go at once, and while descriptors are scarce few
//! are kept. It must not know what a connection carries.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::clock::Clock;
use crate::limits;
use crate::metrics::Metrics;

/// Something that holds descriptors it can do without.
pub trait Spare: Send + Sync {
    /// Gives all up but this many.
    fn give_up(&self, but: usize);
}

/// See the module.
pub struct Descriptors {
    clock: Clock,
    metrics: Arc<Metrics>,
    spare: Mutex<Vec<Weak<dyn Spare>>>,
    /// Until when few are kept, in microseconds of elapsed time.
    scarce_until: AtomicU64,
}

impl std::fmt::Debug for Descriptors {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let until = self.scarce_until.load(Ordering::Relaxed);
        formatter.debug_struct("Descriptors").field("scarce_until", &until).finish_non_exhaustive()
    }
}

impl Descriptors {
    /// As many as the process may have, none of them scarce.
    #[must_use]
    pub fn new(clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self { clock, metrics, spare: Mutex::default(), scarce_until: AtomicU64::new(0) }
    }

    /// From now on this one is asked too.
    pub(crate) fn ask(&self, spare: Weak<dyn Spare>) {
        let mut all = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known.strong_count() > 0);
        all.push(spare);
    }

    /// What may be kept of `most`, as things are.
    pub(crate) fn keep(&self, most: usize) -> usize {
        let is_scarce = self.now() < self.scarce_until.load(Ordering::Relaxed);
        if is_scarce { most.min(limits::IDLE_WHILE_SCARCE) } else { most }
    }

    /// A connection of someone could not be taken. Where descriptors were missing, all that is spare
    /// goes but one of each, so that deliveries go on while others hold what they can get.
    pub(crate) fn could_not_accept(&self, error: &io::Error) {
        if is_exhausted(error) {
            self.exhausted(limits::IDLE_WHILE_SCARCE);
        }
    }

    /// A connection to a consumer could not be made for want of a descriptor.
    pub(crate) fn could_not_connect(&self) {
        self.exhausted(0);
    }

    fn exhausted(&self, but: usize) {
        let now = self.now();
        let until = now.saturating_add(sprag_core::time::micros(limits::SCARCE_FOR));
        let was = self.scarce_until.fetch_max(until, Ordering::Relaxed);
        self.metrics.descriptor_missing();
        if was <= now {
            tracing::warn!(
                "no file descriptor is left: idle connections to consumers are given up; raise the \
                 limit of open files (ulimit -n, LimitNOFILE=) or lower limits.connections"
            );
        }
        let all = self.spare.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.iter().filter_map(Weak::upgrade).for_each(|spare| spare.give_up(but));
    }

    fn now(&self) -> u64 {
        self.clock.now().elapsed.0
    }
}

/// Whether the process, or the machine, has no file descriptor left.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// How many files this process may have open, once as many are allowed as can be. None: there is no
/// limit.
///
/// # Errors
/// When the system does not let it.
pub fn raise_limit() -> io::Result<Option<u64>> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Asked(Mutex<Vec<usize>>);

    impl Spare for Asked {
        fn give_up(&self, but: usize) {
            self.0.lock().unwrap().push(but);
        }
    }

    fn io_error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn a_shortage_has_everything_spare_given_up_and_less_kept() {
        let descriptors = Descriptors::new(Clock::start(), Arc::new(Metrics::new()));
        let (one, gone) = (Arc::new(Asked::default()), Arc::new(Asked::default()));
        let weak: Weak<Asked> = Arc::downgrade(&one);
        descriptors.ask(weak);
        let weak: Weak<Asked> = Arc::downgrade(&gone);
        descriptors.ask(weak);
        drop(gone);
        descriptors.could_not_accept(&io_error(Errno::CONNABORTED));
        assert_eq!(descriptors.keep(64), 64, "a broken connection is no shortage");
        descriptors.could_not_accept(&io_error(Errno::MFILE));
        descriptors.could_not_connect();
        assert_eq!(*one.0.lock().unwrap(), [limits::IDLE_WHILE_SCARCE, 0]);
        assert_eq!(descriptors.keep(64), limits::IDLE_WHILE_SCARCE);
        assert_eq!(descriptors.keep(0), 0);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let raised = raise_limit().unwrap();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!((current, raised), (maximum, maximum));
    }
}
