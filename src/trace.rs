//! The trace that work belongs to, carried from process to process as a W3C `traceparent` in its
//! message: one trace from the webhook to the CRM. Without the feature `otlp` none is begun, and one
//! that a message carries is passed over.

/// A message's body, carrying the trace of the current span beside what it says: readers of messages
/// pass over what they do not know.
pub fn carry(body: String) -> String {
    match (current(), body.strip_suffix('}')) {
        (Some(trace), Some(rest)) => format!(r#"{rest},"trace":"{trace}"}}"#),
        _ => body,
    }
}

/// The `traceparent` that a message's body carries.
pub fn carried_by(body: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Carrier {
        trace: Option<String>,
    }
    // Without a trace there is nothing to look for.
    if !body.contains(r#""trace""#) {
        return None;
    }
    serde_json::from_str::<Carrier>(body).ok()?.trace
}

/// The `traceparent` of the current span; none outside of a trace.
#[cfg(feature = "otlp")]
fn current() -> Option<String> {
    use opentelemetry::trace::TraceContextExt as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    let context = tracing::Span::current().context();
    let span = context.span();
    let at = span.span_context();
    at.is_valid().then(|| {
        let flags = at.trace_flags().to_u8();
        format!("00-{}-{}-{flags:02x}", at.trace_id(), at.span_id())
    })
}

/// The `traceparent` of the current span; none outside of a trace.
#[cfg(not(feature = "otlp"))]
fn current() -> Option<String> {
    None
}

/// Lets a span go on with the trace that a message carries.
#[cfg(feature = "otlp")]
pub fn go_on(span: &tracing::Span, traceparent: Option<&str>) {
    use opentelemetry::Context;
    use opentelemetry::trace::TraceContextExt as _;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    if let Some(from) = traceparent.and_then(parse) {
        let parent = Context::new().with_remote_span_context(from);
        // A span that nobody records has no parent to be set.
        let _ = span.set_parent(parent);
    }
}

/// Lets a span go on with the trace that a message carries.
#[cfg(not(feature = "otlp"))]
pub fn go_on(_: &tracing::Span, _: Option<&str>) {}

#[cfg(feature = "otlp")]
fn parse(text: &str) -> Option<opentelemetry::trace::SpanContext> {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version != "00" || trace.len() != 32 || span.len() != 16 || parts.next().is_some() {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_which_trace_it_carries() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let body = format!(r#"{{"v":1,"id":"a","trace":"{trace}"}}"#);
        assert_eq!(carried_by(&body).as_deref(), Some(trace));
        for none in [
            r#"{"v":1}"#,
            r#"{"v":1,"id":"a \"trace\""}"#,
            "[1]",
            r#""trace""#,
        ] {
            assert_eq!(carried_by(none), None, "{none}");
        }
        let plain = r#"{"v":1}"#;
        assert_eq!(carry(plain.to_owned()), plain, "outside of a trace");
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn only_what_w3c_allows_is_gone_on_with() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(parse(good).is_some());
        for bad in [
            "",
            "00",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-zz",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
