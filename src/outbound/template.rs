//! A body of the customer's own making: a MiniJinja template over the event and its conversation.
//!
//! Templates come from whoever may write endpoints. They see the event's data and nothing else, load
//! nothing, and end: every step and every byte that they make costs fuel, and what costs none is refused
//! before ([`scan`]). Where the body is JSON,
//! `{{ value }}` writes the value as JSON, so that nothing a caller says can break out of it.

use minijinja::{AutoEscape, Environment, ErrorKind};
use serde_json::Value;

use self::scan::Refused;
use crate::endpoint::Template;

mod scan;

/// The longest template, in bytes.
pub const MAX_TEMPLATE: usize = 64 << 10;

/// The longest body that one may make, in bytes.
const MAX_BODY: usize = 1 << 20;

/// Steps and bytes that a rendering may cost.
const FUEL: u64 = 2_000_000;

/// What a rendering may need of stack, in bytes; only what it uses is ever taken from the machine.
const STACK: usize = 256 << 20;

/// The template can't be used. Says where it is wrong, and nothing of what callers said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadTemplate(String);

/// Renders a template over `context`. None when it renders to nothing but white space: then there is
/// nothing to send.
pub fn render(template: &Template, context: &Value) -> Result<Option<String>, BadTemplate> {
    if template.body.len() > MAX_TEMPLATE {
        return Err(BadTemplate(format!("is over {} KiB", MAX_TEMPLATE >> 10)));
    }
    if let Err(Refused { line, why }) = scan::refuse(&template.body) {
        return Err(BadTemplate(format!("at line {line}: {why}")));
    }
    // What is written deep is read, compiled and run deep: none of our threads has so much stack.
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || within_bounds(template, context))
            .map_err(|_| BadTemplate("can't be rendered now: no thread can be started".to_owned()))?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn within_bounds(template: &Template, context: &Value) -> Result<Option<String>, BadTemplate> {
    let is_json = is_json(&template.content_type);
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    for filter in ["chain", "zip"] {
        environment.remove_filter(filter);
    }
    for function in ["namespace", "dict", "debug"] {
        environment.remove_global(function);
    }
    environment.set_auto_escape_callback(move |_| {
        if is_json {
            AutoEscape::Json
        } else {
            AutoEscape::None
        }
    });
    let body = environment
        .render_str(&template.body, minijinja::value::Serde(context))
        .map_err(|error| told(&error))?;
    if body.len() > MAX_BODY {
        return Err(BadTemplate(format!(
            "makes more than {} KiB",
            MAX_BODY >> 10
        )));
    }
    if body.trim().is_empty() {
        return Ok(None);
    }
    if is_json && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&body) {
        let (line, column) = (error.line(), error.column());
        return Err(BadTemplate(format!(
            "does not make JSON: its body is wrong at line {line}, column {column}; in JSON, \
             {{{{ value }}}} writes the quotes of a text, too"
        )));
    }
    Ok(Some(body))
}

fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json") || media.to_ascii_lowercase().ends_with("+json")
}

/// What is wrong, and where. Details are the template's own words in errors of its text; those of a
/// rendering may be a caller's.
fn told(error: &minijinja::Error) -> BadTemplate {
    let place = error
        .line()
        .map_or_else(String::new, |line| format!(" at line {line}"));
    let of_its_text = matches!(
        error.kind(),
        ErrorKind::SyntaxError
            | ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::BadEscape
    );
    let detail = error.detail().filter(|_| of_its_text);
    let detail = detail.map_or_else(String::new, |detail| format!(": {detail}"));
    BadTemplate(match error.kind() {
        ErrorKind::UndefinedError => format!(
            "fails{place}: it asks for something of what is not there; guard what a call may lack, as \
             {{% if messages %}}"
        ),
        ErrorKind::OutOfFuel => format!("takes too many steps, or makes too much{place}"),
        kind => format!("fails{place}: {kind}{detail}"),
    })
}

#[cfg(test)]
mod tests;
