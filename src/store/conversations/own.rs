//! What we say of a call ourselves, where its platform says nothing: kept beside the platform's word.

use crate::conversation::{CallSuccess, Conversation};
use crate::id::ConversationKey;
use crate::store::{Conn, Result, on};

/// What we say of a call ourselves, and whose word it is, as `rules/1`. Sensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// What the call was about.
    pub summary: Option<(String, String)>,
    /// Whether it reached its goal.
    pub success: Option<(CallSuccess, String)>,
}

impl Own {
    /// Says of a call what its platform does not.
    pub fn fill(&self, call: &mut Conversation) {
        let summary = || self.summary.as_ref().map(|(text, _)| text.clone());
        let success = || self.success.as_ref().map(|(word, _)| word.clone());
        call.summary = call.summary.take().or_else(summary);
        call.call_successful = call.call_successful.take().or_else(success);
    }
}

/// Keeps what we say of a call ourselves.
pub async fn say(conn: &mut Conn<'_>, key: &ConversationKey, own: &Own) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "UPDATE conversations SET own_summary = $1, own_summary_by = $2, own_success = $3, \
             own_success_by = $4 WHERE owner = $5 AND id = $6",
        )
        .bind(own.summary.as_ref().map(|(text, _)| text))
        .bind(own.summary.as_ref().map(|(_, by)| by))
        .bind(own.success.as_ref().map(|(success, _)| success.as_str()))
        .bind(own.success.as_ref().map(|(_, by)| by))
        .bind(key.owner.as_str())
        .bind(key.id.as_str())
        .execute(c)
        .await?;
    });
    Ok(())
}
