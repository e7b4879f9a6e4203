//! What every stage may use.
