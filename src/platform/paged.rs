//! A page of a list in a platform's answer, and where the next one begins.

use serde_json::{Map, Value};

use super::rest::malformed;
use super::{FetchError, LeftOut, ListPage, Listed};

/// The rows that stand under `name`, and the next page's cursor, which stands under one of
/// `cursors`; `asked` is the cursor of this page. A page that says there is more, but not where, is
/// half an answer, and pages that run in a circle would be read for ever.
pub(super) fn rows(
    mut page: Map<String, Value>,
    name: &str,
    cursors: &[&str],
    asked: Option<&str>,
) -> Result<(Vec<Value>, Option<String>), FetchError> {
    let Some(Value::Array(rows)) = page.remove(name) else {
        return Err(malformed(&format!("it has no list of {name}")));
    };
    let next = cursors.iter().find_map(|key| match page.get(*key)? {
        Value::String(next) if !next.is_empty() => Some(next.clone()),
        Value::Number(next) => Some(next.to_string()),
        _ => None,
    });
    let next = match (page.get("has_more").and_then(Value::as_bool), next) {
        (Some(false), _) => None,
        (Some(true), None) => return Err(malformed("it says that there is more, and not where")),
        (_, next) => next,
    };
    if next.is_some() && next.as_deref() == asked {
        return Err(malformed(&format!("its pages of {name} run in a circle")));
    }
    Ok((rows, next))
}

impl ListPage {
    /// Reads a page's rows one by one: one that can't be read must not keep the others from us. Where
    /// none of several can, the list has another form than ours, and that is an error.
    pub(super) fn read(
        rows: Vec<Value>,
        next: Option<String>,
        mut read: impl FnMut(Value) -> Result<Listed, FetchError>,
    ) -> Result<Self, FetchError> {
        let mut page = Self {
            rows: Vec::with_capacity(rows.len()),
            left_out: LeftOut::default(),
            next,
        };
        for row in rows {
            match read(row) {
                Ok(row) => page.rows.push(row),
                Err(why) => {
                    page.left_out.rows += 1;
                    page.left_out.why = Some(why);
                }
            }
        }
        match &page.left_out.why {
            Some(why) if page.rows.is_empty() && page.left_out.rows > 1 => Err(why.clone()),
            _ => Ok(page),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conversation::Conversation;
    use crate::id::{AgentId, ConversationId};
    use crate::time::Timestamp;

    fn page(rows: Value) -> Result<ListPage, FetchError> {
        let Value::Array(rows) = rows else {
            panic!("a list")
        };
        ListPage::read(rows, Some("on".to_owned()), |row| {
            let id = row["id"].as_str().ok_or(malformed("it has no id"))?;
            let (id, agent) = (ConversationId::new(id).unwrap(), AgentId::new("a").unwrap());
            Ok(Listed {
                conversation: Conversation::blank(id, agent, Timestamp::from_secs(0)),
                reason: None,
            })
        })
    }

    #[test]
    fn a_row_that_can_t_be_read_keeps_no_other_away() {
        let page = page(json!([{"id": "conv_1"}, {"agent": 2}, null, {"id": "conv_3"}])).unwrap();
        let ids: Vec<_> = page
            .rows
            .iter()
            .map(|row| row.conversation.id.as_str())
            .collect();
        assert_eq!(ids, ["conv_1", "conv_3"]);
        assert_eq!(page.left_out.rows, 2);
        assert!(page.left_out.why.is_some() && page.next.is_some());
    }

    #[test]
    fn a_list_of_another_form_is_an_error_and_an_empty_one_is_none() {
        assert!(matches!(
            page(json!([{"other": 1}, {"other": 2}])),
            Err(FetchError::Malformed(_))
        ));
        assert_eq!(page(json!([])).unwrap().left_out, LeftOut::default());
        // One alone, as the last page may have it, says nothing of the list.
        assert_eq!(page(json!([{"other": 1}])).unwrap().left_out.rows, 1);
    }
}
