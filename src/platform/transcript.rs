//! A transcript out of the lines that a platform gives: messages in order, each with an id that is
//! the same whenever the same lines are read.

use serde_json::Value;

use crate::conversation::{Message, Role};
use crate::id::{ConversationId, MessageId, of_content};
use crate::time::Timestamp;

/// The messages read so far.
pub(super) struct Transcript<'a> {
    conversation: &'a ConversationId,
    messages: Vec<Message>,
}

/// When something was said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    /// Its beginning.
    pub(super) from: Option<Timestamp>,
    /// Its end.
    pub(super) to: Option<Timestamp>,
}

impl<'a> Transcript<'a> {
    /// Of a conversation; with nothing in it yet.
    pub(super) fn of(conversation: &'a ConversationId) -> Self {
        Self {
            conversation,
            messages: Vec::new(),
        }
    }

    /// Somebody says something. Silence is left out.
    pub(super) fn say(&mut self, id: Option<&str>, role: Role, content: String, at: Span) {
        if !content.trim().is_empty() {
            self.push(id, role, content, at);
        }
    }

    /// A tool is called.
    pub(super) fn call(&mut self, id: Option<&str>, name: Option<String>, args: Value, at: Span) {
        self.push(id, Role::Tool, String::new(), at);
        if let Some(message) = self.messages.last_mut() {
            message.tool_name = name;
            message.tool_args = Some(args).filter(|args| !args.is_null());
        }
    }

    /// What a tool answered, in the message that called it; a message of its own where none did.
    pub(super) fn answer(
        &mut self,
        id: Option<&str>,
        name: Option<String>,
        result: Value,
        at: Span,
    ) {
        let made = id.map(|id| self.id(Some(id), 0, ""));
        let asked = self
            .messages
            .iter()
            .rposition(|message| message.role == Role::Tool && Some(&message.id) == made.as_ref());
        let place = asked.unwrap_or_else(|| {
            self.push(id, Role::Tool, String::new(), at);
            self.messages.len() - 1
        });
        let message = &mut self.messages[place];
        message.tool_name = message.tool_name.take().or(name);
        message.tool_result = Some(result).filter(|result| !result.is_null());
        message.ended_at = at.to.or(at.from).or(message.ended_at);
    }

    /// The messages. An id that stands twice keeps its first message.
    pub(super) fn messages(self) -> Vec<Message> {
        let mut seen = std::collections::HashSet::new();
        let mut messages = self.messages;
        messages.retain(|message| seen.insert(message.id.clone()));
        messages
    }

    fn push(&mut self, id: Option<&str>, role: Role, content: String, at: Span) {
        self.messages.push(Message {
            id: self.id(id, self.messages.len(), &content),
            role,
            content,
            tool_name: None,
            tool_args: None,
            tool_result: None,
            started_at: at.from,
            ended_at: at.to,
        });
    }

    /// The platform's id, or one that follows from place and words.
    fn id(&self, said: Option<&str>, place: usize, content: &str) -> MessageId {
        if let Some(id) = said.and_then(|id| MessageId::new(id).ok()) {
            return id;
        }
        let parts = [self.conversation.as_str(), &place.to_string(), content];
        let Ok(id) = MessageId::new(&of_content("msg_", &parts)) else {
            unreachable!("a prefix and 26 characters are an id")
        };
        id
    }
}

/// A tool's arguments, which are often JSON inside a text.
pub(super) fn parsed(value: Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    }
}

/// Lines of the form `User: …`, for platforms that give a call's words only so. What stands before
/// the first of them is nobody's.
pub(super) fn of_lines(conversation: &ConversationId, text: &str) -> Vec<Message> {
    let mut transcript = Transcript::of(conversation);
    let mut speaking: Option<(Role, String)> = None;
    for line in text.lines() {
        let named = line
            .split_once(':')
            .map(|(who, said)| (Role::of(who), said.trim_start().to_owned()))
            .filter(|(role, _)| !matches!(role, Role::Other(_)));
        match (named, &mut speaking) {
            (Some(next), _) => {
                if let Some((role, said)) = speaking.replace(next) {
                    transcript.say(None, role, said, Span::default());
                }
            }
            (None, Some((_, said))) => {
                said.push('\n');
                said.push_str(line);
            }
            (None, None) => {}
        }
    }
    if let Some((role, said)) = speaking {
        transcript.say(None, role, said.trim_end().to_owned(), Span::default());
    }
    transcript.messages()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conversation() -> ConversationId {
        ConversationId::new("c").unwrap()
    }

    #[test]
    fn ids_are_the_same_at_every_reading() {
        let read = || of_lines(&conversation(), "Agent: Hi\nUser: Yes\nUser: Yes");
        assert_eq!(read(), read());
        let messages = read();
        assert_eq!(messages.len(), 3);
        assert_ne!(messages[1].id, messages[2].id);
    }

    #[test]
    fn lines_belong_to_who_spoke_last() {
        let messages = of_lines(
            &conversation(),
            "...\nAI: One: two\nthree\n\nUser: What's the weather?\nNote: none\n",
        );
        let said: Vec<_> = messages
            .iter()
            .map(|message| (message.role.as_str(), message.content.as_str()))
            .collect();
        assert_eq!(
            said,
            [
                ("assistant", "One: two\nthree\n"),
                ("user", "What's the weather?\nNote: none")
            ]
        );
        assert!(of_lines(&conversation(), "...").is_empty());
    }

    #[test]
    fn an_answer_joins_its_call() {
        let id = conversation();
        let mut transcript = Transcript::of(&id);
        let name = Some("book".to_owned());
        transcript.call(Some("t1"), name.clone(), json!({"day": 1}), Span::default());
        transcript.say(None, Role::User, "  ".to_owned(), Span::default());
        transcript.answer(Some("t1"), None, json!("ok"), Span::default());
        transcript.answer(Some("t2"), name, json!(null), Span::default());
        let messages = transcript.messages();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].tool_result, Some(json!("ok")));
        assert_eq!(messages[0].tool_args, Some(json!({"day": 1})));
        assert_eq!(messages[1].tool_result, None);
        assert_eq!(parsed(json!("{\"a\":1}")), json!({"a": 1}));
        assert_eq!(parsed(json!("plain")), json!("plain"));
    }
}
