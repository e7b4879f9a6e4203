//! Replays as clients see them (product contract §14).

use serde::Serialize;
use utoipa::ToSchema;

use crate::replay::{Callee, Effects, Example, Preview};
use crate::store::replays::causes::Failed;
use crate::store::replays::{Job, Status};
use crate::time::Timestamp;

/// A replay, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobBody {
    /// Its id.
    id: String,
    /// `running`, `paused`, `stopped` (by itself), `cancelled` or `completed`.
    #[schema(value_type = String)]
    status: Status,
    /// Why it stopped by itself.
    #[schema(required = true)]
    reason: Option<String>,
    /// Which letters were asked for; who called is not repeated.
    #[schema(value_type = Object)]
    filter: serde_json::Value,
    /// Letters a second.
    rate: f64,
    /// Letters that go first.
    canary: u32,
    /// Whether the canary is all.
    canary_only: bool,
    /// The share of failures above which it stops by itself.
    stop_at_failure_rate: f64,
    /// Letters of the filter.
    total: i64,
    /// Letters that were sent.
    sent: i64,
    /// Letters with a final verdict.
    done: i64,
    /// Letters that are resolved.
    succeeded: i64,
    /// Letters that are dead again, each with one attempt more.
    failed: i64,
    /// Letters that were gone, or that somebody discarded meanwhile.
    passed_over: i64,
    /// Who made it: the id of a token.
    created_by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When something about it changed last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    finished_at: Option<Timestamp>,
}

impl From<Job> for JobBody {
    fn from(job: Job) -> Self {
        let done = job.done();
        Self {
            id: job.id,
            status: job.status,
            reason: Some(job.reason).filter(|reason| !reason.is_empty()),
            filter: serde_json::from_str(&job.filter).unwrap_or_default(),
            rate: job.plan.rate,
            canary: job.plan.canary,
            canary_only: job.plan.canary_only,
            stop_at_failure_rate: job.plan.stop_at_failure_rate,
            total: job.total,
            sent: job.sent,
            done,
            succeeded: job.succeeded,
            failed: job.failed,
            passed_over: job.passed_over,
            created_by: job.created_by,
            created_at: job.created_at,
            updated_at: job.updated_at,
            finished_at: job.finished_at,
        }
    }
}

/// Letters of a replay that are dead again of the same cause.
#[derive(Debug, Serialize, ToSchema)]
struct FailureBody {
    /// The cause.
    fingerprint: String,
    /// Who gave up.
    stage: String,
    /// The cause's stable code.
    code: String,
    /// The cause, for people.
    message: String,
    /// Whose fault it is: `ours`, `platform`, `endpoint` or `poison`.
    fault: &'static str,
    /// How many letters.
    count: i64,
    /// The letter that failed of it first.
    example_id: String,
}

impl From<Failed> for FailureBody {
    fn from(Failed { cause, letters }: Failed) -> Self {
        Self {
            fingerprint: cause.fingerprint,
            stage: cause.stage,
            code: cause.code,
            message: cause.message,
            fault: cause.fault.as_str(),
            count: letters,
            example_id: cause.letter_id,
        }
    }
}

/// A replay, how far it is, and of what its letters have failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneJob {
    #[serde(flatten)]
    job: JobBody,
    /// Of what letters have failed again, the causes with the most letters first; at most a hundred.
    failures: Vec<FailureBody>,
}

impl OneJob {
    pub(super) fn new(job: Job, failed: Vec<Failed>) -> Self {
        Self {
            job: job.into(),
            failures: failed.into_iter().map(FailureBody::from).collect(),
        }
    }
}

/// A page of replays.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobList {
    /// Newest first.
    pub(super) replays: Vec<JobBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    pub(super) next_cursor: Option<String>,
    /// Whether there is one.
    pub(super) has_more: bool,
}

/// What a replay would do. Nothing was written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreviewBody {
    /// Letters of the filter.
    total: i64,
    /// What would become of those that were looked at.
    effects: EffectsBody,
    /// The letters that were looked at, some of every cause.
    examples: Vec<ExampleBody>,
}

