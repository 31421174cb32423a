//! The integration tests.
#[test]
fn starts() {}
