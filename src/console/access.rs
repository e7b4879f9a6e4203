//! Who looks at the console: log-in by API token, a session in a cookie, and forms that only our own
//! pages can send.
//!
//! The cookie's value is random, and stored as a hash. The CSRF token of a session follows from the
//! cookie's value, which no script and no other site can read.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::failure::Failure;
use super::frame::{Frame, Section};
use super::show::{encode, form_pairs};
use crate::deliver::Reach;
use crate::flow::Flow;
use crate::secret::sha256_hex;
use crate::store::audit::{self, Entry};
use crate::store::sessions;
use crate::store::tokens::{self, Scope, Token};

/// How long a session lasts: a shift, and some.
const LASTS: Duration = Duration::from_hours(12);

const COOKIE: &str = "aftercall_session";

/// The largest form taken, in bytes.
const MAX_FORM: usize = 64 << 10;

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// What they logged in with.
    pub(super) token: Token,
    key: String,
}

impl Session {
    /// Insists that the session may see a part of the console.
    pub(super) fn enter(&self, section: Section) -> Result<(), Failure> {
        if section.is_open_to(&self.token) {
            Ok(())
        } else {
            Err(Failure::Forbidden(needs(section.scope())))
        }
    }

    /// Insists on a scope.
    pub(super) fn require(&self, scope: Scope) -> Result<(), Failure> {
        if self.token.allows(scope) {
            Ok(())
        } else {
            Err(Failure::Forbidden(needs(scope)))
        }
    }

    /// How far the session reaches among deliveries: with the scope to all that it may see, without it to
    /// those of its own endpoints.
    pub(super) async fn reach(&self, flow: &Flow, scope: Scope) -> Result<Reach, Failure> {
        let reach = Reach::of(flow, &self.token, scope).await?;
        reach.ok_or(Failure::Forbidden(needs(scope)))
    }

    /// Whether the session may have sent again what it sees of deliveries.
    pub(super) fn may_send(&self) -> bool {
        self.token.allows(Scope::OpsWrite) || self.token.follows_its_endpoints()
    }

    /// Insists on a token that is bound to no agents.
    pub(super) fn require_unbound(&self) -> Result<(), Failure> {
        if self.token.agents.is_empty() {
            Ok(())
        } else {
            let why = "This concerns all agents, and your token is bound to some.";
            Err(Failure::Forbidden(why))
        }
    }

    /// Whether the session gets to see what callers said.
    pub(super) fn reads_sensitive(&self) -> bool {
        self.token.allows(Scope::ConversationsReadSensitive)
    }

    /// What stands around a page.
    pub(super) fn frame(&self, title: impl Into<String>, here: Section) -> Frame {
        Frame::new(title.into(), here, &self.token, self.csrf())
    }

    /// An entry for the audit log, of something that the session does now.
    pub(super) fn did(&self, flow: &Flow, action: &str, target: &str, detail: &str) -> Entry {
        Entry::now(&flow.host, &self.token.id, action, target, detail)
    }

    /// What its forms carry.
    fn csrf(&self) -> String {
        sha256_hex(format!("csrf {}", self.key).as_bytes())
    }
}

/// What is told to whoever lacks a scope.
pub(super) fn needs(scope: Scope) -> &'static str {
    match scope {
        Scope::ConversationsRead => "This needs a token with the scope conversations:read.",
        Scope::ConversationsReadSensitive => {
            "This needs a token with the scope conversations:read_sensitive."
        }
        Scope::MemoriesRead => "This needs a token with the scope memories:read.",
        Scope::MemoriesWrite => "This needs a token with the scope memories:write.",
        Scope::EndpointsWrite => "This needs a token with the scope endpoints:write.",
        Scope::OpsRead => "This needs a token with the scope ops:read.",
        Scope::OpsWrite => "This needs a token with the scope ops:write.",
        Scope::Admin => "This needs an admin token that is bound to no agents.",
    }
}

