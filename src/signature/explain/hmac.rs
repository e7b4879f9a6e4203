//! Explains the HMACs whose time stands elsewhere than Speechify's: Retell's, and those of a form
//! that the customer chose.

use http::HeaderMap;
use subtle::ConstantTimeEq as _;

use super::{Check, Trial, form_check, header_check, time_check};
use crate::secret::Secret;
use crate::signature::custom_hmac::{self, Form};
use crate::signature::{Tolerance, appended_hmac as appended, hmac_sha256};
use crate::time::Timestamp;

/// Explains `v=<unix ms>,d=<hex>`.
pub fn appended_hmac(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let Some(value) = header_check(&mut checks, headers, appended::HEADER) else {
        return checks;
    };
    let claim = match appended::read(value) {
        Ok(claim) => claim,
        Err(refusal) => {
            checks.push(form_check(&refusal, value));
            return checks;
        }
    };
    checks.push(Check::good("form", "a time and a signature"));
    let is = |mac: [u8; 32]| bool::from(mac.ct_eq(&claim.digest));
    let trial = Trial {
        secrets,
        body,
        made_with: &|key, body| is(hmac_sha256(key, &[body, claim.time.as_bytes()])),
        without_time: &|key| is(hmac_sha256(key, &[body])),
        signed: "sign the body and, directly behind it, the time",
    };
    checks.push(trial.check());
    checks.push(time_check(claim.signed_at, tolerance, now));
    checks
}

/// Explains a signature of this form.
pub fn custom_hmac(
    form: &Form,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let Some(value) = header_check(&mut checks, headers, &form.header) else {
        return checks;
    };
    if form.has_time() && header_check(&mut checks, headers, &form.timestamp).is_none() {
        return checks;
    }
    let claim = match custom_hmac::read(form, headers) {
        Ok(claim) => claim,
        Err(refusal) => {
            checks.push(form_check(&refusal, value));
            return checks;
        }
    };
    checks.push(Check::good("form", "a signature as it is configured"));
    let is = |mac: [u8; 32]| bool::from(mac.ct_eq(&claim.digest));
    let trial = Trial {
        secrets,
        body,
        made_with: &|key, body| is(form.mac(key, claim.time(), body)),
        without_time: &|key| form.has_time() && is(hmac_sha256(key, &[body])),
        signed: "sign what webhook.payload says, or set that to {body}",
    };
    checks.push(trial.check());
    checks.extend(
        claim
            .time
            .map(|(_, signed_at)| time_check(signed_at, tolerance, now)),
    );
    checks
}

#[cfg(test)]
mod tests;
