//! The list of conversations, by every filter (product contract §8).
