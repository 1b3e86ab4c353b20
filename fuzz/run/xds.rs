//! libFuzzer's entry to `tollgate_fuzz::xds`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::xds(data));
