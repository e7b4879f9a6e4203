//! Renders templates apart from all other work: on threads of their own, few at once, each for a
//! bounded time, and never two for one template, so that none keeps the others' places.
//!
//! A thread can't be taken back. One that has used its time up goes on until its fuel is spent, and
//! keeps its place and its template's until then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{BadTemplate, STACK, render};
use crate::endpoint::Template;
use crate::host::Host;
use crate::secret::sha256_hex;

/// Templates that are rendered at once.
const PLACES: usize = 4;

/// How long a rendering may take, whatever fuel it has left.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(15);

/// No body was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrendered {
    /// The template is at fault.
    #[error(transparent)]
    Bad(#[from] BadTemplate),
    /// Others are, or it is being rendered for other events: later it may go.
    #[error("can't be rendered now: too many others are; try again")]
    Crowded,
}

impl Unrendered {
    /// The same for whoever can only be told that it did not go.
    pub fn into_bad(self) -> BadTemplate {
        match self {
            Self::Bad(bad) => bad,
            Self::Crowded => BadTemplate(self.to_string()),
        }
    }
}

/// Renders templates.
#[derive(Clone, Debug)]
pub struct Renderer {
    places: Arc<Semaphore>,
    /// The place of each template that is being rendered, or is to be.
    own: Arc<Mutex<HashMap<String, Weak<Semaphore>>>>,
    patience: Duration,
    turn: Duration,
}

impl Default for Renderer {
    fn default() -> Self {
        Self::new(PATIENCE, TURN)
    }
}

impl Renderer {
    fn new(patience: Duration, turn: Duration) -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            own: Arc::default(),
            patience,
            turn,
        }
    }

    /// Renders a template over `context`. None when it renders to nothing but white space: then there
    /// is nothing to send.
    pub async fn render(
        &self,
        host: &Host,
        template: Template,
        context: Value,
    ) -> Result<Option<String>, Unrendered> {
        let place = timeout(self.turn, self.place(&template)).await;
        let place = place.map_err(|_| Unrendered::Crowded)?;
        let work = move || {
            let made = render(&template, &context);
            drop(place);
            made
        };
        match timeout(self.patience, host.compute_apart(STACK, work)).await {
            Ok(Ok(Some(made))) => Ok(made?),
            Ok(Ok(None)) => Err(BadTemplate("can't be rendered: it breaks".to_owned()).into()),
            // There is no room for one more thread.
            Ok(Err(_)) => Err(Unrendered::Crowded),
            Err(_) => {
                let secs = self.patience.as_secs();
                Err(BadTemplate(format!("takes more than {secs} seconds")).into())
            }
        }
    }

    /// A template's own place, and then one of all.
    async fn place(&self, template: &Template) -> [Option<OwnedSemaphorePermit>; 2] {
        let own = self.own_of(template).acquire_owned().await.ok();
        let any = Arc::clone(&self.places).acquire_owned().await.ok();
        [own, any]
    }

    fn own_of(&self, template: &Template) -> Arc<Semaphore> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let key = sha256_hex(template.body.as_bytes());
        if let Some(there) = own.get(&key).and_then(Weak::upgrade) {
            return there;
        }
        own.retain(|_, place| place.strong_count() > 0);
        let place = Arc::new(Semaphore::new(1));
        own.insert(key, Arc::downgrade(&place));
        place
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::endpoint::Method;
    use crate::host::Clock;

    fn template(body: &str) -> Template {
        Template {
            body: body.to_owned(),
            content_type: "text/plain".to_owned(),
            method: Method::Post,
        }
    }

    async fn rendered(renderer: &Renderer, body: &str) -> Result<Option<String>, Unrendered> {
        let host = Host::new(Clock::System);
        renderer
            .render(&host, template(body), json!({"n": 3}))
            .await
    }

    #[tokio::test]
    async fn one_is_rendered_again_and_again() {
        let renderer = Renderer::default();
        for _ in 0..3 {
            assert_eq!(
                rendered(&renderer, "n: {{ n }}").await,
                Ok(Some("n: 3".to_owned()))
            );
        }
        let bad = rendered(&renderer, "{{").await.unwrap_err();
        assert!(matches!(bad, Unrendered::Bad(_)), "{bad}");
        assert_eq!(renderer.places.available_permits(), PLACES);
    }

    #[tokio::test]
    async fn who_finds_no_place_comes_again() {
        let renderer = Renderer::new(PATIENCE, Duration::ZERO);
        let busy = renderer.place(&template("{{ n }}")).await;
        assert_eq!(
            rendered(&renderer, "{{ n }}").await,
            Err(Unrendered::Crowded)
        );
        assert_eq!(
            rendered(&renderer, "{{ n }}!").await,
            Ok(Some("3!".to_owned()))
        );
        drop(busy);
        assert_eq!(
            rendered(&renderer, "{{ n }}").await,
            Ok(Some("3".to_owned()))
        );
        let all = Arc::clone(&renderer.places);
        let _all = all
            .acquire_many(u32::try_from(PLACES).unwrap())
            .await
            .unwrap();
        assert_eq!(
            rendered(&renderer, "{{ n }}!").await,
            Err(Unrendered::Crowded)
        );
    }

    #[tokio::test]
    async fn what_takes_too_long_is_the_templates_fault_and_keeps_its_own_place_alone() {
        let renderer = Renderer::new(Duration::ZERO, PATIENCE);
        let long =
            "{% for a in range(99) %}{% for b in range(99) %}{{ a }}{% endfor %}{% endfor %}";
        // On a busy machine its thread may be through before anybody looks; not every time.
        let mut why = String::new();
        for _ in 0..100 {
            if let Err(late) = rendered(&renderer, long).await {
                why = late.to_string();
                break;
            }
        }
        assert!(why.contains("takes more than"), "{why}");
        let patient = Renderer {
            patience: PATIENCE,
            ..renderer
        };
        assert_eq!(
            rendered(&patient, "{{ n }}").await,
            Ok(Some("3".to_owned()))
        );
        // Once its thread has ended, its place is free again.
        assert!(rendered(&patient, long).await.is_ok());
    }
}
