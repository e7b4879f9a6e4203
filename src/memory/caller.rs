//! Who a caller is: the key that memory is kept under, or nobody (product contract §7).

use std::collections::HashSet;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// What platforms and carriers write where a caller withholds who they are.
const NOBODY: [&str; 10] = [
    "anonymous",
    "unknown",
    "private",
    "restricted",
    "blocked",
    "unavailable",
    "withheld",
    "null",
    "none",
    "asterisk",
];

/// The digits of [`NOBODY`]'s words on a phone's keypad: carriers that need a number send these.
static KEYPAD: LazyLock<HashSet<String>> =
    LazyLock::new(|| NOBODY.iter().map(|word| keypad(word)).collect());

/// What LiveKit makes of [`NOBODY`]'s words where a trunk hides phone numbers: the first 8 bytes
/// of the SHA-256 of what stood in the SIP header, so in every spelling that stands there.
static HIDDEN: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut said = vec![String::new()];
    for word in NOBODY {
        let mut capital = word.to_owned();
        capital[..1].make_ascii_uppercase();
        said.extend([
            word.to_owned(),
            word.to_ascii_uppercase(),
            capital,
            keypad(word),
        ]);
    }
    said.iter()
        .flat_map(|word| [hidden(word), hidden(&format!("+{word}"))])
        .collect()
});

/// The key of one caller. There is none for callers who withhold who they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerKey(String);

impl CallerKey {
    /// The key of an identity as the platform gives it; none when it names nobody.
    ///
    /// Only `sip_+E164`, `sip:+E164@host`, `tel:+E164` and `+E164` are one caller. Nothing else is
    /// merged: no region is guessed and no case folded, for a false merge shows one caller's memory
    /// to another.
    pub fn of(platform: &str, identity: &str) -> Option<Self> {
        let identity = identity.trim();
        let guest = platform == "anyreach" && starts_with(identity, "guest_");
        if guest || is_nobody(identity) {
            return None;
        }
        Some(Self(e164(identity).unwrap_or(identity).to_owned()))
    }

    /// The key that calls of an identity are looked for by, whichever platform named it; none of an
    /// identity that some platform takes for nobody: its calls are found by how it is spelled.
    pub fn sought(identity: &str) -> Option<Self> {
        Self::of("anyreach", identity)
    }

    /// How else this caller may be named: three spellings, and what a fourth begins with. None of a key
    /// that is no phone number, which has one spelling alone.
    pub fn spellings(&self) -> Option<([String; 3], String)> {
        let number = e164(&self.0)?;
        let spelled = ["", "sip_", "tel:"].map(|before| format!("{before}{number}"));
        Some((spelled, format!("sip:{number}@")))
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

/// The number in one of the four forms that mean the same line, with its `+`.
fn e164(identity: &str) -> Option<&str> {
    let number = if let Some(rest) = identity.strip_prefix("sip:") {
        rest.split_once('@').filter(|(_, host)| !host.is_empty())?.0
    } else {
        identity
            .strip_prefix("sip_")
            .or_else(|| identity.strip_prefix("tel:"))
            .unwrap_or(identity)
    };
    let digits = number.strip_prefix('+')?;
    let fits = (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then_some(number)
}

/// Whether nobody is left behind the wrapping. Wrapping is read in any case and form: to miss one
/// would put all callers who withhold who they are under one key.
fn is_nobody(identity: &str) -> bool {
    let bare = identity
        .rsplit_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or(identity, |(inside, _)| inside);
    let bare = ["sip_", "sip:", "sips:", "tel:"]
        .iter()
        .find(|prefix| starts_with(bare, prefix))
        .map_or(bare, |prefix| {
            bare[prefix.len()..].split(';').next().unwrap_or("")
        });
    let bare = bare.split('@').next().unwrap_or("").trim();
    let bare = bare.strip_prefix('+').unwrap_or(bare).to_ascii_lowercase();
    bare.is_empty()
        || NOBODY.contains(&bare.as_str())
        || KEYPAD.contains(&bare)
        || HIDDEN.contains(&bare)
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn keypad(word: &str) -> String {
    word.bytes()
        .map(|letter| match letter {
            b'a'..=b'c' => '2',
            b'd'..=b'f' => '3',
            b'g'..=b'i' => '4',
            b'j'..=b'l' => '5',
            b'm'..=b'o' => '6',
            b'p'..=b's' => '7',
            b't'..=b'v' => '8',
            _ => '9',
        })
        .collect()
}

fn hidden(user: &str) -> String {
    hex::encode(&Sha256::digest(user.as_bytes())[..8])
}

#[cfg(test)]
mod tests;
