//! Settings as users write them: what is taken, what is refused, and that nothing leaks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

mod problems;
mod slips;

/// The settings of a file with this text, under these variables.
#[track_caller]
fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("aftercall.toml");
    std::fs::write(&path, text).unwrap();
    let env = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let overrides = Overrides {
        config: Some(path),
        ..Overrides::default()
    };
    Config::load_with(&overrides, &env)
}

/// The settings are refused with these problems, in any order: `key: beginning of the message`.
#[track_caller]
fn refused(text: &str, expected: &[(&str, &str)]) {
    let error = load(text, &[]).expect_err("the settings were taken");
    let told = error.to_string();
    assert_eq!(error.problems.len(), expected.len(), "{told}");
    for (key, message) in expected {
        assert!(
            error
                .problems
                .iter()
                .any(|problem| problem.key == *key && problem.message.contains(message)),
            "{key}: {message} is not among\n{told}"
        );
    }
}

const SPEECHIFY: &str = r#"
[[sources]]
name = "acme-voice"
platform = "speechify"
webhook.secrets = ["whsec_planted"]
"#;

#[test]
fn defaults_are_the_contracts() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("./aftercall-data"));
    assert_eq!(config.server.listen, "127.0.0.1:8080");
    assert_eq!(
        config.database.url.expose(),
        "sqlite://./aftercall-data/aftercall.db"
    );
    assert_eq!(config.queue.url.expose(), "embedded");
    assert_eq!(config.queue.confirm_timeout, Duration::from_secs(1));
    assert_eq!(config.finalize.grace, Duration::from_secs(10));
    assert_eq!(
        config.finalize.fallback_since.to_string(),
        "2026-01-01T00:00:00.000Z"
    );
    assert_eq!(config.finalize.max_wait, Duration::from_mins(10));
    assert_eq!(
        config.finalize.recheck,
        [Duration::from_mins(1), Duration::from_mins(15)]
    );
    assert_eq!(config.memory.extractor, ExtractorChoice::Rules);
    assert_eq!(config.memory.region, "US");
    assert_eq!(config.memory.retention, Duration::from_hours(90 * 24));
    assert_eq!(config.retention.conversations, Duration::ZERO);
    assert_eq!(config.retention.messages, Duration::from_hours(365 * 24));
    assert!(config.sources.is_empty() && config.warnings.is_empty());
}

#[test]
fn flag_beats_environment_beats_file() {
    let file = "data_dir = \"from-file\"\n[server]\nlisten = \"1.1.1.1:1\"";
    assert_eq!(load(file, &[]).unwrap().server.listen, "1.1.1.1:1");
    let variables = [
        ("AFTERCALL_SERVER__LISTEN", "2.2.2.2:2"),
        ("AFTERCALL_DATA", "from-environment"),
    ];
    let config = load(file, &variables).unwrap();
    assert_eq!(config.server.listen, "2.2.2.2:2");
    assert_eq!(config.data_dir, PathBuf::from("from-environment"));
    assert_eq!(
        config.database.url.expose(),
        "sqlite://from-environment/aftercall.db"
    );

    let env = BTreeMap::from([("AFTERCALL_DATA".to_owned(), "from-environment".to_owned())]);
    let flags = Overrides {
        listen: Some("3.3.3.3:3".to_owned()),
        data_dir: Some(PathBuf::from("from-flag")),
        ..Overrides::default()
    };
    let config = Config::load_with(&flags, &env).unwrap();
    assert_eq!(config.server.listen, "3.3.3.3:3");
    assert_eq!(config.data_dir, PathBuf::from("from-flag"));
}

#[test]
fn every_value_outside_lists_has_a_variable() {
    let config = load(
        "",
        &[
            ("AFTERCALL_FINALIZE__GRACE", "3s"),
            ("AFTERCALL_FINALIZE__RECHECK", "2m, 30m"),
            ("AFTERCALL_DATABASE_URL", "postgresql://u:p@db/aftercall"),
            ("AFTERCALL_ADMIN_TOKEN", "ac_planted"),
            ("AFTERCALL_RETENTION__DEAD_LETTERS", "0"),
            // Empty counts as not set, as compose files leave it.
            ("AFTERCALL_SECRET_KEY", ""),
        ],
    )
    .unwrap();
    assert_eq!(config.finalize.grace, Duration::from_secs(3));
    assert_eq!(
        config.finalize.recheck,
        [Duration::from_mins(2), Duration::from_mins(30)]
    );
    assert_eq!(
        config.database.url.expose(),
        "postgresql://u:p@db/aftercall"
    );
    assert_eq!(config.admin_token.unwrap().expose(), "ac_planted");
    assert_eq!(config.retention.dead_letters, Duration::ZERO);
    assert!(config.secret_key.is_none() && config.warnings.is_empty());
}

