//! A carrier's callback: a form, or a JSON object, with the same fields in either.

use serde_json::{Map, Value};

use super::fields::{Fields, object_of};
use super::pick::storable;
use crate::signature::form;

/// The fields of a payload; none when it is neither a form nor a JSON object.
pub(super) fn read(payload: &[u8]) -> Option<Fields> {
    let is_json = payload.trim_ascii_start().first() == Some(&b'{');
    let object = if is_json {
        object_of(payload)?
    } else {
        of_form(payload)
    };
    (!object.is_empty()).then(|| Fields::new(object))
}

/// A form as an object. A name that is there twice keeps its last value.
fn of_form(payload: &[u8]) -> Map<String, Value> {
    form::pairs(payload)
        .into_iter()
        .map(|(name, value)| {
            let text = |bytes: &[u8]| storable(String::from_utf8_lossy(bytes)).into_owned();
            (text(&name), Value::String(text(&value)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_objects_say_the_same() {
        let form = b"CallSid=CA1&Called=%2B1&Empty=&Odd=%ff";
        let json = br#" {"CallSid":"CA1","Called":"+1","Odd":"?"}"#;
        for payload in [form.as_slice(), json] {
            let mut fields = read(payload).unwrap();
            assert_eq!(fields.text("CallSid").unwrap(), "CA1");
            assert_eq!(fields.text("Called").unwrap(), "+1");
            assert_eq!(fields.text("Empty"), None);
        }
        assert!(read(b"").is_none() && read(b"{").is_none() && read(b"{}").is_none());
    }
}