/// What would become of the letters that were looked at.
#[derive(Debug, Serialize, ToSchema)]
struct EffectsBody {
    /// Letters that were looked at: all of a short list, some of every cause of a long one.
    looked_at: u64,
    /// Would run.
    would_run: u64,
    /// Have nothing left to do.
    already_done: u64,
    /// Would fail again, as things are now.
    would_fail: u64,
    /// Hang on what their platform says, which is asked about some letters alone.
    not_asked: u64,
    /// Would change why a call ended.
    would_change_end_reason: u64,
    /// Facts that callers' memories would gain.
    would_add_facts: u64,
    /// From which reason to which, and how often.
    end_reason_changes: Vec<CountedChange>,
    /// Endpoints that would be called, and how often.
    would_call: Vec<CountedCall>,
}

/// An endpoint that would be called.
#[derive(Debug, Serialize, ToSchema)]
struct CalleeBody {
    /// The endpoint.
    endpoint_id: String,
    /// Where it is; null where the token may not see the endpoint.
    #[schema(required = true)]
    url: Option<String>,
}

impl From<Callee> for CalleeBody {
    fn from(callee: Callee) -> Self {
        Self {
            endpoint_id: callee.id,
            url: callee.url,
        }
    }
}

/// An endpoint that would be called, and how often.
#[derive(Debug, Serialize, ToSchema)]
struct CountedCall {
    #[serde(flatten)]
    callee: CalleeBody,
    /// How many events it would be sent.
    count: u64,
}

/// From one end reason to another, and how often.
#[derive(Debug, Serialize, ToSchema)]
struct CountedChange {
    /// As it is; null is none.
    #[schema(required = true)]
    from: Option<String>,
    /// As it would be.
    #[schema(required = true)]
    to: Option<String>,
    /// How many calls.
    count: u64,
}

/// From one end reason to another.
#[derive(Debug, Serialize, ToSchema)]
struct ChangeBody {
    /// As it is; null is none.
    #[schema(required = true)]
    from: Option<String>,
    /// As it would be.
    #[schema(required = true)]
    to: Option<String>,
}

/// What would become of one letter.
#[derive(Debug, Serialize, ToSchema)]
struct ExampleBody {
    /// The letter.
    id: String,
    /// Who gave up.
    stage: String,
    /// Its call, where that is known.
    #[schema(required = true)]
    conversation_id: Option<String>,
    /// `would_run`, `already_done`, `would_fail` or `not_asked`.
    effect: &'static str,
    /// Why, or what can't be told before.
    #[schema(required = true)]
    note: Option<String>,
    /// The change of its call's end reason.
    #[schema(required = true)]
    end_reason: Option<ChangeBody>,
    /// Facts that its caller's memory would gain.
    facts: u64,
    /// The endpoints that would be called, each once for every event.
    calls: Vec<CalleeBody>,
}

impl From<Preview> for PreviewBody {
    fn from(preview: Preview) -> Self {
        Self {
            total: preview.total,
            effects: preview.effects.into(),
            examples: preview
                .examples
                .into_iter()
                .map(ExampleBody::from)
                .collect(),
        }
    }
}

impl From<Effects> for EffectsBody {
    fn from(effects: Effects) -> Self {
        Self {
            looked_at: effects.looked_at,
            would_run: effects.would_run,
            already_done: effects.already_done,
            would_fail: effects.would_fail,
            not_asked: effects.not_asked,
            would_change_end_reason: effects.would_change_end_reason,
            would_add_facts: effects.would_add_facts,
            end_reason_changes: effects
                .end_reasons
                .into_iter()
                .map(|(change, count)| CountedChange {
                    from: change.from,
                    to: change.to,
                    count,
                })
                .collect(),
            would_call: effects
                .calls
                .into_iter()
                .map(|(callee, count)| CountedCall {
                    callee: callee.into(),
                    count,
                })
                .collect(),
        }
    }
}

impl From<Example> for ExampleBody {
    fn from(example: Example) -> Self {
        Self {
            id: example.id,
            stage: example.stage,
            conversation_id: example.conversation_id,
            effect: example.effect.as_str(),
            note: example.note,
            end_reason: example.end_reason.map(|change| ChangeBody {
                from: change.from,
                to: change.to,
            }),
            facts: example.facts,
            calls: example.calls.into_iter().map(CalleeBody::from).collect(),
        }
    }
}
