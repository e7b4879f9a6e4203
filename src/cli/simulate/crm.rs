//! The simulated CRM, made known to an aftercall: an endpoint for each mood, and what came of it.

use std::net::SocketAddr;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Args;
use crate::cli::client::Client;
use crate::cli::{Globals, output};
use crate::secret::Secret;
use crate::simulate::crm::{Crm, Mood};

pub(super) fn mood(text: &str) -> Result<Mood, String> {
    Mood::named(text).ok_or_else(|| {
        let known = Mood::ALL.map(Mood::as_str).join(", ");
        format!("expected one of {known}")
    })
}

/// The settings that let results go to the CRM at `address`.
pub(super) fn settings_toml(address: SocketAddr) -> String {
    let ip = address.ip();
    format!(
        "# The simulated CRM takes results at http://{address}/crm/flaky, or steady, slow, silent or dead,\n\
         # and says at http://{address}/crm what it got.\n\
         [endpoints]\n\
         allow_private = [\"{ip}\"]\n"
    )
}

/// Makes an endpoint for each mood that was asked for. One that is there from an earlier run gets a
/// new secret, for nobody knows its old one.
pub(super) async fn subscribe(
    globals: &Globals,
    args: &Args,
    address: SocketAddr,
    crm: &Crm,
) -> anyhow::Result<()> {
    if args.crm.is_empty() {
        return Ok(());
    }
    let client = Client::at(globals, &args.target)?;
    let path = ["v1", "endpoints"];
    let known = client.list(&path, "endpoints", &[], usize::MAX).await?;
    for mood in &args.crm {
        let url = format!("http://{address}/crm/{}", mood.as_str());
        let endpoint = match there(&known, &url) {
            Some(id) => {
                let path = ["v1", "endpoints", id, "rotate-secret"];
                client.post(&path, &[], &json!({"overlap": "0"})).await?
            }
            None => made(&client, &url, *mood).await?,
        };
        let secret = endpoint["secret"].as_str().unwrap_or_default();
        crm.trust(&Secret::new(secret)?)?;
        output::note(&format!("Results go to the {} CRM at {url}", mood.as_str()));
    }
    Ok(())
}

fn there<'a>(known: &'a Value, url: &str) -> Option<&'a str> {
    let mut endpoints = known["endpoints"].as_array()?.iter();
    endpoints.find(|endpoint| endpoint["url"] == url)?["id"].as_str()
}

async fn made(client: &Client, url: &str, mood: Mood) -> anyhow::Result<Value> {
    let wanted = json!({
        "url": url,
        "events": ["*"],
        "description": format!("the simulated CRM, {}", mood.as_str()),
    });
    let made = client.post(&["v1", "endpoints"], &[], &wanted).await;
    made.context("the endpoint can't be made; put the settings above into that aftercall's")
}

/// Tells what the CRM got, if anything.
pub(super) fn tell(crm: &Crm) {
    let sums = crm.sums();
    if sums.attempts > 0 {
        output::note(&format!(
            "The CRM got {} events in {} deliveries, {} of them with a right signature. It took {}, {} of \
             them more than once.",
            sums.events, sums.attempts, sums.verified, sums.delivered, sums.repeated
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_found_by_its_url() {
        let known = json!({"endpoints": [{"id": "ep_1", "url": "http://a/"}]});
        assert_eq!(there(&known, "http://a/"), Some("ep_1"));
        assert_eq!(there(&known, "http://b/"), None);
        assert!(mood("flaky").is_ok() && mood("moody").unwrap_err().contains("silent"));
    }

    #[test]
    fn the_settings_are_toml() {
        let text = settings_toml("127.0.0.1:9090".parse().unwrap());
        assert!(text.ends_with("allow_private = [\"127.0.0.1\"]\n"));
    }
}
