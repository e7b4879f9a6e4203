use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, digits: &[&str]) {
    let found: Vec<String> = runs(text).into_iter().map(|run| run.digits).collect();
    assert_eq!(found, digits, "{text}");
}

#[test]
fn digits_are_read_as_they_are_said() {
    check(
        "four one five five five five oh one two three",
        &["4155550123"],
    );
    check(
        "four one five, double five, five oh one two three",
        &["4155550123"],
    );
    check("triple seven", &["777"]);
    check("double oh seven", &["007"]);
    check("forty two, nineteen, seventy", &["421970"]);
    check("forty oh two", &["4002"]);
    check("eight hundred five five five", &["800555"]);
    check("nineteen seventy nine", &["1979"]);
    check("415-555-0123", &["4155550123"]);
    check("(415) 555 0123", &["4155550123"]);
    check("415 um 555 uh 0123", &["4155550123"]);
    check("five dash five", &["55"]);
    check("４１５ ５５５", &["415555"]);
    check("4\u{200b}1\u{200b}\u{2060}5", &["415"]);
    check("٤١٥", &["415"]);
}

#[test]
fn an_oh_that_stands_apart_is_no_zero() {
    check("Oh, 415 555 0123. Oh and my email", &["4155550123"]);
    check("oh 4155550123", &["4155550123"]);
    check("four one five, oh one two", &["415012"]);
    check("oh one two", &["012"]);
    check("one two oh", &["120"]);
    check("Oh. Oh.", &["0"]);
}

#[test]
fn words_between_break_a_run() {
    check("it's 12 and then 13", &["12", "13"]);
    check("flight 212 at 9", &["212", "9"]);
    check("12: 34", &["12", "34"]);
    check("abc123 is 4", &["4"]);
    check("double trouble", &[]);
    check("no one called", &["1"]);
    check("", &[]);
}

#[test]
fn a_run_knows_where_it_stands() {
    let text = "call +1 (415) 555-0123 please";
    let run = &runs(text)[0];
    assert!(run.plus);
    assert!(!run.spoken);
    assert_eq!(&text[run.place.clone()], "1 (415) 555-0123");
    let lengths: Vec<usize> = run.parts.iter().map(|(_, length)| *length).collect();
    assert_eq!(lengths, [1, 3, 3, 4]);
    assert!(runs("plus one four one five")[0].plus);
}

#[test]
fn words_keep_their_apostrophes() {
    let text = "I'm O’Neil, 'quoted' – ça va";
    let found: Vec<&str> = words(text).iter().map(|word| word.text).collect();
    assert_eq!(found, ["I'm", "O’Neil", "quoted", "ça", "va"]);
}

#[test]
fn small_numbers() {
    for (text, number) in [
        ("three", Some(3)),
        ("12", Some(12)),
        ("forty-five", Some(45)),
        ("five six", None),
        ("a few", None),
        ("1234", None),
    ] {
        assert_eq!(small_number(text), number, "{text}");
    }
}

proptest! {
    #[test]
    fn places_are_in_the_text(text in "([a-z0-9 '’,.+-]|one |double |ü|\\(){0,60}") {
        for run in runs(&text) {
            prop_assert!(text.get(run.place.clone()).is_some());
            prop_assert_eq!(run.parts.iter().map(|(_, n)| n).sum::<usize>(), run.digits.len());
            for (place, _) in &run.parts {
                prop_assert!(text.get(place.clone()).is_some());
            }
        }
    }

    #[test]
    fn never_panics(text in "\\PC{0,80}") {
        let _ = runs(&text);
    }
}
