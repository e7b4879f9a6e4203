//! Regular expressions that are part of the program: linear in time, blind to case.

use regex::{Regex, RegexBuilder};

/// A pattern that is compiled when it is first used. Its pieces are put one behind the other.
macro_rules! pattern {
    ($($text:expr),+ $(,)?) => {
        std::sync::LazyLock::new(|| $crate::memory::pattern::compile(concat!($($text),+)))
    };
}
pub(crate) use pattern;

/// Compiles a pattern of the program. A word boundary is that of ASCII: with Unicode's, one
/// typographic apostrophe in a text takes the fast automaton away (`regex`'s documentation).
#[expect(
    clippy::expect_used,
    reason = "patterns are constants, and the tests use each of them"
)]
pub(crate) fn compile(text: &str) -> Regex {
    RegexBuilder::new(&text.replace(r"\b", r"(?-u:\b)"))
        .case_insensitive(true)
        .build()
        .expect("a pattern of the program is valid")
}
