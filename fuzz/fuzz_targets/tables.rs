//! The fuzzer of `fuzz_targets::tables`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::tables::run(data));
