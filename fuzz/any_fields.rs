//! libFuzzer on the target of the same name in `tests/it/wire/fuzz.rs`.
#![no_main]
#![allow(dead_code, reason = "each target uses some of the shared files")]

#[path = "../tests/it/wire/documents.rs"]
mod documents;
#[path = "../tests/it/wire/fuzz.rs"]
mod fuzz;

use arbtest::arbitrary::Unstructured;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // An error only says that the entropy ran out.
    let _is_done = fuzz::any_fields(&mut Unstructured::new(bytes)).is_ok();
});
