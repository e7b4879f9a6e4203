use http::HeaderValue;
use serde_json::{Value, json};

use super::*;
use crate::config::PlatformName;
use crate::conversation::{CallSuccess, Role, Status, Transport};
use crate::platform::tests::{AT, event, ignored, settled, shared_fixture, source, unreadable};

fn sender() -> Sender {
    Sender::of(&source(PlatformName::Vapi, None))
}

fn of(change: impl FnOnce(&mut SignatureForm)) -> Sender {
    let mut config = source(PlatformName::Vapi, None);
    change(&mut config.webhook.form);
    Sender::of(&config)
}

fn body(message: Value) -> Vec<u8> {
    let mut body = json!({});
    body["message"] = message;
    body.to_string().into_bytes()
}

fn verified(sender: &Sender, pairs: &[(&str, &str)], body: &[u8]) -> Result<(), Refusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: http::HeaderName = name.parse().unwrap();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let delivery = Delivery {
        headers: &headers,
        ..Delivery::kept(body)
    };
    assert_eq!(
        sender.explain(delivery, AT).iter().all(|check| check.ok),
        sender.verify(delivery, AT).is_ok()
    );
    sender.verify(delivery, AT)
}

#[test]
fn a_signature_in_a_header_of_another_name_is_told_of() {
    let mut headers = HeaderMap::new();
    headers.insert("x-vapi-signature", HeaderValue::from_static("ab"));
    let delivery = Delivery {
        headers: &headers,
        ..Delivery::kept(b"{}")
    };
    let checks = sender().explain(delivery, AT);
    let mend = checks[0].mend.as_deref().unwrap();
    assert!(
        mend.contains("webhook.header = \"x-vapi-signature\""),
        "{mend}"
    );
    assert!(!sender().signs_body(&headers));
    let by_hmac = of(|form| form.scheme = Some(SignatureScheme::Hmac));
    assert!(by_hmac.signs_body(&headers));
}

#[test]
fn whichever_form_the_delivery_carries_is_taken() {
    let body = b"{}";
    let secret = Secret::new("s3cret").unwrap();
    assert_eq!(
        verified(&sender(), &[("x-vapi-secret", "s3cret")], body),
        Ok(())
    );
    assert_eq!(
        verified(&sender(), &[("authorization", "Bearer s3cret")], body),
        Ok(())
    );
    let signed = custom_hmac::sign(&sender().form, &secret, AT.as_secs(), body);
    let pairs: Vec<_> = signed
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(verified(&sender(), &pairs, body), Ok(()));
    assert!(verified(&sender(), &pairs, b"{} ").is_err());
    assert!(verified(&sender(), &pairs[..1], body).is_err());
    assert!(verified(&sender(), &[], body).is_err());
    assert!(verified(&sender(), &[("x-vapi-secret", "other")], body).is_err());
    // A signature that is there decides, whatever else is.
    let both = [
        ("x-vapi-secret", "s3cret"),
        ("x-signature", "00"),
        ("x-timestamp", "1"),
    ];
    assert!(verified(&sender(), &both, body).is_err());
}

#[test]
fn a_configured_form_is_the_only_one() {
    let body = b"{}";
    let secret = Secret::new("s3cret").unwrap();
    let only_hmac = of(|form| {
        form.scheme = Some(SignatureScheme::Hmac);
        form.header = Some("x-acme".parse().unwrap());
        form.payload = Some("{body}".to_owned());
        form.prefix = Some("sha256=".to_owned());
        form.is_base64 = true;
    });
    let signed = custom_hmac::sign(&only_hmac.form, &secret, 0, body);
    assert_eq!(signed.len(), 1, "no time is signed");
    let pairs: Vec<_> = signed
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(verified(&only_hmac, &pairs, body), Ok(()));
    assert!(verified(&only_hmac, &[("x-vapi-secret", "s3cret")], body).is_err());
    let elsewhere = of(|form| {
        form.scheme = Some(SignatureScheme::Secret);
        form.header = Some("x-acme".parse().unwrap());
    });
    assert_eq!(verified(&elsewhere, &[("x-acme", "s3cret")], body), Ok(()));
    assert!(verified(&elsewhere, &[("x-vapi-secret", "s3cret")], body).is_err());
    let bearer = of(|form| form.scheme = Some(SignatureScheme::Bearer));
    assert_eq!(
        verified(&bearer, &[("authorization", "Bearer s3cret")], body),
        Ok(())
    );
    assert!(verified(&bearer, &[("authorization", "s3cret")], body).is_err());
}

#[test]
fn the_documents_sample_lacks_an_id_and_with_one_is_a_call() {
    let Some(sample) = shared_fixture("vapi_end_of_call_report.official-adapted.json") else {
        return;
    };
    assert!(matches!(
        sender().classify(Delivery::kept(&sample), AT),
        Classified::Unreadable(_)
    ));
    let mut sample: Value = serde_json::from_slice(&sample).unwrap();
    sample["message"]["call"]["id"] = json!("7f3a2c1b-0000-4000-8000-000000000001");
    let sample = sample.to_string().into_bytes();
    let event = event(&sender(), &sample);
    assert_eq!(
        event.event_id.as_str(),
        "end-of-call-report:7f3a2c1b-0000-4000-8000-000000000001"
    );
    let fetched = sender().told(&sample, AT).unwrap();
    let said: Vec<_> = fetched
        .messages
        .iter()
        .map(|message| (message.role.as_str(), message.content.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("assistant", "How can I help?"),
            ("user", "What's the weather?")
        ]
    );
    assert_eq!(fetched.reason.as_ref().unwrap().raw, "hangup");
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "fallback"))
    );
}

