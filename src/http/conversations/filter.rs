//! The filters of the list of conversations, as a query says them.

use utoipa::IntoParams;

use crate::conversation::{CallSuccess, Status, Transport};
use crate::http::query::{FromParams, Params};
use crate::page::PageRequest;
use crate::store::conversations::list::Filter;
use crate::time::Timestamp;

/// What a query for the list asks for.
#[derive(Debug)]
pub(super) struct ListQuery {
    pub(super) filter: Filter,
    pub(super) with_summary: bool,
    pub(super) page: PageRequest,
}

impl FromParams for ListQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            filter: Filter {
                agents: Vec::new(),
                agent_id: params.word("agent_id").map(|id| crate::id::canonical(&id)),
                status: params.one_of("status", Status::KNOWN),
                transport: params.one_of("transport", Transport::KNOWN),
                // Platforms coin new reasons: any word may stand in a record.
                end_reason: params.word("end_reason"),
                source: params.word("source"),
                platform: params.word("platform"),
                caller_identity: caller(params),
                call_successful: params.one_of("call_successful", CallSuccess::KNOWN),
                started_from: latest(
                    params.unix_time("call_start_after_unix"),
                    params.time("started_after"),
                ),
                started_before: earliest(
                    params.unix_time("call_start_before_unix"),
                    params.time("started_before"),
                ),
                duration_min_ms: params.count("duration_min_ms"),
                duration_max_ms: params.count("duration_max_ms"),
                prefix: prefix(params, "q"),
                ..Filter::default()
            },
            with_summary: params
                .one_of("summary_mode", &["include", "exclude"])
                .is_some_and(|mode| mode == "include"),
            page: params.page(),
        }
    }
}

/// `caller_identity`, or `user_id`, which means the same.
fn caller(params: &mut Params) -> Option<String> {
    let caller = params.caller("caller_identity");
    let user = params.caller("user_id");
    if caller.is_some() && user.is_some() && caller != user {
        params.refuse("user_id", "names another caller than caller_identity");
    }
    caller.or(user)
}

/// The longest text that is searched for, in characters: longer than every id, and far below what
/// the databases take for a pattern.
const LONGEST_PREFIX: usize = 256;

/// What is searched for; empty, it narrows nothing.
pub(in crate::http) fn prefix(params: &mut Params, name: &str) -> Option<String> {
    let text = params.caller(name).filter(|text| !text.is_empty())?;
    if text.chars().count() > LONGEST_PREFIX {
        params.refuse(name, "must be at most 256 characters");
    }
    Some(text)
}

fn latest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.max(b)
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// The parameters of the list, for its documentation.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `ListQuery` reads")]
pub(super) struct ListParams {
    /// Only of this agent.
    #[param(min_length = 1)]
    agent_id: Option<String>,
    /// Only where the call stands so: `pending`, `active`, `completed` or `failed`.
    #[param(pattern = "^(pending|active|completed|failed)$")]
    status: Option<String>,
    /// Only over this transport.
    #[param(pattern = "^(web|phone|whatsapp|sip_inbound|sip_outbound)$")]
    transport: Option<String>,
    /// Only ended for this reason.
    #[param(min_length = 1)]
    end_reason: Option<String>,
    /// Only come through this source first.
    #[param(min_length = 1)]
    source: Option<String>,
    /// Only of this platform.
    #[param(min_length = 1)]
    platform: Option<String>,
    /// Only of this caller, however a phone number is spelled; empty: only anonymous calls.
    caller_identity: Option<String>,
    /// The same as `caller_identity`.
    user_id: Option<String>,
    /// `success`, `failure` or `unknown`.
    #[param(pattern = "^(success|failure|unknown)$")]
    call_successful: Option<String>,
    /// Only begun then or later, in Unix seconds.
    call_start_after_unix: Option<i64>,
    /// Only begun before, in Unix seconds.
    call_start_before_unix: Option<i64>,
    /// Only begun then or later. The start is `started_at`, or `created_at` where that is null.
    #[param(format = DateTime)]
    started_after: Option<String>,
    /// Only begun before.
    #[param(format = DateTime)]
    started_before: Option<String>,
    /// Only this long, in milliseconds, or longer.
    duration_min_ms: Option<u64>,
    /// Only this long, in milliseconds, or shorter.
    duration_max_ms: Option<u64>,
    /// Only where id, caller, a number, agent id or agent name begins so, in any case.
    #[param(max_length = 256)]
    q: Option<String>,
    /// `include` shows summaries; `exclude` is the default.
    #[param(pattern = "^(include|exclude)$")]
    summary_mode: Option<String>,
    /// Rows a page, 1 to 100.
    #[param(default = 30, minimum = 1, maximum = 100)]
    page_size: Option<usize>,
    /// `next_cursor` of the page before; absent on the first.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::Fields;

