//! A sender of Standard Webhooks (`platforms.md` §7) with the body that the product contract gives in
//! §14. It has no API: what it tells is all that is known.

use serde_json::{Value, json};

use crate::id::of_content;
use crate::secret::{Secret, sha256_hex};
use crate::signature::hmac_sha256;
use crate::signature::standard::{self, Key};
use crate::simulate::record::Record;
use crate::simulate::signing::Headers;
use crate::time::Timestamp;

/// Its name in settings.
pub(super) const NAME: &str = "standard";

/// The event that says that the call is over.
pub fn completed(call: &Record, now: Timestamp) -> Value {
    json!({
        "type": "conversation.completed",
        "timestamp": now,
        "data": {"conversation": call.row(), "messages": call.messages},
    })
}

/// The key that stands for a secret of the simulation: Standard Webhooks' are bytes.
pub fn key(secret: &Secret) -> Key {
    Key::of_random(hmac_sha256(secret.expose().as_bytes(), &[]))
}

/// The headers of a delivery. The same bytes are the same event.
pub fn headers(secret: &Secret, body: &[u8], now: Timestamp) -> Headers {
    let id = of_content("msg_", &[&sha256_hex(body)]);
    let secs = now.as_secs();
    vec![
        (
            standard::SIGNATURE,
            standard::sign(&[key(secret)], &id, secs, body),
        ),
        (standard::TIMESTAMP, secs.to_string()),
        (standard::ID, id),
    ]
}
