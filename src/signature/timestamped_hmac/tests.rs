use http::HeaderValue;

use super::*;

const BODY: &[u8] = b"{}";
const NOW: i64 = 1_600_000_000;

fn secret() -> Secret {
    Secret::new("s3cret").unwrap()
}

fn judge(value: &str) -> Result<(), Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert("speechify-signature", HeaderValue::from_str(value).unwrap());
    let tolerance = Tolerance::of(std::time::Duration::from_mins(30));
    let now = Timestamp::from_secs(NOW);
    verify(SPEECHIFY, &headers, BODY, &[secret()], tolerance, now)
}

fn digest(time: &str) -> String {
    hex::encode(mac(&secret(), time, BODY))
}

#[track_caller]
fn refused(value: &str, why: &str) {
    match judge(value) {
        Err(Refusal::Malformed(header, said)) if header == SPEECHIFY => {
            assert!(said.contains(why), "{said}");
        }
        other => panic!("{value}: {other:?}"),
    }
}

#[test]
fn spaces_further_versions_and_several_signatures_are_taken() {
    let good = digest("1600000000");
    let other = "0".repeat(64);
    for value in [
        format!("t=1600000000,v0={good}"),
        format!(" t=1600000000 , v0={good} "),
        format!("v0={good},t=1600000000"),
        format!("t=1600000000,v0={other},v0={good}"),
        format!("t=1600000000,v1=whatever,v0={good}"),
    ] {
        assert_eq!(judge(&value), Ok(()), "{value}");
    }
}

#[test]
fn every_other_spelling_is_refused() {
    let good = digest("1600000000");
    refused(&format!("t=1600000000,t=1600000000,v0={good}"), "two times");
    refused(
        &format!("t=1600000000,v0={}", good.to_uppercase()),
        "lower-case",
    );
    refused(&format!("t=1600000000,v0={good}0"), "64");
    refused("t=1600000000,v0=", "64");
    refused("t=1600000000", "no signature");
    refused(&format!("v0={good}"), "no time");
    refused(&format!("t=1600000000;v0={good}"), "whole seconds");
    refused(&format!("1600000000,{good}"), "key=value");
    for time in [
        "",
        "+1600000000",
        "-1",
        "1.6e9",
        "1600000000.0",
        "now",
        "٣",
        "0x5f5e1000",
    ] {
        if HeaderValue::from_str(time).is_ok_and(|value| value.to_str().is_ok()) {
            refused(&format!("t={time},v0={}", digest(time)), "whole seconds");
        }
    }
    // More than an i64 holds, and the most that it does: no overflow.
    refused(
        &format!("t=99999999999999999999,v0={good}"),
        "whole seconds",
    );
    let last = i64::MAX.to_string();
    let verdict = judge(&format!("t={last},v0={}", digest(&last)));
    assert!(
        matches!(verdict, Err(Refusal::TooNew { .. })),
        "{verdict:?}"
    );
}

#[test]
fn the_time_is_proved_before_it_is_judged() {
    let long_ago = judge(&sign(&secret(), NOW - 86_400, BODY));
    assert_eq!(
        long_ago,
        Err(Refusal::TooOld {
            age_s: 86_400,
            tolerance_s: 1800
        })
    );
    let forged = format!("t={},v0={}", NOW - 86_400, digest("1600000000"));
    assert_eq!(judge(&forged), Err(Refusal::Mismatch { tried: 1 }));
}

#[test]
fn a_time_in_milliseconds_is_no_time_in_seconds() {
    let verdict = judge(&sign(&secret(), NOW * 1000, BODY));
    assert!(matches!(verdict, Err(Refusal::TooNew { .. })));
}
