//! What each metric means: its `# HELP` line in `/metrics`. `tests/it/deploy.rs` holds that none is missing.

/// What counts up.
const COUNTERS: [(&str, &str); 18] = [
    (
        "aftercall_broker_publishes_total",
        "Messages published to RabbitMQ, by what became of them.",
    ),
    (
        "aftercall_dead_letters_total",
        "Messages that a stage gave up on.",
    ),
    (
        "aftercall_delivery_attempts_total",
        "Attempts to send an event to an endpoint, by what became of the delivery.",
    ),
    (
        "aftercall_duplicates_absorbed_total",
        "Events that were done already when they were taken.",
    ),
    (
        "aftercall_endpoints_disabled_total",
        "Endpoints disabled without anybody asking, by reason.",
    ),
    (
        "aftercall_finalized_total",
        "Calls settled, each time anew, by source.",
    ),
    (
        "aftercall_http_panics_total",
        "Requests whose handler panicked.",
    ),
    ("aftercall_http_requests_total", "Requests answered."),
    (
        "aftercall_initiations_missed_total",
        "Call-start webhooks that were answered without memory, for it took too long.",
    ),
    (
        "aftercall_llm_cost_microdollars_total",
        "What the language model said that its answers cost, in millionths of a dollar.",
    ),
    (
        "aftercall_llm_observations_total",
        "Observations of the language model, by whether they were kept or dropped as ungrounded.",
    ),
    (
        "aftercall_llm_requests_total",
        "Requests to the language model, by what became of them.",
    ),
    (
        "aftercall_llm_tokens_total",
        "Tokens that the language model read and wrote, by kind.",
    ),
    (
        "aftercall_log_lines_lost_total",
        "Lines of the log that were lost, for nobody took them in time.",
    ),
    (
        "aftercall_panics_total",
        "Tasks that panicked, handlers of requests among them.",
    ),
    (
        "aftercall_reconciled_calls_total",
        "Calls that a platform listed, by source and by what they were to us.",
    ),
    (
        "aftercall_verdicts_total",
        "Messages worked on, by stage and verdict.",
    ),
    (
        "aftercall_webhooks_total",
        "Webhooks, by source and by what they were answered.",
    ),
];

/// What goes up and down.
const GAUGES: [(&str, &str); 24] = [
    (
        "aftercall_broker_blocked",
        "1 while RabbitMQ takes no messages because of an alarm.",
    ),
    ("aftercall_broker_up", "1 while RabbitMQ can be reached."),
    (
        "aftercall_build_info",
        "Always 1; the label tells the version.",
    ),
    (
        "aftercall_db_connections",
        "Open connections to the database, by state.",
    ),
    (
        "aftercall_database_bytes",
        "How large the database is, all in all.",
    ),
    (
        "aftercall_database_up",
        "1 while the database answers. What only it knows is not told meanwhile.",
    ),
    ("aftercall_dead_letters", "Letters that are dead now."),
    (
        "aftercall_delayed_messages",
        "Messages whose time has not come, of all stages.",
    ),
    (
        "aftercall_deliveries_held",
        "Deliveries that wait until somebody enables their endpoint.",
    ),
    (
        "aftercall_deliveries_waiting",
        "Deliveries to enabled endpoints that have not got them yet.",
    ),
    (
        "aftercall_deliveries_oldest_age_seconds",
        "How long ago the oldest of those was made.",
    ),
    (
        "aftercall_endpoints_failing",
        "Enabled endpoints that have taken nothing since they failed.",
    ),
    (
        "aftercall_endpoints_off",
        "Endpoints that are disabled now, by reason.",
    ),
    (
        "aftercall_coverage_age_seconds",
        "How long ago an account's list was read to its end, by source; since the start where it never was.",
    ),
    (
        "aftercall_missing_calls",
        "Finished calls that a platform knows of and that are not here, by source.",
    ),
    (
        "aftercall_oldest_missing_age_seconds",
        "How long ago the oldest missing call was created, by source.",
    ),
    (
        "aftercall_open_circuits",
        "Sources whose API refuses our token.",
    ),
    (
        "aftercall_quarantined_deliveries",
        "Deliveries in quarantine now.",
    ),
    (
        "aftercall_queue_messages",
        "Messages of a stage that are not worked off; while the database is away, those in RabbitMQ.",
    ),
    (
        "aftercall_queue_oldest_age_seconds",
        "How long ago the oldest message of a stage was made durable.",
    ),
    (
        "aftercall_source_circuit_open",
        "1 while the source's API refuses our token.",
    ),
    (
        "aftercall_source_paused",
        "1 while the source's API has asked us to rest.",
    ),
    (
        "aftercall_table_bytes",
        "What a table that grows takes with its indexes, on PostgreSQL.",
    ),
    (
        "aftercall_table_rows",
        "About how many rows a table has that grows.",
    ),
];

/// What is measured each time.
const HISTOGRAMS: [(&str, &str); 3] = [
    (
        "aftercall_call_latency_seconds",
        "From the end of a call until it passed a stage for the first time.",
    ),
    (
        "aftercall_delivery_duration_seconds",
        "How long attempts to send an event took.",
    ),
    (
        "aftercall_http_request_duration_seconds",
        "How long requests took.",
    ),
];

/// Tells the recorder of all of them.
pub(super) fn all() {
    for (name, help) in COUNTERS {
        metrics::describe_counter!(name, help);
    }
    for (name, help) in GAUGES {
        metrics::describe_gauge!(name, help);
    }
    for (name, help) in HISTOGRAMS {
        metrics::describe_histogram!(name, help);
    }
}
