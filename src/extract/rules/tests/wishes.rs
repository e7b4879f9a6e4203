use serde_json::{Value, json};

use super::{check, observe, said, turn};

#[test]
fn callbacks_and_when_they_are_due() {
    for (text, value, due) in [
        (
            "Can you call me back tomorrow at 3?",
            "call back on 2026-03-07 at 15:00",
            Some("2026-03-07T23:00:00.000Z"),
        ),
        (
            "Please call me Friday after 2pm.",
            "call back on 2026-03-13 after 14:00",
            Some("2026-03-13T21:00:00.000Z"),
        ),
        (
            "call me back in two hours",
            "call back on 2026-03-06 at 12:00",
            Some("2026-03-06T20:00:00.000Z"),
        ),
        (
            "Give me a call on Monday morning",
            "call back on 2026-03-09 at 09:00",
            Some("2026-03-09T16:00:00.000Z"),
        ),
        ("Could someone call me back?", "call back", None),
    ] {
        let found = observe(&format!("a: Hello.\nu: {text}"));
        assert_eq!(found.len(), 1, "{text}: {found:#?}");
        assert_eq!(found[0].slot.as_str(), "commitment.callback");
        assert_eq!(found[0].value, Value::from(value), "{text}");
        assert_eq!(
            found[0].due_at.map(|at| at.to_string()).as_deref(),
            due,
            "{text}"
        );
    }
}

#[test]
fn callbacks_of_both_sides() {
    check(
        "u: It's still broken.\na: We'll call you back tomorrow at 10 am.",
        &["commitment.callback=call back on 2026-03-07 at 10:00"],
    );
    check(
        "u: Hi.\na: Shall we call you back on Monday at 4?\nu: Yes, please.",
        &["commitment.callback=call back on 2026-03-09 at 16:00"],
    );
    check(
        "u: Hi.\na: Shall we call you back on Monday at 4?\nu: No thanks.",
        &[],
    );
    check(
        "u: Hi.\na: When is a good time to call you?\nu: Tomorrow at noon.",
        &["commitment.callback=call back on 2026-03-07 at 12:00"],
    );
    turn(
        "I'll call you back on Monday.",
        &["commitment.caller_will=call back on 2026-03-09"],
    );
    check(
        "u: Hi.\na: If we get disconnected, I'll call you back.",
        &[],
    );
    check(
        "u: Thanks.\na: I'll send you the invoice by Monday.",
        &["commitment.agent_will=send the caller the invoice by 2026-03-09"],
    );
    turn("Can you call me a cab?", &[]);
    turn("Why did you call me yesterday?", &[]);
}

#[test]
fn preferences() {
    turn("I prefer mornings.", &["preference.time_of_day=mornings"]);
    turn(
        "Afternoons work best for me.",
        &["preference.time_of_day=afternoons"],
    );
    turn(
        "I can only do evenings.",
        &["constraint.availability=only in the evenings"],
    );
    turn(
        "I can't do Mondays.",
        &["constraint.availability=not on mondays"],
    );
    turn("Please email me instead.", &["preference.channel=email"]);
    turn(
        "I'd prefer text messages.",
        &["preference.channel=text message"],
    );
    turn("I'm vegetarian.", &["preference.dietary=vegetarian"]);
    turn("I don't eat pork.", &["preference.dietary=no pork"]);
    turn("I prefer a window seat.", &["preference.seat=window seat"]);
    turn("Can we speak in Spanish?", &["preference.language=Spanish"]);
    turn(
        "I want to talk to a real person.",
        &["preference.agent_human=person"],
    );
    turn("I prefer oat milk.", &["preference.product=oat milk"]);
    turn("I don't prefer anything.", &[]);
}

#[test]
fn consents() {
    for text in [
        "Stop calling me.",
        "please take me off your list",
        "Do not call me again!",
        "don't ever call this number again",
        "Remove my number from your database.",
        "Can you put me on the do not call list?",
        "I don't want any more calls from you.",
        "Quit calling me, I'm busy.",
        "Never call me again.",
        "I don't want to be contacted.",
        "Stop calling me now!",
        "stop calling me at this number",
        "I told you to stop calling me at work",
        "I'm on the do not call registry",
    ] {
        turn(text, &["consent.do_not_call=true"]);
    }
    turn("Stop texting me.", &["consent.opt_out_sms=true"]);
    turn(
        "I don't want to be recorded.",
        &["consent.recording_refused=true"],
    );
    turn(
        "Please don't record this call.",
        &["consent.recording_refused=true"],
    );
    turn("Don't remember this, please.", &["consent.memory=no"]);
    turn("You can call me again.", &["-consent.do_not_call=true"]);
}

#[test]
fn what_only_sounds_like_a_revocation() {
    for text in [
        "Stop calling me ma'am.",
        "I never said stop calling me.",
        "Take me off speaker.",
        "Don't call me Bob.",
        "Don't call me right now.",
        "Stop calling me so early.",
        "Don't call me back, I'll call you.",
    ] {
        let found = said(&format!("a: Hello.\nu: {text}"));
        assert!(
            !found.iter().any(|fact| fact.starts_with("consent")),
            "{text}: {found:?}"
        );
    }
    turn(
        "Don't call me before 9 am.",
        &["constraint.availability=not before 9 am"],
    );
    check("a: You can stop calling me sir.\nu: Ok.", &[]);
    check("u: Hi.\na: We'll take you off our list.", &[]);
}

#[test]
fn a_booking_counts_when_the_agent_says_so() {
    let call = "u: I'd like a table for 2 tomorrow at 7 pm.\na: So a table for 2 tomorrow at 7 pm, right?\nu: Yes.";
    check(
        &format!("{call}\na: Your table has been booked."),
        &[r#"appointment={"date":"2026-03-07","time":"19:00","title":"reservation"}"#],
    );
    check(
        &format!("{call}\na: Sorry, your table could not be booked."),
        &[],
    );
    check(call, &[]);
    let found = observe(&format!("{call}\na: It's booked. See you then."));
    assert_eq!(
        found[0].value,
        json!({"date": "2026-03-07", "time": "19:00", "title": "reservation"})
    );
    assert_eq!(found[0].message_ids[0].as_str(), "m3");
}
