//! Made-up calls in bulk, written straight into the database: to see how pages and lists fare at size
//! before one's own calls have come to that. Not a way in for real ones.
//!
//! Everything about a call follows from its number, so that the same range makes the same rows, and a
//! second time changes nothing.

use super::{Conn, Result, on};
use crate::time::Timestamp;

/// Messages of a made-up call.
pub const MESSAGES: i64 = 10;

/// The numbers of a range: `n.i`.
const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT CAST($1 AS BIGINT) UNION ALL \
     SELECT i + 1 FROM n WHERE i + 1 < $2) ";

/// 26 digits, which are Crockford's too.
const ID: &str = "substr('00000000000000000000000000' || CAST(n.i AS TEXT), \
     length(CAST(n.i AS TEXT)) + 1)";

/// When a call was over: one every thirty seconds, the higher its number, the longer ago.
const AT: &str = "($3 - (n.i % 1000000000) * 30000)";

/// A number that a few dozen calls share.
const CALLER: &str = "'+1415' || CAST(2000000 + (n.i * 7919) % 40000 AS TEXT)";

const AGENT: &str = "'agent_' || CAST((n.i * 31) % 40 AS TEXT)";

/// Writes the calls numbered `from` to below `to`, the first of them held shortly before `now`.
pub async fn calls(conn: &mut Conn<'_>, from: i64, to: i64, now: Timestamp) -> Result<()> {
    for text in [
        conversations(),
        callers(),
        messages(),
        timeline(),
        passages(),
        memories(),
        dead_letters(),
        events(),
        known_calls(),
        results(),
        deliveries(),
    ] {
        on!(conn, c => {
            sqlx::query(sqlx::AssertSqlSafe(text))
                .bind(from)
                .bind(to)
                .bind(now.as_millis())
                .execute(c)
                .await?;
        });
    }
    // Nobody is told of what is made up.
    on!(conn, c => {
        sqlx::query("UPDATE announcer SET place = $1 WHERE place < $1")
            .bind(now.as_millis())
            .execute(c)
            .await?;
    });
    Ok(())
}

fn conversations() -> String {
    format!(
        "{NUMBERS} INSERT INTO conversations (owner, id, source, platform, agent_id, agent_name, \
         room_name, status, transport, created_at, message_count, started_at, ended_at, \
         duration_ms, recording_started_at, end_reason, end_reason_source, caller_identity, \
         caller_key, from_number, to_number, summary, call_successful, user_turn_count, \
         updated_at, happened_at, content_hash, fetched_at, announced, memory_status) \
         SELECT 'speechify', 'conv_' || {ID}, 'simulated-voice', 'speechify', {AGENT}, \
         'Desk ' || CAST((n.i * 31) % 40 AS TEXT), 'conv_' || {ID}, \
         CASE WHEN n.i % 20 = 0 THEN 'failed' ELSE 'completed' END, \
         CASE WHEN n.i % 3 = 0 THEN 'web' ELSE 'sip_inbound' END, \
         {AT} - 61000, {MESSAGES}, {AT} - 60000, {AT}, 60000, {AT} - 59000, \
         CASE n.i % 4 WHEN 0 THEN 'agent_ended' WHEN 1 THEN 'inactivity_timeout' \
         ELSE 'caller_hangup' END, \
         CASE n.i % 3 WHEN 0 THEN 'fallback' ELSE 'platform' END, \
         'sip_' || {CALLER}, {CALLER}, {CALLER}, '+18005550100', 'Asked for an appointment.', \
         CASE n.i % 5 WHEN 0 THEN 'failure' ELSE 'success' END, 5, {AT} + 12000, {AT} - 60000, \
         'made up', {AT} + 11000, '{{}}', 'remembered' FROM n WHERE TRUE \
         ON CONFLICT (owner, id) DO NOTHING"
    )
}

fn callers() -> String {
    format!(
        "{NUMBERS} INSERT INTO callers (caller_key, agent_id, last_call_at) \
         SELECT {CALLER}, {AGENT}, MAX({AT} - 60000) FROM n WHERE TRUE GROUP BY 1, 2 \
         ON CONFLICT (caller_key, agent_id) DO UPDATE SET last_call_at = excluded.last_call_at \
         WHERE callers.last_call_at < excluded.last_call_at"
    )
}

fn messages() -> String {
    format!(
        "{NUMBERS}, m(seq) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT seq + 1 FROM m \
         WHERE seq + 1 < {MESSAGES}) \
         INSERT INTO messages (owner, conversation_id, seq, id, role, content, started_at, \
         ended_at) \
         SELECT 'speechify', 'conv_' || {ID}, m.seq, 'msg_' || CAST(m.seq AS TEXT), \
         CASE m.seq % 2 WHEN 0 THEN 'assistant' ELSE 'user' END, \
         CASE m.seq % 2 WHEN 0 THEN 'Acme front desk, how can I help you today?' \
         ELSE 'I would like to come on the ' || CAST((n.i + m.seq) % 28 + 1 AS TEXT) || \
         'th, if that suits you.' END, \
         {AT} - 60000 + m.seq * 6000, {AT} - 56000 + m.seq * 6000 FROM n, m WHERE TRUE \
         ON CONFLICT (owner, conversation_id, seq) DO NOTHING"
    )
}

