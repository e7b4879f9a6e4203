//! A quarantined delivery, verified again by the secrets of now: if it is right, it is taken like a
//! fresh one.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::{Answer, Receiver};
use crate::platform::Delivery;
use crate::secret::{SealKey, Unsealable};
use crate::signature::Refusal;
use crate::store::Result;
use crate::store::quarantine::{self, Refused};

/// What was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its head, as name and value. Method and target stand under `:method` and `:path`.
    pub headers: Vec<(String, String)>,
    /// Its raw body.
    pub body: Vec<u8>,
}

impl Content {
    /// Opens what is sealed.
    pub fn open(seal: &SealKey, refused: &Refused) -> std::result::Result<Self, Unsealable> {
        let headers = seal.open(&refused.headers)?;
        Ok(Self {
            headers: serde_json::from_slice(&headers).unwrap_or_default(),
            body: seal.open(&refused.body)?,
        })
    }

    fn method(&self) -> Method {
        self.pseudo(":method").unwrap_or(Method::POST)
    }

    fn target(&self) -> Uri {
        self.pseudo(":path").unwrap_or_default()
    }

    fn pseudo<T: FromStr>(&self, wanted: &str) -> Option<T> {
        let field = self.headers.iter().find(|(name, _)| name == wanted);
        field?.1.parse().ok()
    }

    fn header_map(&self) -> HeaderMap {
        let pairs = self.headers.iter().filter_map(|(name, value)| {
            // No name of a field begins with a colon.
            let name: HeaderName = name.parse().ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        });
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }
}

/// What became of a delivery that was to be released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Released {
    /// It was taken so; unless it could not be made durable, it has left the quarantine.
    Taken(Answer),
    /// It stays where it is.
    Not(NotReleased),
}

/// Why a delivery stays in quarantine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReleased {
    /// It is not there any more.
    #[error("no such delivery is in quarantine")]
    Gone,
    /// Its signature is still wrong.
    #[error("the signature is still refused: {0}")]
    Refused(Refusal),
    /// Its source takes no webhooks any more.
    #[error("its source is not in the settings any more, or takes no webhooks; add it again")]
    NoSource,
    /// It can't be opened.
    #[error("what was posted can't be opened: it is {0}")]
    Unsealable(Unsealable),
}

/// What became of a source's deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Many {
    /// Taken like fresh deliveries.
    pub released: u64,
    /// Still refused, each with its reason of today.
    pub still_refused: u64,
    /// Could not be made durable now, or not be opened; they are still there.
    pub failed: u64,
}

impl Receiver {
    /// Releases whatever of a source is in quarantine, the oldest first.
    pub async fn release_source(&self, source: &str) -> Result<Many> {
        let source = source.to_owned();
        let ids = self
            .flow
            .db
            .read(move |mut conn| {
                Box::pin(async move {
                    quarantine::of_source(&mut conn, &source, quarantine::MAX_ROWS).await
                })
            })
            .await?;
        let mut done = Many::default();
        for id in ids {
            match self.release(&id).await? {
                Released::Taken(Answer::Unavailable)
                | Released::Not(NotReleased::Unsealable(_)) => done.failed += 1,
                Released::Taken(_) => done.released += 1,
                Released::Not(NotReleased::Gone) => {}
                Released::Not(_) => done.still_refused += 1,
            }
        }
        Ok(done)
    }

    /// Verifies a quarantined delivery by the secrets of now, at the time at which it came, and takes
    /// it like a fresh one.
    pub async fn release(&self, id: &str) -> Result<Released> {
        let wanted = id.to_owned();
        let kept = self
            .flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { quarantine::get(&mut conn, &wanted).await })
            })
            .await?;
        let Some(kept) = kept else {
            return Ok(Released::Not(NotReleased::Gone));
        };
        let source = self.flow.sources.get(&kept.refused.source);
        let Some((source, webhooks)) = source.and_then(|s| Some((s, s.webhooks.clone()?))) else {
            return Ok(Released::Not(NotReleased::NoSource));
        };
        let content = match Content::open(&self.flow.seal, &kept.refused) {
            Ok(content) => content,
            Err(error) => return Ok(Released::Not(NotReleased::Unsealable(error))),
        };
        let (method, target, headers) = (content.method(), content.target(), content.header_map());
        let delivery = Delivery {
            method: &method,
            target: &target,
            headers: &headers,
            body: &content.body,
        };
        if let Err(refusal) = webhooks.verify(delivery, kept.received_at) {
            self.refuse_again(id.to_owned(), &refusal).await?;
            return Ok(Released::Not(NotReleased::Refused(refusal)));
        }
        let answer = self
            .take(source, &*webhooks, delivery, kept.received_at)
            .await;
        if answer != Answer::Unavailable {
            let id = id.to_owned();
            self.flow
                .db
                .write(move |mut conn| {
                    Box::pin(async move { quarantine::remove(&mut conn, &id).await })
                })
                .await?;
        }
        Ok(Released::Taken(answer))
    }

    async fn refuse_again(&self, id: String, refusal: &Refusal) -> Result<()> {
        let (reason, detail) = (refusal.code().to_owned(), refusal.to_string());
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(
                    async move { quarantine::refuse_again(&mut conn, &id, &reason, &detail).await },
                )
            })
            .await
    }
}
