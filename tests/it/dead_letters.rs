//! Dead letters from being given up to being resolved, on every database.

use std::sync::atomic::Ordering;

use aftercall::conversation::Conversation;
use aftercall::event::Stage;
use aftercall::id::{AgentId, ConversationId, Owner};
use aftercall::page::PageRequest;
use aftercall::replay::{self, Replayed};
use aftercall::store::conversations::{self, Record};
use aftercall::store::dead_letters::list::{self, Filter};
use aftercall::store::dead_letters::{Letter, State};
use aftercall::verdict::{Failure, Fault, Verdict};

use self::bench::{Bench, after, failed, letter};
use crate::backends::START;

pub(crate) mod bench;
mod operator;

#[tokio::test]
async fn every_filter_narrows_the_list() {
    for bench in Bench::all("dead_filter").await {
        let odd = Letter {
            stage: "finalize".to_owned(),
            source: Some("voice".to_owned()),
            event_id: Some("EV_1".to_owned()),
            agent_id: Some("agent_1".to_owned()),
            caller_identity: Some("sip_+14155550123".to_owned()),
            cause: Failure::poison("no_room", "the event names no room"),
            ..letter(2)
        };
        let fingerprint = odd.cause.fingerprint(&odd.stage);
        bench.keep(letter(1), after(1)).await;
        bench.keep(odd, after(2)).await;
        bench.keep(letter(3), after(3)).await;
        assert_eq!(
            bench.listed(Filter::default()).await,
            ["dl_3", "dl_2", "dl_1"]
        );
        let some = |text: &str| Some(text.to_owned());
        let platform = Filter {
            platform: some("speechify"),
            ..Filter::default()
        };
        assert!(bench.listed(platform.clone()).await.is_empty());
        let only_the_odd = [
            Filter {
                ids: vec!["dl_2".to_owned(), "dl_9".to_owned()],
                ..Filter::default()
            },
            Filter {
                stage: some("finalize"),
                ..Filter::default()
            },
            Filter {
                source: some("voice"),
                ..Filter::default()
            },
            Filter {
                platform_sources: vec!["voice".to_owned()],
                ..platform
            },
            Filter {
                agents: vec!["agent_1".to_owned()],
                ..Filter::default()
            },
            Filter {
                agent_id: some("agent_1"),
                ..Filter::default()
            },
            Filter {
                caller_identity: some("sip_+14155550123"),
                ..Filter::default()
            },
            Filter {
                caller_identity: some("sip:+14155550123@sbc.example"),
                ..Filter::default()
            },
            Filter {
                fingerprint: Some(fingerprint),
                ..Filter::default()
            },
            Filter {
                fault: Some(Fault::Poison),
                ..Filter::default()
            },
            Filter {
                code: some("no_room"),
                ..Filter::default()
            },
            Filter {
                since: Some(after(2)),
                until: Some(after(3)),
                ..Filter::default()
            },
        ];
        for filter in only_the_odd {
            assert_eq!(bench.listed(filter.clone()).await, ["dl_2"], "{filter:?}");
        }
        let resolved = Filter {
            state: Some(State::Resolved),
            ..Filter::default()
        };
        assert!(bench.listed(resolved).await.is_empty());
    }
}

#[tokio::test]
async fn letters_of_a_caller_are_found_however_their_number_is_spelled() {
    const SPELLED: [&str; 7] = [
        "sip_+14155550123",
        "sip:+14155550123@sbc.example",
        "tel:+14155550123",
        "+14155550123",
        "SIP:+14155550123@sbc.example",
        "+141555501234",
        "14155550123",
    ];
    for bench in Bench::all("dead_spelled").await {
        for (n, caller) in (1..).zip(SPELLED) {
            let of_caller = Letter {
                caller_identity: Some(caller.to_owned()),
                ..letter(n)
            };
            bench.keep(of_caller, after(1)).await;
        }
        let of = |caller: &str| Filter {
            caller_identity: Some(caller.to_owned()),
            ..Filter::default()
        };
        // The first four are one line; nothing else is merged, and no case folded.
        for caller in &SPELLED[..4] {
            let found = bench.listed(of(caller)).await;
            assert_eq!(found, ["dl_4", "dl_3", "dl_2", "dl_1"], "{caller}");
        }
        for (caller, id) in [
            (SPELLED[4], "dl_5"),
            (SPELLED[5], "dl_6"),
            (SPELLED[6], "dl_7"),
        ] {
            assert_eq!(bench.listed(of(caller)).await, [id], "{caller}");
        }
    }
}

