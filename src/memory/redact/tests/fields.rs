//! Secrets in what tools were given and in the fields of objects.

use serde_json::json;

use super::*;

#[test]
fn tools_are_redacted_by_field_and_by_text() {
    let mut messages = vec![message("tool", "card number 4111111111111111")];
    messages[0].tool_name = Some("verify_otp".to_owned());
    messages[0].tool_args = Some(json!({
        "code": "482913", "phone": "+14155550123", "order_id": 12_345_678, "Password": "hunter2",
        "pin": 4821, "cardNumber": 4_111_111_111_111_111_u64, "cvv": "123", "last4_ssn": "6789",
        "fields": [{"name": "pin", "value": "1234"}], "ok": true, "none": null, "note": "",
    }));
    messages[0].tool_result = Some(json!("{\"ssn\":\"123-45-6789\",\"total\":2500}"));
    redact(&mut messages);
    assert_eq!(messages[0].content, "card number [redacted card number]");
    assert_eq!(
        messages[0].tool_args,
        Some(json!({
            "code": "[redacted one-time code]", "phone": "+14155550123", "order_id": 12_345_678,
            "Password": "[redacted password]", "pin": "[redacted PIN]",
            "cardNumber": "[redacted card number]", "cvv": "[redacted security code]",
            "last4_ssn": "[redacted social security number]",
            "fields": [{"name": "pin", "value": "[redacted PIN]"}], "ok": true, "none": null,
            "note": "",
        }))
    );
    assert_eq!(
        messages[0].tool_result,
        Some(json!(
            "{\"ssn\":\"[redacted social security number]\",\"total\":2500}"
        ))
    );
    let once = messages.clone();
    redact(&mut messages);
    assert_eq!(messages, once);
}

#[test]
fn an_objects_own_fields_are_redacted_by_name_text_and_key() {
    let mut fields = json!({
        "password": "hunter2", "cvv": "737", "plan": "gold",
        "card 4111 1111 1111 1111": "on file", "deep": {"4111111111111111": 1},
        "presses": [{"dtmf": "4111111111111111"}],
    });
    let fields = fields.as_object_mut().unwrap();
    Redaction::default().fields(fields);
    let once = json!({
        "password": "[redacted password]", "cvv": "[redacted security code]", "plan": "gold",
        "card [redacted card number]": "on file", "deep": {"[redacted card number]": 1},
        "presses": [{"dtmf": "[redacted card number]"}],
    });
    assert_eq!(Value::from(fields.clone()), once);
    Redaction::default().fields(fields);
    assert_eq!(Value::from(fields.clone()), once);
}
