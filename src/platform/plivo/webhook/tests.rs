use http::{HeaderMap, HeaderValue, Uri};

use super::*;
use crate::config::PlatformName;
use crate::conversation::{Status, Transport};
use crate::platform::tests::{AT, event, ignored, settled, source, unreadable};
use crate::platform::{Delivery, Webhooks as _};
use crate::secret::Secret;

const HANGUP: &str = "CallUUID=c1&CallStatus=completed&From=14155550123&To=18005550100\
    &Direction=inbound&Duration=60&StartTime=2025-10-14+13%3A00%3A00\
    &AnswerTime=2025-10-14+13%3A00%3A05&EndTime=2025-10-14+13%3A01%3A05&TotalCost=0.0085\
    &HangupCause=Normal+Hangup&HangupCauseCode=4000&HangupSource=Caller&Event=Hangup";

fn sender() -> Sender {
    super::sender(&source(PlatformName::Plivo, None))
}

fn with(from: &str, to: &str) -> String {
    HANGUP.replace(from, to)
}

#[test]
fn the_third_scheme_is_taken_and_the_second_alone_is_not() {
    let url = "https://calls.example/webhooks/acme";
    let secret = Secret::new("s3cret").unwrap();
    let signature = scheme::sign(&secret, url, HANGUP.as_bytes(), "n");
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("calls.example"));
    headers.insert(scheme::SECOND, HeaderValue::from_static("whatever"));
    let target: Uri = "/webhooks/acme".parse().unwrap();
    let verify = |headers: &HeaderMap| {
        let delivery = Delivery {
            target: &target,
            headers,
            ..Delivery::kept(HANGUP.as_bytes())
        };
        let stands = sender().explain(delivery, AT).iter().all(|check| check.ok);
        assert_eq!(stands, sender().verify(delivery, AT).is_ok());
        stands
    };
    assert!(
        !verify(&headers) && sender().is_signed(&headers),
        "quarantined"
    );
    headers.insert(scheme::HEADER, HeaderValue::from_str(&signature).unwrap());
    headers.insert(scheme::NONCE, HeaderValue::from_static("n"));
    assert!(verify(&headers));
}

#[test]
fn numbers_get_their_plus_and_times_are_utc() {
    let event = event(&sender(), HANGUP.as_bytes());
    assert_eq!(event.event_id.as_str(), "c1:completed");
    let fetched = sender().told(HANGUP.as_bytes(), AT).unwrap();
    let call = &fetched.conversation;
    assert_eq!(
        (&call.status, &call.transport),
        (&Status::Completed, &Transport::SipInbound)
    );
    assert_eq!(call.caller_identity, "+14155550123");
    assert_eq!(call.agent_id.as_str(), "+18005550100");
    assert_eq!(
        call.started_at.unwrap().to_string(),
        "2025-10-14T13:00:05.000Z"
    );
    assert_eq!((call.duration_ms, call.cost_cents), (Some(60_000), Some(1)));
    assert_eq!(
        fetched.reason.as_ref().unwrap().raw,
        "Normal Hangup (Caller)"
    );
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "platform"))
    );
}

#[test]
fn who_hung_up_depends_on_who_called() {
    for (direction, source, reason) in [
        ("inbound", "Caller", ("caller_hangup", "platform")),
        ("outbound", "Callee", ("caller_hangup", "platform")),
        ("outbound", "Call+recipient", ("caller_hangup", "platform")),
        ("outbound", "Caller", ("agent_ended", "platform")),
        ("inbound", "API+Request", ("agent_ended", "platform")),
        ("inbound", "Answer+XML", ("agent_ended", "platform")),
        ("inbound", "Carrier", ("caller_hangup", "fallback")),
        ("inbound", "Unknown", ("caller_hangup", "fallback")),
    ] {
        let body = with("Direction=inbound", &format!("Direction={direction}"))
            .replace("HangupSource=Caller", &format!("HangupSource={source}"));
        let fetched = sender().told(body.as_bytes(), AT).unwrap();
        let expected = Some((reason.0.to_owned(), reason.1));
        assert_eq!(settled(&fetched), expected, "{direction} {source}");
    }
    for (status, reason) in [
        ("busy", "dial_busy"),
        ("no-answer", "dial_no_answer"),
        ("timeout", "dial_no_answer"),
        ("failed", "dial_failed"),
    ] {
        let body = with("CallStatus=completed", &format!("CallStatus={status}"));
        let fetched = sender().told(body.as_bytes(), AT).unwrap();
        assert_eq!(fetched.conversation.duration_ms, None);
        assert_eq!(
            settled(&fetched),
            Some((reason.to_owned(), "platform")),
            "{status}"
        );
    }
}

#[test]
fn other_callbacks_are_ignored() {
    assert_eq!(
        ignored(&sender(), b"CallUUID=c1&CallStatus=ringing"),
        "CallStatus ringing"
    );
    assert_eq!(
        ignored(&sender(), b"CallUUID=c1&RecordingID=1"),
        "no CallStatus"
    );
    unreadable(&sender());
}
