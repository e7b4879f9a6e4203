//! One question to `/chat/completions`, bounded in time and size, and what it costs.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT, RETRY_AFTER};
use serde::Deserialize;
use serde_json::json;

use super::{Llm, LlmError, schema};

/// The largest answer that is read.
const MAX_BODY: usize = 1 << 20;

/// Tokens that an answer may have.
const MAX_TOKENS: u32 = 4096;

/// The longest pause that an endpoint may ask for.
const MAX_PAUSE: Duration = Duration::from_hours(1);

/// How many forms a question can have.
pub(super) const STYLES: u32 = 3;

/// How strictly the form of the answer is asked for. Endpoints differ in what they take
/// (`memory.md` §3): the strictest that is taken is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// The schema, enforced.
    Schema,
    /// Any JSON.
    Object,
    /// Nothing but the question.
    Plain,
}

const FORMS: [Style; STYLES as usize] = [Style::Schema, Style::Object, Style::Plain];

/// The form that the endpoint has taken last.
#[derive(Debug, Default)]
pub(super) struct Remembered(AtomicU8);

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<Said>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
    refusal: Option<String>,
}

/// What the question cost.
#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    /// In US dollars, where the endpoint says it.
    cost: Option<f64>,
}

impl Llm {
    /// Asks, and answers the text of the first choice.
    pub(super) async fn ask(&self, system: &str, question: &str) -> Result<String, LlmError> {
        let first = usize::from(self.style.0.load(Ordering::Relaxed));
        for (at, style) in FORMS.into_iter().enumerate().skip(first) {
            let asked = self.ask_in(style, system, question).await;
            let outcome = match &asked {
                Ok(_) => "ok",
                Err(error) => error.code(),
            };
            metrics::counter!("aftercall_llm_requests_total", "outcome" => outcome).increment(1);
            // The endpoint may know no schemas, or not this one.
            let other_form = matches!(asked, Err(LlmError::Unsuited(400 | 422 | 501)));
            if other_form && style != Style::Plain {
                continue;
            }
            if asked.is_ok() {
                self.style
                    .0
                    .store(u8::try_from(at).unwrap_or(0), Ordering::Relaxed);
            }
            return asked;
        }
        Err(LlmError::Unusable("it takes no form of the question"))
    }

    async fn ask_in(&self, style: Style, system: &str, question: &str) -> Result<String, LlmError> {
        let mut body = json!({
            "model": self.model,
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": question},
            ],
        });
        if style != Style::Plain {
            body["temperature"] = json!(0);
            body["max_tokens"] = json!(MAX_TOKENS);
            body["response_format"] = match style {
                Style::Schema => schema::response_format(),
                _ => json!({"type": "json_object"}),
            };
        }
        let mut request = self
            .http
            .post(self.url.clone())
            .timeout(self.timeout)
            .header(ACCEPT, "application/json")
            .json(&body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose());
        }
        let answer = request.send().await.map_err(|error| unavailable(&error))?;
        refuse(&answer)?;
        let body = bounded(answer).await?;
        // The error's text could quote the body.
        let completion: Completion =
            serde_json::from_slice(&body).map_err(|_| LlmError::Unusable("it is not JSON"))?;
        if let Some(usage) = &completion.usage {
            count(usage);
        }
        text_of(completion)
    }
}

fn text_of(completion: Completion) -> Result<String, LlmError> {
    let first = completion.choices.into_iter().next();
    let choice = first.ok_or(LlmError::Unusable("it has no choices"))?;
    if choice.finish_reason.as_deref() == Some("length") {
        return Err(LlmError::Unusable("it was cut off"));
    }
    let said = choice
        .message
        .ok_or(LlmError::Unusable("it has no message"))?;
    if said.refusal.is_some_and(|refusal| !refusal.is_empty()) {
        return Err(LlmError::Unusable("the model declined"));
    }
    said.content
        .filter(|text| !text.trim().is_empty())
        .ok_or(LlmError::Unusable("it is empty"))
}

async fn bounded(mut answer: reqwest::Response) -> Result<Vec<u8>, LlmError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unavailable(&error))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(LlmError::Unusable("it is larger than 1 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn refuse(answer: &reqwest::Response) -> Result<(), LlmError> {
    let status = answer.status();
    let after = answer
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(|secs| Duration::from_secs(secs).min(MAX_PAUSE));
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(LlmError::Refused(status.as_u16())),
        StatusCode::TOO_MANY_REQUESTS => Err(LlmError::SlowDown(after)),
        StatusCode::SERVICE_UNAVAILABLE if after.is_some() => Err(LlmError::SlowDown(after)),
        StatusCode::NOT_IMPLEMENTED => Err(LlmError::Unsuited(status.as_u16())),
        _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Err(LlmError::Unavailable(format!("status {}", status.as_u16())))
        }
        _ => Err(LlmError::Unsuited(status.as_u16())),
    }
}

fn count(usage: &Usage) {
    metrics::counter!("aftercall_llm_tokens_total", "kind" => "prompt")
        .increment(usage.prompt_tokens);
    metrics::counter!("aftercall_llm_tokens_total", "kind" => "completion")
        .increment(usage.completion_tokens);
    if let Some(cost) = usage.cost.filter(|cost| cost.is_finite() && *cost > 0.0) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive number of millionths of a dollar, cut at the type's end"
        )]
        let millionths = (cost * 1e6).round() as u64;
        metrics::counter!("aftercall_llm_cost_microdollars_total").increment(millionths);
    }
}

/// What went wrong on the wire, in our words: the library's name the address.
fn unavailable(error: &reqwest::Error) -> LlmError {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    };
    LlmError::Unavailable(what.to_owned())
}
