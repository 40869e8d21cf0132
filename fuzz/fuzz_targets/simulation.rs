//! The fuzzer of `fuzz_targets::simulation`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::simulation::run(data));
