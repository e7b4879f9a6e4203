//! What remembering a conversation now would add to its caller's memory; nothing is written.

use crate::conversation::Message;
use crate::flow::Flow;
use crate::memory::changes::{Changes, changes};
use crate::memory::fold::{Origin, Seen, fold};
use crate::store::conversations::Record;
use crate::store::{extractions, memories, pins};
use crate::verdict::Failure;

use super::{Outcome, extract};

/// What it would change; none when what is held already would stay as it is.
pub(crate) async fn foresee(
    flow: &Flow,
    record: &Record,
    messages: &[Message],
) -> Result<Option<Changes>, Failure> {
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
                let held = extractions::of_conversation(&mut conn, &key).await?;
                let facts = memories::facts(&mut conn, &subject).await?;
                let mut seen = extractions::seen(&mut conn, &subject).await?;
                seen.extend(pins::seen(&mut conn, &subject).await?);
                Ok((held, facts, seen))
            })
        })
        .await;
    let (held, facts, mut seen) =
        found.map_err(|error| Failure::ours("database_unavailable", error))?;
    if held.iter().any(|kept| kept.extraction == *extraction) {
        return Ok(None);
    }
    let origin = Origin::Call(record.conversation.id.clone());
    seen.retain(|one| one.origin != origin || one.rank != extraction.rank);
    seen.extend(observations.iter().map(|observation| Seen {
        origin: origin.clone(),
        extractor: extraction.extractor.clone(),
        rank: extraction.rank,
        observation: observation.clone(),
    }));
    let subject = &extraction.subject;
    let after = fold(&subject.agent_id, subject.caller.as_str(), &seen);
    let before: Vec<_> = facts.into_iter().map(|stored| stored.fact).collect();
    Ok(Some(changes(&before, &after)))
}
