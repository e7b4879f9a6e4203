//! Asks a running server, with the operator's token.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use super::output::Choice;
use super::{Globals, WrongUsage};
use crate::config::Config;
use crate::page::PageRequest;
use crate::secret::Secret;

/// The longest that an answer may take: above the server's own limit, so that its answer is seen.
const PATIENCE: Duration = Duration::from_secs(40);

/// The variable with the token.
const TOKEN: &str = "AFTERCALL_TOKEN";

/// Flags of commands that ask a running server.
#[derive(Clone, Debug, Args)]
pub(super) struct Remote {
    #[arg(
        long,
        help = "The server's address; the token is taken from AFTERCALL_TOKEN, else from the file \
                admin-token in the data folder",
        value_name = "URL",
        env = "AFTERCALL_URL",
        default_value = "http://127.0.0.1:8080",
        help_heading = "Server"
    )]
    url: String,
    #[command(flatten)]
    pub(super) output: Choice,
}

/// Where a token was found: what may be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The variable.
    Variable,
    /// A file.
    File(PathBuf),
}

/// A token and where it was found, or where it was not.
#[derive(Debug)]
enum Token {
    Found(Secret, Origin),
    Missing(PathBuf, std::io::Error),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable => write!(f, "the variable {TOKEN}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// The server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The server wants a token, and none was found.
    #[error(
        "no token: set {TOKEN}, or run this where the server's data folder is ({path}: {cause})"
    )]
    NoToken {
        /// The file that was looked for.
        path: String,
        /// Why it can't be read.
        cause: String,
    },
    /// Nobody answered.
    #[error("no server answers at {url} ({cause}); start it with `aftercall serve`")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why not.
        cause: String,
    },
    /// The token was refused.
    #[error("the server refuses the token from {origin}: {message}")]
    Refused {
        /// Where the token was found.
        origin: Origin,
        /// What the server says.
        message: String,
    },
    /// The server said no.
    #[error("{message} ({code}, {status}, request {request_id})")]
    Answered {
        /// The HTTP status.
        status: StatusCode,
        /// The error's code.
        code: String,
        /// What it means, and what is wrong with which field.
        message: String,
        /// What the server's log calls it.
        request_id: String,
    },
    /// What was given as an id can stand in no route.
    #[error("{0:?} is no id: an empty one, `.` and `..` would name another route")]
    NotAnId(String),
    /// Something answered that is no aftercall.
    #[error("{0} is no aftercall server: its answer can't be read")]
    Stranger(String),
}

/// A connection to a server.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    token: Token,
}

impl Client {
    /// A client with the token of the environment, or of the data folder.
    pub(super) fn new(globals: &Globals, remote: &Remote) -> anyhow::Result<Self> {
        Self::at(globals, &remote.url)
    }

