//! A body of the customer's own making: a MiniJinja template over the event and its conversation.
//!
//! Templates come from whoever may write endpoints. They see the event's data and nothing else, load
//! nothing, and end: every step and every byte that they make costs fuel, and what costs none is refused
//! before ([`scan`]). What is left of it, the [`Renderer`] bounds in time. Where the body is JSON,
//! `{{ value }}` writes the value as JSON, so that nothing a caller says can break out of it.

use std::io;

use minijinja::{AutoEscape, Environment, ErrorKind};
use serde_json::Value;

use self::scan::Refused;
use crate::endpoint::Template;

mod renderer;
mod scan;

pub use renderer::{Renderer, Unrendered};

/// The longest template, in bytes.
pub const MAX_TEMPLATE: usize = 64 << 10;

/// The longest body that one may make, in bytes.
const MAX_BODY: usize = 1 << 20;

/// Steps and bytes that a rendering may cost.
const FUEL: u64 = 1_000_000;

/// What one tag may write down before its cost is known, in bytes: whatever it names, it may name
/// all of the event each time.
const MAX_AT_ONCE: usize = 256 << 20;

/// Filters that put what they are given, or what they take apart, into what they make more than once.
const FILTERS_THAT_DOUBLE: [&str; 5] = ["batch", "chain", "groupby", "slice", "zip"];

/// What a rendering may need of stack, in bytes; only what it uses is ever taken from the machine.
const STACK: usize = 256 << 20;

/// The template can't be used. Says where it is wrong, and nothing of what callers said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadTemplate(String);

/// Renders a template over `context`. None when it renders to nothing but white space: then there is
/// nothing to send. What is written deep is read, compiled and run deep: it needs [`STACK`].
fn render(template: &Template, context: &Value) -> Result<Option<String>, BadTemplate> {
    if template.body.len() > MAX_TEMPLATE {
        return Err(BadTemplate(format!("is over {} KiB", MAX_TEMPLATE >> 10)));
    }
    let named = scan::refuse(&template.body)
        .map_err(|Refused { line, why }| BadTemplate(format!("at line {line}: {why}")))?;
    if named.saturating_mul(size(context)) > MAX_AT_ONCE {
        return Err(BadTemplate(
            "names too much in one tag for an event of this size; write it as several".to_owned(),
        ));
    }
    let is_json = is_json(&template.content_type);
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    for filter in FILTERS_THAT_DOUBLE {
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
    let mut body = Bounded::default();
    environment
        .template_from_str(&template.body)
        .and_then(|read| read.render_captured_to(minijinja::value::Serde(context), &mut body))
        .map_err(|error| told(&error))?;
    let body = String::from_utf8(body.0).map_err(|_| BadTemplate("makes no text".to_owned()))?;
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

/// Bytes of a value as JSON.
fn size(value: &Value) -> usize {
    struct Counted(usize);
    impl io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counted = Counted(0);
    serde_json::to_writer(&mut counted, value).map_or(usize::MAX, |()| counted.0)
}

/// A body that takes no more than it may have, while it is being made.
#[derive(Default)]
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BODY {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
        ErrorKind::WriteFailure => format!("makes more than {} KiB{place}", MAX_BODY >> 10),
        kind => format!("fails{place}: {kind}{detail}"),
    })
}

#[cfg(test)]
mod tests;
