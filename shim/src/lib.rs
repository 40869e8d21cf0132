//! Preloaded into the real binary by tests of faults (`LD_PRELOAD`): it records in their order all
//! changes and syncs below a directory, lets chosen calls fail, and moves the wall clock.
//!
//! It is told by environment variables: `SPRAG_SHIM_DIRECTORY` (below which), `SPRAG_SHIM_TRACE`
//! (the file to add to), `SPRAG_SHIM_FAIL` ([`fail`]), `SPRAG_SHIM_CLOCK` ([`clock`]). Must not know
//! what is in the files, and must call no function it stands in for: only the kernel.

mod calls;
mod clock;
mod fail;
mod kernel;
mod trace;
mod watched;