    /// The same, of the server at `url`.
    pub(super) fn at(globals: &Globals, url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            http,
            url: address(url)?,
            token: token(globals)?,
        })
    }

    /// `GET`; each element of `path` is one segment of it.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Value, Error> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Up to `most` rows of a list, over as many pages as that takes, in the shape of one page.
    pub(super) async fn list(
        &self,
        path: &[&str],
        rows: &str,
        filter: &[(&str, String)],
        most: usize,
    ) -> Result<Value, Error> {
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            let wanted = (most - found.len()).min(PageRequest::MAX_SIZE);
            let mut query = filter.to_vec();
            query.push(("page_size", wanted.to_string()));
            query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
            let mut page = self.get(path, &query).await?;
            let Some(Value::Array(more)) = page.get_mut(rows).map(Value::take) else {
                return Err(Error::Stranger(self.url.to_string()));
            };
            found.extend(more);
            match page["next_cursor"].as_str() {
                Some(next) if found.len() < most => cursor = Some(next.to_owned()),
                _ => {
                    page[rows] = Value::Array(found);
                    return Ok(page);
                }
            }
        }
    }

    /// `POST` with a JSON body.
    pub(super) async fn post(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        body: &Value,
    ) -> Result<Value, Error> {
        self.ask(Method::POST, path, query, Some(body)).await
    }

    /// `PATCH` with a JSON body.
    pub(super) async fn patch(&self, path: &[&str], body: &Value) -> Result<Value, Error> {
        self.ask(Method::PATCH, path, &[], Some(body)).await
    }

    /// `DELETE`
    pub(super) async fn delete(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Value, Error> {
        self.ask(Method::DELETE, path, query, None).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        if let Some(part) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            return Err(Error::NotAnId((*part).to_owned()));
        }
        let mut url = self.url.clone();
        let stranger = || Error::Stranger(self.url.to_string());
        url.path_segments_mut()
            .map_err(|()| stranger())?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        // Without one the server is asked all the same: that nobody is there comes first.
        if let Token::Found(token, _) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let unreachable = |error: &reqwest::Error| Error::Unreachable {
            url: self.url.to_string(),
            cause: innermost(error),
        };
        let answer = request.send().await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| unreachable(&error))?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let body: Value = serde_json::from_slice(&bytes).map_err(|_| stranger())?;
        if status.is_success() {
            return Ok(body);
        }
        Err(self.refusal(status, &body))
    }

    fn refusal(&self, status: StatusCode, body: &Value) -> Error {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let error = &body["error"];
        let mut message = text(&error["message"]);
        for (field, wrong) in error["fields"].as_object().into_iter().flatten() {
            message = format!("{message}; {field}: {}", text(wrong));
        }
        if status == StatusCode::UNAUTHORIZED {
            return match &self.token {
                Token::Found(_, origin) => Error::Refused {
                    origin: origin.clone(),
                    message,
                },
                Token::Missing(path, cause) => Error::NoToken {
                    path: path.display().to_string(),
                    cause: cause.to_string(),
                },
            };
        }
        if !error.is_object() {
            return Error::Stranger(self.url.to_string());
        }
        Error::Answered {
            status,
            code: text(&error["code"]),
            message,
            request_id: text(&body["request_id"]),
        }
    }
}

/// A server's address. What is wrong with it is told without repeating it: what stands before an `@`
/// may be a password.
fn address(text: &str) -> Result<Url, WrongUsage> {
    let wrong = |why: &str| {
        WrongUsage(format!(
            "--url (or AFTERCALL_URL) {why}; expected one such as http://127.0.0.1:8080"
        ))
    };
    let url: Url = text.parse().map_err(|_| wrong("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("does not begin with http:// or https:// and a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not carry a user or password"));
    }
    Ok(url)
}

/// A token as a header can carry it.
fn usable(text: &str, origin: Origin) -> anyhow::Result<Token> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let text = format!("{origin} holds no token: a token has neither spaces nor line ends");
        return Err(WrongUsage(text).into());
    }
    Ok(Token::Found(Secret::new(text)?, origin))
}

/// The token, and where it was found.
fn token(globals: &Globals) -> anyhow::Result<Token> {
    let given = std::env::var(TOKEN).unwrap_or_default();
    if !given.trim().is_empty() {
        return usable(given.trim(), Origin::Variable);
    }
    let path = Config::data_dir(&globals.overrides())?.join("admin-token");
    match std::fs::read_to_string(&path) {
        Ok(text) => usable(text.trim(), Origin::File(path)),
        Err(cause) => Ok(Token::Missing(path, cause)),
    }
}

