//! What begins with a text, in any case: the one thing that the two databases find by different means.
//!
//! `PostgreSQL` serves `LIKE 'x%'` by an index of the class `text_pattern_ops`, whatever the locale is;
//! `SQLite` serves a range of bytes by an index of the lowered column. Both lower the text themselves,
//! so that text and column are lowered by the same rule.

use sqlx::{Database, Postgres, QueryBuilder, Sqlite};

/// Follows every text that begins with what stands before it.
const LAST: char = '\u{10FFFF}';

/// A database that can find beginnings.
pub(super) trait Beginnings: Database {
    /// Adds the condition that `column`, lowered, begins with `prefix`, lowered.
    fn push_begins(query: &mut QueryBuilder<Self>, column: &str, prefix: &str);
}

impl Beginnings for Postgres {
    fn push_begins(query: &mut QueryBuilder<Self>, column: &str, prefix: &str) {
        let mut pattern = String::with_capacity(prefix.len() + 1);
        for character in prefix.chars() {
            if matches!(character, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('%');
        query.push("LOWER(").push(column).push(") LIKE LOWER(");
        query.push_bind(pattern).push(")");
    }
}

impl Beginnings for Sqlite {
    fn push_begins(query: &mut QueryBuilder<Self>, column: &str, prefix: &str) {
        query.push("(LOWER(").push(column).push(") >= LOWER(");
        query.push_bind(prefix.to_owned());
        query.push(") AND LOWER(").push(column).push(") < LOWER(");
        query.push_bind(format!("{prefix}{LAST}")).push("))");
    }
}
