//! The fuzzer of `fuzz_targets::verify`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::verify::run(data));