#[test]
fn a_speechify_source_has_its_platforms_defaults() {
    let text = format!("{SPEECHIFY}api.token = \"sk_planted\"\n");
    let source = &load(&text, &[]).unwrap().sources[0];
    assert_eq!(source.webhook.tolerance, Duration::from_mins(30));
    assert_eq!(source.webhook.max_body, 1 << 20);
    let api = source.api.as_ref().unwrap();
    assert_eq!(api.platform, PlatformName::Speechify);
    assert_eq!(api.base_url, "https://api.speechify.ai");

    assert!(load(SPEECHIFY, &[]).unwrap().sources[0].api.is_none());
    let again = format!("{SPEECHIFY}{SPEECHIFY}");
    refused(&again, &[("sources.acme-voice.name", "another source")]);
    let text = format!("{SPEECHIFY}api.base_url = \"https://x.y\"\n");
    refused(&text, &[("sources.acme-voice.api.token", "missing")]);
}

#[test]
fn a_source_is_reconciled_as_it_says() {
    let text = format!("{SPEECHIFY}reconcile.every = \"2s\"\nreconcile.settle = \"0\"\n");
    let reconcile = load(&text, &[]).unwrap().sources[0].reconcile;
    assert_eq!(reconcile.every, Duration::from_secs(2));
    assert_eq!(reconcile.look_back, Duration::from_hours(24));
    assert_eq!(reconcile.settle, Duration::ZERO);
    let usual = PlatformName::Speechify.reconcile();
    assert_eq!(usual, Reconcile::default());
    for polled in [PlatformName::Anyreach, PlatformName::Voiceable] {
        assert_eq!(polled.reconcile().every, Duration::from_secs(30));
    }
    let text = format!("{SPEECHIFY}reconcile.every = \"0\"\n");
    refused(
        &text,
        &[("sources.acme-voice.reconcile.every", "more than 0")],
    );
}

#[test]
fn livekit_signs_by_named_keys() {
    let with = |rest: &str| {
        load(
            &format!("[[sources]]\nname = \"rooms\"\nplatform = \"livekit\"\n{rest}"),
            &[],
        )
    };
    let config = with("webhook.key = \"APIa\"\nwebhook.secrets = [\"one\", \"two\"]").unwrap();
    let webhook = &config.sources[0].webhook;
    assert_eq!(webhook.tolerance, Duration::from_mins(5));
    let pairs: Vec<_> = webhook
        .keys
        .iter()
        .map(|(key, secret)| (key.as_str(), secret.expose()))
        .collect();
    assert_eq!(pairs, [("APIa", "one"), ("APIa", "two")]);

    let config = with("webhook.keys = [{ key = \"APIb\", secret = \"three\" }]").unwrap();
    assert_eq!(config.sources[0].webhook.keys[0].0, "APIb");

    for (rest, key, message) in [
        ("", "webhook.key", "or webhook.keys"),
        ("webhook.secrets = [\"one\"]", "webhook.key", "missing"),
        ("webhook.key = \"APIa\"", "webhook.secrets", "missing"),
        (
            "webhook.keys = [{ key = \"a\" }]",
            "webhook.keys[0]",
            "expected {",
        ),
        (
            "webhook.keys = [{ key = \"a\", secret = \"b\" }]\napi.token = \"t\"",
            "api.platform",
            "livekit has no conversation API",
        ),
    ] {
        let error = with(rest).unwrap_err();
        assert_eq!(error.problems.len(), 1, "{error}");
        assert_eq!(error.problems[0].key, format!("sources.rooms.{key}"));
        assert!(error.problems[0].message.contains(message), "{error}");
    }
}

#[test]
fn secrets_come_from_variables_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    std::fs::write(&path, "from-file\n").unwrap();
    let text = SPEECHIFY.replace(
        "\"whsec_planted\"",
        &format!(
            "{{ env = \"ACME\" }}, {{ file = {:?} }}",
            path.display().to_string()
        ),
    );
    let config = load(&text, &[("ACME", "from-variable")]).unwrap();
    let secrets: Vec<_> = config.sources[0]
        .webhook
        .secrets
        .iter()
        .map(Secret::expose)
        .collect();
    assert_eq!(secrets, ["from-variable", "from-file"]);
}

#[test]
fn a_secret_that_is_not_there_is_named() {
    for (written, message) in [
        ("{ env = \"NOBODY\" }", "the variable NOBODY is not set"),
        (
            "{ file = \"/nowhere/x\" }",
            "the file /nowhere/x can't be read",
        ),
        ("{ enw = \"NOBODY\" }", "did you mean env?"),
        (
            "{ env = \"A\", file = \"b\" }",
            "exactly one of env and file",
        ),
        ("\"\"", "must not be empty"),
    ] {
        let text = SPEECHIFY.replace("\"whsec_planted\"", written);
        refused(&text, &[("sources.acme-voice.webhook.secrets[0]", message)]);
    }
    for empty in ["[]", "\"one\""] {
        let text = SPEECHIFY.replace("[\"whsec_planted\"]", empty);
        assert!(load(&text, &[]).is_err(), "{empty}");
    }
}

