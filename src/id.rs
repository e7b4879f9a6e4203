//! Ids: ours (a prefix and 26 Crockford characters), and the ones that platforms give.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::time::Timestamp;

/// Crockford's base 32, in the lower case that we print.
const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters behind the prefix: 26 of 5 bits hold the 128 bits of a ULID.
const LENGTH: usize = 26;

/// The prefixes whose ids are read in any case and printed in lower case (product contract §6).
const PREFIXES: [&str; 4] = ["conv_", "agent_", "msg_", "memory_"];

/// A new id of ours: `prefix` and a ULID of the time (48 bits) and of 80 random bits.
pub fn fresh(prefix: &str, now: Timestamp, random: [u8; 10]) -> String {
    let time = u128::from(u64::try_from(now.as_millis()).unwrap_or(0) & 0xffff_ffff_ffff);
    with_prefix(prefix, time << 80 | bits_of(&random))
}

/// An id that follows from content, and begins with the time of what it is about as those of [`fresh`]
/// do: what is written at one time stands together in an index, not on a page each.
pub fn dated(prefix: &str, at: Timestamp, parts: &[&str]) -> String {
    let hash = hash_of(parts);
    let mut last = [0; 10];
    last.copy_from_slice(&hash[..10]);
    fresh(prefix, at, last)
}

/// The id of the dead letter that a message becomes: however often it is given up, it is the same one.
pub fn letter(message_id: &str) -> String {
    of_content("dl_", &[message_id])
}

/// An id that follows from content alone: `prefix` and the first 128 bits of the SHA-256 of the
/// parts, each preceded by its length so that moving a boundary changes the id.
pub fn of_content(prefix: &str, parts: &[&str]) -> String {
    with_prefix(prefix, bits_of(&hash_of(parts)[..16]))
}

