//! memories