/// Whoever is not logged in is sent to the log-in, and from there back.
pub(super) struct Stranger {
    back: String,
    by_htmx: bool,
}

impl IntoResponse for Stranger {
    fn into_response(self) -> Response {
        let to = format!("/console/login?next={}", encode(&self.back));
        if self.by_htmx {
            // A part of a page can't show a log-in: the whole page goes there.
            let to = HeaderValue::from_str(&to).unwrap_or(HeaderValue::from_static("/console"));
            return (StatusCode::OK, [("hx-redirect", to)]).into_response();
        }
        Redirect::to(&to).into_response()
    }
}

/// Why there is no session to go on with.
pub(super) enum Refused {
    Stranger(Stranger),
    Failure(Failure),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Stranger(stranger) => stranger.into_response(),
            Self::Failure(failure) => failure.into_response(),
        }
    }
}

impl<E: Into<Failure>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Failure(error.into())
    }
}

impl FromRequestParts<Arc<Flow>> for Session {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, flow: &Arc<Flow>) -> Result<Self, Refused> {
        let back = match parts.extensions.get::<OriginalUri>() {
            Some(OriginalUri(uri)) => uri.path_and_query(),
            None => parts.uri.path_and_query(),
        };
        let stranger = || {
            Refused::Stranger(Stranger {
                back: back.map_or_else(|| "/console".to_owned(), ToString::to_string),
                by_htmx: parts.headers.contains_key("hx-request"),
            })
        };
        let key = cookie(&parts.headers).ok_or_else(stranger)?;
        let now = flow.host.now();
        let hash = sessions::hash(&key);
        let token = flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { sessions::token(&mut conn, &hash, now).await })
            })
            .await?;
        match token.filter(|token| token.why_dead(now).is_none()) {
            Some(token) => Ok(Self { token, key }),
            None => Err(stranger()),
        }
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

/// A form that one of our own pages sent: the only way to a form's fields.
#[derive(Debug)]
pub(super) struct Posted {
    /// Who sent it.
    pub(super) session: Session,
    fields: Vec<(String, String)>,
}

impl Posted {
    /// A field, trimmed; none when it is empty.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(one, _)| one == name);
        found
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Every value of a field that may stand several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.fields.iter().filter(move |(one, _)| one == name);
        named.map(|(_, value)| value.as_str())
    }
}

impl FromRequest<Arc<Flow>> for Posted {
    type Rejection = Refused;

    async fn from_request(request: Request, flow: &Arc<Flow>) -> Result<Self, Refused> {
        let (mut parts, body) = request.into_parts();
        let session = Session::from_request_parts(&mut parts, flow).await?;
        let fields = read_form(&parts.headers, body, flow).await?;
        let posted = Self { session, fields };
        let given = posted.field("csrf").unwrap_or_default();
        let wanted = posted.session.csrf();
        if bool::from(given.as_bytes().ct_eq(wanted.as_bytes())) {
            Ok(posted)
        } else {
            Err(Failure::Forged.into())
        }
    }
}

/// The fields of a form, from our own pages as far as the browser tells.
async fn read_form(
    headers: &HeaderMap,
    body: axum::body::Body,
    flow: &Arc<Flow>,
) -> Result<Vec<(String, String)>, Failure> {
    if is_foreign(headers) {
        return Err(Failure::Forged);
    }
    let too_large = |_| Failure::Invalid("The form is too large, or broke off.".to_owned());
    let bytes = Bytes::from_request(Request::new(body), flow)
        .await
        .map_err(too_large)?;
    if bytes.len() > MAX_FORM {
        return Err(Failure::Invalid("The form is too large.".to_owned()));
    }
    let fields = form_pairs(&bytes);
    // No record holds U+0000, and PostgreSQL calls it an error.
    if fields
        .iter()
        .any(|(name, value)| name.contains('\0') || value.contains('\0'))
    {
        return Err(Failure::Invalid("A field holds U+0000.".to_owned()));
    }
    Ok(fields)
}

