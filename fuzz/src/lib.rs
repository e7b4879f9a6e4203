//! What must hold for every input that a stranger can send: signature headers, bodies of every
//! platform, the names of rooms, and what is said on a call. `make fuzz` searches for inputs that break it; `tests/it/fuzz.rs`
//! holds to it those that were found, and keeps searching a little.

use std::sync::LazyLock;
use std::time::Duration;

use aftercall::config::{
    ExtractorChoice, Memory, PlatformName, Reconcile, SignatureForm, SignedBy, SourceConfig,
    WebhookConfig,
};
use aftercall::conversation::{Conversation, Message as Said};
use aftercall::event::Message;
use aftercall::extract::rules::Rules;
use aftercall::extract::{Transcript, ground};
use aftercall::id::{AgentId, ConversationId, MessageId};
use aftercall::memory::redact::redact;
use aftercall::platform::livekit::room_name::{Choice, callers, choose};
use aftercall::platform::{self, Classified, Delivery, Listed, Source};
use aftercall::secret::Secret;
use aftercall::time::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

/// When every input arrives.
const NOW: Timestamp = Timestamp::from_secs(1_760_446_964);

/// What deliveries that are to be authentic are signed with.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A source of each platform that sends webhooks, in the order of the settings' documentation.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    drop(rustls::crypto::ring::default_provider().install_default());
    let defaults = Memory {
        extractor: ExtractorChoice::Rules,
        timezone: jiff::tz::TimeZone::UTC,
        region: "US".to_owned(),
        retention: Duration::ZERO,
        llm: None,
    };
    let http = platform::http_client().expect("a client");
    let configs: Vec<SourceConfig> = PlatformName::ALL
        .into_iter()
        .filter(|platform| platform.signed_by() != SignedBy::Polled)
        .map(config)
        .collect();
    platform::build(&configs, &defaults, &http).expect("sources without an API")
});

fn config(platform: PlatformName) -> SourceConfig {
    let secret = Secret::new(SECRET).expect("a secret");
    SourceConfig {
        name: platform.as_str().to_owned(),
        platform,
        webhook: WebhookConfig {
            secrets: vec![secret.clone()],
            keys: vec![("APIkey".to_owned(), secret)],
            tolerance: Duration::from_mins(5),
            max_body: 16 << 20,
            url: Some("https://calls.example.com/webhooks/acme".to_owned()),
            form: SignatureForm::default(),
        },
        api: None,
        agent: None,
        timezone: None,
        region: None,
        reconcile: Reconcile::default(),
    }
}

/// The source that an input's first byte picks, and the rest of the input.
fn picked(input: &[u8]) -> Option<(&'static Source, &[u8])> {
    let (first, rest) = input.split_first()?;
    let sources: &'static [Source] = &SOURCES;
    Some((&sources[usize::from(*first) % sources.len()], rest))
}

/// Lines `Name: value`, an empty line, and the body: whatever they are, checking and explaining agree,
/// and no explanation holds the secret.
pub fn headers(input: &[u8]) {
    let Some((source, rest)) = picked(input) else {
        return;
    };
    let Some(webhooks) = &source.webhooks else {
        return;
    };
    let (head, body) = match rest.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&rest[..at], &rest[at + 2..]),
        None => (rest, b"".as_slice()),
    };
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let target = Uri::from_static("/webhooks/acme?a=1");
    let delivery = Delivery {
        method: &Method::POST,
        target: &target,
        headers: &headers,
        body,
    };
    let refusal = webhooks.verify(delivery, NOW).err();
    let checks = webhooks.explain(delivery, NOW);
    let stands = !checks.is_empty() && checks.iter().all(|check| check.ok);
    assert_eq!(stands, refusal.is_none(), "{}: {checks:?}", source.name);
    let told = format!("{checks:?}{refusal:?}");
    assert!(
        !told.contains(&SECRET[6..]),
        "an explanation holds the secret"
    );
}

