//! One call, and all that came from it.

use crate::erased::Counts;
use crate::id::ConversationKey;
use crate::remember::forget;
use crate::secret::SealKey;
use crate::store::{
    Conn, Result, bodies, conversations, dead_letters, deliveries, events, extractions, memories,
    readings, results, timeline, traces,
};
use crate::time::Timestamp;

/// Takes a call out, and what memory had from it alone, and keeps it from coming back.
pub(crate) async fn erase(
    conn: &mut Conn<'_>,
    seal: &SealKey,
    key: &ConversationKey,
    now: Timestamp,
) -> Result<Counts> {
    conversations::hold(conn, key).await?;
    let record = conversations::get(conn, key).await?;
    let read = extractions::of_conversation(conn, key).await?;
    let mut subjects: Vec<_> = read
        .into_iter()
        .map(|kept| kept.extraction.subject)
        .collect();
    memories::hold(conn, &mut subjects).await?;
    super::bars::keep_away(conn, seal, key, now).await?;
    let mut outbox = 0;
    if let Some(record) = &record {
        events::delete_facts(conn, &key.owner, &record.conversation).await?;
        outbox = traces::delete_work(conn, key, record.revision).await?;
        readings::remove(conn, key, record.revision).await?;
    }
    // The feed before its deliveries, and these before what else is left of the call, as sending does.
    results::hold(conn).await?;
    deliveries::erase(conn, key, now).await?;
    let found = conversations::delete(conn, key).await?;
    timeline::delete(conn, key).await?;
    bodies::delete_of(conn, key).await?;
    extractions::remove(conn, key).await?;
    // Whichever call they came from: results that cite this one have its words.
    let results = results::empty_citing(conn, key, now).await?;
    let dead_letters = dead_letters::delete_of(conn, key.id.as_str()).await?;
    for subject in &subjects {
        let identity = record
            .as_ref()
            .filter(|record| record.caller_key.as_ref() == Some(&subject.caller))
            .map_or(subject.caller.as_str(), |record| {
                record.conversation.caller_identity.as_str()
            });
        forget(conn, seal, subject, key, identity, now).await?;
    }
    Ok(Counts {
        conversations: u64::from(found),
        results,
        outbox,
        dead_letters,
        ..Counts::default()
    })
}
