//! Explains a signature by Standard Webhooks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;

use super::{Check, body_check, header_check, hmac_sha256, time_check};
use crate::secret::Secret;
use crate::signature::standard::{self as scheme, Claim, SenderKey};
use crate::signature::{Refusal, Tolerance};
use crate::time::Timestamp;

/// Explains `v1` and `v1a` against the sender's secrets and public keys, as they are configured.
pub fn standard(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let there = [scheme::ID, scheme::TIMESTAMP, scheme::SIGNATURE]
        .map(|name| header_check(&mut checks, headers, name).is_some());
    if there.contains(&false) {
        return checks;
    }
    let claim = match scheme::read(headers) {
        Ok(claim) => claim,
        Err(refusal) => {
            let mend = match &refusal {
                Refusal::Malformed(header, _) if header == scheme::TIMESTAMP => {
                    "send the time as Unix seconds, in digits"
                }
                Refusal::Malformed(header, _) if header == scheme::ID => {
                    "send an id without a full stop"
                }
                _ => "send signatures as v1, and base64, one behind the other with spaces between",
            };
            checks.push(Check::bad("form", refusal.to_string(), Some(mend)));
            return checks;
        }
    };
    checks.push(Check::good("form", "an id, a time and signatures"));
    checks.push(signature_check(&claim, secrets, body));
    checks.push(time_check(claim.signed_at, tolerance, now));
    checks
}

fn signature_check(claim: &Claim<'_>, secrets: &[Secret], body: &[u8]) -> Check {
    let count = secrets.len();
    let keys: Vec<_> = secrets.iter().map(SenderKey::read).collect();
    let signed = |key: &SenderKey, body: &[u8]| bool::from(key.signed(claim, body));
    for (key, number) in keys.iter().zip(1..) {
        match key {
            Ok(key) if signed(key, body) => {
                return Check::good("signature", format!("made with secret {number} of {count}"));
            }
            Ok(_) => {}
            Err(error) => {
                return Check::bad(
                    "secret",
                    format!("secret {number} of {count} is no key"),
                    Some(&error.to_string()),
                );
            }
        }
    }
    if let Some(check) = keys
        .iter()
        .flatten()
        .find_map(|key| body_check(body, |other| signed(key, other)))
    {
        return check;
    }
    for (secret, number) in secrets.iter().zip(1..) {
        let key = secret.expose().trim().as_bytes();
        let parts = [claim.id.as_bytes(), b".", claim.time.as_bytes(), b".", body];
        if claim.digests.contains(&hmac_sha256(key, &parts)) {
            return Check::bad(
                "secret",
                format!("made with the text of secret {number} of {count}, not decoded"),
                Some("sign with the bytes behind whsec_, decoded from base64"),
            );
        }
        let decoded = BASE64.decode(key.strip_prefix(b"whsec_").unwrap_or(key));
        if decoded.is_ok_and(|key| {
            let parts = [claim.time.as_bytes(), b".", body];
            claim.digests.contains(&hmac_sha256(&key, &parts))
        }) {
            return Check::bad(
                "signature",
                format!("made with secret {number} of {count}, without the id"),
                Some("sign the id, the time and the body, with full stops between"),
            );
        }
    }
    Check::bad(
        "signature",
        format!("it matches none of the {count} configured secrets"),
        Some(
            "compare webhook.secrets with the secret on the sender's side; if that is the same, \
             webhook-id, webhook-timestamp or the body was changed on its way",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::standard::Key;

    const NOW: i64 = 1_760_446_964;
    const BODY: &[u8] = b"{\"type\": \"call.finished\"}";

    fn faults(signature: &str, secret: &str, at: i64) -> Vec<(&'static str, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(scheme::ID, "msg_1".parse().unwrap());
        headers.insert(scheme::TIMESTAMP, NOW.to_string().parse().unwrap());
        headers.insert(scheme::SIGNATURE, signature.parse().unwrap());
        let tolerance = Tolerance::of(std::time::Duration::from_mins(5));
        let secrets = [Secret::new(secret).unwrap()];
        let checks = standard(
            &headers,
            BODY,
            &secrets,
            tolerance,
            Timestamp::from_secs(at),
        );
        assert!(!format!("{checks:?}").contains("planted"));
        checks
            .into_iter()
            .filter(|check| !check.ok)
            .map(|check| (check.part, check.detail + &check.mend.unwrap_or_default()))
            .collect()
    }

    #[test]
    fn every_mistake_is_named() {
        let key = Key::of_random([7; 32]);
        let secret = key.to_text();
        let made = |body: &[u8]| scheme::sign(std::slice::from_ref(&key), "msg_1", NOW, body);
        let encoded = |mac: [u8; 32]| format!("v1,{}", BASE64.encode(mac));
        assert!(faults(&made(BODY), &secret, NOW).is_empty());
        let time = NOW.to_string();
        let text = hmac_sha256(secret.as_bytes(), &[b"msg_1.", time.as_bytes(), b".", BODY]);
        let no_id = hmac_sha256(&[7; 32], &[time.as_bytes(), b".", BODY]);
        for (signature, secret, at, part, told) in [
            (made(BODY), secret.as_str(), NOW + 412, "time", "412 s"),
            (
                made(b"{\"type\":\"call.finished\"}"),
                &secret,
                NOW,
                "body",
                "without spaces",
            ),
            (encoded(text), &secret, NOW, "secret", "not decoded"),
            (encoded(no_id), &secret, NOW, "signature", "without the id"),
            (made(b"other"), &secret, NOW, "signature", "none of the 1"),
            (made(BODY), "planted, no key", NOW, "secret", "whsec_"),
            ("garbage".to_owned(), &secret, NOW, "form", "v1"),
        ] {
            let faults = faults(&signature, secret, at);
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].0, part, "{faults:?}");
            assert!(faults[0].1.contains(told), "{faults:?}");
        }
    }
}
