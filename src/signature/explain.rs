//! Which part of a signature fails, and what would mend it: what `aftercall verify --explain` prints.
//! No text made here holds a secret or a piece of the body.

/// One step of a verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The part that was looked at, as `header`, `time`, `signature` or `body`.
    pub part: &'static str,
    /// Whether it stands.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What would mend it, where that can be told.
    pub mend: Option<String>,
}
