//! What is told of values that are not understood.

use super::*;
use crate::verdict::Fault;

fn why<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
    let error = serde_json::from_value::<T>(value).unwrap_err();
    expected(&error.to_string())
}

#[test]
fn what_a_value_should_have_been_is_said_in_plain_words() {
    use serde_json::json;
    assert_eq!(why::<u32>(json!(-1)), "must be a whole number from 0");
    assert_eq!(why::<u32>(json!("x")), "must be a whole number from 0");
    assert_eq!(why::<i64>(json!(1.5)), "must be a whole number");
    assert_eq!(why::<f64>(json!("x")), "must be a number");
    assert_eq!(why::<bool>(json!(1)), "must be true or false");
    assert_eq!(why::<String>(json!(1)), "must be a text");
    assert_eq!(why::<Vec<String>>(json!("x")), "must be a list");
    let faults = "must be one of ours, platform, endpoint, poison";
    assert_eq!(why::<Fault>(json!("mine")), faults);
    let time = why::<Timestamp>(json!("today"));
    assert!(time.contains("RFC 3339"), "{time}");
}

#[test]
fn a_wrong_value_in_a_list_is_named_by_its_place() {
    let given = serde_json::json!({"ids": ["a", 1, 2], "agents": ["b"], "events": "c"});
    let mut object = Object {
        given: given.as_object().unwrap().clone(),
        wrong: Fields::new(),
    };
    assert_eq!(object.list::<String>("ids"), None);
    assert_eq!(object.list("agents"), Some(vec!["b".to_owned()]));
    assert_eq!(object.list::<String>("events"), None);
    assert!(object.is_wrong("ids") && object.is_wrong("events"));
    assert!(!object.is_wrong("id") && !object.is_wrong("agents"));
    let wrong = [("events", "must be a list"), ("ids[1]", "must be a text")];
    let wrong = wrong.map(|(name, why)| (name.to_owned(), why.to_owned()));
    assert_eq!(object.finish(), Fields::from(wrong));
}
