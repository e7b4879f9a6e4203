//! How long until the next attempt: the one place that knows the backoff crate.