fn report() -> Value {
    json!({
        "type": "end-of-call-report", "endedReason": "assistant-ended-call", "cost": 0.127,
        "startedAt": "2025-10-14T13:00:00.000Z", "endedAt": "2025-10-14T13:01:00.000Z",
        "timestamp": 1_760_446_861_000_i64,
        "call": {"id": "c1", "type": "outboundPhoneCall", "assistantId": "asst",
            "createdAt": "2025-10-14T12:59:50.000Z", "status": "ended",
            "assistantOverrides": {"variableValues": {"name": "Ada"}}},
        "assistant": {"name": "Front desk", "server": {"secret": "planted"}},
        "customer": {"number": "+14155550123"}, "phoneNumber": {"number": "+18005550100"},
        "analysis": {"summary": "Booked.", "successEvaluation": "true", "structuredData": {"a": 1}},
        "artifact": {
            "recording": {"mono": {"combinedUrl": "https://r.example/1.wav"}},
            "messages": [
                {"role": "system", "message": "Be kind.", "time": 1_760_446_800_000_i64},
                {"role": "bot", "message": "Hello", "time": 1_760_446_801_000_i64, "endTime": 1_760_446_802_000_i64},
                {"role": "user", "message": "Hi", "time": 1_760_446_803_000_i64},
                {"role": "tool_calls", "toolCalls": [{"id": "t1", "function": {"name": "book", "arguments": "{\"day\":1}"}}]},
                {"role": "tool_call_result", "toolCallId": "t1", "name": "book", "result": "ok"}
            ]}
    })
}

#[test]
fn a_report_is_the_whole_call() {
    let body = body(report());
    let fetched = sender().told(&body, AT).unwrap();
    let call = &fetched.conversation;
    assert_eq!(call.status, Status::Completed);
    assert_eq!(call.transport, Transport::SipOutbound);
    assert_eq!(call.caller_identity, "+14155550123");
    assert_eq!(call.from_number.as_deref(), Some("+18005550100"));
    assert_eq!(
        (call.agent_id.as_str(), call.agent_name.as_deref()),
        ("asst", Some("Front desk"))
    );
    assert_eq!(
        (call.duration_ms, call.cost_cents),
        (Some(60_000), Some(13))
    );
    assert_eq!(call.summary.as_deref(), Some("Booked."));
    assert_eq!(call.call_successful, Some(CallSuccess::Success));
    assert_eq!(
        call.recording_url.as_deref(),
        Some("https://r.example/1.wav")
    );
    assert_eq!(call.dynamic_variables.value().unwrap()["name"], "Ada");
    let kept = json!(call.platform_fields).to_string();
    assert!(!kept.contains("planted"), "{kept}");
    let roles: Vec<_> = fetched.messages.iter().map(|m| m.role.clone()).collect();
    assert_eq!(
        roles,
        [Role::System, Role::Assistant, Role::User, Role::Tool]
    );
    assert_eq!(fetched.messages[3].tool_result, Some(json!("ok")));
    assert_eq!(
        settled(&fetched),
        Some(("agent_ended".to_owned(), "platform"))
    );
    let event = event(&sender(), &body);
    assert_eq!(
        event.occurred_at.unwrap().to_string(),
        "2025-10-14T13:01:00.000Z"
    );
    assert_eq!(event.agent_id.unwrap().as_str(), "asst");
}

#[test]
fn a_call_that_nobody_took_never_began() {
    let mut report = report();
    report["endedReason"] = json!("customer-busy");
    let fetched = sender().told(&body(report), AT).unwrap();
    let call = &fetched.conversation;
    assert_eq!(
        (&call.status, call.duration_ms, call.started_at),
        (&Status::Failed, None, None)
    );
    assert_eq!(
        settled(&fetched),
        Some(("dial_busy".to_owned(), "platform"))
    );
}

#[test]
fn the_last_status_update_is_an_end_too() {
    let ended = body(json!({"type": "status-update", "status": "ended",
        "endedReason": "customer-ended-call", "call": {"id": "c1"}}));
    assert_eq!(
        event(&sender(), &ended).event_id.as_str(),
        "status-update:c1"
    );
    let fetched = sender().told(&ended, AT).unwrap();
    assert_eq!(
        settled(&fetched),
        Some(("caller_hangup".to_owned(), "platform"))
    );
    let ringing = body(json!({"type": "status-update", "status": "ringing", "call": {"id": "c1"}}));
    assert_eq!(ignored(&sender(), &ringing), "message status-update");
    let spoken = body(json!({"type": "transcript", "call": {"id": "c1"}}));
    assert_eq!(ignored(&sender(), &spoken), "message transcript");
    unreadable(&sender());
}
