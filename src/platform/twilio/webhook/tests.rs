use http::{HeaderMap, HeaderValue, Method, Uri};

use super::*;
use crate::config::PlatformName;
use crate::conversation::{Status, Transport};
use crate::platform::tests::{AT, event, ignored, settled, source, unreadable};
use crate::platform::{Classified, Delivery, Webhooks as _};
use crate::secret::Secret;

const COMPLETED: &str = "CallSid=CA1&CallStatus=completed&From=%2B14155550123&To=%2B18005550100\
    &Direction=inbound&CallDuration=60&Timestamp=Tue%2C+14+Oct+2025+13%3A01%3A00+%2B0000\
    &SequenceNumber=2&AccountSid=AC1";

fn sender() -> Sender {
    super::sender(&source(PlatformName::Twilio, None))
}

fn verified(sender: &Sender, method: &Method, url: &str, signed: &str, body: &str) -> bool {
    let secret = Secret::new("s3cret").unwrap();
    let posted = if *method == Method::GET { "" } else { body };
    let signature = scheme::sign(&secret, signed, posted.as_bytes());
    let mut headers = HeaderMap::new();
    headers.insert(scheme::HEADER, HeaderValue::from_str(&signature).unwrap());
    let target: Uri = url.parse().unwrap();
    let host = target.authority().unwrap().as_str();
    headers.insert("host", HeaderValue::from_str(host).unwrap());
    let delivery = Delivery {
        method,
        target: &target,
        headers: &headers,
        body: body.as_bytes(),
    };
    let stands = sender.explain(delivery, AT).iter().all(|check| check.ok);
    let verdict = sender.verify(delivery, AT);
    assert_eq!(stands, verdict.is_ok(), "{url}");
    verdict.is_ok()
}

#[test]
fn the_url_may_be_told_by_the_request_or_by_the_settings() {
    let url = "https://calls.example/webhooks/acme?x=1";
    assert!(verified(&sender(), &Method::POST, url, url, COMPLETED));
    let seen = "http://calls.example/webhooks/acme?x=1";
    assert!(
        verified(&sender(), &Method::POST, seen, url, COMPLETED),
        "TLS ended before us"
    );
    let inside = "http://10.0.0.1:8080/webhooks/acme?x=1";
    assert!(!verified(&sender(), &Method::POST, inside, url, COMPLETED));
    let mut config = source(PlatformName::Twilio, None);
    config.webhook.url = Some("https://calls.example/webhooks/acme".to_owned());
    let told = super::sender(&config);
    assert!(verified(&told, &Method::POST, inside, url, COMPLETED));
}

#[test]
fn a_get_is_signed_with_its_query_and_without_a_body() {
    let url = format!("https://calls.example/webhooks/acme?{COMPLETED}");
    assert!(sender().takes_get());
    assert!(verified(&sender(), &Method::GET, &url, &url, "forged"));
}

#[test]
fn a_completed_call_does_not_say_who_hung_up() {
    let event = event(&sender(), COMPLETED.as_bytes());
    assert_eq!(event.event_id.as_str(), "CA1:completed:2");
    let ended = event.occurred_at.unwrap();
    assert_eq!(ended.to_string(), "2025-10-14T13:01:00.000Z");
    let fetched = sender().told(COMPLETED.as_bytes(), AT).unwrap();
    let call = &fetched.conversation;
    assert_eq!(
        (&call.status, &call.transport),
        (&Status::Completed, &Transport::SipInbound)
    );
    assert_eq!((call.id.as_str(), call.duration_ms), ("CA1", Some(60_000)));
    assert_eq!(
        call.started_at.unwrap().to_string(),
        "2025-10-14T13:00:00.000Z"
    );
    assert_eq!(call.caller_identity, "+14155550123");
    assert_eq!(call.agent_id.as_str(), "+18005550100");
    assert_eq!(fetched.reason.as_ref().unwrap().raw, "completed");
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "fallback"))
    );
}

#[test]
fn calls_that_never_connected_have_carriers_words() {
    for (status, reason) in [
        ("busy", "dial_busy"),
        ("no-answer", "dial_no_answer"),
        ("failed", "dial_failed"),
        ("canceled", "dial_failed"),
    ] {
        let body = format!(
            "CallSid=CA1&CallStatus={status}&From=%2B18005550100&To=%2B14155550123\
             &Direction=outbound-api&CallDuration=0&SipResponseCode=487"
        );
        let fetched = sender().told(body.as_bytes(), AT).unwrap();
        let call = &fetched.conversation;
        assert_eq!(
            (&call.status, call.duration_ms, call.started_at),
            (&Status::Failed, None, None)
        );
        assert_eq!(call.caller_identity, "+14155550123");
        // The word wins over the code, which would say that nobody answered.
        assert_eq!(
            settled(&fetched),
            Some((reason.to_owned(), "platform")),
            "{status}"
        );
        assert_eq!(fetched.seen.unwrap().as_str(), "dial_no_answer");
    }
}

#[test]
fn who_answered_is_told_where_a_machine_did() {
    for (who, reason) in [
        ("machine_start", ("voicemail_hangup", "platform")),
        ("machine_end_beep", ("voicemail_hangup", "platform")),
        ("fax", ("unavailable_hangup", "platform")),
        ("human", ("caller_hangup", "fallback")),
        ("unknown", ("caller_hangup", "fallback")),
    ] {
        let body = format!("{COMPLETED}&AnsweredBy={who}");
        let fetched = sender().told(body.as_bytes(), AT).unwrap();
        assert_eq!(
            settled(&fetched),
            Some((reason.0.to_owned(), reason.1)),
            "{who}"
        );
    }
}

#[test]
fn other_callbacks_are_ignored() {
    assert_eq!(
        ignored(&sender(), b"CallSid=CA1&CallStatus=ringing"),
        "CallStatus ringing"
    );
    assert_eq!(
        ignored(&sender(), b"CallSid=CA1&RecordingStatus=completed"),
        "no CallStatus"
    );
    assert!(matches!(
        sender().classify(Delivery::kept(b"CallStatus=completed"), AT),
        Classified::Unreadable(_)
    ));
    unreadable(&sender());
}
