use super::*;

/// Friday, 6 March 2026, 10:00 in Los Angeles.
fn now() -> Zoned {
    "2026-03-06T10:00:00-08:00[America/Los_Angeles]"
        .parse()
        .unwrap()
}

#[track_caller]
fn check(text: &str, words: &[&str]) {
    let found: Vec<String> = find(text, &now())
        .iter()
        .map(|when| when.words(&now()))
        .collect();
    assert_eq!(found, words, "{text}");
}

#[test]
fn days() {
    check("today", &["on 2026-03-06"]);
    check("tomorrow", &["on 2026-03-07"]);
    check("the day after tomorrow", &["on 2026-03-08"]);
    check("on Monday", &["on 2026-03-09"]);
    check("this Tuesday", &["on 2026-03-10"]);
    check("next Tuesday", &["on 2026-03-10"]);
    check("next Friday", &["on 2026-03-13"]);
    check("Friday", &["on 2026-03-13"]);
    check("Thursday next week", &["on 2026-03-12"]);
    check("next week", &["on 2026-03-09"]);
    check("this weekend", &["on 2026-03-07"]);
    check("March 9th", &["on 2026-03-09"]);
    check("the 7th of march", &["on 2026-03-07"]);
    check("march the twenty first", &["on 2026-03-21"]);
    check("the 14th", &["on 2026-03-14"]);
    check("the 2nd", &["on 2026-04-02"]);
    check("January 5", &["on 2027-01-05"]);
    check("26th of april 2027", &["on 2027-04-26"]);
    check("3/14", &["on 2026-03-14"]);
    check("2026-12-01", &["on 2026-12-01"]);
    check("in two weeks", &["on 2026-03-20"]);
    check("in 3 days", &["on 2026-03-09"]);
    check("by Friday", &["by 2026-03-13"]);
}

#[test]
fn times() {
    check("at 3", &["on 2026-03-06 at 15:00"]);
    check("at 3 pm", &["on 2026-03-06 at 15:00"]);
    check("at 9", &["on 2026-03-07 at 09:00"]);
    check("at 9 p.m.", &["on 2026-03-06 at 21:00"]);
    check("half past 3", &["on 2026-03-06 at 15:30"]);
    check("quarter to 2 in the afternoon", &["on 2026-03-06 at 13:45"]);
    check("half past 11 in the morning", &["on 2026-03-06 at 11:30"]);
    check("at three thirty", &["on 2026-03-06 at 15:30"]);
    check("15:30", &["on 2026-03-06 at 15:30"]);
    check("at noon", &["on 2026-03-06 at 12:00"]);
    check("1 o'clock", &["on 2026-03-06 at 13:00"]);
    check("after 5:30", &["on 2026-03-06 after 17:30"]);
    check("evening 6:30", &["on 2026-03-06 at 18:30"]);
    check("in two hours", &["on 2026-03-06 at 12:00"]);
    check("in half an hour", &["on 2026-03-06 at 10:30"]);
    check("in 45 minutes", &["on 2026-03-06 at 10:45"]);
}

#[test]
fn days_and_times_together() {
    check("tomorrow at 3", &["on 2026-03-07 at 15:00"]);
    check("tomorrow afternoon", &["on 2026-03-07 at 13:00"]);
    check("Friday after 2pm", &["on 2026-03-13 after 14:00"]);
    check("at 4 pm on March 14th", &["on 2026-03-14 at 16:00"]);
    check("Monday morning, around 10:15", &["on 2026-03-09 at 10:15"]);
    check("on Tuesday before noon", &["on 2026-03-10 before 12:00"]);
    check("today at 11:30 am", &["on 2026-03-06 at 11:30"]);
    check(
        "tomorrow or on Monday at 9",
        &["on 2026-03-07", "on 2026-03-09 at 09:00"],
    );
}

#[test]
fn other_numbers_are_no_times() {
    for text in [
        "a table for 2 people",
        "my number is 415 555 0123",
        "after 5 minutes",
        "3 bedrooms for $3,250",
        "he sat in the sun",
        "the second one",
        "on 5th avenue",
        "you may book it",
        "",
    ] {
        check(text, &[]);
    }
}

#[test]
fn due_in_the_zone_of_the_call() {
    let due = |text: &str| find(text, &now())[0].due(&now()).unwrap().to_string();
    assert_eq!(due("tomorrow at 3"), "2026-03-07T23:00:00.000Z");
    // The clocks change on 8 March 2026.
    assert_eq!(due("Monday at 3"), "2026-03-09T22:00:00.000Z");
    assert_eq!(due("on Monday"), "2026-03-10T06:59:00.000Z");
    assert_eq!(due("in two hours"), "2026-03-06T20:00:00.000Z");
}

#[test]
fn who_comes_within_a_while_comes_from_its_first_hour_on() {
    check("between 1 and 3", &["on 2026-03-06 at 13:00"]);
    check("tomorrow, 8 to 10", &["on 2026-03-07 at 08:00"]);
    check("tomorrow from 9 to 11", &["on 2026-03-07 after 09:00"]);
    check("1 to 3 pm", &["on 2026-03-06 at 13:00"]);
    check("tomorrow 10 am until 2 pm", &["on 2026-03-07 at 10:00"]);
    check("ten to four", &["on 2026-03-06 at 15:50"]);
    check("4 to 6 business days", &[]);
    check("between 2 and 4 people", &[]);
    check("8 to 10 of them", &[]);
}
