//! Values that nobody can have meant: refused, or told of.

use super::*;

#[test]
fn an_unknown_table_names_the_nearest_though_it_is_empty() {
    refused("[servr]", &[("servr", "did you mean server?")]);
    refused("[memory.lm]", &[("memory.lm", "did you mean memory.llm?")]);
    assert!(load("[server]\n[memory.llm]", &[]).is_ok());
    refused("server = 5", &[("server", "a table with server.listen")]);
    let text = format!("{SPEECHIFY}api = 5");
    let error = load(&text, &[]).unwrap_err().to_string();
    assert!(error.contains("sources.acme-voice.api: expected a table with api.platform"));
}

#[test]
fn a_value_that_can_not_be_meant_is_refused() {
    refused("data_dir = 5", &[("data_dir", "expected a path in quotes")]);
    refused("data_dir = \"\"", &[("data_dir", "expected a path")]);
    let text = "[queue]\nconfirm_timeout = \"10s\"";
    refused(text, &[("queue.confirm_timeout", "at most 4s")]);
    for (key, value, why) in [
        ("reconcile.every", "1ms", "at least 100ms"),
        ("webhook.tolerance", "1ms", "at least 1s"),
        ("webhook.max_body", "99GiB", "at most 256MiB"),
    ] {
        let text = format!("{SPEECHIFY}{key} = \"{value}\"");
        refused(&text, &[(&format!("sources.acme-voice.{key}"), why)]);
    }
    let odd = format!(
        "{SPEECHIFY}webhook.max_body = \"10\"\n[endpoints]\nallow_private = [\"0.0.0.0/0\"]"
    );
    let warnings = load(&odd, &[]).unwrap().warnings;
    assert!(
        warnings[0].contains("webhook.max_body: no event"),
        "{warnings:?}"
    );
    assert!(warnings[1].contains("allow_private: lets"), "{warnings:?}");
}

#[test]
fn an_admin_token_that_can_be_guessed_is_refused_unless_it_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("data_dir = {:?}\nadmin_token = \"short\"", folder.path());
    refused(&text, &[("admin_token", "openssl rand -hex 24")]);
    std::fs::write(folder.path().join("aftercall.db"), "").unwrap();
    let config = load(&text, &[]).unwrap();
    assert_eq!(config.admin_token.unwrap().expose(), "short");
    assert!(config.warnings[0].contains("at least 8 characters"));
}

#[test]
fn what_a_platform_has_no_use_for_is_refused() {
    for (key, value, message) in [
        ("webhook.url", "https://a.b/c", "only twilio and plivo"),
        ("webhook.scheme", "hmac", "only vapi"),
        ("webhook.prefix", "sha256=", "only vapi"),
        ("webhook.key", "APIxxx", "only livekit"),
    ] {
        let text = format!("{SPEECHIFY}{key} = \"{value}\"\n");
        refused(&text, &[(&format!("sources.acme-voice.{key}"), message)]);
    }
}
