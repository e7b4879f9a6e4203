//! What every scheme must pass: the vectors of `platforms.md` §8 at their `now`, and its negative
//! cases. A new scheme joins by one entry in [`schemes`].

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::*;
use crate::secret::Secret;
use crate::signature::standard::SenderKey;

const NOW: i64 = 1_760_446_964;
const KEY: &str = "APIkey";
/// With characters that no string could hold: bodies are bytes.
const BODY: &[u8] = b"{\"event\":\"room_finished\",\"name\":\"\xff\xfe\"}";

type Verify = fn(&HeaderMap, &[u8], &[Secret], Tolerance, Timestamp) -> Result<(), Refusal>;
type Sign = fn(&Secret, &[u8], i64) -> Vec<(&'static str, String)>;

struct Scheme {
    name: &'static str,
    sign: Sign,
    verify: Verify,
    tolerance: Duration,
    /// The latest and the earliest moment, in seconds from the signing, at which it still holds.
    window: (i64, i64),
}

fn schemes() -> impl Iterator<Item = Scheme> {
    of_platforms().into_iter().chain(of_standard_webhooks())
}

fn of_platforms() -> [Scheme; 7] {
    [
        Scheme {
            name: "timestamped HMAC",
            sign: |secret, body, secs| {
                let value = timestamped_hmac::sign(secret, secs, body);
                vec![(timestamped_hmac::SPEECHIFY, value)]
            },
            verify: |headers, body, secrets, tolerance, now| {
                let header = timestamped_hmac::SPEECHIFY;
                timestamped_hmac::verify(header, headers, body, secrets, tolerance, now)
            },
            tolerance: Duration::from_mins(30),
            window: (1800, -300),
        },
        Scheme {
            name: "prefixed HMAC",
            sign: |secret, body, secs| {
                let (signature, time) = prefixed_hmac::sign(secret, secs * 1000, body);
                vec![
                    (prefixed_hmac::SIGNATURE, signature),
                    (prefixed_hmac::TIMESTAMP, time),
                ]
            },
            verify: prefixed_hmac::verify,
            tolerance: Duration::from_mins(30),
            window: (1800, -300),
        },
        Scheme {
            name: "JWT",
            sign: |secret, body, secs| {
                let token = jwt::sign(KEY, secret, body, Timestamp::from_secs(secs));
                vec![(jwt::HEADER, token)]
            },
            verify: |headers, body, secrets, tolerance, now| {
                let keys: Vec<(String, Secret)> = secrets
                    .iter()
                    .map(|secret| (KEY.to_owned(), secret.clone()))
                    .collect();
                jwt::verify(headers, body, &keys, tolerance, now)
            },
            tolerance: Duration::from_mins(5),
            // `exp` and `nbf`, each with a minute's leeway.
            window: (360, -60),
        },
        Scheme {
            name: "JWT with the hash of the payload",
            sign: |secret, body, secs| {
                let value = payload_jwt::sign(secret, body, Timestamp::from_secs(secs));
                vec![(jwt::HEADER, value.replace("Bearer ", ""))]
            },
            verify: payload_jwt::verify,
            tolerance: Duration::from_mins(5),
            window: (300, -300),
        },
        Scheme {
            name: "HMAC with the time behind the body",
            sign: |secret, body, secs| {
                let value = appended_hmac::sign(secret, secs * 1000, body);
                vec![(appended_hmac::HEADER, value)]
            },
            verify: appended_hmac::verify,
            tolerance: Duration::from_mins(5),
            window: (300, -300),
        },
        Scheme {
            name: "HMAC of the customer's form",
            sign: |secret, body, secs| {
                let mut values = custom_hmac::sign(&form(), secret, secs, body).into_iter();
                ["x-signature", "x-timestamp"]
                    .into_iter()
                    .zip(values.by_ref().map(|(_, value)| value))
                    .collect()
            },
            verify: |headers, body, secrets, tolerance, now| {
                custom_hmac::verify(&form(), headers, body, secrets, tolerance, now)
            },
            tolerance: Duration::from_mins(5),
            window: (300, -300),
        },
        Scheme {
            name: "Ed25519",
            sign: |secret, body, secs| {
                let (signature, time) = ed25519::sign(&seed(secret), secs, body);
                vec![(ed25519::SIGNATURE, signature), (ed25519::TIMESTAMP, time)]
            },
            verify: |headers, body, secrets, tolerance, now| {
                let keys: Vec<Secret> = secrets
                    .iter()
                    .map(|one| secret(&ed25519::public_key_of(&seed(one))))
                    .collect();
                ed25519::verify(headers, body, &keys, tolerance, now)
            },
            tolerance: Duration::from_mins(5),
            window: (300, -300),
        },
    ]
}

fn of_standard_webhooks() -> [Scheme; 2] {
    [
        Scheme {
            name: "Standard Webhooks v1",
            sign: |secret, body, secs| {
                let keys = [standard::Key::of_random(seed(secret))];
                in_headers(standard::sign(&keys, "msg_1", secs, body), secs)
            },
            verify: |headers, body, secrets, tolerance, now| {
                let keys: Vec<_> = secrets
                    .iter()
                    .map(|one| SenderKey::Shared(standard::Key::of_random(seed(one))))
                    .collect();
                standard::verify(headers, body, &keys, tolerance, now).map(drop)
            },
            tolerance: Duration::from_mins(5),
            window: (300, -300),
        },
        Scheme {
            name: "Standard Webhooks v1a",
            sign: |secret, body, secs| {
                let signed = [format!("msg_1.{secs}.").as_bytes(), body].concat();
                let signature = ed25519::sign_bytes(&seed(secret), &signed);
                in_headers(format!("v1a,{signature}"), secs)
            },
            verify: |headers, body, secrets, tolerance, now| {
                let keys: Vec<_> = secrets
                    .iter()
                    .map(|one| format!("whpk_{}", ed25519::public_key_of(&seed(one))))
                    .map(|text| SenderKey::read(&secret(&text)).unwrap())
                    .collect();
                standard::verify(headers, body, &keys, tolerance, now).map(drop)
            },
            tolerance: Duration::from_mins(5),
            window: (300, -300),
        },
    ]
}

fn in_headers(signature: String, secs: i64) -> Vec<(&'static str, String)> {
    vec![
        (standard::SIGNATURE, signature),
        (standard::TIMESTAMP, secs.to_string()),
        (standard::ID, "msg_1".to_owned()),
    ]
}

/// Vapi's default.
fn form() -> custom_hmac::Form {
    custom_hmac::Form {
        header: "x-signature".to_owned(),
        payload: "{timestamp}.{body}".to_owned(),
        timestamp: "x-timestamp".to_owned(),
        prefix: "sha256=".to_owned(),
        encoding: custom_hmac::Encoding::Hex,
    }
}

/// A private key for each secret.
fn seed(secret: &Secret) -> [u8; 32] {
    use sha2::Digest as _;
    Sha256::digest(secret.expose()).into()
}

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

impl Scheme {
    /// Verifies a delivery signed at [`NOW`] with `good`, `after` seconds later.
    fn judge(
        &self,
        pairs: &[(&'static str, String)],
        body: &[u8],
        after: i64,
    ) -> Result<(), Refusal> {
        let now = Timestamp::from_secs(NOW + after);
        let secrets = [secret("old"), secret("good")];
        (self.verify)(
            &headers(pairs),
            body,
            &secrets,
            Tolerance::of(self.tolerance),
            now,
        )
    }

    fn signed(&self) -> Vec<(&'static str, String)> {
        (self.sign)(&secret("good"), BODY, NOW)
    }
}

#[test]
fn every_live_secret_verifies_in_any_order() {
    for scheme in schemes() {
        let at = Timestamp::from_secs(NOW);
        let tolerance = Tolerance::of(scheme.tolerance);
        for secrets in [
            vec![secret("good")],
            vec![secret("good"), secret("old")],
            vec![secret("old"), secret("older"), secret("good")],
        ] {
            for body in [BODY, b"", b"\0"] {
                let pairs = (scheme.sign)(&secret("good"), body, NOW);
                let verdict = (scheme.verify)(&headers(&pairs), body, &secrets, tolerance, at);
                assert_eq!(verdict, Ok(()), "{}", scheme.name);
            }
        }
    }
}

#[test]
fn another_tenants_secret_and_none_at_all_are_refused() {
    for scheme in schemes() {
        let pairs = (scheme.sign)(&secret("another tenant's"), BODY, NOW);
        assert_eq!(
            scheme.judge(&pairs, BODY, 0),
            Err(Refusal::Mismatch { tried: 2 }),
            "{}",
            scheme.name
        );
        let tolerance = Tolerance::of(scheme.tolerance);
        let at = Timestamp::from_secs(NOW);
        assert!((scheme.verify)(&headers(&pairs), BODY, &[], tolerance, at).is_err());
    }
    assert!(
        Secret::new("").is_err(),
        "an empty secret can't be configured"
    );
}

#[test]
fn a_changed_body_is_refused() {
    for scheme in schemes() {
        let pairs = scheme.signed();
        let mut flipped = BODY.to_vec();
        flipped[3] ^= 1;
        for body in [
            [BODY, b" "].concat(),
            [b" ", BODY].concat(),
            [BODY, b"\n"].concat(),
            BODY[..BODY.len() - 1].to_vec(),
            flipped,
            Vec::new(),
        ] {
            let verdict = scheme.judge(&pairs, &body, 0);
            assert!(
                matches!(
                    verdict,
                    Err(Refusal::Mismatch { .. } | Refusal::BodyAltered)
                ),
                "{}: {verdict:?}",
                scheme.name
            );
        }
    }
}

#[test]
fn a_header_that_is_missing_empty_doubled_or_garbage_is_refused() {
    for scheme in schemes() {
        let pairs = scheme.signed();
        for place in 0..pairs.len() {
            let name = pairs[place].0;
            let mut without = pairs.clone();
            without.remove(place);
            assert_eq!(
                scheme.judge(&without, BODY, 0),
                Err(Refusal::Missing(name.to_owned()))
            );

            let doubled = [pairs.clone(), vec![pairs[place].clone()]].concat();
            let malformed = |verdict| match verdict {
                Err(Refusal::Malformed(named, _)) => named == name,
                // Any text could be an id, but not the one that was signed.
                verdict => name == standard::ID && verdict.is_err(),
            };
            assert!(
                malformed(scheme.judge(&doubled, BODY, 0)),
                "{}",
                scheme.name
            );
            for garbage in ["", " ", "garbage", "=", ",", ".", "..", "t=,v0=", "\t"] {
                let mut pairs = pairs.clone();
                garbage.clone_into(&mut pairs[place].1);
                let verdict = scheme.judge(&pairs, BODY, 0);
                assert!(
                    malformed(verdict.clone()),
                    "{} {garbage:?} {verdict:?}",
                    scheme.name
                );
            }
            let mut foreign = headers(&pairs);
            foreign.insert(name, HeaderValue::from_bytes(b"t=1,v0=\xff").unwrap());
            let tolerance = Tolerance::of(scheme.tolerance);
            let at = Timestamp::from_secs(NOW);
            let verdict = (scheme.verify)(&foreign, BODY, &[secret("good")], tolerance, at);
            assert!(malformed(verdict), "{}", scheme.name);
        }
    }
}

#[test]
fn no_character_of_a_header_can_be_changed_or_lost() {
    for scheme in schemes() {
        let pairs = scheme.signed();
        for place in 0..pairs.len() {
            let value = pairs[place].1.clone();
            for at in 0..value.len() {
                let mut shorter = pairs.clone();
                shorter[place].1.truncate(at);
                assert!(
                    scheme.judge(&shorter, BODY, 0).is_err(),
                    "{} cut at {at}",
                    scheme.name
                );
                for other in ["0", "A", "z", "F"] {
                    let mut changed = pairs.clone();
                    changed[place].1.replace_range(at..=at, other);
                    let same = changed[place].1 == value;
                    assert_eq!(
                        scheme.judge(&changed, BODY, 0).is_ok(),
                        same,
                        "{} at {at}: {other}",
                        scheme.name
                    );
                }
            }
        }
    }
}

#[test]
fn the_window_is_closed_to_the_second_on_both_sides() {
    for scheme in schemes() {
        let pairs = scheme.signed();
        let (latest, earliest) = scheme.window;
        for (after, holds) in [
            (0, true),
            (latest, true),
            (latest + 1, false),
            (earliest, true),
            (earliest - 1, false),
        ] {
            let verdict = scheme.judge(&pairs, BODY, after);
            assert_eq!(
                verdict.is_ok(),
                holds,
                "{} {after} s: {verdict:?}",
                scheme.name
            );
        }
    }
}

#[test]
fn the_future_is_never_more_than_five_minutes() {
    let generous = Tolerance::of(Duration::from_hours(100));
    assert_eq!(generous.future, Duration::from_mins(5));
    let strict = Tolerance::of(Duration::from_mins(1));
    assert_eq!(strict.future, Duration::from_mins(1));
    for scheme in schemes() {
        let early = Timestamp::from_secs(NOW - 301);
        let verdict = (scheme.verify)(
            &headers(&scheme.signed()),
            BODY,
            &[secret("good")],
            generous,
            early,
        );
        assert!(
            matches!(verdict, Err(Refusal::TooNew { .. })),
            "{}",
            scheme.name
        );
    }
}

/// The vectors of `platforms.md` §8, of the schemes that are built.
const VECTORS: &str = include_str!("vectors.json");

mod vectors;
