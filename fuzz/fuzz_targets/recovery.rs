//! The fuzzer of `fuzz_targets::recovery`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::recovery::run(data));
