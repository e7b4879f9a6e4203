//! Stopping in time.