#[test]
fn nothing_prints_a_secret() {
    let text = format!(
        "secret_key = \"{}\"\n[database]\nurl = \"postgres://u:planted@db/x\"\n{SPEECHIFY}api.token = \"planted\"",
        "A".repeat(43) + "="
    );
    let shown = format!("{:?}", load(&text, &[]).unwrap());
    assert!(
        !shown.contains("planted") && !shown.contains("AAAA"),
        "{shown}"
    );

    // Refusals of every kind, with a secret in or beside the place that is wrong.
    for text in [
        "[database]\nurl = \"mysql://u:planted@db/x\"",
        "[queue]\nurl = \"amqp://u:planted@mq/v\"",
        "secret_key = \"planted\"",
        "admin_token = [\"planted\"]",
        "[[sources]]\napi.token = \"planted",
        "[[sources]]\napi.token = \"planted\" oops",
        "[[sources]]\napi.token = planted",
        "[[sources]]\nname = \"a\"\nplatform = \"speechify\"\nwebhook.secrets = \"planted\"",
        "[[sources]]\nname = \"a\"\nplatform = \"speechify\"\nwebhook.secrets = [[\"planted\"]]",
        "[[sources]]\nname = \"a\"\nplatform = \"speechify\"\napi.base_url = \"https://u:planted@h\"",
    ] {
        let error = load(text, &[]).unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(!told.contains("planted"), "{told}");
    }
}

#[test]
fn rabbitmq_takes_several_nodes() {
    let text = "[database]\nurl = \"postgres://db/a\"\n[queue]\nurl = \"amqp://a, amqps://b/v\"";
    let config = load(text, &[]).unwrap();
    assert_eq!(config.queue.url.expose(), "amqp://a, amqps://b/v");
    refused(
        "[database]\nurl = \"postgres://db/a\"\n[queue]\nurl = \"amqp://a,b\"",
        &[("queue.url", "expected \"embedded\" or amqp://")],
    );
}

#[test]
fn rabbitmq_with_sqlite_is_refused_with_the_reason() {
    refused(
        "[queue]\nurl = \"amqp://mq\"",
        &[("queue.url", "RabbitMQ needs PostgreSQL")],
    );
    refused(
        "[queue]\nurl = \"redis://x\"",
        &[("queue.url", "expected \"embedded\" or amqp://")],
    );
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let overrides = Overrides {
        config: Some(PathBuf::from("/nowhere/aftercall.toml")),
        ..Overrides::default()
    };
    let error = Config::load_with(&overrides, &BTreeMap::new()).unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/aftercall.toml"),
        "{error}"
    );
}

#[test]
fn the_example_is_whole_and_documents_every_key() {
    let example = include_str!("../../aftercall.example.toml");
    let variables = [
        ("ACME_SECRET", "a"),
        ("ACME_OLD_SECRET", "b"),
        ("ACME_API_KEY", "c"),
        ("LIVEKIT_API_SECRET", "d"),
    ];
    let config = load(example, &variables).unwrap();
    assert_eq!(config.sources.len(), 2);
    assert_eq!(config.warnings, [""; 0]);

    // What it says of a key is the default, unless it is commented out: then it shows a form.
    let defaults = load("", &[]).unwrap();
    assert_eq!(
        format!("{:?}", config.finalize),
        format!("{:?}", defaults.finalize)
    );
    assert_eq!(
        format!("{:?}", config.memory),
        format!("{:?}", defaults.memory)
    );
    assert_eq!(
        format!("{:?}", config.retention),
        format!("{:?}", defaults.retention)
    );

    let said: Vec<_> = example
        .lines()
        .map(|line| line.trim_start_matches("# ").trim())
        .collect();
    let mut table = String::new();
    let mut documented = Vec::new();
    for line in said {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.split(']').next())
        {
            table = match name.trim_start_matches('[') {
                "sources" => String::new(),
                name => format!("{name}."),
            };
            documented.push(name.trim_start_matches('[').to_owned());
        } else if let Some((key, _)) = line.split_once(" =") {
            documented.push(format!("{table}{key}"));
        }
    }
    for key in keys::SETTINGS.iter().chain(keys::SOURCE) {
        assert!(
            documented.iter().any(|known| known == key),
            "aftercall.example.toml says nothing of {key}"
        );
    }
}

#[test]
fn a_telnyx_source_needs_a_public_key() {
    let key = "3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let source = |secrets: &str| {
        format!("[[sources]]\nname = \"lines\"\nplatform = \"telnyx\"\nwebhook.secrets = {secrets}")
    };
    refused(
        &source("[\"whsec_none\"]"),
        &[("sources.lines.webhook.secrets[0]", "Ed25519")],
    );
    let config = load(&source(&format!("[\"an old secret\", \"{key}\"]")), &[]).unwrap();
    assert_eq!(config.sources.len(), 1);
    assert!(config.warnings[0].contains("webhook.secrets[0]"));
}

#[test]
fn the_readmes_sources_are_taken() {
    let readme = include_str!("../../README.md");
    let blocks: Vec<_> = readme
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(blocks.len(), 3);
    let variables = [
        ("TWILIO_AUTH_TOKEN", "d"),
        ("ACME_SECRET", "a"),
        ("ACME_API_KEY", "b"),
        ("LIVEKIT_API_SECRET", "c"),
    ];
    let config = load(&blocks.join("\n"), &variables).unwrap();
    assert!(config.sources.iter().all(|source| source.api.is_some()));
}
