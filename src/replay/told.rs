//! Which letters a job was asked for, in people's words.

use serde_json::Value;

/// Fields of a filter, and what stands before their values; those of the state and of who called are said
/// otherwise.
const FIELDS: [(&str, &str); 9] = [
    ("stage", "given up by"),
    ("code", "with the code"),
    ("fingerprint", "of the cause"),
    ("source", "of the source"),
    ("platform", "of the platform"),
    ("agent_id", "of the agent"),
    ("failed_in", "that failed again in"),
    ("since", "touched since"),
    ("until", "not touched since"),
];

/// A filter as a job keeps it, as `All dead letters with the code not_over of the source acme`.
pub fn in_words(filter: &Value) -> String {
    let field = |name: &str| filter[name].as_str().filter(|text| !text.is_empty());
    let state = match field("state") {
        None => "dead ".to_owned(),
        Some("any") => String::new(),
        Some(state) => format!("{state} "),
    };
    let named = filter["ids"].as_array().map_or(0, Vec::len);
    let mut words = match named {
        0 => format!("All {state}letters"),
        1 => format!("One {state}letter, by its id"),
        _ => format!("{named} {state}letters, by their ids"),
    };
    let mut add = |more: String| words = format!("{words} {more}");
    for (name, before) in FIELDS {
        if let Some(value) = field(name) {
            add(format!("{before} {value}"));
        }
    }
    match field("fault") {
        Some("ours") => add("through our own fault".to_owned()),
        Some("platform") => add("through a platform's fault".to_owned()),
        Some("endpoint") => add("through an endpoint's fault".to_owned()),
        Some("poison") => add("that nobody can work off".to_owned()),
        Some(_) | None => {}
    }
    if filter["caller_identity"].is_string() {
        add("of one caller".to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_are_told_which_letters_they_are() {
        for (filter, told) in [
            (json!({}), "All dead letters"),
            (json!({"state": "dead"}), "All dead letters"),
            (json!({"state": "any"}), "All letters"),
            (json!({"ids": ["dl_1"]}), "One dead letter, by its id"),
            (
                json!({"ids": ["dl_1", "dl_2"], "state": "discarded"}),
                "2 discarded letters, by their ids",
            ),
            (
                json!({"code": "not_over", "source": "acme", "since": "2026-02-01T00:00:00.000Z"}),
                "All dead letters with the code not_over of the source acme touched since \
                 2026-02-01T00:00:00.000Z",
            ),
            (
                json!({"caller_identity": "…", "fault": "platform", "failed_in": "replay_1"}),
                "All dead letters that failed again in replay_1 through a platform's fault of one \
                 caller",
            ),
        ] {
            assert_eq!(in_words(&filter), told);
        }
    }
}
