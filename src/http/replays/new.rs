//! A replay as it is asked for, and which replays are listed.

use utoipa::{IntoParams, ToSchema};

use crate::http::dead_letters::filter::LetterFilter;
use crate::http::query::{FromObject, FromParams, Object, Params};
use crate::page::PageRequest;
use crate::store::dead_letters::State;
use crate::store::replays::{Plan, Status};

/// Letters a second unless told.
const DEFAULT_RATE: f64 = 10.0;

/// Letters a second at the most.
const MAX_RATE: f64 = 10_000.0;

/// The slowest rate: a letter in seventeen minutes.
const MIN_RATE: f64 = 0.001;

/// Letters of a canary at the most.
const MAX_CANARY: u32 = 10_000;

/// The share of failures that stops a replay unless told (product contract §11).
const DEFAULT_STOP: f64 = 0.1;

/// A replay to be made, or to be previewed.
#[derive(Debug, ToSchema)]
pub(super) struct NewReplay {
    /// Which letters; `{}` is all that are dead.
    pub(super) filter: LetterFilter,
    /// Only say what would happen: nothing is written.
    #[schema(value_type = Option<bool>, default = false)]
    pub(super) dry_run: bool,
    /// Letters a second.
    #[schema(value_type = Option<f64>, minimum = 0.001, maximum = 10_000, default = 10.0)]
    rate: f64,
    /// Letters that are sent first, and whose verdicts are awaited; 0 is none. Absent: 10, unless there is
    /// but one letter.
    #[schema(value_type = Option<u32>, minimum = 0, maximum = 10_000)]
    pub(super) canary: Option<u32>,
    /// Whether the canary is all that is sent.
    #[schema(value_type = Option<bool>, default = false)]
    canary_only: bool,
    /// The share of failures, of the canary or of the last fifty verdicts, above which it stops.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1, default = 0.1)]
    stop_at_failure_rate: f64,
}

impl NewReplay {
    /// How to go about it.
    pub(super) fn plan(&self) -> Plan {
        Plan {
            rate: self.rate,
            canary: self.canary.unwrap_or_default(),
            canary_only: self.canary_only,
            stop_at_failure_rate: self.stop_at_failure_rate,
            state: self.filter.state().unwrap_or(State::Dead),
        }
    }
}

impl FromObject for NewReplay {
    fn from_object(object: &mut Object) -> Self {
        let new = Self {
            filter: LetterFilter::required(object),
            dry_run: object.optional("dry_run").unwrap_or(false),
            rate: object.optional("rate").unwrap_or(DEFAULT_RATE),
            canary: object.optional("canary"),
            canary_only: object.optional("canary_only").unwrap_or(false),
            stop_at_failure_rate: object
                .optional("stop_at_failure_rate")
                .unwrap_or(DEFAULT_STOP),
        };
        if !(MIN_RATE..=MAX_RATE).contains(&new.rate) {
            object.refuse(
                "rate",
                "must be a number of letters a second, 0.001 to 10000",
            );
        }
        if new.canary.is_some_and(|canary| canary > MAX_CANARY) {
            object.refuse("canary", "must be a whole number from 0 to 10000");
        }
        if new.canary_only
            && new.canary.is_none_or(|canary| canary == 0)
            && !object.is_wrong("canary")
        {
            object.refuse("canary", "must be at least 1 where the canary is all");
        }
        if !(0.0..=1.0).contains(&new.stop_at_failure_rate) {
            object.refuse("stop_at_failure_rate", "must be a share from 0 to 1");
        }
        new
    }
}

/// A page of the replays.
#[derive(Debug)]
pub(super) struct JobsQuery {
    pub(super) status: Option<Status>,
    pub(super) page: PageRequest,
}

impl FromParams for JobsQuery {
    fn from_params(params: &mut Params) -> Self {
        Self {
            status: params
                .one_of("status", &Status::ALL.map(Status::as_str))
                .and_then(|status| Status::parse(&status)),
            page: params.page(),
        }
    }
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what `JobsQuery` reads")]
pub(super) struct JobsParams {
    /// Only those that stand so.
    #[param(pattern = "^(running|paused|stopped|cancelled|completed)$")]
    status: Option<String>,
}
