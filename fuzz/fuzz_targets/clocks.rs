//! The fuzzer of `fuzz_targets::clocks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::clocks::run(data));
