//! What a row of a platform's list means to us: nothing new, a call that we lack, or one that differs.

use std::time::Duration;

use crate::conversation::Conversation;
use crate::event::{CallEvent, EventKind, caller_named};
use crate::id::{ConversationId, EventId, Owner};
use crate::platform::Listed;
use crate::secret::sha256_hex;
use crate::store::known_calls::Known;
use crate::time::Timestamp;

/// A call that was put into the queue, and is still not processed, is put there again after so long:
/// by then its attempts are spent (product contract §6).
const AGAIN_AFTER: Duration = Duration::from_hours(2);

/// What is known here of a listed call.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Here {
    /// What its row said last.
    pub(super) known: Option<Known>,
    /// Whether it was finalized, erased or deleted.
    pub(super) done: bool,
    /// The call as it was settled, where that is still to be compared.
    pub(super) settled: Option<Conversation>,
}

/// What a listed call is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Under way, or over for too short a time.
    Unfinished,
    /// Known, as it is listed.
    Same,
    /// Over, and in the queue already.
    InHand,
    /// Over, and unknown here.
    Unknown,
    /// Known otherwise.
    Differs,
}

/// Judges a row. `insist` puts a call into the queue that was put there not long ago.
pub(super) fn judge(
    row: &Listed,
    here: &Here,
    now: Timestamp,
    settle: Duration,
    insist: bool,
) -> Finding {
    if !row.is_over() || now < row.over_at().plus(settle) {
        return Finding::Unfinished;
    }
    if !here.done {
        let queued_at = here.known.as_ref().and_then(|known| known.queued_at);
        let in_hand = queued_at.is_some_and(|at| now < at.plus(AGAIN_AFTER));
        return if in_hand && !insist {
            Finding::InHand
        } else {
            Finding::Unknown
        };
    }
    // A list may word what it shares with the single read otherwise. So a row is compared with the
    // record once, and then with itself.
    let changed = match &here.known {
        Some(known) if known.is_over => known.fingerprint != fingerprint(row),
        _ => here
            .settled
            .as_ref()
            .is_some_and(|settled| differs(row, settled)),
    };
    if changed {
        Finding::Differs
    } else {
        Finding::Same
    }
}

/// Whether a row says something else than the record, in what every list words like its single read.
fn differs(row: &Listed, settled: &Conversation) -> bool {
    fn other<T: PartialEq + ?Sized>(row: Option<&T>, settled: Option<&T>) -> bool {
        row.is_some() && row != settled
    }
    let call = &row.conversation;
    call.status != settled.status
        || other(call.duration_ms.as_ref(), settled.duration_ms.as_ref())
        || other(call.ended_at.as_ref(), settled.ended_at.as_ref())
        || other(
            call.call_successful.as_ref(),
            settled.call_successful.as_ref(),
        )
        || other(
            row.reason.as_ref().map(|reason| reason.raw.as_str()),
            settled.end_reason_raw.as_deref(),
        )
        || (call.recording_url.is_some() && settled.recording_url.is_none())
}

/// What a row says of its call, hashed: the address of a recording is signed anew at each listing,
/// and counts as there or not.
pub(super) fn fingerprint(row: &Listed) -> String {
    let call = &row.conversation;
    let said = serde_json::json!([
        call.status,
        call.started_at,
        call.ended_at,
        call.duration_ms,
        row.reason.as_ref().map(|reason| &reason.raw),
        call.recording_url.is_some(),
        call.message_count,
        call.call_successful,
        call.summary,
    ]);
    sha256_hex(said.to_string().as_bytes())
}

/// The event of a finding. Its id follows from the call and what the row says of it, so that the
/// same finding is the same event, however often and by whomever it is made.
pub(super) fn event(account: &str, owner: &Owner, row: &Listed, now: Timestamp) -> CallEvent {
    let call = &row.conversation;
    CallEvent {
        source: account.to_owned(),
        event_id: event_id(owner, &call.id, &fingerprint(row)),
        kind: EventKind::Reconciled,
        occurred_at: Some(row.over_at()),
        received_at: now,
        conversation_id: Some(call.id.clone()),
        room: None,
        agent_id: Some(call.agent_id.clone()),
        caller_identity: caller_named(&call.caller_identity),
        hint: None,
        body: None,
    }
}

