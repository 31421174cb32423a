//! The audit logs: append durably, read back, verify.