/// A payload: it is an event, ignored or unreadable, and an event survives the queue. What it tells
/// of its call can be stored: it is valid JSON, without U+0000, and names an agent.
pub fn bodies(input: &[u8]) {
    let Some((source, payload)) = picked(input) else {
        return;
    };
    let Some(webhooks) = &source.webhooks else {
        return;
    };
    let classified = webhooks.classify(Delivery::kept(payload), NOW);
    if let Classified::Event(event) = classified {
        let message = Message::finalize(*event);
        let decoded = Message::decode(&message.encode()).expect("what was encoded");
        assert_eq!(decoded, message);
    }
    if let Ok(told) = webhooks.told(payload, NOW) {
        assert!(!told.conversation.agent_id.as_str().is_empty());
        let stored = serde_json::to_string(&(&told.conversation, &told.messages)).expect("JSON");
        assert!(
            !stored.contains("\\u0000"),
            "PostgreSQL would refuse this call for ever"
        );
        let ids: std::collections::HashSet<_> = told.messages.iter().map(|m| &m.id).collect();
        assert_eq!(ids.len(), told.messages.len(), "two messages have one id");
    }
}

/// A room's name, beside the calls of two callers: the resolver never picks one of several.
pub fn rooms(input: &[u8]) {
    let name = String::from_utf8_lossy(input);
    let found = callers(&name);
    assert!(found.len() < 64, "too many callers are asked for");
    let row = |id: &str, caller: &str| {
        let id = ConversationId::new(id).expect("an id");
        let agent = AgentId::new("agent").expect("an id");
        let mut conversation = aftercall::conversation::Conversation::blank(id, agent, NOW);
        caller.clone_into(&mut conversation.caller_identity);
        Listed {
            conversation,
            reason: None,
        }
    };
    let caller = found.first().cloned().unwrap_or_default();
    let room = aftercall::event::RoomRef {
        sid: None,
        name: name.into_owned(),
        created_at: Some(NOW),
        conversation_id: None,
    };
    let twins = [row("one", &caller), row("two", &caller)];
    assert!(
        !matches!(choose(&twins, &room), Choice::One(_)),
        "one of two was guessed"
    );
    let strangers = [row("one", "somebody else")];
    if !found.iter().any(|caller| caller == "somebody else") {
        assert!(
            !matches!(choose(&strangers, &room), Choice::One(_)),
            "a stranger's call was taken"
        );
    }
}

/// A call, a turn a line, whose first letter says who speaks: redacting it twice changes nothing, and
/// whatever the rules find in it stands on its quote. `make fuzz` also holds them to a time, which
/// work that grows faster than the call would not keep.
pub fn transcripts(input: &[u8]) {
    // A quote with a NUL in it is dropped, for no database keeps one.
    let text = String::from_utf8_lossy(input).replace('\0', " ");
    let mut messages: Vec<Said> = text.lines().enumerate().filter_map(said).collect();
    redact(&mut messages);
    let once = messages.clone();
    redact(&mut messages);
    assert_eq!(messages, once, "a second redaction finds more");
    let call = Conversation::blank(
        ConversationId::new("c").expect("an id"),
        AgentId::new("a").expect("an id"),
        NOW,
    );
    let found = Rules.observe(&Transcript {
        conversation: &call,
        messages: &messages,
        zone: &jiff::tz::TimeZone::UTC,
        region: "US",
    });
    let (_, dropped) = ground(found, &messages);
    assert_eq!(dropped, 0, "not carried by its quote");
}

fn said((number, line): (usize, &str)) -> Option<Said> {
    let mut chars = line.chars();
    let role = match chars.next()? {
        'u' => "user",
        'a' => "assistant",
        't' => "tool",
        _ => "system",
    };
    Some(Said {
        id: MessageId::new(&format!("m{number}")).expect("an id"),
        role: role.into(),
        content: chars.as_str().to_owned(),
        tool_name: None,
        tool_args: None,
        tool_result: None,
        started_at: None,
        ended_at: None,
    })
}
