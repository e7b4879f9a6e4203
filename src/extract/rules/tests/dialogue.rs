//! What the agent asked decides how an answer is read.

use super::{check, said, turn};

#[test]
fn names_in_two_parts() {
    for (asked, said, name) in [
        (
            "And your last name?",
            "Adichie-Brown.",
            "Ngozi Adichie-Brown",
        ),
        (
            "sure whats your last name",
            "asante a s a n t e",
            "Ngozi Asante",
        ),
        ("Come right in. Last name?", "Asante", "Ngozi Asante"),
    ] {
        let lines = format!("a: Hello.\nu: Hi, I'm Ngozi.\na: {asked}\nu: {said}");
        let names = said_of("identity.name", &lines);
        assert_eq!(names.last(), Some(&name.to_owned()), "{lines}");
    }
    let lines = "a: Your last name?\nu: Nakagawa\na: And first name?\nu: Emiko";
    assert_eq!(
        said_of("identity.name", lines).last().unwrap(),
        "Emiko Nakagawa"
    );
    turn("This is Mrs. Lindqvist.", &["identity.name=Lindqvist"]);
    turn(
        "Hi Brenda, um, Teodora Vasquez calling.",
        &["identity.name=Teodora Vasquez"],
    );
    turn(
        "The name's Gallagher, Rory Gallagher.",
        &["identity.name=Rory Gallagher"],
    );
    turn(
        "My name is Consuelo Ibarra de la Cruz.",
        &["identity.name=Consuelo Ibarra De La Cruz"],
    );
    turn("This is Cal's Auto Body.", &[]);
}

/// The values asserted of a slot.
fn said_of(slot: &str, lines: &str) -> Vec<String> {
    let prefix = format!("{slot}=");
    let all = said(lines);
    all.iter()
        .filter_map(|one| one.strip_prefix(&prefix).map(str::to_owned))
        .collect()
}

#[test]
fn numbers_of_other_things_are_nobodys() {
    for text in [
        "My permit number is 2 6 0 0 4 1 8.",
        "application number V A 2 0 2 6 1 1 8 8 4",
        "She gave me her number too, 617-555-0111.",
        "If I'm out try my husband on 415 555 0123.",
    ] {
        assert_eq!(
            said_of("contact.phone", &format!("a: Hello.\nu: {text}")),
            [""; 0],
            "{text}"
        );
    }
    for (asked, text, number) in [
        (
            "And a mobile?",
            "415 555 0123. If I'm out try my husband on 415 555 0124.",
            "+14155550123",
        ),
        (
            "I've opened claim number 20263391. What's your phone number?",
            "415 555 0123",
            "+14155550123",
        ),
        (
            "Hello.",
            "my wife's line is down, so call me on 415 555 0123",
            "+14155550123",
        ),
        ("Hello.", "415 555 0123 is my number", "+14155550123"),
        ("Hello.", "my own number is 415 555 0123", "+14155550123"),
        (
            "And a good number?",
            "four one five five no sorry four one five five five five oh one two three",
            "+14155550123",
        ),
    ] {
        let lines = format!("a: {asked}\nu: {text}");
        assert_eq!(said_of("contact.phone", &lines), [number], "{lines}");
        assert_eq!(said(&lines).len(), 1, "{lines}: {:?}", said(&lines));
    }
}

#[test]
fn codes_as_they_are_said() {
    for (asked, text, slot, code) in [
        (
            "Your account number?",
            "It's 8 5 0 0 double 4 1 9 7.",
            "account",
            "850044197",
        ),
        (
            "Customer number from the bill?",
            "umm 00 41 77 2",
            "customer",
            "0041772",
        ),
        (
            "Hello.",
            "permit number B L D 2 6 dash 0 0 4 1 8",
            "case",
            "BLD2600418",
        ),
        (
            "Hello.",
            "my ticket from last week was INC00482",
            "ticket",
            "INC00482",
        ),
        (
            "Your policy?",
            "policy is h o 2 2 9 9 3 4",
            "policy",
            "HO229934",
        ),
        ("Order number?", "five oh nine o two two", "order", "509022"),
        (
            "Student ID please?",
            "N zero zero three three",
            "customer",
            "N0033",
        ),
    ] {
        let lines = format!("a: {asked}\nu: {text}");
        assert_eq!(
            said_of(&format!("identifier.{slot}"), &lines),
            [code],
            "{lines}"
        );
    }
    let phone = "a: May I have the phone number on the account?\nu: 415 555 0123";
    check(phone, &["contact.phone=+14155550123"]);
}

#[test]
fn addresses_behind_other_words() {
    for (asked, text, address) in [
        (
            "Is the address still 44 Birch Lane?",
            "no we moved, it's 1190 county road 12, unit b",
            "1190 county road 12, unit b",
        ),
        (
            "Whereabouts are you?",
            "23 Old Quarry Close, Sheffield.",
            "23 Old Quarry Close, Sheffield",
        ),
        (
            "Hello.",
            "I moved to 601 Harrison Ave, it's too far now.",
            "601 Harrison Ave",
        ),
        (
            "And the mailing address?",
            "It was 219 Chestnut Road, but now it's 640 Harbor Street, unit 9.",
            "640 Harbor Street, unit 9",
        ),
        (
            "Pick up or delivery?",
            "Delivery please, to 31 Nest Road, apartment 12B.",
            "31 Nest Road, apartment 12B",
        ),
    ] {
        let lines = format!("a: {asked}\nu: {text}");
        assert_eq!(said_of("contact.address", &lines), [address], "{lines}");
    }
    let others = "a: Hello.\nu: a dozen roses delivered to my mom at 9 Orchard Row tomorrow";
    assert_eq!(said_of("contact.address", others), [""; 0]);
}
