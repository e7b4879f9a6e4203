//! What is said of settings that can't be used, and what mends it.

use super::*;

#[test]
fn an_unknown_variable_is_a_warning() {
    let text = SPEECHIFY.replace("\"whsec_planted\"", "{ env = \"AFTERCALL_ACME_SECRET\" }");
    let variables = [
        ("AFTERCALL_SERVER__LISTN", "x"),
        ("AFTERCALL_ACME_SECRET", "whsec_planted"),
        ("AFTERCALL_URL", "http://elsewhere"),
    ];
    let config = load(&text, &variables).unwrap();
    assert_eq!(
        config.warnings,
        ["unknown variable AFTERCALL_SERVER__LISTN; did you mean AFTERCALL_SERVER__LISTEN?"]
    );
    let warnings = load("", &[("AFTERCALL_SOURCES__0__NAME", "x")])
        .unwrap()
        .warnings;
    assert!(
        warnings[0].contains("in the file alone, as [[sources]]"),
        "{warnings:?}"
    );
}

#[test]
fn nothing_is_guessed_of_a_variable_that_is_like_none() {
    let warnings = load("", &[("AFTERCALL_TEST_RABBITMQCTL", "x")])
        .unwrap()
        .warnings;
    assert!(
        warnings[0].ends_with("no setting is called so, or nearly"),
        "{warnings:?}"
    );
}

#[test]
fn each_problem_says_what_mends_it() {
    let text = SPEECHIFY.replace("\"whsec_planted\"", "{ env = \"ACME_SECRET\" }")
        + "api.tokn = \"x\"\napi.token = { file = \"/nonexistent\" }\n[finalize]\ngrace = \"soon\"\n";
    let problems = load(&text, &[("AFTERCALL_SERVER__LISTEN", "nowhere")])
        .unwrap_err()
        .problems;
    for (key, mend) in [
        (
            "sources.acme-voice.webhook.secrets[0]",
            "set ACME_SECRET in the environment",
        ),
        (
            "sources.acme-voice.api.tokn",
            "call it api.token, or take it out",
        ),
        (
            "sources.acme-voice.api.token",
            "put the secret into /nonexistent",
        ),
        (
            "finalize.grace",
            "change finalize.grace in the settings' file",
        ),
        (
            "server.listen",
            "change the variable AFTERCALL_SERVER__LISTEN",
        ),
    ] {
        let found = problems.iter().find(|problem| problem.key == key);
        let found = found.unwrap_or_else(|| panic!("nothing of {key}: {problems:?}"));
        assert!(found.mend.starts_with(mend), "{found:?}");
    }
    let text = SPEECHIFY.replace("webhook.secrets", "# webhook.secrets");
    let problems = load(&text, &[]).unwrap_err().problems;
    assert_eq!(
        problems[0].mend,
        "add webhook.secrets to this source in the settings' file"
    );
}

#[test]
fn an_unknown_key_names_the_nearest() {
    refused(
        "[server]\nlisten = \"a:1\"\nlisen = \"b:2\"\n[finalise]\ngrace = \"1s\"",
        &[
            ("server.lisen", "did you mean server.listen?"),
            ("finalise.grace", "did you mean finalize.grace?"),
        ],
    );
    let text = SPEECHIFY.replace("webhook.secrets", "webhook.secret");
    refused(
        &text,
        &[
            (
                "sources.acme-voice.webhook.secret",
                "did you mean webhook.secrets?",
            ),
            ("sources.acme-voice.webhook.secrets", "missing"),
        ],
    );
}

#[test]
fn everything_wrong_is_told_at_once() {
    refused(
        r#"
        [server]
        listen = "nowhere"
        [finalize]
        grace = "10"
        recheck = ["1m", "soon"]
        [memory]
        extractor = "magic"
        timezone = "Mars/Olympus"
        [[sources]]
        name = "Acme"
        platform = "speachify"
        [[sources]]
        platform = "vapi"
        "#,
        &[
            ("server.listen", "host and port"),
            ("finalize.grace", "has no unit"),
            ("finalize.recheck[1]", "expected a span of time"),
            ("memory.extractor", "expected rules, llm, both or off"),
            ("memory.timezone", "no known time zone"),
            ("sources.Acme.name", "a-z, 0-9 and -"),
            ("sources.Acme.platform", "did you mean speechify?"),
            ("sources[1].name", "missing"),
            ("sources[1].webhook.secrets", "missing"),
        ],
    );
}
