//! Replay jobs on every database: their order, their rate, their canary, and what stops them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aftercall::event::Stage;
use aftercall::flow::Flow;
use aftercall::replay::{self, NewJob, NotNow};
use aftercall::store::audit;
use aftercall::store::dead_letters::list::Filter;
use aftercall::store::dead_letters::{Letter, State};
use aftercall::store::replays::causes::{self, Failed};
use aftercall::store::replays::{self, Job, Plan, Status};
use aftercall::verdict::{Failure, Verdict};
use tokio::sync::Semaphore;

use crate::backends::START;
use crate::dead_letters::bench::{Bench, after, letter};

mod killed;

/// How the messages of a test end, and in which order they were taken.
#[derive(Clone)]
struct Worker {
    taken: Arc<Mutex<Vec<String>>>,
    failing: Arc<Mutex<HashSet<String>>>,
    /// One for each message that may still be worked on.
    permits: Arc<Semaphore>,
}

impl Default for Worker {
    fn default() -> Self {
        Self::stopping_after(Semaphore::MAX_PERMITS)
    }
}

impl Worker {
    /// A worker that stands still after so many messages, until it has more permits.
    fn stopping_after(messages: usize) -> Self {
        Self {
            taken: Arc::default(),
            failing: Arc::default(),
            permits: Arc::new(Semaphore::new(messages)),
        }
    }

    /// Works until the bench is stopped; messages of conversations in `failing` are given up.
    fn start(&self, flow: &Flow) {
        let (flow, worker) = (flow.clone(), self.clone());
        tokio::spawn(async move {
            while let Ok(taken) = flow.queue.take(Stage::Remember, 10).await {
                if taken.is_empty() {
                    return;
                }
                for delivery in taken {
                    worker.permits.acquire().await.unwrap().forget();
                    let id = delivery.message.id.clone();
                    let call = id.rsplit(':').nth(1).unwrap().to_owned();
                    worker.taken.lock().unwrap().push(call.clone());
                    let fails = worker.failing.lock().unwrap().contains(&call);
                    let why = Failure::platform("platform_unavailable", "no answer");
                    let verdict = if fails {
                        Verdict::Park { why }
                    } else {
                        Verdict::Done
                    };
                    flow.queue.settle(delivery, verdict).await.unwrap();
                }
            }
        });
    }

    fn fail(&self, letters: std::ops::RangeInclusive<usize>) {
        let mut failing = self.failing.lock().unwrap();
        failing.extend(letters.map(|n| format!("conv_{n}")));
    }

