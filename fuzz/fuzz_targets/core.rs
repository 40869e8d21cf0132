//! The fuzzer of `fuzz_targets::core`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::core::run(data));
