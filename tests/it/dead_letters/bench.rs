//! A flow on each database, whose only platform sends what nobody can read yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aftercall::config;
use aftercall::endpoint::Payload;
use aftercall::event::{CallEvent, EventKind, Message, Stage};
use aftercall::flow::{Flow, News, Sources};
use aftercall::id::{ConversationId, ConversationKey, EventId, Owner};
use aftercall::outbound::{Outbound, guard};
use aftercall::page::PageRequest;
use aftercall::platform::{Classified, Delivery, Source, Webhooks};
use aftercall::queue::Queue;
use aftercall::replay::{self, Replayed};
use aftercall::secret::SealKey;
use aftercall::signature::Refusal;
use aftercall::signature::explain::Check;
use aftercall::store::dead_letters::list::{self, Filter};
use aftercall::store::dead_letters::{self, Kept, Letter};
use aftercall::store::{self, Db, audit};
use aftercall::time::Timestamp;
use aftercall::verdict::{Attempt, Failure, Verdict};
use futures::future::BoxFuture;
use http::HeaderMap;

use crate::backends::{self, Backend, START};

/// A platform whose bodies nobody can read until somebody has learnt to.
#[derive(Default)]
pub(crate) struct Learner {
    pub(crate) has_learnt: AtomicBool,
}

impl Webhooks for Learner {
    fn platform(&self) -> &'static str {
        "speechify"
    }

    fn is_signed(&self, _: &HeaderMap) -> bool {
        true
    }

    fn verify(&self, _: Delivery<'_>, _: Timestamp) -> Result<(), Refusal> {
        Ok(())
    }

    fn explain(&self, _: Delivery<'_>, _: Timestamp) -> Vec<Check> {
        Vec::new()
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        let body = delivery.payload();
        if !self.has_learnt.load(Ordering::SeqCst) {
            return Classified::Unreadable("a form of tomorrow".to_owned());
        }
        Classified::Event(Box::new(CallEvent {
            source: String::new(),
            event_id: EventId::new(&aftercall::secret::sha256_hex(body)).unwrap(),
            kind: EventKind::Finished,
            occurred_at: None,
            received_at,
            conversation_id: None,
            room: None,
            agent_id: None,
            caller_identity: None,
            hint: None,
            body: None,
        }))
    }
}

/// A database with a flow on it.
pub(crate) struct Bench {
    pub(crate) flow: Flow,
    pub(crate) learner: Arc<Learner>,
    backend: Backend,
}

impl Bench {
    pub(crate) async fn all(test: &str) -> Vec<Self> {
        let mut benches = Vec::new();
        for backend in backends::all(test).await {
            benches.push(Self::on(backend).await);
        }
        benches
    }

    async fn on(backend: Backend) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let learner = Arc::new(Learner::default());
        let queue = Queue::in_database(backend.db.clone(), backend.host.clone(), true)
            .await
            .unwrap();
        let flow = Flow {
            db: backend.db.clone(),
            queue,
            host: backend.host.clone(),
            sources: Arc::new(Sources::new(vec![Source {
                name: "voice".to_owned(),
                webhooks: Some(Arc::clone(&learner) as Arc<dyn Webhooks>),
                api: None,
                owner: Owner::platform("speechify"),
                agent: None,
                max_body: 1000,
                reconcile: aftercall::config::Reconcile::default(),
                zone: jiff::tz::TimeZone::UTC,
                region: "US".to_owned(),
            }])),
            seal: SealKey::new([7; 32], None),
            finalize: config::Finalize {
                grace: Duration::ZERO,
                fallback_since: START,
                max_wait: Duration::ZERO,
                recheck: Vec::new(),
            },
            extractor: None,
            model: None,
            zone: jiff::tz::TimeZone::UTC,
            region: "US".to_owned(),
            outbound: Outbound::new(&[], guard::machine()).unwrap(),
            payload: Payload::Thin,
            news: News::default(),
        };
        Self {
            flow,
            learner,
            backend,
        }
    }

    /// The same database, as another process has it.
    pub(crate) async fn anew(&self) -> Db {
        self.backend.anew().await
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(store::Conn<'c>) -> BoxFuture<'c, store::Result<T>> + Send + 'static,
    ) -> T {
        self.backend.db.write(job).await.unwrap()
    }

    pub(crate) async fn keep(&self, letter: Letter, at: Timestamp) {
        self.write(move |mut conn| {
            Box::pin(async move { dead_letters::keep(&mut conn, &letter, at).await })
        })
        .await;
    }

    pub(crate) async fn get(&self, id: &str) -> Kept {
        let id = id.to_owned();
        self.write(move |mut conn| Box::pin(async move { dead_letters::get(&mut conn, &id).await }))
            .await
            .unwrap()
    }

    pub(crate) async fn listed(&self, filter: Filter) -> Vec<String> {
        self.write(move |mut conn| {
            Box::pin(async move {
                let page = list::list(&mut conn, &filter, &PageRequest::default()).await?;
                assert_eq!(
                    list::count(&mut conn, &filter).await?,
                    i64::try_from(page.rows.len()).unwrap()
                );
                let mut ids = list::ids(&mut conn, &filter, 100).await?;
                ids.reverse();
                let listed: Vec<_> = page.rows.into_iter().map(|letter| letter.id).collect();
                assert_eq!(ids, listed, "the same letters, the other way round");
                Ok(listed)
            })
        })
        .await
    }

    pub(crate) async fn replay(&self, id: &str) -> Replayed {
        let entry = audit::Entry {
            id: aftercall::id::fresh("audit_", START, self.flow.host.dice.bytes()),
            at: START,
            actor: "token_1".to_owned(),
            action: "dead_letter.replay".to_owned(),
            target: id.to_owned(),
            detail: String::new(),
        };
        replay::replay_letter(&self.flow, id, entry)
            .await
            .unwrap()
            .unwrap()
    }

    /// Takes the one message that waits at the stage, and ends it so.
    pub(crate) async fn work(&self, stage: Stage, verdict: Verdict) -> u32 {
        let mut taken = self.flow.queue.take(stage, 10).await.unwrap();
        let delivery = taken.pop().unwrap();
        assert!(taken.is_empty());
        let attempt = delivery.attempt;
        self.flow.queue.settle(delivery, verdict).await.unwrap();
        attempt
    }
}

pub(crate) fn key(n: usize) -> ConversationKey {
    ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(&format!("conv_{n}")).unwrap(),
    }
}

pub(crate) fn failed(at: Timestamp) -> Attempt {
    Attempt {
        at,
        code: "platform_unavailable".to_owned(),
        message: "no answer".to_owned(),
        spent: true,
    }
}

/// A letter of the message that remembers conversation `n`.
pub(crate) fn letter(n: usize) -> Letter {
    let message = Message::remember(key(n), 1);
    Letter {
        id: format!("dl_{n}"),
        stage: "remember".to_owned(),
        source: None,
        platform: None,
        event_id: None,
        conversation_id: Some(format!("conv_{n}")),
        agent_id: None,
        caller_identity: None,
        cause: Failure::platform("platform_unavailable", "no answer"),
        attempts: vec![failed(START)],
        body: message.encode(),
        message_id: message.id,
    }
}

pub(crate) fn after(secs: u64) -> Timestamp {
    START.plus(Duration::from_secs(secs))
}
