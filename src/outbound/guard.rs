//! Where an endpoint may be: what a customer's URL can make us connect to, and what not (product
//! contract §9).
//!
//! A name is looked up when the endpoint is made, before every attempt, and once more by the
//! connection itself, whose answer is the one that is checked and connected to: a name that changes
//! its mind in between reaches nothing.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

use super::address::{embedded, is_public};
use crate::config::AddressRange;

/// Why an endpoint's URL is refused. Says nothing of where a name leads: that is the network's map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No URL, or one of another kind.
    #[error("must be an https:// URL with a host")]
    Url,
    /// A user or password stands in it.
    #[error("must not carry a user or password; put credentials into a header")]
    Userinfo,
    /// `http`, where that is not allowed.
    #[error("must be https://; http:// only leads to addresses in endpoints.allow_private")]
    Plain,
    /// A port of other services.
    #[error("must lead to port 80, 443, or one from 1024 up")]
    Port,
    /// An address that is not of the public internet.
    #[error(
        "leads to an address that is private, local or reserved, and not in endpoints.allow_private"
    )]
    Address,
}

/// Names of clouds' metadata services, and where all of them lead: one that can't be looked up from
/// here and now is no less one of them.
const METADATA: [&str; 3] = [
    "metadata.google.internal",
    "metadata.goog",
    "instance-data.ec2.internal",
];
const METADATA_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

/// The longest that a name is looked up.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks a name up: the machine's way, or a test's.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The machine's way.
pub fn machine() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Where a URL leads: its scheme, host and port, as `https://crm.example.com`; empty where it is no URL.
pub fn place(url: &str) -> String {
    url.parse::<Url>()
        .map(|url| url.origin().ascii_serialization())
        .unwrap_or_default()
}

/// Judges URLs and the addresses behind them.
#[derive(Clone)]
pub struct Guard {
    allow_private: Arc<[AddressRange]>,
    lookup: Lookup,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("allow_private", &self.allow_private)
            .finish_non_exhaustive()
    }
}

/// Whether TLS proves who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Https,
    Http,
}

/// A URL whose form is in order. Where it leads is another question.
#[derive(Clone, Debug)]
pub struct Target {
    /// The URL, as it is asked.
    pub(super) url: Url,
    pub(super) scheme: Scheme,
}

impl Guard {
    /// A guard that lets through what is public, and these ranges.
    pub fn new(allow_private: &[AddressRange], lookup: Lookup) -> Self {
        Self {
            allow_private: allow_private.into(),
            lookup,
        }
    }

    /// Judges the form of a URL, and its address where that is written in it, in any notation.
    pub fn read(&self, text: &str) -> Result<Target, Refused> {
        let url: Url = text.parse().map_err(|_| Refused::Url)?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(Refused::Url),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Userinfo);
        }
        if scheme == Scheme::Http && self.allow_private.is_empty() {
            return Err(Refused::Plain);
        }
        // The parser has dropped a port that is the scheme's own.
        if !url
            .port()
            .is_none_or(|port| matches!(port, 80 | 443 | 1024..))
        {
            return Err(Refused::Port);
        }
        let target = Target { url, scheme };
        if let Some(address) = target.literal().or_else(|| target.metadata()) {
            self.judge(scheme, &[address])?;
        } else if target.url.host_str().is_none_or(str::is_empty) {
            return Err(Refused::Url);
        }
        Ok(target)
    }

    /// Looks a target's name up and judges every answer. `Ok(false)`: it can't be looked up now.
    pub async fn resolve(&self, target: &Target) -> Result<bool, Refused> {
        if target.literal().is_some() {
            return Ok(true);
        }
        let name = target.url.host_str().unwrap_or_default().to_owned();
        match timeout(PATIENCE, (self.lookup)(name)).await {
            Ok(Ok(found)) if !found.is_empty() => self.judge(target.scheme, &found).map(|()| true),
            _ => Ok(false),
        }
    }

    /// All of the addresses must pass: which of them is connected to is not ours to say.
    fn judge(&self, scheme: Scheme, addresses: &[IpAddr]) -> Result<(), Refused> {
        for address in addresses {
            let allowed = self.is_allowed(*address);
            if !allowed && !is_public(*address) {
                return Err(Refused::Address);
            }
            if !allowed && scheme == Scheme::Http {
                return Err(Refused::Plain);
            }
        }
        Ok(())
    }

    fn is_allowed(&self, address: IpAddr) -> bool {
        let inner = match address {
            IpAddr::V6(address) => embedded(address).map_or(address.into(), IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        self.allow_private.iter().any(|range| range.contains(inner))
    }

    /// What the client of a scheme looks names up with: nothing that does not pass is ever
    /// connected to.
    pub(super) fn resolver(&self, scheme: Scheme) -> Arc<impl Resolve + 'static> {
        Arc::new(Resolver {
            guard: self.clone(),
            scheme,
        })
    }
}

impl Target {
    /// The address, where the URL has one in place of a name. The parser reads every notation that a
    /// connection would: decimal, octal, hexadecimal, shortened, percent-encoded, full-width.
    fn literal(&self) -> Option<IpAddr> {
        let host = self.url.host_str()?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        bare.unwrap_or(host).parse().ok()
    }

    /// Where a name leads that is a metadata service's.
    fn metadata(&self) -> Option<IpAddr> {
        let name = self.url.host_str()?.trim_end_matches('.');
        METADATA.contains(&name).then_some(METADATA_ADDRESS)
    }
}

/// A client's way of looking names up.
struct Resolver {
    guard: Guard,
    scheme: Scheme,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, scheme) = (self.guard.clone(), self.scheme);
        Box::pin(async move {
            let found = (guard.lookup)(name.as_str().to_owned()).await?;
            guard.judge(scheme, &found)?;
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// The refusal that made a request fail, if one did.
pub(super) fn refusal(error: &reqwest::Error) -> Option<Refused> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref() {
            return Some(*refused);
        }
        cause = inner.source();
    }
    None
}

#[cfg(test)]
mod tests;
