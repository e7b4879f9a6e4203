//! Every platform that sends webhooks passes the same: its right vector is accepted at its time, and
//! each negative case of `platforms.md` §8 is refused, from the settings to the answer.

use std::time::Duration;

use super::*;
use crate::config::{Config, Overrides, PlatformName, SignedBy};
use crate::platform;
use crate::secret::Secret;
use crate::signature::standard::Key;
use crate::signature::{
    appended_hmac, custom_hmac, ed25519, hmac_sha256, jwt, payload_jwt, prefixed_hmac, standard,
    timestamped_hmac, url_hmac,
};

pub(super) const NOW: i64 = 1_760_446_964;
const HOST: &str = "calls.example.com";
const URL: &str = "https://calls.example.com/webhooks/acme";
const FORM: &[u8] = b"CallSid=CA1&CallUUID=u1&CallStatus=completed&From=%2B14155550123";
/// One body for all platforms that take JSON: it is told apart only after it is verified.
pub(super) const JSON: &[u8] =
    br#"{"event":"none","type":"none","message":{"type":"none"},"status":"none"}"#;

pub(super) type Headers = Vec<(String, String)>;

/// How a platform signs, and until when that holds.
struct Conduct {
    name: &'static str,
    /// `webhook.…` lines of the source that has this secret, in the platform's own form.
    settings: fn(&[&str]) -> String,
    sign: fn(&str, &[u8], i64) -> Headers,
    body: &'static [u8],
    /// The latest and the earliest moment, in seconds from the signing; none where no time is signed.
    window: Option<(i64, i64)>,
    /// Headers that each must be there, as they were signed.
    needed: usize,
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

pub(super) fn plain(secrets: &[&str]) -> String {
    format!("webhook.secrets = {secrets:?}")
}

pub(super) fn header(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

/// A private key, or the bytes of a shared one, for each text.
fn seed(text: &str) -> [u8; 32] {
    hmac_sha256(text.as_bytes(), &[])
}

fn standard_headers(signature: String, secs: i64) -> Headers {
    vec![
        header(standard::ID, "msg_1"),
        header(standard::TIMESTAMP, secs.to_string()),
        header(standard::SIGNATURE, signature),
    ]
}

fn platforms() -> Vec<Conduct> {
    let json = |name, sign, window| Conduct {
        name,
        settings: plain,
        sign,
        body: JSON,
        window,
        needed: 1,
    };
    let mut all = vec![
        json(
            "speechify",
            |key, body, secs| {
                let value = timestamped_hmac::sign(&secret(key), secs, body);
                vec![header(timestamped_hmac::SPEECHIFY, value)]
            },
            Some((1800, -300)),
        ),
        Conduct {
            needed: 2,
            ..json(
                "speechify",
                |key, body, secs| {
                    let (value, time) = prefixed_hmac::sign(&secret(key), secs * 1000, body);
                    let time = header(prefixed_hmac::TIMESTAMP, time);
                    vec![header(prefixed_hmac::SIGNATURE, value), time]
                },
                Some((1800, -300)),
            )
        },
        Conduct {
            settings: |secrets| format!("webhook.key = \"APIa\"\n{}", plain(secrets)),
            ..json(
                "livekit",
                |key, body, secs| {
                    let at = Timestamp::from_secs(secs);
                    vec![header(
                        jwt::HEADER,
                        jwt::sign("APIa", &secret(key), body, at),
                    )]
                },
                Some((360, -60)),
            )
        },
        json(
            "elevenlabs",
            |key, body, secs| {
                let value = timestamped_hmac::sign(&secret(key), secs, body);
                vec![header(timestamped_hmac::ELEVENLABS, value)]
            },
            Some((2100, -300)),
        ),
        json(
            "retell",
            |key, body, secs| {
                let value = appended_hmac::sign(&secret(key), secs * 1000, body);
                vec![header(appended_hmac::HEADER, value)]
            },
            Some((300, -300)),
        ),
        json(
            "vonage",
            |key, body, secs| {
                let value = payload_jwt::sign(&secret(key), body, Timestamp::from_secs(secs));
                vec![header(jwt::HEADER, value)]
            },
            Some((300, -300)),
        ),
    ];
    all.extend(by_other_forms());
    all
}

fn by_other_forms() -> impl Iterator<Item = Conduct> {
    of_keys().into_iter().chain(without_time())
}

fn of_keys() -> [Conduct; 4] {
    [
        Conduct {
            name: "standard",
            settings: |secrets| {
                let keys: Vec<_> = secrets.iter().map(|text| seed(text)).collect();
                let texts: Vec<_> = keys
                    .iter()
                    .map(|key| Key::of_random(*key).to_text())
                    .collect();
                format!("webhook.secrets = {texts:?}")
            },
            sign: |key, body, secs| {
                let keys = [Key::of_random(seed(key))];
                standard_headers(standard::sign(&keys, "msg_1", secs, body), secs)
            },
            body: JSON,
            window: Some((300, -300)),
            needed: 3,
        },
        Conduct {
            name: "standard",
            settings: |secrets| {
                let public = |text: &&str| format!("whpk_{}", ed25519::public_key_of(&seed(text)));
                let texts: Vec<_> = secrets.iter().map(public).collect();
                format!("webhook.secrets = {texts:?}")
            },
            sign: |key, body, secs| {
                let signed = [format!("msg_1.{secs}.").as_bytes(), body].concat();
                let signature = ed25519::sign_bytes(&seed(key), &signed);
                standard_headers(format!("v1a,{signature}"), secs)
            },
            body: JSON,
            window: Some((300, -300)),
            needed: 3,
        },
        Conduct {
            name: "telnyx",
            settings: |secrets| {
                let public = |text: &&str| ed25519::public_key_of(&seed(text));
                let texts: Vec<_> = secrets.iter().map(public).collect();
                format!("webhook.secrets = {texts:?}")
            },
            sign: |key, body, secs| {
                let (value, time) = ed25519::sign(&seed(key), secs, body);
                let time = header(ed25519::TIMESTAMP, time);
                vec![header(ed25519::SIGNATURE, value), time]
            },
            body: JSON,
            window: Some((300, -300)),
            needed: 2,
        },
        Conduct {
            name: "vapi",
            settings: |secrets| format!("webhook.scheme = \"hmac\"\n{}", plain(secrets)),
            sign: |key, body, secs| {
                let form = custom_hmac::Form {
                    header: "x-signature".to_owned(),
                    payload: "{timestamp}.{body}".to_owned(),
                    timestamp: "x-timestamp".to_owned(),
                    prefix: String::new(),
                    encoding: custom_hmac::Encoding::Hex,
                };
                custom_hmac::sign(&form, &secret(key), secs, body)
            },
            body: JSON,
            window: Some((300, -300)),
            needed: 2,
        },
    ]
}

fn without_time() -> [Conduct; 4] {
    [
        Conduct {
            name: "vapi",
            settings: plain,
            // The secret itself: neither time nor body is signed.
            sign: |key, _, _| vec![header("x-vapi-secret", key)],
            body: b"",
            window: None,
            needed: 1,
        },
        Conduct {
            name: "bland",
            settings: plain,
            sign: |key, body, _| {
                let value = hex::encode(hmac_sha256(key.as_bytes(), &[body]));
                vec![header("x-webhook-signature", value)]
            },
            body: JSON,
            window: None,
            needed: 1,
        },
        Conduct {
            name: "twilio",
            settings: plain,
            sign: |key, body, _| {
                let value = url_hmac::twilio::sign(&secret(key), URL, body);
                vec![header(url_hmac::twilio::HEADER, value)]
            },
            body: FORM,
            window: None,
            needed: 1,
        },
        Conduct {
            name: "plivo",
            settings: |secrets| format!("webhook.url = {URL:?}\n{}", plain(secrets)),
            sign: |key, body, _| {
                let value = url_hmac::plivo::sign(&secret(key), URL, body, "12345");
                let nonce = header(url_hmac::plivo::NONCE, "12345");
                vec![header(url_hmac::plivo::HEADER, value), nonce]
            },
            body: FORM,
            window: None,
            needed: 2,
        },
    ]
}

impl Conduct {
    async fn bench(&self, secrets: &[&str], at: i64) -> Bench {
        bench(self.name, &(self.settings)(secrets), at).await
    }

    fn signed(&self) -> Headers {
        (self.sign)("good", self.body, NOW)
    }
}

/// A receiver with one source of this platform, whose clock stands at `at`.
pub(super) async fn bench(platform: &str, settings: &str, at: i64) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aftercall.toml");
    let text = format!("[[sources]]\nname = \"acme\"\nplatform = {platform:?}\n{settings}\n");
    std::fs::write(&file, text).unwrap();
    let overrides = Overrides {
        config: Some(file),
        ..Overrides::default()
    };
    let config = Config::load_with(&overrides, &BTreeMap::new()).unwrap();
    drop(rustls::crypto::ring::default_provider().install_default());
    let http = platform::http_client().unwrap();
    let sources = platform::build(&config.sources, &config.memory, &http).unwrap();
    let host = Host::new(Clock::manual(Timestamp::from_secs(at)));
    let url = format!("sqlite://{}/t.db", folder.path().display());
    let db = Db::open(&url, &host).await.unwrap();
    Bench::with(db, host, folder, sources).await
}

pub(super) async fn post(bench: &Bench, headers: &Headers, body: impl Into<Body>) -> u16 {
    let mut request = Request::post("/webhooks/acme")
        .header("host", HOST)
        .header("x-forwarded-proto", "https");
    for (name, value) in headers {
        let value = axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request = request.header(name.as_str(), value);
    }
    let answer = bench.send(request.body(body.into()).unwrap()).await;
    let status = answer.status.as_u16();
    assert!(matches!(status, 200 | 401 | 413 | 503), "{}", answer.text);
    // Vonage signs on its retry, which a 503 asks for.
    if status == 503 { 401 } else { status }
}

#[test]
fn every_platform_that_sends_webhooks_is_here() {
    let here: Vec<_> = platforms().iter().map(|conduct| conduct.name).collect();
    for platform in PlatformName::ALL {
        let sends = platform.signed_by() != SignedBy::Polled;
        assert_eq!(here.contains(&platform.as_str()), sends, "{platform:?}");
    }
}

#[tokio::test]
async fn the_right_secret_is_taken_whichever_of_several_it_is() {
    for conduct in platforms() {
        for secrets in [&["good"][..], &["old", "good"], &["good", "old", "older"]] {
            let bench = conduct.bench(secrets, NOW).await;
            let status = post(&bench, &conduct.signed(), conduct.body).await;
            assert_eq!(status, 200, "{} {secrets:?}", conduct.name);
            // In pieces, without a length.
            let pieces: Vec<_> = conduct.body.chunks(7).map(<[u8]>::to_vec).collect();
            let pieces = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
            let status = post(&bench, &conduct.signed(), Body::from_stream(pieces)).await;
            assert_eq!(status, 200, "{} in chunks", conduct.name);
        }
    }
}

#[tokio::test]
async fn what_was_not_signed_so_is_refused() {
    for conduct in platforms() {
        let bench = conduct.bench(&["old", "good"], NOW).await;
        let (name, body) = (conduct.name, conduct.body);
        let foreign = (conduct.sign)("another tenant's", body, NOW);
        assert_eq!(post(&bench, &foreign, body).await, 401, "{name}: foreign");
        let signed = conduct.signed();
        assert_eq!(signed.len(), conduct.needed, "{name}");
        for place in 0..signed.len() {
            let mut without = signed.clone();
            without.remove(place);
            assert_eq!(post(&bench, &without, body).await, 401, "{name}: missing");
            let mut doubled = signed.clone();
            doubled.push(signed[place].clone());
            assert_eq!(post(&bench, &doubled, body).await, 401, "{name}: doubled");
            for value in ["", "garbage", "t=,v0=", "v1,", "..", "\u{fc}"] {
                let mut garbage = signed.clone();
                value.clone_into(&mut garbage[place].1);
                assert_eq!(post(&bench, &garbage, body).await, 401, "{name}: {value:?}");
            }
        }
        if !body.is_empty() {
            for other in [
                [body, b" "].concat(),
                [body, b"\xff"].concat(),
                b"&a=b".to_vec(),
            ] {
                let status = post(&bench, &signed, other).await;
                assert_eq!(status, 401, "{name}: another body");
            }
        }
    }
}

#[tokio::test]
async fn the_window_is_closed_to_the_second_on_both_sides() {
    for conduct in platforms() {
        let Some((latest, earliest)) = conduct.window else {
            continue;
        };
        for (after, status) in [
            (latest, 200),
            (latest + 1, 401),
            (earliest, 200),
            (earliest - 1, 401),
        ] {
            let bench = conduct.bench(&["good"], NOW + after).await;
            let found = post(&bench, &conduct.signed(), conduct.body).await;
            assert_eq!(found, status, "{} after {after} s", conduct.name);
        }
    }
}

#[tokio::test]
async fn no_more_is_read_than_the_source_may_send() {
    for conduct in platforms() {
        let settings = (conduct.settings)(&["good"]);
        let settings = format!("{settings}\nwebhook.max_body = \"16\"");
        let bench = bench(conduct.name, &settings, NOW).await;
        let body = vec![b'x'; 17];
        let signed = (conduct.sign)("good", &body, NOW);
        assert_eq!(post(&bench, &signed, body).await, 413, "{}", conduct.name);
    }
}

#[test]
fn an_empty_secret_is_never_taken() {
    for conduct in platforms() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("aftercall.toml");
        let name = conduct.name;
        for secrets in ["[\"\"]", "[\" \"]", "[]"] {
            let key = if name == "livekit" {
                "webhook.key = \"APIa\"\n"
            } else {
                ""
            };
            let text = format!(
                "[[sources]]\nname = \"acme\"\nplatform = {name:?}\n{key}webhook.secrets = {secrets}\n"
            );
            std::fs::write(&file, text).unwrap();
            let overrides = Overrides {
                config: Some(file.clone()),
                ..Overrides::default()
            };
            assert!(
                Config::load_with(&overrides, &BTreeMap::new()).is_err(),
                "{name}"
            );
        }
    }
}

mod vectors;