    fn read(query: &str) -> Result<ListQuery, Fields> {
        let uri = format!("/v1/conversations?{query}").parse().unwrap();
        crate::http::query::read(&uri)
    }

    #[test]
    fn what_is_documented_is_what_is_read() {
        let documented = ListParams::into_params(|| None);
        for parameter in documented {
            // Every value is wrong for most, so that only unknown names are told apart.
            let query = format!("{}=%00", parameter.name);
            if let Err(fields) = read(&query) {
                let why = &fields[&parameter.name];
                assert!(!why.contains("not a parameter"), "{}", parameter.name);
            }
        }
    }

    #[test]
    fn closed_sets_are_documented_as_they_are_read() {
        let documented = serde_json::to_value(ListParams::into_params(|| None)).unwrap();
        for (name, known) in [
            ("status", Status::KNOWN),
            ("transport", Transport::KNOWN),
            ("call_successful", CallSuccess::KNOWN),
        ] {
            let parameters = documented.as_array().unwrap();
            let parameter = parameters.iter().find(|one| one["name"] == name).unwrap();
            let pattern = format!("^({})$", known.join("|"));
            assert_eq!(parameter["schema"]["pattern"], pattern, "{name}");
        }
    }

    #[test]
    fn every_wrong_value_is_named() {
        let query = "status=done&page_size=0&cursor=x&duration_min_ms=-1&started_after=today\
                     &call_start_after_unix=1.5&agent_id=&call_successful=yes&nonsense=1\
                     &platform=a&platform=b&caller_identity=a&user_id=b&summary_mode=all";
        let fields = read(query).unwrap_err();
        let names: Vec<_> = fields.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "agent_id",
                "call_start_after_unix",
                "call_successful",
                "cursor",
                "duration_min_ms",
                "nonsense",
                "page_size",
                "platform",
                "started_after",
                "status",
                "summary_mode",
                "user_id",
            ]
        );
    }

    #[test]
    fn a_plus_that_was_not_escaped_is_still_one() {
        for (query, caller) in [
            ("caller_identity=sip_+14155550123", "sip_+14155550123"),
            ("caller_identity=+14155550123", "+14155550123"),
            ("user_id=tel%3A%2B14155550123", "tel:+14155550123"),
            ("user_id=Ann+Lee", "Ann Lee"),
            ("caller_identity=", ""),
        ] {
            let read = read(query).unwrap();
            assert_eq!(read.filter.caller_identity.as_deref(), Some(caller));
        }
    }

    #[test]
    fn the_narrower_of_two_bounds_counts() {
        let query = "call_start_after_unix=10&started_after=1970-01-01T00:00:20Z\
                     &call_start_before_unix=30&started_before=1970-01-01T01:00:40+01:00";
        let filter = read(query).unwrap().filter;
        assert_eq!(filter.started_from, Some(Timestamp::from_secs(20)));
        assert_eq!(filter.started_before, Some(Timestamp::from_secs(30)));
    }
}
