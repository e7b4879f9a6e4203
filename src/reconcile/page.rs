//! The rows of a page, each judged by what is known of its call.

use super::finding::{Finding, Here, event, fingerprint, judge};
use super::{Account, Listing, Result, Timestamp};
use crate::event::Message;
use crate::flow::Flow;
use crate::id::{ConversationKey, Owner};
use crate::platform::Listed;
use crate::store::known_calls::{self, Known};
use crate::store::{Conn, conversations};

/// What is to be written down of a row.
pub(super) struct Noted {
    /// The call, as it is known now.
    pub(super) known: Known,
    /// Whether that is news to the database.
    pub(super) is_news: bool,
    /// What the row is to us.
    pub(super) finding: Finding,
    /// The message that settles the call, and when that was over.
    pub(super) found: Option<(Message, Timestamp)>,
}

/// Judges rows, each of another call.
pub(super) async fn note(
    flow: &Flow,
    account: &Account,
    owner: &Owner,
    listing: &Listing,
    rows: Vec<Listed>,
) -> Result<Vec<Noted>> {
    let keys: Vec<ConversationKey> = rows
        .iter()
        .map(|row| ConversationKey {
            owner: owner.clone(),
            id: row.conversation.id.clone(),
        })
        .collect();
    let (name, read) = (account.name.clone(), keys.clone());
    let heres = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let mut heres = Vec::with_capacity(read.len());
                for key in &read {
                    heres.push(here(&mut conn, &name, key).await?);
                }
                Ok(heres)
            })
        })
        .await?;
    let now = flow.host.now();
    let judged = rows.into_iter().zip(keys).zip(heres);
    Ok(judged
        .map(|((row, key), here)| {
            let finding = judge(&row, &here, now, account.settle, !listing.scheduled);
            let found = matches!(finding, Finding::Unknown | Finding::Differs).then(|| {
                let message = Message::finalize(event(&account.name, owner, &row, now));
                (message, row.over_at())
            });
            let known = known(account, key, &row, &here, finding, now);
            let is_news = match (finding, &here.known) {
                (Finding::InHand, _) => false,
                (Finding::Same, Some(old)) => !old.is_over || !old.processed,
                _ => true,
            };
            Noted {
                known,
                is_news,
                finding,
                found,
            }
        })
        .collect())
}

async fn here(conn: &mut Conn<'_>, account: &str, key: &ConversationKey) -> Result<Here> {
    let known = known_calls::get(conn, account, &key.id).await?;
    let compared = known.as_ref().is_some_and(|known| known.is_over);
    let done = match &known {
        Some(known) if known.processed => true,
        _ => known_calls::is_done(conn, key).await?,
    };
    let settled = if done && !compared {
        conversations::get(conn, key).await?
    } else {
        None
    };
    Ok(Here {
        known,
        done,
        settled: settled.map(|record| record.conversation),
    })
}

fn known(
    account: &Account,
    key: ConversationKey,
    row: &Listed,
    here: &Here,
    finding: Finding,
    now: Timestamp,
) -> Known {
    let is_over = finding != Finding::Unfinished;
    Known {
        account: account.name.clone(),
        key,
        is_over,
        processed: here.done,
        fingerprint: if is_over {
            fingerprint(row)
        } else {
            String::new()
        },
        created_at: row.conversation.created_at,
        ended_at: is_over.then(|| row.over_at()),
        queued_at: matches!(finding, Finding::Unknown | Finding::Differs).then_some(now),
        seen_at: now,
    }
}
