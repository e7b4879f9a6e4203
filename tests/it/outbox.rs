//! What the outbox does for a relay, on every backend.

use std::time::Duration;

use aftercall::event::Stage;
use aftercall::store::outbox::{self, Claimed, Waiting};
use aftercall::verdict::Attempt;

use crate::backends::{self, Backend, START};
use crate::queue::message;

async fn claim(backend: &Backend, name: &'static str) -> Vec<Claimed> {
    let lease = Duration::from_secs(15);
    backend
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                outbox::claim(&mut conn, Stage::Remember, name, START, lease, 10).await
            })
        })
        .await
        .unwrap()
}

async fn put(backend: &Backend, count: usize) {
    for n in 0..count {
        let message = message(n);
        backend
            .db
            .write(move |mut conn| {
                Box::pin(async move { outbox::put(&mut conn, &message, START, START).await })
            })
            .await
            .unwrap();
    }
}

async fn left(backend: &Backend) -> i64 {
    backend
        .db
        .read(|mut conn| Box::pin(async move { outbox::depth(&mut conn, Stage::Remember).await }))
        .await
        .unwrap()
        .messages
}

#[tokio::test]
async fn what_is_confirmed_leaves_and_the_rest_is_free_again() {
    for backend in backends::all("outbox_relay").await {
        put(&backend, 3).await;
        assert_eq!(claim(&backend, "mine").await.len(), 3);
        assert_eq!(claim(&backend, "theirs").await.len(), 0);
        backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    let [a, b, c] = [0, 1, 2].map(|n| message(n).id);
                    outbox::remove_all(&mut conn, std::slice::from_ref(&c), "theirs").await?;
                    outbox::remove_all(&mut conn, &[], "mine").await?;
                    outbox::remove_all(&mut conn, &[a, b], "mine").await?;
                    outbox::free(&mut conn, &[c], "mine").await
                })
            })
            .await
            .unwrap();
        let again = claim(&backend, "theirs").await;
        assert_eq!(again.len(), 1);
        assert_eq!((again[0].id.as_str(), again[0].takes), (&*message(2).id, 1));
    }
}

#[tokio::test]
async fn a_message_that_comes_back_is_not_lost_to_the_relay_of_its_older_copy() {
    for backend in backends::all("outbox_again").await {
        put(&backend, 1).await;
        assert_eq!(claim(&backend, "relay").await.len(), 1);
        let attempt = Attempt {
            at: START,
            code: "platform_unavailable".to_owned(),
            message: "no answer".to_owned(),
            spent: true,
        };
        let waiting = Waiting {
            id: message(0).id,
            stage: Stage::Remember,
            body: message(0).encode(),
            attempts: 1,
            history: vec![attempt.clone()],
            created_at: START,
        };
        backend
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    outbox::put_again(&mut conn, &waiting, START).await?;
                    outbox::remove_all(&mut conn, &[waiting.id], "relay").await
                })
            })
            .await
            .unwrap();
        assert_eq!(left(&backend).await, 1);
        let row = claim(&backend, "next").await.pop().unwrap();
        assert_eq!((row.attempts, row.history), (1, vec![attempt]));
    }
}
