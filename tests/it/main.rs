//! The integration tests: one binary, one file a subject.

mod backends;
mod queue;
mod store;
