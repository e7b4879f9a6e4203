//! What events said, kept where no API can be asked: every statement, on every backend.

use std::time::Duration;

use aftercall::event::{CallEvent, EventKind};
use aftercall::id::{ConversationId, ConversationKey, EventId, Owner};
use aftercall::store::bodies::{self, Payload};

use crate::backends::{self, START};

fn payload(event_id: &str, kind: EventKind, secs: u64) -> Payload {
    let event = CallEvent {
        source: "voice".into(),
        event_id: EventId::new(event_id).unwrap(),
        kind,
        occurred_at: Some(START.plus(Duration::from_secs(secs))),
        received_at: START.plus(Duration::from_secs(secs)),
        conversation_id: Some(ConversationId::new("call").unwrap()),
        room: None,
        agent_id: None,
        caller_identity: None,
        hint: None,
        body: None,
    };
    Payload::of(&event, format!("v1:{event_id}"))
}

#[tokio::test]
async fn what_decides_comes_first_and_all_of_it_goes() {
    for backend in backends::all("store_bodies").await {
        let key = ConversationKey {
            owner: Owner::source("voice"),
            id: ConversationId::new("call").unwrap(),
        };
        let payloads = [
            payload("early", EventKind::Finished, 1),
            payload("analysis", EventKind::Analyzed, 0),
            payload("late", EventKind::Finished, 2),
        ];
        let (held, kept) = (key.clone(), payloads.clone());
        let found = backend
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    for payload in kept.iter().chain(&kept) {
                        bodies::keep(&mut conn, &held, payload).await?;
                    }
                    bodies::of_call(&mut conn, &held).await
                })
            })
            .await
            .unwrap();
        let [early, analysis, late] = payloads;
        assert_eq!(found, [analysis, late.clone(), early]);

        let asked = late.id.clone();
        let (one, pruned, left, deleted, gone) = backend
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    let one = bodies::get(&mut conn, &asked).await?;
                    let before = START.plus(Duration::from_secs(2));
                    let pruned = bodies::prune(&mut conn, before, 9).await?;
                    let left = bodies::of_call(&mut conn, &key).await?.len();
                    let deleted = bodies::delete_of(&mut conn, &key).await?;
                    let gone = bodies::get(&mut conn, &asked).await?;
                    Ok((one, pruned, left, deleted, gone))
                })
            })
            .await
            .unwrap();
        assert_eq!(one, Some(late.body));
        assert_eq!((pruned, left, deleted, gone), (2, 1, 1, None));
    }
}
