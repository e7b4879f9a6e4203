//! `webhook.*` of a source: its secrets, and how a delivery is judged.

use std::time::Duration;

use ::config::ValueKind;

use super::platforms::{PlatformName, SignedBy};
use super::read::Reader;
use super::{SignatureForm, SignatureScheme, WebhookConfig, keys, units};
use crate::secret::Secret;
use crate::signature::ed25519;
use crate::signature::standard::SenderKey;

/// Keys that only platforms whose customer chooses the signature have a use for.
const FORM: [&str; 6] = [
    "webhook.scheme",
    "webhook.header",
    "webhook.timestamp_header",
    "webhook.payload",
    "webhook.encoding",
    "webhook.prefix",
];

/// Signatures carry their time in whole seconds.
const SHORTEST_TOLERANCE: Duration = Duration::from_secs(1);

/// What no call's event is smaller than, in bytes.
const SMALLEST_EVENT: usize = 64;

pub(super) fn read(reader: &mut Reader<'_, '_, '_>, platform: PlatformName) -> WebhookConfig {
    let secrets = reader.secrets("webhook.secrets");
    let mut keys = named_keys(reader);
    match platform.signed_by() {
        SignedBy::Secrets => {
            need_secrets(reader);
            need_keys_that_verify(reader, platform, &secrets);
        }
        SignedBy::NamedKeys => need_keys(reader, &secrets, &mut keys),
        SignedBy::Polled if reader.has("webhook") => {
            let name = platform.as_str();
            reader.warning("webhook", &format!("not used, for {name} sends no webhook"));
        }
        SignedBy::Polled => {}
    }
    if !platform.signs_url() && reader.has("webhook.url") {
        reader.problem(
            "webhook.url",
            "only twilio and plivo sign the URL; leave it out",
        );
    }
    let max_body = reader
        .parsed("webhook.max_body", units::body)
        .unwrap_or(platform.max_body());
    if max_body < SMALLEST_EVENT {
        let small = format!("no event of a call fits into {max_body} bytes: all will be refused");
        reader.warning("webhook.max_body", &small);
    }
    WebhookConfig {
        secrets,
        keys,
        tolerance: reader
            .parsed("webhook.tolerance", units::at_least(SHORTEST_TOLERANCE))
            .unwrap_or(platform.tolerance()),
        max_body,
        url: reader.parsed("webhook.url", units::public_url),
        form: form(reader, platform),
    }
}

fn need_secrets(reader: &mut Reader<'_, '_, '_>) {
    for key in ["webhook.key", "webhook.keys"] {
        if reader.has(key) {
            reader.problem(
                key,
                "only livekit signs by a named key; use webhook.secrets",
            );
        }
    }
    if has_no(reader, "webhook.secrets") {
        reader.missing(
            "webhook.secrets",
            "without a secret every delivery would be refused",
        );
    }
}

/// A secret that is none of the platform's kind would verify nothing.
fn need_keys_that_verify(
    reader: &mut Reader<'_, '_, '_>,
    platform: PlatformName,
    secrets: &[Secret],
) {
    const NO_PUBLIC_KEY: &str = "not an Ed25519 public key, which is 32 bytes in base64; copy it \
         from the portal, Keys & Credentials, Public Key";
    let has_one = secrets.iter().any(ed25519::is_public_key);
    for (at, secret) in secrets.iter().enumerate() {
        let key = format!("webhook.secrets[{at}]");
        match platform {
            PlatformName::Standard => {
                if let Err(why) = SenderKey::read(secret) {
                    reader.problem(&key, why.to_string());
                }
            }
            PlatformName::Telnyx if ed25519::is_public_key(secret) => {}
            // Beside a good one, an old one may have another form.
            PlatformName::Telnyx if has_one => reader.warning(&key, NO_PUBLIC_KEY),
            PlatformName::Telnyx => reader.problem(&key, NO_PUBLIC_KEY),
            _ => {}
        }
    }
}

