//! The configuration: what the operator wrote, valid and typed.