fn event_id(owner: &Owner, id: &ConversationId, fingerprint: &str) -> EventId {
    let text = format!("reconciled\0{}\0{id}\0{fingerprint}", owner.as_str());
    let Ok(id) = EventId::new(&sha256_hex(text.as_bytes())) else {
        unreachable!("64 hex digits are an id")
    };
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Status;
    use crate::end_reason::{EndReason, PlatformReason};
    use crate::id::{AgentId, ConversationKey};

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);
    const SETTLE: Duration = Duration::from_mins(1);

    fn row() -> Listed {
        let id = ConversationId::new("conv_1").unwrap();
        let at = NOW.minus(Duration::from_mins(10));
        let blank = Conversation::blank(id, AgentId::new("a").unwrap(), at);
        Listed {
            conversation: Conversation {
                status: Status::Completed,
                started_at: Some(at),
                ended_at: Some(NOW.minus(Duration::from_mins(5))),
                duration_ms: Some(300_000),
                ..blank
            },
            reason: None,
        }
    }

    fn known(row: &Listed) -> Known {
        Known {
            account: "voice".to_owned(),
            key: ConversationKey {
                owner: Owner::platform("speechify"),
                id: row.conversation.id.clone(),
            },
            is_over: true,
            processed: true,
            fingerprint: fingerprint(row),
            created_at: row.conversation.created_at,
            ended_at: row.conversation.ended_at,
            queued_at: None,
            seen_at: NOW,
        }
    }

    fn judged(row: &Listed, here: &Here) -> Finding {
        judge(row, here, NOW, SETTLE, false)
    }

    #[test]
    fn only_what_is_over_for_long_enough_counts() {
        let mut row = row();
        assert_eq!(judged(&row, &Here::default()), Finding::Unknown);
        row.conversation.ended_at = Some(NOW.minus(Duration::from_secs(59)));
        assert_eq!(judged(&row, &Here::default()), Finding::Unfinished);
        row.conversation.ended_at = Some(NOW.minus(SETTLE));
        assert_eq!(judged(&row, &Here::default()), Finding::Unknown);
        row.conversation.status = Status::Active;
        assert_eq!(judged(&row, &Here::default()), Finding::Unfinished);
    }

    #[test]
    fn what_is_in_the_queue_is_not_put_there_again_at_once() {
        let row = row();
        let queued = |ago: Duration| Here {
            known: Some(Known {
                queued_at: Some(NOW.minus(ago)),
                processed: false,
                ..known(&row)
            }),
            ..Here::default()
        };
        let fresh = queued(Duration::from_mins(5));
        assert_eq!(judged(&row, &fresh), Finding::InHand);
        assert_eq!(judge(&row, &fresh, NOW, SETTLE, true), Finding::Unknown);
        assert_eq!(judged(&row, &queued(AGAIN_AFTER)), Finding::Unknown);
    }

    #[test]
    fn a_row_is_compared_with_the_record_once_and_then_with_itself() {
        let mut row = row();
        let mut here = Here {
            known: None,
            done: true,
            settled: Some(row.conversation.clone()),
        };
        assert_eq!(judged(&row, &here), Finding::Same);
        row.reason = Some(PlatformReason {
            reason: Some(EndReason::AgentEnded),
            raw: "agent_ended".to_owned(),
        });
        assert_eq!(judged(&row, &here), Finding::Differs);
        // The look has been queued: the same row is no news, whatever the record says.
        here.known = Some(known(&row));
        assert_eq!(judged(&row, &here), Finding::Same);
        row.conversation.summary = Some("Asked for a table.".to_owned());
        assert_eq!(judged(&row, &here), Finding::Differs);
    }

    #[test]
    fn an_address_that_is_signed_anew_is_no_change() {
        let mut row = row();
        row.conversation.recording_url = Some("https://r/1?sig=a".to_owned());
        let before = fingerprint(&row);
        row.conversation.recording_url = Some("https://r/1?sig=b".to_owned());
        assert_eq!(fingerprint(&row), before);
        row.conversation.recording_url = None;
        assert_ne!(fingerprint(&row), before);
    }

    #[test]
    fn the_same_finding_is_the_same_event() {
        let owner = Owner::platform("speechify");
        let one = event("voice", &owner, &row(), NOW);
        let two = event("rooms", &owner, &row(), NOW.plus(SETTLE));
        assert_eq!(one.event_id, two.event_id);
        assert_eq!(one.happened_at(), row().over_at());
    }

    #[test]
    fn the_event_names_who_called() {
        let owner = Owner::platform("speechify");
        let mut row = row();
        assert_eq!(event("voice", &owner, &row, NOW).caller_identity, None);
        row.conversation.caller_identity = "sip_+14155550123".to_owned();
        let event = event("voice", &owner, &row, NOW);
        assert_eq!(event.caller_identity.as_deref(), Some("sip_+14155550123"));
    }
}
