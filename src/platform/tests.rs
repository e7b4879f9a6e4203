//! What the tests of the platforms share, and how sources are made.

use std::path::PathBuf;

use super::*;
use crate::config::{SignatureForm, WebhookConfig};
use crate::secret::Secret;

/// A source with the secret `s3cret`, asked at `base_url` if there is one.
pub(super) fn source(platform: PlatformName, base_url: Option<&str>) -> SourceConfig {
    let secret = Secret::new("s3cret").unwrap();
    SourceConfig {
        name: "acme".to_owned(),
        platform,
        webhook: WebhookConfig {
            secrets: vec![secret.clone()],
            keys: vec![("APIkey".to_owned(), secret)],
            tolerance: Duration::from_mins(30),
            max_body: 1 << 20,
            url: None,
            form: SignatureForm::default(),
        },
        api: base_url.map(|base_url| ApiConfig {
            platform: PlatformName::Speechify,
            base_url: base_url.to_owned(),
            token: Secret::new("sk_planted").unwrap(),
            account: None,
        }),
        agent: None,
        timezone: None,
        region: None,
        reconcile: config::Reconcile::default(),
    }
}

/// A fixture of the directory that lies beside the project; none where it is absent.
pub(super) fn shared_fixture(name: &str) -> Option<Vec<u8>> {
    let shared = std::env::var_os("AFTERCALL_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let bytes = std::fs::read(shared.join("fixtures").join(name)).ok();
    if bytes.is_none() {
        println!("skipped: {name} is not beside the project");
    }
    bytes
}

/// When the tests' payloads come in.
pub(super) const AT: Timestamp = Timestamp::from_secs(1_760_447_000);

/// The event that a payload is taken for.
#[track_caller]
pub(super) fn event(webhooks: &dyn Webhooks, payload: &[u8]) -> CallEvent {
    match webhooks.classify(Delivery::kept(payload), AT) {
        Classified::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

/// Why a payload is ignored.
#[track_caller]
pub(super) fn ignored(webhooks: &dyn Webhooks, payload: &[u8]) -> String {
    match webhooks.classify(Delivery::kept(payload), AT) {
        Classified::Ignored(why) => why,
        other => panic!("{other:?}"),
    }
}

/// What cut, foreign, deep and hostile bodies are taken for: never an event, and no panic.
pub(super) fn unreadable(webhooks: &dyn Webhooks) {
    let deep = "[".repeat(100_000);
    for payload in [
        b"".as_slice(),
        b"{",
        b"42",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"{\"a\":\"\xff\"}",
        deep.as_bytes(),
    ] {
        let classified = webhooks.classify(Delivery::kept(payload), AT);
        assert!(
            !matches!(classified, Classified::Event(_)),
            "{classified:?}"
        );
        assert!(webhooks.told(payload, AT).is_err());
    }
}

/// The reason that a call is given, with its source, by the rule for all platforms.
pub(super) fn settled(fetched: &Fetched) -> Option<(String, &'static str)> {
    use crate::end_reason::{Evidence, Settled, Sighting, settle};
    let call = &fetched.conversation;
    let sightings: Vec<Sighting> = fetched
        .seen
        .iter()
        .map(|reason| Sighting {
            reason: reason.clone(),
            at: AT,
            event_id: EventId::new("e").unwrap(),
        })
        .collect();
    let evidence = Evidence {
        status: &call.status,
        outbound: call.is_outbound(),
        created_at: call.created_at,
        started_at: call.started_at,
        duration_ms: call.duration_ms,
        platform: fetched.reason.as_ref(),
        sightings: &sightings,
    };
    let settled = settle(&Settled::default(), &evidence, Timestamp::from_secs(0));
    let (reason, source) = settled.reason?;
    Some((reason.to_string(), source.as_str()))
}

pub(super) fn client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    http_client().unwrap()
}

fn defaults() -> config::Memory {
    config::Memory {
        extractor: config::ExtractorChoice::Rules,
        timezone: jiff::tz::TimeZone::UTC,
        region: "US".to_owned(),
        retention: Duration::ZERO,
        llm: None,
    }
}

#[test]
fn a_source_belongs_to_whoever_knows_its_conversations() {
    for (platform, base_url, owner) in [
        (
            PlatformName::Speechify,
            Some("https://api.example.com"),
            "speechify",
        ),
        (PlatformName::Speechify, None, "speechify"),
        (
            PlatformName::Livekit,
            Some("https://api.example.com"),
            "speechify",
        ),
        (PlatformName::Livekit, None, "source:acme"),
    ] {
        let sources = [source(platform, base_url)];
        let built = build(&sources, &defaults(), &client()).unwrap();
        assert_eq!(built[0].owner.as_str(), owner);
        assert_eq!(built[0].api.is_some(), base_url.is_some());
        assert_eq!(
            built[0].webhooks.as_ref().unwrap().platform(),
            platform.as_str()
        );
        assert_eq!(built[0].region, "US");
    }
}

#[test]
fn a_source_that_can_not_be_asked_is_named() {
    for base_url in ["", "api.example.com", "ftp://example.com", "https://"] {
        let sources = [source(PlatformName::Speechify, Some(base_url))];
        let refused = build(&sources, &defaults(), &client()).unwrap_err();
        assert_eq!(refused, BadSource::BaseUrl("acme".to_owned()), "{base_url}");
    }
    let mut livekit = source(PlatformName::Livekit, Some("https://api.example.com"));
    livekit.api.as_mut().unwrap().platform = PlatformName::Livekit;
    let refused = build(&[livekit], &defaults(), &client()).unwrap_err();
    assert!(
        refused.to_string().contains("set api.platform"),
        "{refused}"
    );
}
