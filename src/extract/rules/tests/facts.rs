//! Where callers live, what does not work, who is on the line, and in which language.

use super::{check, said, turn};

#[test]
fn addresses_towns_and_postal_codes() {
    turn(
        "I live at 12 Main Street.",
        &["contact.address=12 Main Street"],
    );
    turn(
        "My new address is 4 Park Lane, apartment 3, Boston MA 02110",
        &["contact.address=4 Park Lane, apartment 3, Boston MA 02110"],
    );
    turn(
        "We moved to 18 Birch Lane, Salem.",
        &["contact.address=18 Birch Lane, Salem"],
    );
    turn("I live in Ann Arbor.", &["contact.city=Ann Arbor"]);
    turn("my zip code is 94107", &["contact.postcode=94107"]);
    turn("The postcode is SW1A 1AA.", &["contact.postcode=SW1A 1AA"]);
    for text in [
        "Is your address 12 Main Street?",
        "My email address is on file.",
        "I live in the middle of nowhere",
        "It was on the 23rd of June 2018",
        "two bedrooms and two baths",
    ] {
        turn(text, &[]);
    }
    check("a: We are at 12 Main Street.\nu: Thank you.", &[]);
}

#[test]
fn an_address_put_right() {
    check(
        "a: Your address?\nu: 12 Main Street\na: Thank you.\nu: Sorry, my address is 21 Main Street",
        &[
            "contact.address=12 Main Street",
            "-contact.address=12 Main Street",
            "contact.address=21 Main Street",
        ],
    );
}

#[test]
fn issues_open_and_resolved() {
    turn(
        "My phone won't turn on.",
        &["issue.open=phone won't turn on"],
    );
    turn(
        "I still haven't received my refund",
        &["issue.open=still haven't received their refund"],
    );
    turn(
        "I never got the email you promised.",
        &["issue.open=never got the email"],
    );
    turn("Is my order late?", &[]);
    turn(
        "My internet is working again.",
        &["-issue.open=internet", "issue.resolved=internet"],
    );
    check(
        "u: My phone won't turn on.\na: I've replaced the battery, it has been fixed.",
        &[
            "issue.open=phone won't turn on",
            "-issue.open=phone won't turn on",
            "issue.resolved=phone won't turn on",
        ],
    );
    check(
        "u: My phone won't turn on.\na: It will be fixed by tomorrow.",
        &["issue.open=phone won't turn on"],
    );
}

#[test]
fn who_is_on_the_line() {
    turn(
        "You've reached the voicemail of Ann Lee. Leave a message after the tone.",
        &["line.voicemail=true"],
    );
    turn("We share this phone.", &["line.shared=true"]);
    turn("Can I leave a message?", &[]);
}

#[test]
fn another_language_is_told_and_not_guessed() {
    turn(
        "Hola, buenos días, necesito cambiar mi cita. Mi nombre es Juan, mi número es 650 253 0000.",
        &["language.spoken=Spanish"],
    );
    turn(
        "Bonjour, je suis Marie et je voudrais un rendez-vous, marie@example.fr",
        &["language.spoken=French", "contact.email=marie@example.fr"],
    );
    turn("Здравствуйте, это Иван", &["language.spoken=Russian"]);
    turn("no gracias", &[]);
    turn("I only speak Portuguese.", &["language.spoken=Portuguese"]);
    turn(
        "Por favor, no me llamen más, gracias.",
        &["language.spoken=Spanish", "consent.do_not_call=true"],
    );
}

#[test]
fn a_company_by_its_cue_or_its_form() {
    turn(
        "I work for Acme Logistics.",
        &["identity.company=Acme Logistics"],
    );
    turn(
        "This is Dana from Bright Systems.",
        &["identity.name=Dana", "identity.company=Bright Systems"],
    );
    turn("This is Dana from Chicago.", &["identity.name=Dana"]);
}

#[test]
fn needs_means_and_the_best_time() {
    turn(
        "I use a wheelchair.",
        &["constraint.accessibility=wheelchair"],
    );
    turn("My budget is $500.", &["constraint.budget=$500"]);
    turn(
        "The best time to reach me is after 6 pm.",
        &["contact.best_time=after 6 pm"],
    );
}

#[test]
fn a_booking_is_moved_and_cancelled() {
    let call = "u: A table tomorrow at 7 pm, please.\na: Your table has been booked.";
    let booked = r#"appointment={"date":"2026-03-07","time":"19:00","title":"reservation"}"#;
    let later = r#"appointment={"date":"2026-03-07","time":"20:00","title":"reservation"}"#;
    check(
        &format!("{call}\nu: Could we make the table 8 pm?\na: I've moved your table to 8 pm."),
        &[booked, &format!("-{booked}"), later],
    );
    check(
        &format!("{call}\nu: Cancel it, please.\na: Your table has been cancelled."),
        &[booked, &format!("-{booked}")],
    );
    check(
        "u: I want to cancel my appointment on Wednesday.\na: I've cancelled your appointment.",
        &[r#"-appointment={"date":"2026-03-11","time":null,"title":"appointment"}"#],
    );
}

#[test]
fn a_few_digits_put_the_end_of_a_number_right() {
    turn(
        "My number is 650 253 0000, sorry, 0001.",
        &[
            "contact.phone=+16502530000",
            "-contact.phone=+16502530000",
            "contact.phone=+16502530001",
        ],
    );
}

#[test]
fn only_the_callers_side_is_written_down() {
    let facts = said(
        "u: i need a boarding pass\nu: anna lee\nu: hjk 482\nu: 6502530000\nu: annalee 12 gmailcom",
    );
    assert_eq!(
        facts,
        [
            "identity.name=Anna Lee",
            "identifier.booking=HJK482",
            "contact.phone=+16502530000",
            "contact.email=annalee12@gmail.com",
        ]
    );
    assert_eq!(said("u: ok alex\nu: hello sam\nu: missing"), [""; 0]);
}
