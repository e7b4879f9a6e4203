//! What is remembered about a caller: observations, and memory as the pure fold over their set.
//!
//! The design is `memory.md` §7: extractors assert observations, each grounded by message ids and a
//! quote; what is held about `(agent_id, caller key)` is a function of the *set* of them. So a
//! replay changes nothing, order does not matter, and forgetting one call equals never having seen it.

pub mod caller;
pub mod changes;
pub mod context;
pub mod fold;
pub mod form;
pub mod observation;
pub(crate) mod pattern;
pub mod redact;
pub mod skip;
pub mod slot;
pub mod spoken;
