//! The fuzzer of `fuzz_targets::extract`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::extract::run(data));
