use serde_json::json;

use super::*;
use crate::endpoint::Method;
use crate::outbound::preset::Preset;

fn template(body: &str, content_type: &str) -> Template {
    Template {
        body: body.to_owned(),
        content_type: content_type.to_owned(),
        method: Method::Post,
    }
}

mod hostile;

/// On the stack that is its due.
fn rendered_over(template: &Template, context: &Value) -> Result<Option<String>, BadTemplate> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let rendering = thread.spawn_scoped(scope, || render(template, context));
        rendering.unwrap().join().unwrap()
    })
}

fn rendered(body: &str) -> Result<Option<String>, BadTemplate> {
    let context = json!({
        "said": "He said \"}, {\" and <b>", "list": ["a", "b"], "none": null, "n": 3,
    });
    rendered_over(&template(body, "application/json"), &context)
}

#[test]
fn nothing_that_is_said_breaks_out_of_json() {
    let body = rendered(r#"{"note": {{ said }}, "n": {{ n }}, "x": {{ none }}}"#)
        .unwrap()
        .unwrap();
    let read: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        read,
        json!({"note": "He said \"}, {\" and <b>", "n": 3, "x": null})
    );
    let why = rendered(r#"{"note": "{{ said }}"}"#)
        .unwrap_err()
        .to_string();
    assert!(why.contains("line 1") && !why.contains("He said"), "{why}");
    let text = template("{{ said }}", "text/plain; charset=utf-8");
    let plain = render(&text, &json!({"said": "a \"b\""})).unwrap();
    assert_eq!(plain.as_deref(), Some("a \"b\""));
}

#[test]
fn what_renders_to_nothing_is_nothing() {
    assert_eq!(rendered("{% if none %}{}{% endif %}\n"), Ok(None));
    assert_eq!(rendered("{{ list[7] }}").unwrap().as_deref(), Some("null"));
}

#[test]
fn a_template_is_bounded() {
    for bomb in [
        "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
        r#"{{ "x" * 1000000000 }}"#,
        "{{ [1] * 1000000000 }}",
        r#"{% set s = "xxxxxxxxxxxxxxxx" %}{% for i in range(60) %}{% set ns = s ~ s %}{% endfor %}{{ (s * 100000) * 100000 }}"#,
        "{% set a = [1]|chain([2]) %}{{ a|length }}",
        r#"{{ "a\"+" }}{{ 1 + 1 }}"#,
        "{% set a = [1] %}{% set b = [a, a] %}{{ b }}",
        "{% set a = 1, 2 %}{% set b = a, a %}{{ b }}",
        "{% set a = (1, 2) %}{{ (a, a) }}",
        r#"{% set a = {"x": list} %}{{ {"y": [a.x, a.x]} }}"#,
        r#"{% for a in [{"x": list}] %}{{ {"y": [a.x, a.x]} }}{% endfor %}"#,
        "{% for a in list recursive %}{{ loop([[a, a]]) }}{% endfor %}",
        "{% macro m(a) %}{{ m([a, a]) }}{% endmacro %}{{ m(1) }}",
        "{% with a = [1] %}{% with b = [a, a] %}{{ b }}{% endwith %}{% endwith %}",
        "{% set a = [1] %}{{ a * 9 }}",
        "{{ list|zip(list) }}",
        "{{ namespace(a=1) }}{{ dict(a=1) }}",
        r#"{{ "%1000000000d"|format(1) }}"#,
        "{{ 10 ** 10000000 }}",
        r#"{{ "x"|indent(100000000) }}{{ ("x\n" * 100000)|indent(100000) }}"#,
    ] {
        let why = rendered(bomb);
        assert!(
            why.is_err(),
            "{bomb}: {} bytes",
            why.unwrap().unwrap_or_default().len()
        );
    }
    for step in [
        "s ~ s",
        r#"s|replace("x", "xxxx")"#,
        "s|tojson|string|tojson|string",
        r#"s|split("")|join(s)"#,
    ] {
        let step = format!("{{% set s = {step} %}}").repeat(60);
        let bomb = format!(r#"{{% set s = "xxxx\"\"" %}}{step}{{{{ s }}}}"#);
        let why = rendered(&bomb).unwrap_err().to_string();
        assert!(why.contains("too many steps"), "{step}: {why}");
    }
    assert!(rendered(&"x".repeat(MAX_TEMPLATE + 1)).is_err());
    for unknown in [
        "{% include 'x' %}",
        "{{ open('x') }}",
        "{{ said|nofilter }}",
        "{% oops %}",
        "{{",
    ] {
        let why = rendered(unknown).unwrap_err().to_string();
        assert!(why.contains("fails") && !why.contains("He said"), "{why}");
    }
}

fn call() -> Value {
    json!({
        "id": "evt_1",
        "type": "conversation.completed",
        "conversation": {
            "id": "conv_1", "status": "completed", "transport": "sip_outbound",
            "created_at": "2026-01-31T09:30:00.000Z", "started_at": "2026-01-31T09:30:05.000Z",
            "duration_ms": 61_000, "end_reason": "caller_hangup", "summary": null,
            "caller_identity": "sip_+15550100", "from_number": "+15550100", "to_number": null,
            "recording_url": null, "metadata": {"zendesk_ticket_id": "35436"},
        },
        "transcript": "Caller: <script>\"hello\"</script> & more\nAgent: hi",
    })
}

#[test]
fn hubspot_gets_a_call_engagement() {
    let preset = Preset::named("hubspot").unwrap();
    let body = render(&preset.template(), &call()).unwrap().unwrap();
    let read: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        read,
        json!({"properties": {
            "hs_timestamp": "2026-01-31T09:30:05.000Z",
            "hs_call_title": "Call with sip_+15550100",
            "hs_call_body": "Caller: &lt;script>\"hello\"&lt;/script> &amp; more<br>Agent: hi",
            "hs_call_direction": "OUTBOUND",
            "hs_call_duration": "61000",
            "hs_call_from_number": "+15550100",
            "hs_call_to_number": "",
            "hs_call_recording_url": "",
            "hs_call_status": "COMPLETED",
        }})
    );
    let no_call = json!({"type": "memory.erased", "data": {}});
    assert_eq!(render(&preset.template(), &no_call), Ok(None));
}

#[test]
fn zendesk_gets_a_comment_on_the_ticket_that_the_call_names() {
    let preset = Preset::named("zendesk").unwrap();
    assert_eq!(preset.template().method, Method::Put);
    let body = render(&preset.template(), &call()).unwrap().unwrap();
    let read: Value = serde_json::from_str(&body).unwrap();
    let ticket = &read["tickets"][0];
    assert_eq!(ticket["id"], 35_436);
    assert_eq!(ticket["comment"]["public"], false);
    let said = ticket["comment"]["body"].as_str().unwrap();
    assert!(
        said.starts_with("Call conv_1 with sip_+15550100 ended: caller_hangup"),
        "{said}"
    );
    let mut without = call();
    without["conversation"]["metadata"] = json!({});
    assert_eq!(render(&preset.template(), &without), Ok(None));
}

#[test]
fn lists_and_maps_of_the_event_are_written_as_they_are_wanted() {
    for (body, made) in [
        (
            r#"{{ {"n": n, "all": [n, list[0], (n, n)]} }}"#,
            r#"{"all":[3,"a",[3,3]],"n":3}"#,
        ),
        (
            r#"[{% for one in list %}{{ {"is": one, "first": loop.first} }}{% if not loop.last %},{% endif %}{% endfor %}]"#,
            r#"[{"first":true,"is":"a"},{"first":false,"is":"b"}]"#,
        ),
        (
            r#"{% set who = none or "nobody" %}{"who": {{ who }}, "n": {{ n|int * 60 }}, "in": {{ {"is": who} }}}"#,
            r#"{"who": "nobody", "n": 180, "in": {"is":"nobody"}}"#,
        ),
        (r#"{{ {"a": "A", "b": "B"}[list[1]] }}"#, r#""B""#),
    ] {
        assert_eq!(rendered(body).unwrap().as_deref(), Some(made), "{body}");
    }
}

#[test]
fn a_plus_that_adds_nothing_is_text() {
    for body in [
        r#"{"a": "1 + 1"}"#,
        r#"{"a": {{ "+1" }}}"#,
        r#"{"a": {{ 'it\'s +' }}}"#,
    ] {
        assert!(rendered(body).unwrap().is_some(), "{body}");
    }
    let why = rendered("{\n{{ n\n+ n }}}").unwrap_err();
    assert!(why.to_string().contains("line 3"), "{why}");
}
