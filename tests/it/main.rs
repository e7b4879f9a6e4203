//! The integration tests: one binary, one file a subject.

mod backends;
mod cli;
mod layers;
mod queue;
mod store;
