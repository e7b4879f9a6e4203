//! Event to settled conversation.
