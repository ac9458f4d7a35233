#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| chancery_domain::fuzzing::type_id(data));
