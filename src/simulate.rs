//! Simulated platforms: Speechify's REST API and signed webhooks, LiveKit's room events, the others'
//! webhooks and APIs, and calls to play on them; and a CRM that takes the results. For `aftercall demo`, `aftercall simulate`, load, and tests.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::host::Host;
use crate::secret::Secret;

pub mod book;
pub mod crm;
pub mod foreign;
pub mod livekit;
pub mod load;
pub mod play;
pub mod polled;
pub mod record;
pub mod script;
pub mod sender;
pub mod signing;
pub mod speechify;

/// The secrets of the simulated account. They guard nothing, and stay the same from run to run, so
/// that settings pasted once keep working.
#[derive(Clone, Debug)]
pub struct Account {
    /// What Speechify's webhooks are signed with.
    pub webhook_secret: Secret,
    /// The LiveKit API key: the `iss` of its tokens.
    pub livekit_key: &'static str,
    /// The LiveKit API secret.
    pub livekit_secret: Secret,
    /// The bearer token of the REST API.
    pub api_token: Secret,
    /// What forgeries are signed with.
    pub forged_secret: Secret,
}

impl Account {
    /// The one account that is simulated.
    pub fn simulated() -> Self {
        Self {
            webhook_secret: constant("whsec_simulated_speechify_webhook_secret"),
            livekit_key: "APIsimulated",
            livekit_secret: constant("simulated_livekit_secret_that_guards_nothing"),
            api_token: constant("sk_simulated"),
            forged_secret: constant("a secret that the account does not have"),
        }
    }
}

#[expect(clippy::expect_used, reason = "the constants above are not empty")]
fn constant(text: &str) -> Secret {
    Secret::new(text).expect("a constant that is not empty")
}

/// The source that Speechify's webhooks go to.
pub const VOICE_SOURCE: &str = "simulated-voice";
/// The source that LiveKit's room events go to.
pub const ROOMS_SOURCE: &str = "simulated-rooms";

/// Serves the platform's REST API, and the CRM, on `listener` until the host stops; gives the address.
pub fn serve(
    host: &Host,
    listener: TcpListener,
    platform: Arc<speechify::Platform>,
) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let stop = host.stop.clone().cancelled_owned();
    let router = foreign::desk::router(&platform.desk)
        .merge(crm::router(host, &platform.crm))
        .merge(speechify::router(platform));
    host.spawn(async move {
        // Serving ends with the host; until then axum retries what accepting can fail of.
        let _ = axum::serve(listener, router)
            .with_graceful_shutdown(stop)
            .await;
    });
    Ok(address)
}

/// Enters a cast call into the book of its platform, with what goes wrong when it is asked for.
pub fn enter(platform: &speechify::Platform, take: &script::Take) {
    match take.script.platform() {
        Some(other) => platform.desk.enter(other, take.record.clone()),
        None => platform.book.enter(take.record.clone(), take.script.faults),
    }
}

/// The `[[sources]]` that make aftercall take the simulated calls, as TOML.
pub fn sources_toml(api_address: SocketAddr) -> String {
    let account = Account::simulated();
    let webhook_secret = account.webhook_secret.expose();
    let livekit_key = account.livekit_key;
    let livekit_secret = account.livekit_secret.expose();
    let api_token = account.api_token.expose();
    let voice = format!(
        r#"[[sources]]
name = "{VOICE_SOURCE}"
platform = "speechify"
webhook.secrets = ["{webhook_secret}"]
api.base_url = "http://{api_address}"
api.token = "{api_token}"

[[sources]]
name = "{ROOMS_SOURCE}"
platform = "livekit"
webhook.key = "{livekit_key}"
webhook.secrets = ["{livekit_secret}"]
api.platform = "speechify"
api.base_url = "http://{api_address}"
api.token = "{api_token}"
"#
    );
    let base_url = format!("http://{api_address}");
    let (secret, token) = (&account.webhook_secret, &account.api_token);
    let others = foreign::Foreign::ALL.map(|other| other.source_toml(&base_url, secret, token));
    let polled = polled::Polled::ALL.map(|other| other.source_toml(&base_url, token));
    voice + &others.concat() + &polled.concat()
}
