//! One webhook to one endpoint: built, signed, guarded and posted. What came of it is told, never
//! judged: whether it is tried again is the flow's to decide.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use tokio::time::timeout;

use self::guard::{Guard, Lookup, Refused, Scheme, Target, refusal};
use self::template::Renderer;
use crate::config::AddressRange;
use crate::endpoint::Method;
use crate::signature::standard::{self, Key};
use crate::time::Timestamp;

mod address;
pub mod guard;
pub mod preset;
pub mod template;

/// The longest that a connection may take, with its handshakes.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest that an attempt may take, from looking the name up to the answer's last byte.
const TOTAL: Duration = Duration::from_secs(30);

/// How long the answer's body may take once its status is known: it is only kept for people.
const BODY: Duration = Duration::from_secs(5);

/// How much of an answer's body is kept, in bytes.
const KEPT: usize = 8 << 10;

/// How long a connection waits for the next event. Short, for it leads to an address that was
/// checked when it was made.
const IDLE: Duration = Duration::from_secs(10);

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the client for CRMs' endpoints can't be made: {0}")]
pub struct BadClient(#[source] reqwest::Error);

/// Posts to endpoints.
#[derive(Clone, Debug)]
pub struct Outbound {
    guard: Guard,
    https: reqwest::Client,
    http: reqwest::Client,
    renderer: Renderer,
}

/// What is sent.
#[derive(Debug)]
pub struct Request<'a> {
    /// Where to.
    pub url: &'a str,
    /// How.
    pub method: Method,
    /// The event's id: the same over all attempts.
    pub id: &'a str,
    /// The keys that sign, the newest first.
    pub keys: &'a [Key],
    /// The endpoint's own headers.
    pub headers: HeaderMap,
    /// The body's media type.
    pub content_type: &'a str,
    /// The body.
    pub body: Vec<u8>,
}

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u16,
    /// The first 8 KiB of its body, as text.
    pub body: String,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// Nobody answered. Names no address and no URL: either may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The guard lets nothing go there.
    #[error("the URL {0}")]
    Refused(#[from] Refused),
    /// The name is not known.
    #[error("the host's name can't be looked up")]
    Unresolved,
    /// No connection, or no TLS.
    #[error("no connection to the endpoint")]
    Unreachable,
    /// It took too long.
    #[error("the endpoint did not answer in time")]
    TimedOut,
    /// The connection broke, or what came was no HTTP.
    #[error("the endpoint broke the connection off")]
    Broken,
}

impl NoAnswer {
    /// A stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Refused(_) => "endpoint_refused",
            Self::Unresolved => "endpoint_unresolved",
            Self::Unreachable => "endpoint_unreachable",
            Self::TimedOut => "endpoint_timeout",
            Self::Broken => "endpoint_broken",
        }
    }
}

impl Outbound {
    /// A sender that lets through what is public, and these ranges.
    pub fn new(allow_private: &[AddressRange], lookup: Lookup) -> Result<Self, BadClient> {
        let guard = Guard::new(allow_private, lookup);
        let https = client(|builder| {
            builder
                .https_only(true)
                .dns_resolver(guard.resolver(Scheme::Https))
        })?;
        let http = client(|builder| builder.dns_resolver(guard.resolver(Scheme::Http)))?;
        Ok(Self {
            guard,
            https,
            http,
            renderer: Renderer::default(),
        })
    }

    /// The judge of URLs.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// What makes bodies out of templates.
    pub fn renderer(&self) -> &Renderer {
        &self.renderer
    }

    /// Makes one attempt. `now` is its time, which is signed.
    pub async fn send(&self, request: Request<'_>, now: Timestamp) -> Result<Answer, NoAnswer> {
        let attempt = async {
            let target = self.guard.read(request.url)?;
            if !self.guard.resolve(&target).await? {
                return Err(NoAnswer::Unresolved);
            }
            let response = self.post(&target, request, now).await?;
            let status = response.status().as_u16();
            let retry_after = retry_after(response.headers(), now);
            Ok((status, retry_after, response))
        };
        let (status, retry_after, response) = timeout(TOTAL, attempt)
            .await
            .map_err(|_| NoAnswer::TimedOut)??;
        Ok(Answer {
            status,
            body: start_of(response).await,
            retry_after,
        })
    }

    async fn post(
        &self,
        target: &Target,
        request: Request<'_>,
        now: Timestamp,
    ) -> Result<reqwest::Response, NoAnswer> {
        let client = match target.scheme {
            Scheme::Https => &self.https,
            Scheme::Http => &self.http,
        };
        let method = match request.method {
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
        };
        let secs = now.as_secs();
        let signature = standard::sign(request.keys, request.id, secs, &request.body);
        client
            .request(method, target.url.clone())
            // The endpoint's own first: none of ours can be put in place of.
            .headers(request.headers)
            .header(header::CONTENT_TYPE, request.content_type)
            .header(standard::ID, request.id)
            .header(standard::TIMESTAMP, secs)
            .header(standard::SIGNATURE, signature)
            .body(request.body)
            .send()
            .await
            .map_err(|error| told(&error))
    }
}

fn client(
    more: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, BadClient> {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .user_agent(concat!("aftercall/", env!("CARGO_PKG_VERSION")));
    more(builder).build().map_err(BadClient)
}

/// What went wrong, without what reqwest says of it: that names the URL.
fn told(error: &reqwest::Error) -> NoAnswer {
    if let Some(refused) = refusal(error) {
        NoAnswer::Refused(refused)
    } else if error.is_timeout() {
        NoAnswer::TimedOut
    } else if error.is_connect() {
        NoAnswer::Unreachable
    } else {
        NoAnswer::Broken
    }
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER).map(HeaderValue::to_str)?;
    let text = text.ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Timestamp::from_jiff(date.timestamp()).since(now))
}

/// The start of a body as text. However it ends, its status is known already.
async fn start_of(mut response: reqwest::Response) -> String {
    let mut kept = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            kept.extend_from_slice(&chunk[..chunk.len().min(KEPT - kept.len())]);
            if kept.len() == KEPT {
                break;
            }
        }
    };
    // What has come until then is kept.
    let _ = timeout(BODY, reading).await;
    // PostgreSQL's texts have no U+0000.
    String::from_utf8_lossy(&kept).replace('\0', "\u{fffd}")
}

/// A sender that reaches nothing but the public internet, for tests that send nothing.
#[cfg(test)]
pub(crate) fn for_tests() -> Outbound {
    // A second installation is refused, and the first one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Outbound::new(&[], guard::machine()).unwrap()
}

#[cfg(test)]
mod tests;
