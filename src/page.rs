//! Cursor paging: how many, from where, and whether there is more.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::time::Timestamp;

/// Where a page begins: just behind the row with this sort key (a time, then an id).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The sort key's time.
    pub at: Timestamp,
    /// The sort key's id, which sets rows of the same time apart.
    pub id: String,
}

/// The text is not a cursor that this server gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list; leave it out to start from the beginning")]
pub struct NotACursor;

impl Cursor {
    /// The opaque text a client sends back.
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}|{}", self.at.as_millis(), self.id))
    }

    /// Reads what [`Cursor::encode`] wrote.
    pub fn decode(text: &str) -> Result<Self, NotACursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        let text = String::from_utf8(bytes).map_err(|_| NotACursor)?;
        let (at, id) = text.split_once('|').ok_or(NotACursor)?;
        let at = at.parse().map_err(|_| NotACursor)?;
        Ok(Self {
            at: Timestamp::from_millis(at),
            id: id.to_owned(),
        })
    }
}

/// What part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many rows: 1 to 100, 30 unless told.
    pub size: usize,
    /// Behind this row; from the beginning without one.
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// Rows a page unless told.
    pub const DEFAULT_SIZE: usize = 30;
    /// Rows a page at the most.
    pub const MAX_SIZE: usize = 100;

    /// Rows to ask the database for: one more than the page holds tells whether there are more.
    pub fn limit(&self) -> i64 {
        i64::try_from(self.size)
            .unwrap_or(i64::MAX)
            .saturating_add(1)
    }

    /// The sort key that every row of a list in descending order stands below.
    pub fn before(&self) -> (i64, String) {
        self.after.as_ref().map_or_else(
            || (i64::MAX, String::new()),
            |cursor| (cursor.at.as_millis(), cursor.id.clone()),
        )
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            size: Self::DEFAULT_SIZE,
            after: None,
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins; none on the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of up to `size` rows out of a query that asked for one row more.
    pub fn cut(mut rows: Vec<T>, size: usize, key: impl Fn(&T) -> Cursor) -> Self {
        let more = rows.len() > size;
        rows.truncate(size);
        let next = if more { rows.last().map(key) } else { None };
        Self { rows, next }
    }

    /// The same page with every row changed.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(change).collect(),
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_trip() {
        let cursor = Cursor {
            at: Timestamp::from_millis(-5),
            id: "conv_a|b".to_owned(),
        };
        assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        for text in ["", "!!", "YWJj", "MTIz"] {
            assert_eq!(Cursor::decode(text), Err(NotACursor), "{text}");
        }
    }

    #[test]
    fn only_a_full_page_has_a_next_one() {
        let key = |n: &i64| Cursor {
            at: Timestamp::from_millis(*n),
            id: n.to_string(),
        };
        assert_eq!(Page::cut(vec![3, 2, 1], 2, key).next, Some(key(&2)));
        assert_eq!(Page::cut(vec![3, 2], 2, key).next, None);
    }
}
