//! The fuzzer of `fuzz_targets::ingress`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::ingress::run(data));