fn need_keys(
    reader: &mut Reader<'_, '_, '_>,
    secrets: &[Secret],
    keys: &mut Vec<(String, Secret)>,
) {
    let key = reader.text("webhook.key").filter(|key| !key.is_empty());
    let no_secrets = has_no(reader, "webhook.secrets");
    match key {
        Some(_) if no_secrets => {
            reader.missing("webhook.secrets", "they are the API secrets of webhook.key");
        }
        Some(key) => keys.extend(secrets.iter().map(|one| (key.clone(), one.clone()))),
        None if !no_secrets => reader.missing(
            "webhook.key",
            "it is the API key that the secrets belong to",
        ),
        None if has_no(reader, "webhook.keys") => reader.missing(
            "webhook.key",
            "livekit needs webhook.key and webhook.secrets, or webhook.keys",
        ),
        None => {}
    }
}

fn has_no(reader: &Reader<'_, '_, '_>, key: &str) -> bool {
    reader.list(key).is_empty()
}

/// `webhook.keys = [{ key = "APIxxxx", secret = … }]`
fn named_keys(reader: &mut Reader<'_, '_, '_>) -> Vec<(String, Secret)> {
    const EXPECTED: &str = "expected { key = \"APIxxxx\", secret = { env = \"NAME\" } }";
    let mut keys = Vec::new();
    for (at, value) in reader.list("webhook.keys").iter().enumerate() {
        let path = format!("webhook.keys[{at}]");
        let ValueKind::Table(pair) = &value.kind else {
            reader.problem(&path, EXPECTED);
            continue;
        };
        let key = pair.get("key").map(|key| &key.kind);
        match (key, pair.get("secret"), pair.len()) {
            (Some(ValueKind::String(key)), Some(secret), 2) if !key.is_empty() => {
                let secret = reader.secret_in(&format!("{path}.secret"), secret);
                keys.extend(secret.map(|secret| (key.clone(), secret)));
            }
            _ => reader.problem(&path, EXPECTED),
        }
    }
    keys
}

/// The keys of [`FORM`]. What is left out is the platform's own default.
fn form(reader: &mut Reader<'_, '_, '_>, platform: PlatformName) -> SignatureForm {
    if platform != PlatformName::Vapi {
        for key in FORM
            .into_iter()
            .filter(|key| reader.has(key))
            .collect::<Vec<_>>()
        {
            reader.problem(key, "only vapi lets its customer choose; leave it out");
        }
        return SignatureForm::default();
    }
    let header = |text: &str| {
        text.parse::<http::HeaderName>()
            .map_err(|_| format!("{text:?} is no header's name"))
    };
    SignatureForm {
        scheme: reader.parsed("webhook.scheme", scheme),
        header: reader.parsed("webhook.header", header),
        timestamp_header: reader.parsed("webhook.timestamp_header", header),
        payload: reader.parsed("webhook.payload", payload),
        is_base64: reader
            .parsed("webhook.encoding", encoding)
            .unwrap_or_default(),
        prefix: reader.text("webhook.prefix"),
    }
}

fn scheme(text: &str) -> Result<SignatureScheme, String> {
    match text {
        "secret" => Ok(SignatureScheme::Secret),
        "bearer" => Ok(SignatureScheme::Bearer),
        "hmac" => Ok(SignatureScheme::Hmac),
        _ => {
            let nearest = keys::nearest(text, ["secret", "bearer", "hmac"]);
            Err(format!(
                "expected secret, bearer or hmac; did you mean {nearest}?"
            ))
        }
    }
}

fn payload(text: &str) -> Result<String, String> {
    if text.matches("{body}").count() == 1 {
        Ok(text.to_owned())
    } else {
        Err("the body must be signed: expected {body} once, as in {timestamp}.{body}".to_owned())
    }
}

fn encoding(text: &str) -> Result<bool, String> {
    match text {
        "hex" => Ok(false),
        "base64" => Ok(true),
        _ => Err("expected hex or base64".to_owned()),
    }
}
