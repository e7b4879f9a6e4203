use serde_json::json;

use super::super::judge;
use super::*;

const PIPE: Look = Look {
    terminal: false,
    colours: false,
};
const TERMINAL: Look = Look {
    terminal: true,
    colours: true,
};

fn call(differences: &[&str]) -> CallReport {
    let found = judge::read(
        &json!({"end_reason": "voicemail_message_left", "end_reason_source": "platform"}),
        &[
            json!({"slot": "contact.phone", "value": "+14155550188", "fact": ""}),
            json!({"slot": "contact.email", "value": "a.very.long.name@subdomain.example.com", "fact": ""}),
            json!({"slot": "identity.name", "value": "Dana\u{1b}[31m", "fact": ""}),
            json!({"slot": "contact.phone", "value": "+14155550134", "fact": "", "valid_to": "x"}),
        ],
        &[
            json!({"step": "attempt_failed"}),
            json!({"step": "remembered"}),
        ],
    );
    CallReport {
        name: "one".to_owned(),
        title: "Title as long as they get".to_owned(),
        conversation_id: "conv_1".to_owned(),
        agent_id: "agent_1".to_owned(),
        caller_identity: "user_1".to_owned(),
        answers: vec![Some(Answered::Accepted); 3],
        copies: 2,
        listed: false,
        found: Some(found),
        crm: Told::default(),
        elapsed_ms: 12_340,
        differences: differences.iter().map(|text| (*text).to_owned()).collect(),
    }
}

#[test]
fn the_table_fits_and_stays_plain_in_a_pipe() {
    let report = Report::new(
        vec![call(&[]), call(&["something"])],
        "folder".to_owned(),
        "http://127.0.0.1:1".to_owned(),
        std::time::Duration::from_secs(8),
    );
    let table = render(&report, PIPE);
    assert!(!table.contains('\u{1b}'), "{table}");
    for line in table.lines() {
        assert!(line.chars().count() <= usize::from(WIDTH), "{line}");
    }
    for part in [
        "voicemail_message_left",
        "platform, 1 retry",
        "3 accepted",
        "2 absorbed",
        "name: Dana",
        "phone: +14155550188",
        "no longer: +14155550134",
        "✓",
        "✗",
    ] {
        assert!(table.contains(part), "{part} is missing in\n{table}");
    }
    assert!(render(&report, TERMINAL).contains('\u{1b}'));
}

#[test]
fn progress_is_one_line() {
    let line = progress(&call(&[]), PIPE);
    assert!(line.contains("✓") && line.contains("12.3 s"), "{line}");
    assert!(progress(&call(&["x"]), PIPE).contains("✗"));
    assert!(progress(&call(&[]), TERMINAL).contains("\u{1b}[32m"));
    assert_eq!(line.lines().count(), 1);
}
