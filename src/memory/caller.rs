//! Who a caller is: the key that memory is kept under, or nobody (product contract §7).

/// The key of one caller. There is none for callers who withhold who they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerKey(String);

impl CallerKey {
    /// The key of an identity as the platform gives it; none when it names nobody.
    pub fn of(_platform: &str, identity: &str) -> Option<Self> {
        Some(Self(identity.trim().to_owned()))
    }

    /// The key as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A key as it was stored.
    pub(crate) fn stored(key: String) -> Option<Self> {
        if key.is_empty() {
            None
        } else {
            Some(Self(key))
        }
    }
}
