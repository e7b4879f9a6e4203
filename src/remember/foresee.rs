//! What remembering a conversation now would add to its caller's memory; nothing is written.

use crate::conversation::Message;
use crate::flow::Flow;
use crate::memory::changes::changes;
use crate::memory::fold::{Seen, fold};
use crate::store::conversations::Record;
use crate::store::memories;
use crate::verdict::Failure;

use super::{Outcome, extract, stands};

/// How many facts it would add; none when what is held already would stay as it is.
pub(crate) async fn foresee(
    flow: &Flow,
    record: &Record,
    messages: &[Message],
) -> Result<Option<usize>, Failure> {
    let outcome = extract(flow, record, messages).await?;
    let Outcome::Remembered {
        extraction,
        observations,
    } = &outcome
    else {
        return Ok(None);
    };
    let (subject, key) = (extraction.subject.clone(), record.key());
    let found = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let held = memories::extraction(&mut conn, &key).await?;
                let facts = memories::facts(&mut conn, &subject).await?;
                Ok((
                    held,
                    facts,
                    memories::observations(&mut conn, &subject).await?,
                ))
            })
        })
        .await;
    let (held, facts, mut seen) =
        found.map_err(|error| Failure::ours("database_unavailable", error))?;
    if held.is_some_and(|held| stands(&held, &outcome)) {
        return Ok(None);
    }
    let id = &record.conversation.id;
    seen.retain(|one| one.conversation_id != *id);
    seen.extend(observations.iter().map(|observation| Seen {
        conversation_id: id.clone(),
        extractor: extraction.extractor.clone(),
        rank: extraction.rank,
        observation: observation.clone(),
    }));
    let subject = &extraction.subject;
    let after = fold(&subject.agent_id, subject.caller.as_str(), &seen);
    let before: Vec<_> = facts.into_iter().map(|stored| stored.fact).collect();
    Ok(Some(changes(&before, &after).added.len()))
}
