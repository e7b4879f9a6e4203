//! What has grown old.
