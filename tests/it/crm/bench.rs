//! What the tests of deliveries stand on: stages without loops, on a clock that is moved by hand.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aftercall::config;
use aftercall::deliver::{dispatch, endpoints as life};
use aftercall::endpoint::{Payload, Subscription};
use aftercall::event::{Message, Stage};
use aftercall::flow::{Flow, News, Sources};
use aftercall::host::Clock;
use aftercall::id::{ConversationId, ConversationKey, Owner, fresh};
use aftercall::outbound::{Outbound, guard};
use aftercall::queue::Queue;
use aftercall::replay;
use aftercall::secret::SealKey;
use aftercall::store::audit::Entry;
use aftercall::store::deliveries::list::{self, Filter};
use aftercall::store::deliveries::{self, Attempt, Delivery};
use aftercall::store::endpoints::{self, Endpoint};
use aftercall::store::passages::{self, Passage};
use aftercall::store::results::{self, Added, ResultEvent};
use aftercall::store::timeline::{self, Step};
use aftercall::store::{Conn, Result, audit, dead_letters, outbox};
use aftercall::time::Timestamp;
use aftercall::worker;
use futures::future::BoxFuture;
use serde_json::json;

use super::all;
use crate::backends::{self, Backend, START};

/// The secret of every endpoint here.
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) struct Bench {
    pub(crate) flow: Arc<Flow>,
    backend: Backend,
}

pub(super) fn key(id: &str) -> ConversationKey {
    ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(id).unwrap(),
    }
}

impl Bench {
    pub(super) async fn all(test: &str) -> Vec<Self> {
        let mut benches = Vec::new();
        for backend in backends::all(test).await {
            benches.push(Self::on(backend).await);
        }
        benches
    }

