//! The fuzzer of `fuzz_targets::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::configuration::run(data));
