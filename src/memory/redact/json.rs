//! Secrets in what tools were given and answered: by the text, and by the name of its field.

use serde_json::{Map, Value};

use super::cue::Expected;
use super::repeat::Secrets;
use super::{Kind, clean};
use crate::memory::spoken::words;

/// Names that say nothing of their own: there the tool's name tells what the field holds.
const BARE: [&str; 10] = [
    "code", "value", "token", "input", "digits", "text", "result", "answer", "number", "content",
];

/// Redacts a value. `tool` is the name of the tool: what `verify_otp` is given is a code.
pub(super) fn redact(value: &mut Value, tool: &str, secrets: &mut Secrets) {
    let expected = Expected::of(&spell(tool));
    field(value, "", &expected, secrets);
}

fn field(value: &mut Value, name: &str, expected: &Expected, secrets: &mut Secrets) {
    match value {
        Value::String(text) => {
            // JSON in a string is read as what it is.
            if text.trim_start().starts_with(['{', '['])
                && let Ok(mut inner) = serde_json::from_str::<Value>(text)
            {
                let before = inner.clone();
                field(&mut inner, name, expected, secrets);
                if inner != before {
                    *text = inner.to_string();
                }
            } else if let Some(cleaned) = under(name, text, expected, secrets) {
                *text = cleaned;
            }
        }
        Value::Number(number) => {
            let text = number.to_string();
            if let Some(cleaned) =
                under(name, &text, expected, secrets).filter(|cleaned| *cleaned != text)
            {
                *value = Value::String(cleaned);
            }
        }
        Value::Array(items) => {
            for item in items {
                field(item, name, expected, secrets);
            }
        }
        Value::Object(fields) => redact_fields(fields, expected, secrets),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Redacts the fields of an object. A name can hold a secret too, and is then read as redacted, so that
/// a second time finds nothing else.
pub(super) fn redact_fields(
    fields: &mut Map<String, Value>,
    expected: &Expected,
    secrets: &mut Secrets,
) {
    // {"name": "pin", "value": "1234"}
    let label = ["name", "key", "label", "field"]
        .iter()
        .find_map(|key| fields.get(*key)?.as_str().map(str::to_owned));
    let named = |name: &String| clean(name, &Expected::default(), &mut Secrets::default());
    if fields.keys().any(|name| named(name) != *name) {
        let as_they_were = std::mem::take(fields);
        fields.extend(
            as_they_were
                .into_iter()
                .map(|(name, item)| (named(&name), item)),
        );
    }
    for (key, item) in fields.iter_mut() {
        match &label {
            Some(label) if key == "value" => field(item, label, expected, secrets),
            _ => field(item, key, expected, secrets),
        }
    }
}

/// Changes every text and number of a value; a number that changes becomes a text.
pub(super) fn each_text(value: &mut Value, change: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Number(number) => {
            let text = number.to_string();
            let changed = change(&text);
            if changed != text {
                *value = Value::String(changed);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|item| each_text(item, change)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The text as it is under a field of this name: a name that says "password" leaves nothing of it.
fn under(name: &str, text: &str, expected: &Expected, secrets: &mut Secrets) -> Option<String> {
    if text.trim().is_empty() {
        return None;
    }
    let name = spell(name);
    let named = Expected::of(&name);
    if named.has(Kind::Password) && !super::hide(text).starts_with(super::HIDDEN) {
        secrets.learn(text, Kind::Password);
        return Some(Kind::Password.marker().to_owned());
    }
    let said = words(&name);
    let text = if said
        .iter()
        .all(|word| BARE.iter().any(|bare| word.is(bare)))
    {
        clean(text, expected, secrets)
    } else {
        text.to_owned()
    };
    let letters: String = name.chars().filter(|c| !c.is_ascii_digit()).collect();
    // A name that looks like a number itself ("last4 ssn") is read without its digits.
    let cleaned = [name, letters].iter().find_map(|name| {
        let lead = format!("{name}: ");
        let cleaned = clean(&format!("{lead}{text}"), &Expected::default(), secrets);
        cleaned.strip_prefix(&lead).map(str::to_owned)
    });
    Some(cleaned.unwrap_or(text))
}

/// `cardNumber` and `card_number` as "card number".
fn spell(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len() + 4);
    let mut lower = false;
    for char in name.chars() {
        if !char.is_alphanumeric() {
            spelled.push(' ');
        } else if char.is_uppercase() && lower {
            spelled.push(' ');
            spelled.extend(char.to_lowercase());
        } else {
            spelled.extend(char.to_lowercase());
        }
        lower = char.is_lowercase();
    }
    spelled
}
