//! Conversation to memory.