#[tokio::test]
async fn pages_and_groups_hold_every_letter_once() {
    for bench in Bench::all("dead_groups").await {
        for n in 1..=5 {
            // All at the same time: the id sets them apart.
            bench.keep(letter(n), START).await;
        }
        let other = Letter {
            cause: Failure::poison("no_room", "the event names no room"),
            ..letter(6)
        };
        bench.keep(other, after(9)).await;
        let (ids, groups) = bench
            .write(|mut conn| {
                Box::pin(async move {
                    let mut ids = Vec::new();
                    let mut page = PageRequest {
                        size: 2,
                        after: None,
                    };
                    loop {
                        let found = list::list(&mut conn, &Filter::default(), &page).await?;
                        ids.extend(found.rows.into_iter().map(|letter| letter.id));
                        page.after = found.next;
                        if page.after.is_none() {
                            break;
                        }
                    }
                    Ok((ids, list::groups(&mut conn, &Filter::default()).await?))
                })
            })
            .await;
        assert_eq!(ids, ["dl_6", "dl_5", "dl_4", "dl_3", "dl_2", "dl_1"]);
        let told: Vec<_> = groups
            .iter()
            .map(|group| (group.code.as_str(), group.count, group.example_id.as_str()))
            .collect();
        assert_eq!(
            told,
            [("platform_unavailable", 5, "dl_5"), ("no_room", 1, "dl_6")]
        );
        assert_eq!((groups[0].first_at, groups[0].last_at), (START, START));
        assert_eq!(groups[1].fault, Fault::Poison);
    }
}

#[tokio::test]
async fn success_resolves_and_failure_is_the_same_letter_with_one_attempt_more() {
    for bench in Bench::all("dead_replay").await {
        bench.keep(letter(1), START).await;
        let queued = Replayed::Queued;
        assert_eq!(bench.replay("dl_1").await, queued);
        assert_eq!(bench.get("dl_1").await.state, State::Replaying);
        // Once more while it is on its way changes nothing.
        assert_eq!(bench.replay("dl_1").await, queued);
        let why = Failure::platform("platform_unavailable", "no answer");
        let attempt = bench.work(Stage::Remember, Verdict::Park { why }).await;
        assert_eq!(attempt, 2, "attempts are counted over replays");
        let dead = bench.get("dl_1").await;
        assert_eq!((dead.state, dead.attempts.len()), (State::Dead, 2));
        assert_eq!(bench.listed(Filter::default()).await, ["dl_1"]);

        assert_eq!(bench.replay("dl_1").await, queued);
        bench.work(Stage::Remember, Verdict::Done).await;
        let resolved = bench.get("dl_1").await;
        assert_eq!(
            (resolved.state, resolved.attempts.len()),
            (State::Resolved, 2)
        );
        assert_eq!(bench.replay("dl_1").await, Replayed::PassedOver);
        let waiting = bench.flow.queue.depth(Stage::Remember).await.unwrap();
        assert_eq!(waiting.messages, 0);
    }
}

#[tokio::test]
async fn attempts_are_kept_once_whatever_a_queue_brings_along() {
    for bench in Bench::all("dead_attempts").await {
        bench.keep(letter(1), START).await;
        let last_run_only = Letter {
            attempts: vec![failed(after(5))],
            ..letter(1)
        };
        bench.keep(last_run_only, after(5)).await;
        let whole_history = Letter {
            attempts: [0, 5, 9].map(|secs| failed(after(secs))).to_vec(),
            ..letter(1)
        };
        bench.keep(whole_history, after(9)).await;
        let times: Vec<_> = bench
            .get("dl_1")
            .await
            .attempts
            .into_iter()
            .map(|attempt| attempt.at)
            .collect();
        assert_eq!(times, [0, 5, 9].map(after));
    }
}

#[tokio::test]
async fn a_filter_discards_what_has_waited_longest() {
    for bench in Bench::all("dead_many").await {
        for n in 1..=120 {
            bench.keep(letter(n), after(n as u64)).await;
        }
        assert_eq!(bench.replay("dl_1").await, Replayed::Queued);
        let all = Filter::default();
        let discarded = replay::discard_letters(&bench.flow, &all, 70)
            .await
            .unwrap();
        assert_eq!(discarded, 70, "those on their way are left alone");
        assert_eq!(bench.get("dl_1").await.state, State::Replaying);
        assert_eq!(bench.get("dl_71").await.state, State::Discarded);
        assert_eq!(bench.get("dl_72").await.state, State::Dead);
        // A decision that can be taken back.
        assert_eq!(bench.replay("dl_71").await, Replayed::Queued);
    }
}

