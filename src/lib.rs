//! aftercall is what happens after the call ends.
//!
//! A telephony or voice-agent platform posts "this call is over". aftercall proves who sent it, makes
//! it durable, fetches the whole conversation, settles why it ended, remembers what the caller said
//! that will matter next time, and hands the result on. No finished call is lost, none is processed
//! twice in effect, and both can be proved.
//!
//! The modules below stand in reading order; each knows only those above it, and an edge knows no
//! other edge. `tests/it/layers.rs` holds them to it, and `ARCHITECTURE.md` says why.

// words: plain types and rules
pub mod conversation;
pub mod end_reason;
pub mod endpoint;
pub mod erased;
pub mod event;
pub mod id;
pub mod memory;
pub mod page;
pub mod retry;
pub mod room;
pub mod secret;
pub mod signature;
pub mod time;
pub mod verdict;

// the machine: time, randomness, tasks
pub mod host;
pub mod trace;

// edges: each knows one outside thing and the words
pub mod extract;
pub mod outbound;
pub mod platform;
pub mod queue;
pub mod store;

// flow: the way of a call, one file a step
pub mod circuit;
pub mod consent;
pub mod deliver;
pub mod erasure;
pub mod finalize;
pub mod flow;
pub mod receive;
pub mod reconcile;
pub mod remember;
pub mod replay;
pub mod retention;
pub mod stats;
pub mod worker;

// faces
pub mod cli;
pub mod console;
pub mod http;
pub mod simulate;

// wiring
pub mod app;
pub mod config;
pub mod shutdown;
pub mod telemetry;
