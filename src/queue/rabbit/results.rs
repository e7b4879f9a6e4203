//! Results on their topic exchange, for whoever has bound a queue to it.

use lapin::BasicProperties;

use super::publisher::{Address, Post, Publisher};

/// The longest that AMQP lets a routing key be.
const MAX_KEY_BYTES: usize = 255;

/// Publishes results.
#[derive(Clone, Debug)]
pub struct Results {
    pub(super) publisher: Publisher,
    pub(super) exchange: String,
}

/// A result, as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The event's id (`evt_…`).
    pub id: String,
    /// As `conversation.completed`.
    pub kind: String,
    /// Whose agent it concerns; empty for none.
    pub agent_id: String,
    /// The event, as JSON.
    pub body: String,
}

impl Results {
    /// Whether the broker would take one now.
    pub fn is_ready(&self) -> bool {
        self.publisher.ready().is_ok()
    }

    /// Publishes one; says whether the broker has confirmed it. It may go to nobody: who has no queue
    /// reads the feed.
    pub async fn publish(&self, announcement: Announcement) -> bool {
        let Announcement {
            id,
            kind,
            agent_id,
            body,
        } = announcement;
        let address = Address {
            exchange: self.exchange.clone(),
            key: routing_key(&kind, &agent_id),
        };
        let id = super::parcel::short(&id);
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(id.clone());
        let post = Post {
            id,
            body,
            properties,
            mandatory: false,
        };
        self.publisher.publish(post, address).await.is_ok()
    }
}

/// `<type>.<agent_id>`. The type keeps its own dot; the agent is one word, so that a binding as
/// `conversation.completed.*` finds every agent.
fn routing_key(kind: &str, agent_id: &str) -> String {
    let word = |text: &str, kept: &str| -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || kept.contains(c);
        text.chars()
            .map(|c| if plain(c) { c } else { '_' })
            .collect()
    };
    let mut key = format!("{}.{}", word(kind, "_-."), word(agent_id, "_-"));
    key.truncate(MAX_KEY_BYTES);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routing_key_has_the_type_and_one_word_for_the_agent() {
        let key = |agent| routing_key("conversation.completed", agent);
        assert_eq!(key("agent_1-A"), "conversation.completed.agent_1-A");
        assert_eq!(key("a.b*#é c"), "conversation.completed.a_b____c");
        assert_eq!(key(""), "conversation.completed.");
        assert_eq!(key(&"x".repeat(300)).len(), MAX_KEY_BYTES);
    }
}
