//! The fuzzer of `fuzz_targets::refill_page`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::refill_page::run(data));
