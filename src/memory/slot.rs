//! The closed set of slots that memory is kept in (`memory.md` §5).

use crate::conversation::open_enum;

open_enum! {
    /// Where a fact belongs.
    pub enum Slot {
        /// The caller's name.
        IdentityName = "identity.name",
    }
}
