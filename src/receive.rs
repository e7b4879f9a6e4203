//! Authentic bytes to a durable event.
