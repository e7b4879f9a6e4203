//! What rooms tell, in orders and at times that are unkind.

use super::*;

const PHONE: &str = "sip_+14155550123";

/// A departure or arrival with a session of its own.
fn stay(
    movement: Movement,
    (sid, identity, kind): (&str, &str, ParticipantKind),
    joined_secs: u64,
    reason: DisconnectReason,
) -> EventKind {
    EventKind::Recorded(RoomFact::Participant {
        movement,
        sid: Some(sid.to_owned()),
        identity: identity.to_owned(),
        kind,
        joined_at: Some(START.minus(Duration::from_secs(joined_secs))),
        reason: (movement == Movement::Left).then_some(reason),
        sip_code: None,
        external_number: None,
        trunk_number: None,
        agent: None,
    })
}

fn at(event: CallEvent, secs_before_start: u64) -> CallEvent {
    CallEvent {
        occurred_at: Some(START.minus(Duration::from_secs(secs_before_start))),
        ..event
    }
}

/// An event of another session of the room, opened so many seconds after the call ended.
fn used_again(event: CallEvent, sid: &str, secs_after: u64) -> CallEvent {
    let later = START.plus(Duration::from_secs(secs_after));
    let room = event.room.map(|room| RoomRef {
        sid: Some(sid.to_owned()),
        created_at: Some(later),
        ..room
    });
    CallEvent {
        room,
        occurred_at: Some(later),
        received_at: later,
        ..event
    }
}