/// The last cause says what happened; those before it only where.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::{header, method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn client(url: &str) -> Client {
        // A second installation is refused, and the first one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client {
            http: reqwest::Client::builder().build().unwrap(),
            url: url.parse().unwrap(),
            token: Token::Found(Secret::new("ac_planted").unwrap(), Origin::Variable),
        }
    }

    #[test]
    fn an_address_is_judged_and_never_repeated() {
        assert!(address("http://127.0.0.1:8080").is_ok());
        assert!(address("https://calls.example.com/aftercall").is_ok());
        for text in [
            "",
            "localhost:8080",
            "127.0.0.1:8080",
            "ftp://planted",
            "http://user:planted@127.0.0.1:1",
        ] {
            let why = address(text).unwrap_err().to_string();
            assert!(why.contains("http://127.0.0.1:8080"), "{why}");
            assert!(!why.contains("planted"), "{why}");
        }
    }

    #[test]
    fn what_no_header_can_carry_is_no_token() {
        assert!(usable("ac_x", Origin::Variable).is_ok());
        for text in ["ac_planted\nx", "ac planted", "\u{fc}planted"] {
            let why = usable(text, Origin::Variable).unwrap_err();
            assert!(why.is::<WrongUsage>());
            assert!(!why.to_string().contains("planted"), "{why}");
        }
    }

    #[tokio::test]
    async fn ids_and_parameters_are_escaped() {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/v1/agents/a%2Fb%20c/memories"))
            .and(query_param("caller_identity", "sip_+1 & more"))
            .and(header("authorization", "Bearer ac_planted"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"memories": []})))
            .mount(&server)
            .await;
        let query = [("caller_identity", "sip_+1 & more".to_owned())];
        let asked = client(&server.uri());
        let answer = asked
            .get(&["v1", "agents", "a/b c", "memories"], &query)
            .await;
        assert_eq!(answer.unwrap(), json!({"memories": []}));
    }

    #[tokio::test]
    async fn what_would_walk_to_another_route_is_no_id() {
        // Nobody listens there: what is asked all the same fails otherwise.
        let asked = client("http://127.0.0.1:1");
        for id in ["", ".", ".."] {
            let error = asked.get(&["v1", "dead-letters", id], &[]).await;
            assert!(matches!(error, Err(Error::NotAnId(_))), "{id}: {error:?}");
        }
        let error = asked.get(&["v1", "dead-letters", "..."], &[]).await;
        assert!(matches!(error, Err(Error::Unreachable { .. })), "{error:?}");
    }

    #[tokio::test]
    async fn a_list_is_read_over_its_pages() {
        let server = MockServer::start().await;
        let first = json!({"tokens": [1, 2], "next_cursor": "two", "has_more": true});
        let last = json!({"tokens": [3], "next_cursor": null, "has_more": false});
        Mock::given(query_param("cursor", "two"))
            .respond_with(ResponseTemplate::new(200).set_body_json(last))
            .mount(&server)
            .await;
        Mock::given(query_param("page_size", "100"))
            .respond_with(ResponseTemplate::new(200).set_body_json(first))
            .mount(&server)
            .await;
        let asked = client(&server.uri());
        let all = asked
            .list(&["v1"], "tokens", &[], usize::MAX)
            .await
            .unwrap();
        assert_eq!(
            all,
            json!({"tokens": [1, 2, 3], "next_cursor": null, "has_more": false})
        );
    }

    #[tokio::test]
    async fn a_refused_token_is_named_by_its_origin() {
        let server = MockServer::start().await;
        let body = json!({"error": {"code": "unauthorized", "message": "the token has expired"}});
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(401).set_body_json(body))
            .mount(&server)
            .await;
        let error = client(&server.uri()).get(&["v1"], &[]).await.unwrap_err();
        let told = error.to_string();
        assert!(
            told.contains("AFTERCALL_TOKEN") && told.contains("expired"),
            "{told}"
        );
        assert!(!told.contains("planted"), "{told}");
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_field_is_passed_on() {
        let server = MockServer::start().await;
        let body = json!({
            "error": {"code": "invalid_request", "message": "2 are wrong", "fields": {"q": "too long"}},
            "request_id": "req_1",
        });
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(422).set_body_json(body))
            .mount(&server)
            .await;
        let error = client(&server.uri()).get(&["v1"], &[]).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "2 are wrong; q: too long (invalid_request, 422 Unprocessable Entity, request req_1)"
        );
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let error = client(&url).get(&["v1"], &[]).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("aftercall serve"), "{error}");
    }

    #[tokio::test]
    async fn somebody_else_is_a_stranger() {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(502).set_body_string("<html>"))
            .mount(&server)
            .await;
        let error = client(&server.uri()).get(&["v1"], &[]).await.unwrap_err();
        assert!(matches!(error, Error::Stranger(_)), "{error}");
    }
}