fn hash_of(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

fn bits_of(bytes: &[u8]) -> u128 {
    let more = |bits, byte: &u8| bits << 8 | u128::from(*byte);
    bytes.iter().fold(0, more)
}

fn with_prefix(prefix: &str, mut bits: u128) -> String {
    let mut text = [0; LENGTH];
    for place in text.iter_mut().rev() {
        *place = CROCKFORD[(bits & 31) as usize];
        bits >>= 5;
    }
    let mut id = String::with_capacity(prefix.len() + LENGTH);
    id.push_str(prefix);
    id.extend(text.iter().map(|byte| char::from(*byte)));
    id
}

/// How an id is stored and printed: a known prefix followed by 26 Crockford characters becomes
/// lower case; any other id stays as it came.
pub fn canonical(id: &str) -> String {
    let prefixed = PREFIXES.iter().any(|prefix| {
        id.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            && id.len() == prefix.len() + LENGTH
            && id[prefix.len()..]
                .bytes()
                .all(|byte| CROCKFORD.contains(&byte.to_ascii_lowercase()))
    });
    if prefixed {
        id.to_ascii_lowercase()
    } else {
        id.to_owned()
    }
}

/// The text can't be an id: empty, over 256 bytes, or with control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 1 to 256 bytes without control characters")]
pub struct NotAnId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes an id as it came, in canonical case.
            pub fn new(id: &str) -> Result<Self, NotAnId> {
                if id.is_empty() || id.len() > 256 || id.chars().any(char::is_control) {
                    return Err(NotAnId);
                }
                Ok(Self(canonical(id)))
            }

            /// Takes an id that a platform gives. `.` and `..` are none: clients fold them away before
            /// they ask, so that nobody could ever ask for what has such an id.
            pub fn given(id: &str) -> Result<Self, NotAnId> {
                match id {
                    "." | ".." => Err(NotAnId),
                    id => Self::new(id),
                }
            }

            /// The id as it is stored and printed.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;

            fn try_from(id: String) -> Result<Self, NotAnId> {
                Self::new(&id)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

ids! {
    /// A call, as its platform names it.
    ConversationId;
    /// The agent that answered or placed the call. Never empty.
    AgentId;
    /// One message of a transcript.
    MessageId;
    /// One webhook delivery: an id out of its signed body, else the SHA-256 of that body.
    EventId;
}

/// Who vouches for a conversation's id: one per (owning platform, id), and for platforms whose ids
/// are only unique within a source, one per (source, id). `speechify`, or `source:acme-rooms`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(String);

/// What sets a source apart from a platform.
const OF_SOURCE: &str = "source:";

impl Owner {
    /// The owner of conversations whose ids a platform gives.
    pub fn platform(platform: &str) -> Self {
        Self(platform.to_owned())
    }

    /// The owner of conversations whose ids only one source knows.
    pub fn source(source: &str) -> Self {
        Self(format!("{OF_SOURCE}{source}"))
    }

    /// The platform that gives the ids; none where only one source knows them.
    pub fn as_platform(&self) -> Option<&str> {
        (!self.0.starts_with(OF_SOURCE)).then_some(&self.0)
    }

    /// The source that alone knows the ids.
    pub fn as_source(&self) -> Option<&str> {
        self.0.strip_prefix(OF_SOURCE)
    }

    /// An owner as it was stored.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text that is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One conversation among all: its owner and its id there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConversationKey {
    /// Who vouches for the id.
    pub owner: Owner,
    /// The id there.
    pub id: ConversationId,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ours_are_lower_case_and_sort_by_time() {
        let early = fresh("conv_", Timestamp::from_millis(1), [255; 10]);
        let late = fresh("conv_", Timestamp::from_millis(2), [0; 10]);
        assert_eq!(early.len(), "conv_".len() + 26);
        assert_eq!(
            early,
            canonical(&early.to_uppercase().replace("CONV_", "conv_"))
        );
        assert!(early < late);
    }

    #[test]
    fn a_prefixed_id_is_read_in_any_case() {
        let id = "conv_01HS0000000000000000000000";
        assert_eq!(canonical(id), id.to_lowercase());
        // One character short, a letter outside the alphabet, another prefix: left alone.
        for other in [
            "conv_01HS000000000000000000000",
            "conv_01HS000000000000000000000U",
            "CA1234567890ABCDE",
            "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        ] {
            assert_eq!(canonical(other), other);
        }
    }

    #[test]
    fn what_no_path_can_end_in_is_no_id_that_a_platform_gives() {
        for id in ["", ".", ".."] {
            assert_eq!(ConversationId::given(id), Err(NotAnId), "{id}");
        }
        assert!(ConversationId::given("...").is_ok());
        // Stored ones stay readable.
        assert!(ConversationId::new("..").is_ok());
    }

    #[test]
    fn content_ids_know_their_boundaries() {
        assert_ne!(
            of_content("x_", &["ab", "c"]),
            of_content("x_", &["a", "bc"])
        );
        assert_eq!(
            of_content("x_", &["ab", "c"]),
            of_content("x_", &["ab", "c"])
        );
    }

    #[test]
    fn dated_ids_follow_from_time_and_content() {
        let dated = |secs, part| dated("x_", Timestamp::from_secs(secs), &[part]);
        assert_eq!(dated(7, "a"), dated(7, "a"));
        assert_ne!(dated(7, "a"), dated(7, "b"));
        for part in ["a", "b", "c", "d"] {
            assert!(dated(7, part) < dated(8, "a"));
        }
        assert_eq!(
            dated(7, "a")[..12],
            fresh("x_", Timestamp::from_secs(7), [0; 10])[..12]
        );
    }

    proptest! {
        #[test]
        fn canonical_is_idempotent(id in ".{0,80}") {
            prop_assert_eq!(canonical(&canonical(&id)), canonical(&id));
        }

        #[test]
        fn ids_survive_serde(id in "[^\\p{C}]{1,60}") {
            let id = ConversationId::new(&id).unwrap();
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<ConversationId>(&json).unwrap(), id);
        }
    }
}