#[tokio::test]
async fn a_parked_body_is_read_again_by_the_code_of_today() {
    for bench in Bench::all("dead_body").await {
        let sealed = bench
            .flow
            .seal
            .seal(b"{\"new\":1}", bench.flow.host.dice.bytes());
        let parked = Letter {
            id: "dl_body".to_owned(),
            stage: "receive".to_owned(),
            source: Some("voice".to_owned()),
            cause: Failure::poison("unreadable_body", "a form of tomorrow"),
            conversation_id: None,
            attempts: Vec::new(),
            body: sealed.clone(),
            message_id: "receive:voice:1".to_owned(),
            ..letter(1)
        };
        bench.keep(parked, START).await;
        assert_eq!(bench.replay("dl_body").await, Replayed::StillDead);
        let dead = bench.get("dl_body").await;
        assert_eq!((dead.state, dead.attempts.len()), (State::Dead, 1));
        assert_eq!(dead.message, "a form of tomorrow");
        assert_eq!(dead.body, sealed, "it can be tried again");

        bench.learner.has_learnt.store(true, Ordering::SeqCst);
        assert_eq!(bench.replay("dl_body").await, Replayed::Resolved);
        assert_eq!(bench.get("dl_body").await.state, State::Resolved);
        let mut taken = bench.flow.queue.take(Stage::Finalize, 10).await.unwrap();
        let message = taken.pop().unwrap().message;
        let hash = aftercall::secret::sha256_hex(b"{\"new\":1}");
        assert_eq!(message.id, format!("finalize:voice:{hash}"));
    }
}

#[tokio::test]
async fn what_can_t_even_be_tried_says_why() {
    for bench in Bench::all("dead_untried").await {
        let gone = Letter {
            stage: "receive".to_owned(),
            source: Some("gone".to_owned()),
            ..letter(1)
        };
        let foreign = Letter {
            stage: "receive".to_owned(),
            source: Some("voice".to_owned()),
            body: "v1:00".to_owned(),
            ..letter(2)
        };
        let later = Letter {
            body: r#"{"v":9}"#.to_owned(),
            ..letter(3)
        };
        for (letter, code) in [
            (gone, "unknown_source"),
            (foreign, "unsealable"),
            (later, "unreadable_message"),
        ] {
            let id = letter.id.clone();
            bench.keep(letter, START).await;
            assert_eq!(bench.replay(&id).await, Replayed::StillDead, "{code}");
            let dead = bench.get(&id).await;
            assert_eq!((dead.state, dead.code.as_str()), (State::Dead, code));
            assert_eq!(dead.attempts.last().unwrap().code, code);
        }
    }
}

#[tokio::test]
async fn a_letter_says_whose_call_it_was_where_that_is_known() {
    for bench in Bench::all("dead_known").await {
        let record = Record {
            owner: Owner::platform("speechify"),
            conversation: Conversation {
                caller_identity: "sip_+14155550123".to_owned(),
                platform: "speechify".to_owned(),
                source: "voice".to_owned(),
                ..Conversation::blank(
                    ConversationId::new("conv_1").unwrap(),
                    AgentId::new("agent_1").unwrap(),
                    START,
                )
            },
            caller_key: None,
            updated_at: START,
            revision: 1,
            content_hash: String::new(),
            fetched_at: START,
            announced: None,
            memory_status: None,
            memory_reason: None,
            recheck_at: None,
            rechecks: 0,
            own: conversations::Own::default(),
        };
        bench
            .write(move |mut conn| {
                Box::pin(async move { conversations::save(&mut conn, &record).await })
            })
            .await;
        bench.keep(letter(1), START).await;
        bench.keep(letter(2), START).await;
        let known = bench.get("dl_1").await;
        let told = [
            known.source,
            known.platform,
            known.agent_id,
            known.caller_identity,
        ];
        let expected = ["voice", "speechify", "agent_1", "sip_+14155550123"];
        assert_eq!(told, expected.map(|text| Some(text.to_owned())));
        assert_eq!(bench.get("dl_2").await.source, None);
    }
}