/// Whether a page of another site sent it. A browser that says so is believed; of an older one, or
/// without TLS, the origin must be the host that was asked. What is no browser tells neither.
fn is_foreign(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let from = origin.to_str().ok().and_then(|text| text.split_once("://"));
    let Some((_, from)) = from else {
        return true;
    };
    // A proxy may have asked us by a name of its own.
    ![header::HOST.as_str(), "x-forwarded-host"]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok())
        .any(|host| host.eq_ignore_ascii_case(from))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    next: String,
    wrong: &'static str,
    assets: &'static str,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Back {
    next: String,
}

/// Asks for a token.
pub(super) async fn ask(Query(back): Query<Back>) -> Result<Response, Failure> {
    login_page(&back.next, "")
}

fn login_page(next: &str, wrong: &'static str) -> Result<Response, Failure> {
    let page = LoginPage {
        next: ours(next).to_owned(),
        wrong,
        assets: super::assets::VERSION,
    };
    let status = if wrong.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNAUTHORIZED
    };
    Ok((status, Html(page.render()?)).into_response())
}

/// Where to go after the log-in: only ever a page of the console.
fn ours(next: &str) -> &str {
    let inside = next == "/console"
        || ["/console/", "/console?"]
            .iter()
            .any(|start| next.starts_with(start));
    let plain = !next.chars().any(|c| c.is_control() || c == '\\');
    if inside && plain && !next.starts_with("/console/log") {
        next
    } else {
        "/console"
    }
}

/// Opens a session for whoever shows a token that works.
pub(super) async fn log_in(
    State(flow): State<Arc<Flow>>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Response, Failure> {
    let fields = read_form(&headers, body, &flow).await?;
    let field = |name: &str| {
        let found = fields.iter().find(|(one, _)| one == name);
        found.map_or("", |(_, value)| value.trim())
    };
    let (hash, next) = (tokens::hash(field("token")), field("next"));
    let now = flow.host.now();
    let wanted = hash.clone();
    let token = flow
        .db
        .read(move |mut conn| Box::pin(async move { tokens::by_hash(&mut conn, &wanted).await }))
        .await?;
    let token = match token {
        None => return login_page(next, "No token reads like this."),
        Some(token) if token.why_dead(now).is_some() => {
            return login_page(next, "This token has expired, or was revoked.");
        }
        Some(token) => token,
    };
    let key = URL_SAFE_NO_PAD.encode(flow.host.dice.bytes::<32>());
    let session_hash = sessions::hash(&key);
    let until = now.plus(LASTS);
    let entry = Entry::now(&flow.host, &token.id, "console.log_in", &token.id, "");
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                sessions::open(&mut conn, &session_hash, &hash, now, until).await?;
                audit::add(&mut conn, &entry).await
            })
        })
        .await?;
    let cookie = written(&key, LASTS.as_secs(), is_secure(&headers));
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(ours(next))).into_response())
}

/// Ends the session.
pub(super) async fn log_out(
    State(flow): State<Arc<Flow>>,
    posted: Posted,
) -> Result<Response, Failure> {
    let hash = sessions::hash(&posted.session.key);
    flow.db
        .write(move |mut conn| Box::pin(async move { sessions::close(&mut conn, &hash).await }))
        .await?;
    let gone = written("", 0, false);
    Ok(([(header::SET_COOKIE, gone)], Redirect::to("/console/login")).into_response())
}

fn written(value: &str, seconds: u64, secure: bool) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/console; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

/// Whether the browser came by https, as it or the proxy before us says.
fn is_secure(headers: &HeaderMap) -> bool {
    let says = |name: &str, what: &str| {
        headers
            .get(name)
            .is_some_and(|value| value.as_bytes().starts_with(what.as_bytes()))
    };
    says("origin", "https://") || says("x-forwarded-proto", "https")
}
