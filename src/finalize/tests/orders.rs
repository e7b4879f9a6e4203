//! Permuted, duplicated and racing deliveries.

use proptest::prelude::*;

use super::*;

/// The events of three calls of one caller and one of nobody, each told by both sources.
fn all_events() -> Vec<CallEvent> {
    let caller = "sip_+14155550123";
    let mut events = Vec::new();
    for id in ["conv_a", "conv_b", "conv_c", "conv_d"] {
        events.push(event(&format!("done-{id}"), id));
        let joined = moved(Movement::Joined, caller, ParticipantKind::Sip, 58);
        events.push(room_event(&format!("join-{id}"), id, joined));
        let left = moved(Movement::Left, caller, ParticipantKind::Sip, 0);
        events.push(room_event(&format!("left-{id}"), id, left));
        events.push(room_event(
            &format!("room-{id}"),
            id,
            EventKind::RoomFinished,
        ));
    }
    events
}

async fn outcome(order: &[usize], at_once: usize) -> Vec<Value> {
    let bench = Bench::new().await;
    let caller = "sip_+14155550123";
    let number = "My name is Ada Lovelace and my number is 415 555 0134.";
    let moved = "I have a new number, it is 415 555 0177. I prefer mornings.";
    for (n, (id, caller, words, reason)) in [
        ("conv_a", caller, number, None),
        ("conv_b", caller, moved, Some("agent_ended")),
        ("conv_c", caller, "Please stop calling me.", None),
        ("conv_d", "", "My name is Nobody Special.", None),
    ]
    .into_iter()
    .enumerate()
    {
        let mut call = call(id, caller, words, reason);
        // Said one after the other, whenever they are told.
        let later = Duration::from_secs(n as u64);
        call.conversation.started_at = call.conversation.started_at.map(|at| at.plus(later));
        bench.knows(call);
    }
    let events = all_events();
    let (first, second) = order.split_at(order.len() / 2);
    for half in [first, second] {
        for n in half {
            bench.publish(events[*n].clone()).await;
        }
        bench.drain(at_once).await;
    }
    assert_eq!(bench.letters().await, 0);
    bench.state(&["conv_a", "conv_b", "conv_c", "conv_d"]).await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Permuted, duplicated and racing deliveries end in the same state, byte for byte.
    #[test]
    fn every_order_ends_in_the_same_state(
        order in Just((0..16).chain(0..16).collect::<Vec<usize>>()).prop_shuffle(),
        at_once in 1_usize..9,
    ) {
        let in_order: Vec<usize> = (0..16).collect();
        let expected = block_on(outcome(&in_order, 1));
        prop_assert_eq!(block_on(outcome(&order, at_once)), expected);
    }
}