    fn mend(&self) {
        self.failing.lock().unwrap().clear();
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

fn plan() -> Plan {
    Plan {
        rate: 1_000.0,
        canary: 0,
        canary_only: false,
        stop_at_failure_rate: 0.1,
        state: State::Dead,
    }
}

fn entry(bench: &Bench, action: &str, target: &str) -> audit::Entry {
    let host = &bench.flow.host;
    audit::Entry {
        id: aftercall::id::fresh("audit_", host.now(), host.dice.bytes()),
        at: host.now(),
        actor: "token_1".to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        detail: String::new(),
    }
}

async fn create(bench: &Bench, plan: Plan) -> Job {
    create_with(bench, plan, false).await
}

async fn create_with(bench: &Bench, plan: Plan, usual_canary: bool) -> Job {
    let new = NewJob {
        filter: Filter::default(),
        told: "{}".to_owned(),
        plan,
        usual_canary,
    };
    let host = &bench.flow.host;
    let id = aftercall::id::fresh("replay_", host.now(), host.dice.bytes());
    replay::create(&bench.flow, new, entry(bench, "replay.create", &id))
        .await
        .unwrap()
}

async fn read(bench: &Bench, id: &str) -> Job {
    let id = id.to_owned();
    bench
        .write(move |mut conn| Box::pin(async move { replays::get(&mut conn, &id).await }))
        .await
        .unwrap()
}

/// Of what the letters of a job have failed.
async fn failed_of(bench: &Bench, id: &str) -> Vec<Failed> {
    let id = id.to_owned();
    bench
        .write(move |mut conn| Box::pin(async move { causes::of(&mut conn, &id).await }))
        .await
}

/// Waits until the job rests in that status. The bench's clock runs ahead of the machine: what a driver that
/// died had in its hands comes back only after its lease.
async fn wait_for(bench: &Bench, id: &str, status: Status) -> Job {
    for _ in 0..30_000 {
        let job = read(bench, id).await;
        if job.status == status && job.in_flight() == 0 {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not {status:?}: {:?}", read(bench, id).await);
}

async fn keep(bench: &Bench, letters: std::ops::RangeInclusive<usize>) {
    for n in letters {
        bench.keep(letter(n), START).await;
    }
}

fn start(bench: &Bench) {
    replay::start(&Arc::new(bench.flow.clone()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_sends_every_letter_once_and_says_how_each_ended() {
    for bench in Bench::all("replay_job").await {
        keep(&bench, 1..=20).await;
        let worker = Worker::default();
        worker.fail(7..=7);
        worker.start(&bench.flow);
        start(&bench);
        let made = create(&bench, plan()).await;
        assert_eq!((made.total, made.status), (20, Status::Running));
        let job = wait_for(&bench, &made.id, Status::Completed).await;
        assert_eq!((job.done(), job.succeeded, job.failed), (20, 19, 1));
        assert!(job.finished_at.is_some());
        assert_eq!(worker.taken().len(), 20);
        let dead = bench.get("dl_7").await;
        assert_eq!((dead.state, dead.attempts.len()), (State::Dead, 2));
        assert_eq!(bench.get("dl_8").await.state, State::Resolved);
        let failed = failed_of(&bench, &made.id).await;
        assert_eq!((failed.len(), failed[0].letters), (1, 1));
        let cause = &failed[0].cause;
        assert_eq!(
            (cause.letter_id.as_str(), cause.code.as_str()),
            ("dl_7", "platform_unavailable")
        );
        let of_job = |fingerprint: Option<String>| Filter {
            failed_in: Some(made.id.clone()),
            fingerprint,
            ..Filter::default()
        };
        for (fingerprint, wanted) in [
            (None, 1),
            (Some(cause.fingerprint.clone()), 1),
            (Some("fp_another".to_owned()), 0),
        ] {
            let listed = bench.listed(of_job(fingerprint)).await;
            assert_eq!(listed, ["dl_7"][..wanted]);
        }
        // What failed is dead: a second run takes that one letter, and no other.
        worker.mend();
        let again = create(&bench, plan()).await;
        assert_eq!(again.total, 1);
        wait_for(&bench, &again.id, Status::Completed).await;
        let none = create(&bench, plan()).await;
        assert_eq!((none.total, none.status), (0, Status::Completed));
        bench.flow.host.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_caller_the_oldest_goes_first_and_the_next_after_its_verdict() {
    for bench in Bench::all("replay_order").await {
        for n in [3, 1, 2, 4] {
            let caller = if n == 4 {
                "+14155550199"
            } else {
                "+14155550123"
            };
            let of_caller = Letter {
                caller_identity: Some(caller.to_owned()),
                ..letter(n)
            };
            let given_up = START.minus(Duration::from_secs(10 - n as u64));
            bench.keep(of_caller, given_up).await;
        }
        start(&bench);
        let job = create(&bench, plan()).await;
        for expected in [["conv_1", "conv_4"].as_slice(), &["conv_2"], &["conv_3"]] {
            let mut taken = Vec::new();
            while taken.len() < expected.len() {
                taken.extend(bench.flow.queue.take(Stage::Remember, 10).await.unwrap());
            }
            // Time for whatever would go too early.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let depth = bench.flow.queue.depth(Stage::Remember).await.unwrap();
            assert_eq!(depth.messages, i64::try_from(expected.len()).unwrap());
            let mut calls: Vec<_> = taken
                .iter()
                .map(|delivery| delivery.message.id.rsplit(':').nth(1).unwrap().to_owned())
                .collect();
            calls.sort();
            assert_eq!(calls, expected);
            for delivery in taken {
                // A failure is a verdict, too.
                let why = Failure::platform("platform_unavailable", "no answer");
                let verdict = if calls == ["conv_2"] {
                    Verdict::Park { why }
                } else {
                    Verdict::Done
                };
                bench.flow.queue.settle(delivery, verdict).await.unwrap();
            }
        }
        let job = wait_for(&bench, &job.id, Status::Completed).await;
        assert_eq!((job.succeeded, job.failed), (3, 1));
        bench.flow.host.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_that_fails_stops_the_job_until_its_cause_is_mended() {
    for bench in Bench::all("replay_canary").await {
        keep(&bench, 1..=40).await;
        let worker = Worker::default();
        worker.fail(1..=40);
        worker.start(&bench.flow);
        start(&bench);
        let canary = Plan {
            canary: 5,
            ..plan()
        };
        let job = create(&bench, canary).await;
        let stopped = wait_for(&bench, &job.id, Status::Stopped).await;
        assert!(stopped.sent <= 5 && stopped.failed >= 1, "{stopped:?}");
        assert!(stopped.reason.contains("canary"), "{stopped:?}");
        worker.mend();
        let resumed = replay::resume(
            &bench.flow,
            &job.id,
            entry(&bench, "replay.resume", &job.id),
        );
        let resumed = resumed.await.unwrap().unwrap().unwrap();
        assert_eq!(resumed.status, Status::Running);
        let job = wait_for(&bench, &job.id, Status::Completed).await;
        assert_eq!(job.done(), 40);
        assert_eq!(job.failed, stopped.failed);
        let page = aftercall::page::PageRequest::default();
        let log = bench
            .write(move |mut conn| {
                Box::pin(
                    async move { audit::list(&mut conn, &audit::Filter::default(), &page).await },
                )
            })
            .await;
        let mut actions: Vec<_> = log.rows.into_iter().map(|entry| entry.action).collect();
        actions.sort();
        let expected = ["completed", "create", "resume", "stopped"].map(|a| format!("replay.{a}"));
        assert_eq!(actions, expected);
        bench.flow.host.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_few_letters_that_all_fail_only_the_first_are_sent() {
    for bench in Bench::all("replay_few").await {
        keep(&bench, 1..=13).await;
        let worker = Worker::default();
        worker.fail(1..=13);
        worker.start(&bench.flow);
        start(&bench);
        let made = create_with(&bench, plan(), true).await;
        assert_eq!((made.total, made.plan.canary), (13, 10));
        let job = wait_for(&bench, &made.id, Status::Stopped).await;
        assert!(job.failed > 0 && job.sent <= 10, "{job:?}");
        assert_eq!(job.plan.canary, 10, "it is written down");
        let failed = failed_of(&bench, &job.id).await;
        assert_eq!((failed.len(), failed[0].letters), (1, job.failed));
        bench.flow.host.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_canary_can_be_all() {
    for bench in Bench::all("replay_only").await {
        keep(&bench, 1..=9).await;
        let worker = Worker::default();
        worker.start(&bench.flow);
        start(&bench);
        let only = Plan {
            canary: 3,
            canary_only: true,
            ..plan()
        };
        let job = create(&bench, only).await;
        let job = wait_for(&bench, &job.id, Status::Completed).await;
        assert_eq!((job.total, job.sent, job.succeeded), (9, 3, 3));
        assert_eq!(bench.get("dl_9").await.state, State::Dead);
        bench.flow.host.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_stops_when_too_many_of_the_last_fifty_fail() {
    for bench in Bench::all("replay_stop").await {
        keep(&bench, 1..=400).await;
        let worker = Worker::default();
        // The first hundred are well; then the cause is back.
        for n in 101..=400 {
            worker.fail(n..=n);
        }
        worker.start(&bench.flow);
        start(&bench);
        let slow = Plan {
            rate: 200.0,
            canary: 2,
            ..plan()
        };
        let job = create(&bench, slow).await;
        let job = wait_for(&bench, &job.id, Status::Stopped).await;
        assert!(job.failed > 5, "{job:?}");
        assert!(job.sent < 400, "{job:?}");
        assert!(job.reason.contains("the last 50"), "{job:?}");
        bench.flow.host.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_paused_resumed_and_cancelled() {
    for bench in Bench::all("replay_pause").await {
        keep(&bench, 1..=100).await;
        let worker = Worker::default();
        worker.start(&bench.flow);
        let job = create(&bench, plan()).await;
        let id = &job.id;
        let paused = replay::pause(&bench.flow, id, entry(&bench, "replay.pause", id));
        let paused = paused.await.unwrap().unwrap().unwrap();
        assert_eq!(paused.status, Status::Paused);
        start(&bench);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(
            worker.taken().is_empty(),
            "nothing is sent while it is held"
        );
        let resumed = replay::resume(&bench.flow, id, entry(&bench, "replay.resume", id));
        resumed.await.unwrap().unwrap().unwrap();
        let done = wait_for(&bench, id, Status::Completed).await;
        assert_eq!(done.succeeded, 100);
        for moved in [
            replay::pause(&bench.flow, id, entry(&bench, "replay.pause", id)).await,
            replay::resume(&bench.flow, id, entry(&bench, "replay.resume", id)).await,
            replay::cancel(&bench.flow, id, entry(&bench, "replay.cancel", id)).await,
        ] {
            assert_eq!(moved.unwrap().unwrap(), Err(NotNow(Status::Completed)));
        }
        let gone = replay::cancel(&bench.flow, "replay_9", entry(&bench, "replay.cancel", ""));
        assert!(gone.await.unwrap().is_none());

        keep(&bench, 101..=102).await;
        let slow = Plan {
            rate: 0.001,
            ..plan()
        };
        let job = create(&bench, slow).await;
        let cancelled = replay::cancel(&bench.flow, &job.id, entry(&bench, "replay.cancel", ""));
        let cancelled = cancelled.await.unwrap().unwrap().unwrap();
        assert_eq!(cancelled.status, Status::Cancelled);
        let job = wait_for(&bench, &job.id, Status::Cancelled).await;
        assert!(job.sent < 2, "{job:?}");
        bench.flow.host.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_sent_at_the_rate() {
    for bench in Bench::all("replay_rate").await {
        keep(&bench, 1..=300).await;
        let worker = Worker::default();
        worker.start(&bench.flow);
        start(&bench);
        let begun = bench.flow.host.now();
        let slow = Plan {
            rate: 20.0,
            ..plan()
        };
        let job = create(&bench, slow).await;
        let job = wait_for(&bench, &job.id, Status::Completed).await;
        // The bench's clock moves only while somebody sleeps on it: this is no wall-clock time.
        let took = job.finished_at.unwrap().since(begun).as_secs_f64();
        let expected = 300.0 / 20.0;
        assert!(took >= expected * 0.95, "{took} s for {expected} s");
        bench.flow.host.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_become_of_a_letter_meanwhile_counts() {
    for bench in Bench::all("replay_meanwhile").await {
        keep(&bench, 1..=5).await;
        let job = create(&bench, plan()).await;
        bench
            .write(|mut conn| {
                Box::pin(async move {
                    use aftercall::store::dead_letters as letters;
                    letters::discard(&mut conn, "dl_1", after(1)).await?;
                    let message = letters::get(&mut conn, "dl_2").await?.unwrap().message_id;
                    letters::resolve(&mut conn, &message, after(1)).await?;
                    letters::delete_of(&mut conn, "conv_3").await
                })
            })
            .await;
        // On its way already: it is not sent twice.
        bench.replay("dl_4").await;
        // And one that arrives anew is the same letter.
        bench.keep(letter(5), after(2)).await;
        let worker = Worker::default();
        worker.start(&bench.flow);
        start(&bench);
        let job = wait_for(&bench, &job.id, Status::Completed).await;
        assert_eq!((job.succeeded, job.failed, job.passed_over), (3, 0, 2));
        let mut taken = worker.taken();
        taken.sort();
        assert_eq!(taken, ["conv_4", "conv_5"]);
        assert_eq!(bench.get("dl_1").await.state, State::Discarded);
        bench.flow.host.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_that_dies_is_followed_by_another_and_each_letter_runs_once() {
    for bench in Bench::all("replay_crash").await {
        keep(&bench, 1..=200).await;
        // The bench's clock runs ahead of any watch: the worker stands still in the middle instead, and
        // of 200 letters only a second's worth is sent ahead of the verdicts.
        let worker = Worker::stopping_after(20);
        worker.start(&bench.flow);
        let slow = Plan {
            rate: 100.0,
            ..plan()
        };
        let job = create(&bench, slow).await;
        // Its tasks vanish wherever they are, as those of a killed process do.
        let doomed = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        // Its connections die with it, and are nobody else's.
        let driven = Arc::new(Flow {
            db: bench.anew().await,
            ..bench.flow.clone()
        });
        doomed.spawn(async move { replay::start(&driven) });
        while worker.taken().len() < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        doomed.shutdown_background();
        let middle = read(&bench, &job.id).await;
        assert_eq!(middle.status, Status::Running);
        assert!((20..200).contains(&middle.sent), "{middle:?}");
        start(&bench);
        worker.permits.add_permits(200);
        let job = wait_for(&bench, &job.id, Status::Completed).await;
        assert_eq!((job.done(), job.succeeded), (200, 200));
        let taken = worker.taken();
        let once: HashSet<_> = taken.iter().collect();
        assert_eq!((taken.len(), once.len()), (200, 200));
        bench.flow.host.stop.cancel();
    }
}