#[tokio::test]
async fn a_room_that_is_used_again_is_not_the_calls() {
    let mut ends = Vec::new();
    for order in [[0, 1], [1, 0]] {
        let bench = Bench::new().await;
        bench.knows(call("conv_a", PHONE, "Hello.", None));
        let first = room_event("e1", "conv_a", EventKind::RoomFinished);
        let second = used_again(
            room_event("e2", "conv_a", EventKind::RoomFinished),
            "RM_0",
            30,
        );
        let both = [first, second];
        for n in order {
            bench.publish(both[n].clone()).await;
            bench.drain(1).await;
        }
        let call = bench.record("conv_a").await.unwrap().conversation;
        assert_eq!(call.room_sid, Presence::Value("RM_conv_a".to_owned()));
        ends.push(bench.state(&["conv_a"]).await);
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn who_leaves_the_rooms_next_call_did_not_end_this_one() {
    let bench = Bench::new().await;
    bench.knows(call("conv_a", PHONE, "Hello.", None));
    bench.publish(event("e1", "conv_a")).await;
    bench.drain(1).await;
    let mut left = stay(
        Movement::Left,
        ("PA_9", PHONE, ParticipantKind::Sip),
        0,
        DisconnectReason::ClientInitiated,
    );
    if let EventKind::Recorded(RoomFact::Participant { joined_at, .. }) = &mut left {
        *joined_at = Some(START.plus(Duration::from_secs(40)));
    }
    let mut left = used_again(room_event("e2", "conv_a", left), "RM_0", 60);
    left.room.as_mut().unwrap().conversation_id = None;
    bench.publish(left).await;
    bench.drain(1).await;
    assert_eq!(bench.reason("conv_a").await.1, Some("fallback"));
}

#[tokio::test]
async fn a_phone_that_is_not_the_callers_does_not_skip_the_grace() {
    let bench = Bench::new().await;
    bench.knows(call("conv_a", "user_1", "Hello.", None));
    for (n, who) in [
        ("PA_1", "user_1", ParticipantKind::Standard),
        ("PA_2", "sip_+14155550199", ParticipantKind::Sip),
    ]
    .into_iter()
    .enumerate()
    {
        let left = stay(Movement::Left, who, 50, DisconnectReason::ClientInitiated);
        bench
            .publish(room_event(&format!("left-{n}"), "conv_a", left))
            .await;
    }
    bench.drain(2).await;
    bench
        .publish(room_event("end", "conv_a", EventKind::RoomFinished))
        .await;
    bench.drain(1).await;
    let fetched_at = bench.record("conv_a").await.unwrap().fetched_at;
    assert!(fetched_at >= START.plus(Duration::from_secs(10)));
    assert_eq!(bench.reason("conv_a").await.1, Some("observed"));
}

#[tokio::test]
async fn a_departure_that_a_late_fact_takes_back_was_none() {
    let phone = |sid| (sid, PHONE, ParticipantKind::Sip);
    let moves = [
        at(
            room_event(
                "left-1",
                "conv_a",
                stay(
                    Movement::Left,
                    phone("PA_1"),
                    50,
                    DisconnectReason::ClientInitiated,
                ),
            ),
            30,
        ),
        at(
            room_event(
                "join-2",
                "conv_a",
                stay(
                    Movement::Joined,
                    phone("PA_2"),
                    25,
                    DisconnectReason::Unknown,
                ),
            ),
            25,
        ),
        at(
            room_event(
                "left-2",
                "conv_a",
                stay(
                    Movement::Left,
                    phone("PA_2"),
                    25,
                    DisconnectReason::SignalClose,
                ),
            ),
            0,
        ),
        room_event("end", "conv_a", EventKind::RoomFinished),
    ];
    let mut ends = Vec::new();
    for order in [[0, 1, 2, 3], [0, 3, 1, 2], [3, 2, 1, 0], [2, 3, 0, 1]] {
        let bench = Bench::new().await;
        bench.knows(call("conv_a", PHONE, "Hello.", None));
        for n in order {
            bench.publish(moves[n].clone()).await;
            bench.drain(1).await;
        }
        ends.push(bench.reason("conv_a").await);
    }
    let expected = (Some("caller_hangup".to_owned()), Some("fallback"));
    assert!(ends.iter().all(|end| *end == expected), "{ends:?}");
}

#[tokio::test]
async fn a_call_that_only_its_room_knows_is_the_same_in_every_order() {
    let joined = stay(
        Movement::Joined,
        ("PA_1", "user_1", ParticipantKind::Standard),
        55,
        DisconnectReason::Unknown,
    );
    let left = stay(
        Movement::Left,
        ("PA_1", "user_1", ParticipantKind::Standard),
        55,
        DisconnectReason::ClientInitiated,
    );
    let again = stay(
        Movement::Joined,
        ("PA_2", "user_1", ParticipantKind::Standard),
        20,
        DisconnectReason::Unknown,
    );
    let recorded = EventKind::Recorded(RoomFact::Recording {
        started_at: Some(START.minus(Duration::from_secs(54))),
        location: Some("s3://calls/a.ogg".to_owned()),
    });
    let mut late = room_event("egress", "a", recorded);
    late.room.as_mut().unwrap().created_at = None;
    let told: Vec<_> = [
        at(room_event("join", "a", joined), 55),
        at(room_event("left", "a", left), 30),
        at(room_event("again", "a", again), 20),
        late,
        room_event("end", "a", EventKind::RoomFinished),
    ]
    .into_iter()
    .map(|event| CallEvent {
        source: "alone".to_owned(),
        ..event
    })
    .collect();
    let id = key_of("alone", "RM_a");
    let mut ends = Vec::new();
    for order in [
        [0, 1, 2, 3, 4],
        [4, 3, 2, 1, 0],
        [0, 1, 4, 2, 3],
        [1, 4, 0, 3, 2],
    ] {
        let bench = Bench::new().await;
        for n in order {
            bench.publish(told[n].clone()).await;
            bench.drain(1).await;
        }
        let id = id.clone();
        let record = bench
            .flow
            .db
            .read(move |mut conn| Box::pin(async move { conversations::get(&mut conn, &id).await }))
            .await
            .unwrap()
            .unwrap();
        ends.push(record.conversation);
    }
    assert_eq!(ends[0].ended_at, Some(START));
    assert_eq!(
        ends[0].started_at,
        Some(START.minus(Duration::from_secs(55)))
    );
    for end in &ends[1..] {
        assert_eq!(*end, ends[0]);
    }
}

#[tokio::test]
async fn an_event_that_comes_late_still_waits_for_the_end_of_the_call() {
    let bench = Bench::new().await;
    let mut pending = call("conv_a", PHONE, "Hello.", Some("agent_ended"));
    pending.conversation.status = Status::Pending;
    bench.knows(pending.clone());
    bench.publish(at(event("e1", "conv_a"), 1_200)).await;
    for _ in 0..3 {
        for delivery in bench.flow.queue.take(Stage::Finalize, 1).await.unwrap() {
            worker::run(&bench.flow, delivery).await;
        }
    }
    pending.conversation.status = Status::Completed;
    bench.knows(pending);
    bench.drain(1).await;
    assert_eq!(bench.letters().await, 0);
    assert_eq!(bench.reason("conv_a").await.1, Some("platform"));
}

#[tokio::test]
async fn what_was_told_of_a_deleted_call_is_gone_from_the_feed_and_the_room() {
    let bench = Bench::new().await;
    bench.knows(call("conv_a", PHONE, "My name is Ada Lovelace.", None));
    bench.knows(call("conv_b", PHONE, "My name is Ada Lovelace.", None));
    for id in ["conv_a", "conv_b"] {
        bench.publish(event(id, id)).await;
        let left = moved(Movement::Left, PHONE, ParticipantKind::Sip, 0);
        bench
            .publish(room_event(&format!("left-{id}"), id, left))
            .await;
        bench
            .publish(room_event(
                &format!("end-{id}"),
                id,
                EventKind::RoomFinished,
            ))
            .await;
        bench.drain(1).await;
    }
    for id in ["conv_b", "conv_a"] {
        crate::erasure::erase_conversation(&bench.flow, key(id), super::entry())
            .await
            .unwrap();
        let joined = moved(Movement::Joined, PHONE, ParticipantKind::Sip, 58);
        bench
            .publish(room_event(&format!("late-{id}"), id, joined))
            .await;
        bench.drain(1).await;
    }
    let left_over: Vec<String> = bench
        .flow
        .db
        .read(|mut conn| {
            Box::pin(async move {
                let page = PageRequest {
                    size: 100,
                    after: None,
                };
                let all = results::list(&mut conn, &results::Filter::default(), &page).await?;
                let told: Vec<String> = all.rows.iter().map(|row| row.data.to_string()).collect();
                Ok(told)
            })
        })
        .await
        .unwrap();
    assert!(!left_over.is_empty(), "that memory is gone is still told");
    for told in left_over {
        assert!(!told.contains("Ada"), "{told}");
    }
    let facts = bench
        .flow
        .db
        .read(|mut conn| {
            Box::pin(async move {
                let owner = Owner::platform("speechify");
                let key = events::RoomKey {
                    owner: &owner,
                    sid: Some("RM_conv_a"),
                    name: "room-conv_a",
                };
                events::facts(&mut conn, key, Timestamp::from_secs(0)).await
            })
        })
        .await
        .unwrap();
    assert_eq!(facts, []);
}

#[tokio::test]
async fn a_callers_spellings_do_not_depend_on_the_order() {
    let mut seen = Vec::new();
    for order in [["conv_a", "conv_b"], ["conv_b", "conv_a"]] {
        let bench = Bench::new().await;
        let words = "My name is Ada Lovelace.";
        bench.knows(call("conv_a", PHONE, words, None));
        bench.knows(call("conv_b", "tel:+14155550123", words, None));
        for id in order {
            bench.publish(event(id, id)).await;
            bench.drain(1).await;
        }
        let subject = memories::Subject {
            agent_id: "agent_1".to_owned(),
            caller: CallerKey::of("speechify", PHONE).unwrap(),
        };
        let facts = bench
            .flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { memories::facts(&mut conn, &subject).await })
            })
            .await
            .unwrap();
        seen.push(
            facts
                .into_iter()
                .map(|stored| stored.caller_identity)
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(seen[0], [PHONE]);
    assert_eq!(seen[1], seen[0]);
}

#[tokio::test]
async fn calls_and_transcripts_that_outlived_their_time_are_swept_out() {
    let bench = Bench::new().await;
    bench.knows(call("conv_a", PHONE, "Hello.", Some("agent_ended")));
    bench.publish(event("e1", "conv_a")).await;
    bench.drain(1).await;
    let keep = Duration::ZERO;
    let mut retention = config::Retention {
        conversations: keep,
        messages: Duration::from_secs(30),
        events: keep,
        dead_letters: keep,
        deliveries: keep,
        quarantine: keep,
        audit: keep,
    };
    while crate::retention::sweep(&bench.flow, &retention)
        .await
        .unwrap()
    {}
    let state = bench.state(&["conv_a"]).await;
    assert_eq!(state[0][0]["id"], "conv_a");
    assert_eq!(state[0][2], json!([]), "the transcript is gone");
    retention.conversations = Duration::from_secs(30);
    while crate::retention::sweep(&bench.flow, &retention)
        .await
        .unwrap()
    {}
    assert_eq!(bench.state(&["conv_a"]).await, [Value::Null]);
}
