//! The integration tests: one binary, one file a subject.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, say what they skip, and drive real processes by the real clock"
)]

mod backends;
mod bodies;
mod browser;
mod calls;
mod carriers;
mod cli;
mod crm;
mod dead_letters;
mod demo;
mod deploy;
mod discretion;
mod dropin;
mod erasure;
mod eval;
mod failures;
mod fixtures;
mod fuzz;
mod isolation;
mod layers;
mod list;
mod memory;
mod metrics;
mod migrations;
mod official;
mod outbox;
mod overview;
mod plans;
mod polled;
mod proxy;
mod queue;
mod rabbit;
mod receive;
mod reconcile;
mod replays;
mod services;
mod start_stop;
mod stop;
mod store;
mod support;
mod tokens;
mod upkeep;
