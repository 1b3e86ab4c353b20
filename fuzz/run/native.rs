//! libFuzzer's entry to `tollgate_fuzz::native`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::native(data));
