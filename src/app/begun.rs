//! Counters that are there from the start, at 0: an increase from nothing is none, so that an alert on one
//! would not see the first time.

use crate::event::Stage;
use crate::flow::Sources;
use crate::http::ANSWERS;
use crate::store::endpoints::Off;

/// Begins the counters whose labels are closed sets.
pub(super) fn begin(sources: &Sources) {
    metrics::counter!("aftercall_panics_total").increment(0);
    metrics::counter!("aftercall_http_panics_total").increment(0);
    metrics::counter!("aftercall_initiations_missed_total").increment(0);
    metrics::counter!("aftercall_duplicates_absorbed_total").increment(0);
    for stage in ["receive"].into_iter().chain(Stage::ALL.map(Stage::as_str)) {
        metrics::counter!("aftercall_dead_letters_total", "stage" => stage).increment(0);
    }
    for off in [Off::Gone, Off::Failing] {
        metrics::counter!("aftercall_endpoints_disabled_total", "reason" => off.as_str())
            .increment(0);
    }
    for outcome in ["delivered", "retry", "failed", "skipped"] {
        metrics::counter!("aftercall_delivery_attempts_total", "outcome" => outcome).increment(0);
    }
    for source in sources.all() {
        let name = &source.name;
        metrics::counter!("aftercall_finalized_total", "source" => name.clone()).increment(0);
        if source.webhooks.is_none() {
            continue;
        }
        for answer in ANSWERS {
            let label = name.clone();
            metrics::counter!("aftercall_webhooks_total", "source" => label, "answer" => answer)
                .increment(0);
        }
    }
}
