//! libFuzzer's entry to `tollgate_fuzz::native_json`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::native_json(data));