    pub(crate) async fn on(backend: Backend) -> Self {
        // A second installation is refused, and the first one serves.
        drop(rustls::crypto::ring::default_provider().install_default());
        let queue = Queue::in_database(backend.db.clone(), backend.host.clone(), true);
        let flow = Flow {
            db: backend.db.clone(),
            queue: queue.await.unwrap(),
            host: backend.host.clone(),
            sources: Arc::new(Sources::default()),
            seal: SealKey::new([7; 32], None),
            finalize: config::Finalize {
                grace: Duration::ZERO,
                fallback_since: Timestamp::from_secs(0),
                max_wait: Duration::ZERO,
                recheck: Vec::new(),
            },
            extractor: None,
            model: None,
            zone: jiff::tz::TimeZone::UTC,
            region: "US".to_owned(),
            outbound: Outbound::new(&["127.0.0.0/8".parse().unwrap()], guard::machine()).unwrap(),
            payload: Payload::Thin,
            news: News::default(),
        };
        Self {
            flow: Arc::new(flow),
            backend,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.flow.host.now()
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, time: Duration) {
        let Clock::Manual(millis) = &self.backend.host.clock else {
            panic!("only a clock of the tests can be moved");
        };
        millis.fetch_add(
            i64::try_from(time.as_millis()).unwrap() + 1,
            Ordering::SeqCst,
        );
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<T>> + Send + 'static,
    ) -> T {
        let read = self
            .flow
            .db
            .read(move |mut conn| Box::pin(async move { job(&mut conn).await }));
        read.await.unwrap()
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl for<'a> FnOnce(&'a mut Conn<'_>) -> BoxFuture<'a, Result<T>> + Send + 'static,
    ) -> T {
        let written = self
            .flow
            .db
            .write(move |mut conn| Box::pin(async move { job(&mut conn).await }));
        written.await.unwrap()
    }

    /// Calls whose result has arrived at an endpoint.
    pub(super) async fn arrived(&self) -> i64 {
        let counted = self.read(|conn| {
            Box::pin(async move {
                let year = 365 * 86_400_000;
                passages::counts(conn, Passage::Delivered, &[], START, year, 1).await
            })
        });
        counted.await[0]
    }

    pub(super) async fn endpoint(
        &self,
        id: &str,
        url: &str,
        change: impl FnOnce(&mut Endpoint),
    ) -> Endpoint {
        let seal = |text: &str| {
            self.flow
                .seal
                .seal(text.as_bytes(), self.flow.host.dice.bytes())
        };
        let mut endpoint = Endpoint {
            id: format!("ep_{}", id.replace(' ', "_")),
            url: url.to_owned(),
            description: id.to_owned(),
            subscription: Subscription {
                events: vec!["*".to_owned()],
                agents: Vec::new(),
            },
            payload: Payload::Thin,
            template: None,
            headers: seal("{}"),
            secret: seal(SECRET),
            previous: None,
            rate: None,
            concurrency: 10,
            enabled: true,
            disabled: None,
            failing_since: None,
            unproved: 0,
            slow: false,
            ready_at: Timestamp::from_millis(0),
            created_at: self.now(),
            updated_at: self.now(),
        };
        change(&mut endpoint);
        let kept = endpoint.clone();
        self.write(move |conn| Box::pin(async move { endpoints::save(conn, &kept).await }))
            .await;
        endpoint
    }

    pub(super) async fn endpoint_of(&self, id: &str) -> Endpoint {
        let id = id.to_owned();
        self.read(move |conn| Box::pin(async move { endpoints::get(conn, &id).await }))
            .await
            .unwrap()
    }

    pub(super) async fn enable(&self, id: &str) {
        let entry = Entry {
            id: fresh("audit_", self.now(), self.flow.host.dice.bytes()),
            at: self.now(),
            actor: "test".to_owned(),
            action: "endpoint.enable".to_owned(),
            target: id.to_owned(),
            detail: String::new(),
        };
        let enabled = life::enable(&self.flow, id, entry).await;
        assert!(enabled.unwrap().unwrap().enabled);
    }

    pub(super) fn event(&self, n: usize, kind: &str, call: &str) -> ResultEvent {
        ResultEvent {
            id: format!("evt_{n}"),
            kind: kind.to_owned(),
            agent_id: "agent_1".to_owned(),
            key: Some(key(call)),
            data: json!({"id": call, "n": n}),
            // The feed gives every event a time of its own; here it is that one already.
            created_at: self.now().plus(Duration::from_millis(n as u64)),
        }
    }

    pub(super) async fn add(&self, event: &ResultEvent) -> Added {
        let event = event.clone();
        self.write(move |conn| Box::pin(async move { results::add(conn, &event).await }))
            .await
    }

    pub(super) async fn put(&self, message: Message) {
        let now = self.now();
        self.write(move |conn| {
            Box::pin(async move { outbox::put(conn, &message, now, now).await })
        })
        .await;
    }

    /// Looks once for what is due, and works it off.
    pub(super) async fn look(&self) {
        dispatch(&self.flow).await.unwrap();
        while self
            .flow
            .queue
            .depth(Stage::Deliver)
            .await
            .unwrap()
            .messages
            > 0
        {
            for delivery in self.flow.queue.take(Stage::Deliver, 100).await.unwrap() {
                worker::run(&self.flow, delivery).await;
            }
        }
    }

    /// The same up to so many times, on a clock that is moved a little first.
    pub(super) async fn work(&self, looks: usize) {
        // An event of the same moment gets one a little later.
        self.pass(Duration::from_millis(20));
        for _ in 0..looks {
            self.look().await;
        }
    }

    pub(super) async fn replay(&self, id: &str) {
        let entry = audit::Entry {
            id: format!("audit_{}", hex::encode(self.flow.host.dice.bytes::<8>())),
            at: self.now(),
            actor: "test".to_owned(),
            action: "dead_letter.replay".to_owned(),
            target: id.to_owned(),
            detail: String::new(),
        };
        replay::replay_letter(&self.flow, id, entry)
            .await
            .unwrap()
            .unwrap();
    }

    pub(super) async fn deliveries(&self) -> Vec<Delivery> {
        let page = self
            .read(|conn| {
                Box::pin(async move { list::list(conn, &Filter::default(), &all()).await })
            })
            .await;
        page.rows
    }

    pub(super) async fn attempts(&self, id: &str) -> Vec<Attempt> {
        let id = id.to_owned();
        let made = self
            .read(move |conn| Box::pin(async move { deliveries::attempts_of(conn, &[id]).await }))
            .await;
        made.into_values().flatten().collect()
    }

    pub(super) async fn steps(&self, call: &str) -> Vec<Step> {
        let key = key(call);
        let page = self
            .read(move |conn| Box::pin(async move { timeline::list(conn, &key, &all()).await }))
            .await;
        page.rows
    }

    pub(super) async fn results(&self, kind: &str) -> Vec<ResultEvent> {
        let filter = results::Filter {
            kind: Some(kind.to_owned()),
            agents: Vec::new(),
        };
        let page = self
            .read(move |conn| Box::pin(async move { results::list(conn, &filter, &all()).await }))
            .await;
        page.rows
    }

    pub(super) async fn audit(&self) -> Vec<audit::Entry> {
        self.read(|conn| {
            Box::pin(async move { audit::list(conn, &audit::Filter::default(), &all()).await })
        })
        .await
        .rows
    }

    /// The only letter there is.
    pub(crate) async fn letter(&self) -> Option<dead_letters::Kept> {
        self.read(|conn| {
            Box::pin(async move {
                let filter = dead_letters::list::Filter::default();
                let ids = dead_letters::list::ids(conn, &filter, 10).await?;
                match ids.as_slice() {
                    [] => Ok(None),
                    [id] => dead_letters::get(conn, id).await,
                    _ => panic!("one letter, not {}", ids.len()),
                }
            })
        })
        .await
    }
}
