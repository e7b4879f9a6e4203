//! Result to every subscriber.
