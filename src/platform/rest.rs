//! One bounded GET of a platform's JSON API. Nothing of an address, a token or a body gets into an
//! error.

use std::fmt;
use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use reqwest::{Client, RequestBuilder, Url};
use serde_json::{Map, Value};

use super::{FetchError, json};
use crate::secret::Secret;

/// The largest answer that is read.
const MAX_BODY: usize = 32 << 20;

/// The longest pause that a platform may ask for.
const MAX_PAUSE: Duration = Duration::from_mins(15);

/// The base URL of an API is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("api.base_url is not an http or https URL")]
pub(super) struct BadBaseUrl;

/// How a platform wants to be shown who asks.
#[derive(Clone, Debug)]
pub(super) enum Auth {
    /// `Authorization: Bearer`
    Bearer(Secret),
    /// The key as it is, in a header of the platform's own.
    Header(&'static str, Secret),
    /// `Authorization: Bearer`, and a header that says for whom.
    BearerFor {
        /// The token.
        token: Secret,
        /// The header.
        header: &'static str,
        /// Its value.
        account: String,
    },
    /// `Authorization: Basic`, of an account and its token
    Basic(String, Secret),
}

/// A platform's API: where it is, and how to authenticate.
pub(super) struct Rest {
    base: Url,
    auth: Auth,
    http: Client,
}

impl Rest {
    /// The API at `base_url`, which may have a path.
    pub(super) fn new(base_url: &str, auth: Auth, http: Client) -> Result<Self, BadBaseUrl> {
        let base = Url::parse(base_url).map_err(|_| BadBaseUrl)?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(BadBaseUrl);
        }
        Ok(Self { base, auth, http })
    }

    fn authenticated(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.auth {
            Auth::Bearer(token) => request.bearer_auth(token.expose()),
            Auth::Header(name, key) => request.header(*name, key.expose()),
            Auth::BearerFor {
                token,
                header,
                account,
            } => request.bearer_auth(token.expose()).header(*header, account),
            Auth::Basic(account, token) => request.basic_auth(account, Some(token.expose())),
        }
    }

    /// Asks for `path`, given as its segments, each of which is percent-encoded.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Value, FetchError> {
        let url = self.url(path, query)?;
        self.ask(self.http.get(url)).await
    }

    /// The same, for platforms that are asked by posting the question.
    pub(super) async fn post(&self, path: &[&str], question: &Value) -> Result<Value, FetchError> {
        let url = self.url(path, &[])?;
        self.ask(self.http.post(url).json(question)).await
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Value, FetchError> {
        let mut answer = self
            .authenticated(request)
            .header(http::header::ACCEPT, "application/json")
            .send()
            .await
            .map_err(|error| unavailable(&error))?;
        refuse(answer.status(), answer.headers())?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| unavailable(&error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(FetchError::Malformed(format!(
                    "it is larger than {} MiB",
                    MAX_BODY >> 20
                )));
            }
            body.extend_from_slice(&chunk);
        }
        // The error's text could quote the body.
        json::read(&body).map_err(|error| {
            FetchError::Malformed(format!(
                "it is not JSON (line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, FetchError> {
        // URLs drop these segments, and what is left would name something else.
        if path.iter().any(|segment| matches!(*segment, "." | "..")) {
            return Err(FetchError::NotFound);
        }
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        let given = self.overlap(path);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&path[given..]);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

impl Rest {
    /// How many of the path's first segments stand at the base's end already: documents print base
    /// URLs with them and without.
    fn overlap(&self, path: &[&str]) -> usize {
        let base = self.base.path_segments().into_iter().flatten();
        let base: Vec<&str> = base.filter(|segment| !segment.is_empty()).collect();
        (1..path.len())
            .rev()
            .find(|n| base.ends_with(&path[..*n]))
            .unwrap_or(0)
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest")
            .field("host", &self.base.host_str())
            .finish_non_exhaustive()
    }
}

/// The object that an answer is.
pub(super) fn object(answer: Value) -> Result<Map<String, Value>, FetchError> {
    match answer {
        Value::Object(object) => Ok(object),
        _ => Err(malformed("it is not an object")),
    }
}

/// An answer that is not what was asked for.
pub(super) fn malformed(why: &str) -> FetchError {
    FetchError::Malformed(why.to_owned())
}

/// What an answer that is no 200 means. Only the status and `Retry-After` are looked at.
fn refuse(status: StatusCode, headers: &HeaderMap) -> Result<(), FetchError> {
    let code = status.as_u16();
    let after = retry_after(headers);
    match code {
        200..=299 => Ok(()),
        401 | 403 => Err(FetchError::Refused { status: code }),
        404 => Err(FetchError::NotFound),
        429 => Err(FetchError::SlowDown {
            status: code,
            after,
        }),
        503 if after.is_some() => Err(FetchError::SlowDown {
            status: code,
            after,
        }),
        408 | 500..=599 => Err(FetchError::Unavailable(format!("status {code}"))),
        _ => Err(FetchError::Malformed(format!("status {code}"))),
    }
}

/// `Retry-After` in either form. A date is read against the answer's own `Date`, so that our clock
/// does not matter.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = if let Ok(secs) = text.parse::<u64>() {
        Duration::from_secs(secs)
    } else {
        let until = http_date(text)?;
        let now = http_date(headers.get(DATE)?.to_str().ok()?.trim())?;
        until.duration_since(now).try_into().unwrap_or_default()
    };
    Some(asked.min(MAX_PAUSE))
}

fn http_date(text: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
}

/// What went wrong on the wire, in our words: the library's name the address.
fn unavailable(error: &reqwest::Error) -> FetchError {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    };
    FetchError::Unavailable(what.to_owned())
}