/// The steps of a call's way: name, and milliseconds after its end.
const WAY: &str = "s(step, after) AS (SELECT 'received', 300 UNION ALL SELECT 'confirmed', 310 \
     UNION ALL SELECT 'fetched', 10400 UNION ALL SELECT 'settled', 10500 \
     UNION ALL SELECT 'remembered', 10700 UNION ALL SELECT 'delivered', 11000)";

fn timeline() -> String {
    format!(
        "{NUMBERS}, {WAY} INSERT INTO timeline (owner, conversation_id, key, at, step) \
         SELECT 'speechify', 'conv_' || {ID}, s.step, {AT} + s.after + n.i % 7000, s.step \
         FROM n, s WHERE TRUE ON CONFLICT (owner, conversation_id, key) DO NOTHING"
    )
}

fn passages() -> String {
    format!(
        "{NUMBERS} INSERT INTO passages (owner, conversation_id, received_at, finalized_at, \
         remembered_at, delivered_at) \
         SELECT 'speechify', 'conv_' || {ID}, {AT} + 300 + n.i % 7000, \
         {AT} + 10500 + n.i % 7000, {AT} + 10700 + n.i % 7000, {AT} + 11000 + n.i % 7000 \
         FROM n WHERE TRUE ON CONFLICT (owner, conversation_id) DO NOTHING"
    )
}

/// Of each tenth call a fact.
fn memories() -> String {
    format!(
        "{NUMBERS} INSERT INTO memories (id, agent_id, caller_key, caller_identity, slot, \
         object_key, fact, value, confidence, valid_from, source_conversation_id, evidence, \
         extractor, created_at) \
         SELECT 'memory_' || {ID}, {AGENT}, {CALLER}, 'sip_' || {CALLER}, 'appointment', \
         CAST(n.i AS TEXT), 'The caller has an appointment.', '\"made up\"', '0.9', {AT}, \
         'conv_' || {ID}, '[]', 'rules/1', {AT} FROM n WHERE n.i % 10 = 0 \
         ON CONFLICT (agent_id, caller_key, id, valid_from) DO NOTHING"
    )
}

/// Of each two hundredth call a dead letter, of one of seven causes.
fn dead_letters() -> String {
    format!(
        "{NUMBERS} INSERT INTO dead_letters (id, state, stage, source, platform, event_id, \
         conversation_id, agent_id, caller_identity, code, message, fingerprint, fault, body, \
         message_id, first_at, last_at) \
         SELECT 'dl_' || {ID}, 'dead', 'finalize', 'simulated-voice', 'speechify', {ID}, \
         'conv_' || {ID}, {AGENT}, 'sip_' || {CALLER}, \
         'made_up_' || CAST(n.i / 200 % 7 AS TEXT), \
         'made-up cause number ' || CAST(n.i / 200 % 7 AS TEXT), \
         'fp_' || CAST(n.i / 200 % 7 AS TEXT), 'platform', '{{}}', 'finalize:made-up:' || {ID}, \
         {AT}, {AT} FROM n WHERE n.i % 200 = 0 ON CONFLICT (message_id) DO NOTHING"
    )
}

fn events() -> String {
    format!(
        "{NUMBERS} INSERT INTO events (source, event_id, kind, owner, conversation_id, \
         occurred_at, received_at, done_at) \
         SELECT 'simulated-voice', {ID}, 'finished', 'speechify', 'conv_' || {ID}, {AT}, \
         {AT} + 300, {AT} + 10500 FROM n WHERE TRUE ON CONFLICT (source, event_id) DO NOTHING"
    )
}

/// The platform knows of each, and each hundred thousandth is still under way there.
fn known_calls() -> String {
    format!(
        "{NUMBERS} INSERT INTO known_calls (account, conversation_id, owner, is_over, processed, \
         fingerprint, created_at, ended_at, seen_at) \
         SELECT 'simulated-voice', 'conv_' || {ID}, 'speechify', n.i % 100000 > 0, \
         n.i % 100000 > 0, 'made up', {AT} - 61000, {AT}, {AT} + 60000 FROM n WHERE TRUE \
         ON CONFLICT (account, conversation_id) DO NOTHING"
    )
}

fn results() -> String {
    format!(
        "{NUMBERS} INSERT INTO results (id, type, agent_id, owner, conversation_id, body, \
         created_at) \
         SELECT 'evt_' || {ID}, 'conversation.completed', {AGENT}, 'speechify', \
         'conv_' || {ID}, '{{\"id\":\"conv_' || {ID} || '\",\"status\":\"completed\"}}', \
         {AT} + 11000 FROM n WHERE TRUE ON CONFLICT (id) DO NOTHING"
    )
}

/// To an endpoint that nobody has; each two hundredth was given up.
fn deliveries() -> String {
    format!(
        "{NUMBERS} INSERT INTO deliveries (id, endpoint_id, event_id, type, agent_id, owner, \
         conversation_id, place, status, attempts, spent, delivered_at, created_at, updated_at) \
         SELECT 'dlv_' || {ID}, 'ep_made_up', 'evt_' || {ID}, 'conversation.completed', {AGENT}, \
         'speechify', 'conv_' || {ID}, {AT} + 11000, \
         CASE n.i % 200 WHEN 0 THEN 'failed' ELSE 'delivered' END, 1, 1, \
         CASE n.i % 200 WHEN 0 THEN NULL ELSE {AT} + 11100 END, {AT} + 11000, {AT} + 11100 \
         FROM n WHERE TRUE ON CONFLICT (id) DO NOTHING"
    )
}
