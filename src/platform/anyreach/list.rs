//! Anyreach's pages: a plain array, newest first, whose cursor is the Base64 of a `created_at`
//! (`platforms.md` §3).
//!
//! The platform gives what was created before its cursor, so that calls created in the same instant
//! as the last of a page would be passed over. The cursor asked with is therefore not the last row's
//! time, but the one above it: the last instant's calls come twice, and none is lost. Where a whole
//! page is of one instant, it is asked for once more with a larger limit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Rows of a usual page.
const USUAL: usize = 50;

/// Rows of the largest page: calls of one instant beyond it are passed over.
const LARGEST: usize = 800;

/// Where a page begins, and how many rows it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Only calls created before this, as the platform writes it.
    pub(super) before: Option<String>,
    /// At most so many.
    pub(super) limit: usize,
}

impl Place {
    /// The beginning, or where [`Place::encode`] left off.
    pub(super) fn decode(cursor: Option<&str>) -> Self {
        let read = |cursor: &str| {
            let (limit, before) = cursor.split_once(' ')?;
            Some(Self {
                before: (!before.is_empty()).then(|| before.to_owned()),
                limit: limit.parse().ok()?,
            })
        };
        cursor.and_then(read).unwrap_or(Self {
            before: None,
            limit: USUAL,
        })
    }

    /// The text that a page's cursor is passed around as.
    pub(super) fn encode(&self) -> String {
        let before = self.before.as_deref().unwrap_or_default();
        format!("{} {before}", self.limit)
    }

    /// The cursor that the platform is asked with.
    pub(super) fn cursor(&self) -> Option<String> {
        self.before.as_ref().map(|before| STANDARD.encode(before))
    }

    /// Where the next page begins; none behind the last one.
    pub(super) fn next(&self, rows: &[Value]) -> Option<Self> {
        // Fewer than were asked for end the list; a platform that never gives more than a usual
        // page does not end it by that.
        if rows.len() < self.limit.min(USUAL) {
            return None;
        }
        let times: Vec<&str> = rows.iter().filter_map(created_at).collect();
        let last = times.last()?;
        let above = times.iter().rev().find(|time| time != &last);
        match above {
            Some(above) => Some(Self {
                before: Some((*above).to_owned()),
                limit: USUAL,
            })
            // Nothing but what was read before: the rest of that instant fills pages of its own.
            .filter(|next| next.before != self.before)
            .or_else(|| self.past(last)),
            None if self.limit < LARGEST && rows.len() == self.limit => Some(Self {
                before: self.before.clone(),
                limit: self.limit * 4,
            }),
            None => self.past(last),
        }
    }

    /// Behind everything of an instant.
    fn past(&self, last: &str) -> Option<Self> {
        let next = Self {
            before: Some(last.to_owned()),
            limit: USUAL,
        };
        (next.before != self.before).then_some(next)
    }
}

fn created_at(row: &Value) -> Option<&str> {
    row.get("created_at")?.as_str()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// Reads the whole list of a platform that has calls created at these seconds.
    fn read(seconds: &[u32], largest_page: usize) -> (BTreeSet<usize>, usize) {
        let mut calls: Vec<(String, usize)> = seconds
            .iter()
            .enumerate()
            .map(|(id, second)| {
                (
                    format!("2026-01-01T00:{:02}:{:02}Z", second / 60, second % 60),
                    id,
                )
            })
            .collect();
        calls.sort_by(|a, b| b.cmp(a));
        let (mut seen, mut pages, mut cursor) = (BTreeSet::new(), 0, None::<String>);
        loop {
            let place = Place::decode(cursor.as_deref());
            let before = place
                .cursor()
                .map(|text| String::from_utf8(STANDARD.decode(text).unwrap()).unwrap());
            let rows: Vec<Value> = calls
                .iter()
                .filter(|(at, _)| before.as_ref().is_none_or(|before| at < before))
                .take(place.limit.min(largest_page))
                .map(|(at, id)| json!({"created_at": at, "id": id}))
                .collect();
            let ids = rows.iter().filter_map(|row| row["id"].as_u64());
            seen.extend(ids.filter_map(|id| usize::try_from(id).ok()));
            pages += 1;
            assert!(pages < 1_000, "the pages never end");
            match place.next(&rows) {
                Some(next) => cursor = Some(next.encode()),
                None => return (seen, pages),
            }
        }
    }

    #[test]
    fn equal_times_at_a_page_s_edge_are_neither_lost_nor_read_for_ever() {
        for calls in [
            (0..500).collect::<Vec<u32>>(),
            (0..500).map(|n| n / 7).collect(),
            (0..500).map(|n| n / 49).collect(),
            (0..500).map(|n| n / 130).collect(),
            vec![5; 600],
            vec![5; 50],
            (0..49).collect(),
            (0..50).collect(),
            (0..51).collect(),
            Vec::new(),
        ] {
            let (seen, _) = read(&calls, 1_000);
            assert_eq!(seen.len(), calls.len(), "{calls:?}");
        }
    }

    #[test]
    fn a_platform_with_small_pages_is_read_to_the_end() {
        let calls: Vec<u32> = (0..500).map(|n| n / 7).collect();
        let (seen, pages) = read(&calls, USUAL);
        assert_eq!(seen.len(), 500);
        assert!(pages < 25, "{pages}");
    }
}
