//! The settlement table, row by row, and its independence of order.

use proptest::prelude::*;

use super::*;

const SINCE: Timestamp = Timestamp::from_secs(1_767_225_600);

struct Call {
    status: Status,
    outbound: bool,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    duration_ms: Option<i64>,
    platform: Option<PlatformReason>,
    sightings: Vec<Sighting>,
}

fn completed() -> Call {
    Call {
        status: Status::Completed,
        outbound: false,
        created_at: SINCE,
        started_at: Some(SINCE),
        duration_ms: Some(1_000),
        platform: None,
        sightings: vec![],
    }
}

fn unconnected() -> Call {
    Call {
        status: Status::Failed,
        started_at: None,
        duration_ms: None,
        ..completed()
    }
}

fn said(reason: &str) -> PlatformReason {
    PlatformReason {
        reason: Some(EndReason::from(reason)),
        raw: reason.to_owned(),
    }
}

fn seen(reason: EndReason, secs: i64, id: &str) -> Sighting {
    Sighting {
        reason,
        at: Timestamp::from_secs(secs),
        event_id: EventId::new(id).unwrap(),
    }
}

impl Call {
    fn after(&self, stored: &Settled) -> Settled {
        let evidence = Evidence {
            status: &self.status,
            outbound: self.outbound,
            created_at: self.created_at,
            started_at: self.started_at,
            duration_ms: self.duration_ms,
            platform: self.platform.as_ref(),
            sightings: &self.sightings,
        };
        settle(stored, &evidence, SINCE)
    }

    #[track_caller]
    fn check(&self, expected: Option<(&str, &str)>) {
        let settled = self.after(&Settled::default());
        let found = settled
            .reason
            .as_ref()
            .map(|(reason, by)| (reason.as_str(), by.as_str()));
        assert_eq!(found, expected);
    }
}

#[test]
fn the_platforms_word_wins() {
    let sightings = vec![seen(EndReason::CallerHangup, 1, "e")];
    let call = Call {
        platform: Some(said("agent_ended")),
        sightings,
        ..completed()
    };
    call.check(Some(("agent_ended", "platform")));
    let unheard_of = Call {
        platform: Some(said("abducted")),
        ..completed()
    };
    unheard_of.check(Some(("abducted", "platform")));
}

#[test]
fn a_word_that_maps_to_nothing_counts_as_none() {
    let platform = Some(PlatformReason {
        reason: None,
        raw: "error_asr".to_owned(),
    });
    let call = Call {
        platform,
        ..completed()
    };
    call.check(Some(("caller_hangup", "fallback")));
    assert_eq!(
        call.after(&Settled::default()).raw.as_deref(),
        Some("error_asr")
    );
}

#[test]
fn the_callers_own_leg_is_observed() {
    let sightings = vec![seen(EndReason::CallerHangup, 1, "e")];
    Call {
        sightings,
        ..completed()
    }
    .check(Some(("caller_hangup", "observed")));
}

#[test]
fn a_dial_sighting_needs_a_call_that_never_connected() {
    let sightings = || vec![seen(EndReason::DialBusy, 1, "e")];
    Call {
        sightings: sightings(),
        ..unconnected()
    }
    .check(Some(("dial_busy", "observed")));
    Call {
        sightings: sightings(),
        ..completed()
    }
    .check(Some(("caller_hangup", "fallback")));
}

#[test]
fn nobody_said_why() {
    completed().check(Some(("caller_hangup", "fallback")));
    Call {
        status: Status::Failed,
        ..completed()
    }
    .check(Some(("caller_hangup", "fallback")));
    let only_started = Call {
        duration_ms: None,
        status: Status::Failed,
        ..completed()
    };
    only_started.check(Some(("caller_hangup", "fallback")));
}

#[test]
fn before_the_rollout_stays_null() {
    let before = SINCE.minus(std::time::Duration::from_millis(1));
    Call {
        created_at: before,
        ..completed()
    }
    .check(None);
    Call {
        created_at: before,
        outbound: true,
        ..unconnected()
    }
    .check(None);
    let sightings = vec![seen(EndReason::CallerHangup, 1, "e")];
    Call {
        created_at: before,
        sightings,
        ..completed()
    }
    .check(Some(("caller_hangup", "observed")));
}

#[test]
fn a_call_that_never_connected() {
    unconnected().check(None);
    Call {
        outbound: true,
        ..unconnected()
    }
    .check(Some(("dial_failed", "fallback")));
    Call {
        status: Status::Pending,
        ..completed()
    }
    .check(None);
}

#[test]
fn a_higher_rank_is_never_replaced_by_a_lower() {
    let platform = Call {
        platform: Some(said("agent_ended")),
        ..completed()
    };
    let observed = Call {
        sightings: vec![seen(EndReason::CallerHangup, 1, "e")],
        ..completed()
    };
    let known = platform.after(&Settled::default());
    assert_eq!(observed.after(&known), known);
    assert_eq!(completed().after(&known), known);
    let replaced = platform.after(&observed.after(&Settled::default()));
    assert_eq!(replaced.reason, known.reason);
    let newer = Call {
        platform: Some(said("transferred")),
        ..completed()
    }
    .after(&known);
    assert_eq!(newer.raw.as_deref(), Some("transferred"));
}

#[test]
fn a_fallback_that_no_longer_holds_goes() {
    let fallback = Call {
        outbound: true,
        ..unconnected()
    }
    .after(&Settled::default());
    let connected = Call {
        outbound: true,
        ..completed()
    }
    .after(&fallback);
    assert_eq!(
        connected.reason,
        Some((EndReason::CallerHangup, EndReasonSource::Fallback))
    );
}

#[test]
fn sip_codes() {
    for (code, reason) in [
        (408, "dial_no_answer"),
        (480, "dial_no_answer"),
        (487, "dial_no_answer"),
        (486, "dial_busy"),
        (600, "dial_busy"),
        (401, "dial_rejected"),
        (403, "dial_rejected"),
        (407, "dial_rejected"),
        (603, "dial_rejected"),
        (607, "dial_rejected"),
        (608, "dial_rejected"),
        (404, "dial_failed"),
        (503, "dial_failed"),
    ] {
        assert_eq!(EndReason::of_sip_code(code).as_str(), reason, "{code}");
    }
}

proptest! {
    /// The same sightings, in any order and any number of times, settle the same.
    #[test]
    fn order_and_repetition_do_not_matter(
        secs in prop::collection::vec((0_i64..4, 0_u8..4, any::<bool>()), 0..8),
        seed in any::<u64>(),
    ) {
        let sightings: Vec<_> = secs
            .iter()
            .map(|(at, id, dial)| {
                let reason = if *dial { EndReason::DialBusy } else { EndReason::CallerHangup };
                seen(reason, *at, &format!("e{id}"))
            })
            .collect();
        let mut shuffled = sightings.clone();
        shuffled.extend(sightings.iter().cloned());
        let turn = usize::try_from(seed % 17).unwrap() % shuffled.len().max(1);
        shuffled.rotate_left(turn);
        shuffled.reverse();
        let one = Call { sightings, ..unconnected() }.after(&Settled::default());
        let other = Call { sightings: shuffled, ..unconnected() };
        prop_assert_eq!(&other.after(&Settled::default()), &one);
        prop_assert_eq!(&other.after(&one), &one);
    }
}
