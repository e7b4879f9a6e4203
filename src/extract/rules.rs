//! The built-in extractor: linear-time rules, no network, English first.
