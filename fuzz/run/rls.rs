//! libFuzzer's entry to `tollgate_fuzz::rls`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tollgate_fuzz::rls(data));
