//! The integration tests: one binary, one file a subject.

mod backends;
mod calls;
mod cli;
mod crash;
mod dead_letters;
mod deploy;
mod discretion;
mod layers;
mod list;
mod queue;
mod receive;
mod store;
mod support;
mod tokens;
