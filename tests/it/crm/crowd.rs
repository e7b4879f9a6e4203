//! Twenty endpoints of which five are dead, five slow and five flaky: the healthy ones get every event.
//! `AFTERCALL_CROWD_EVENTS` sets how many there are; `benches/crowd.rs` says how fast.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aftercall::config::Retention;
use aftercall::host::Host;
use aftercall::secret::Secret;
use aftercall::simulate::crm::{Crm, Mood, router};
use aftercall::store::endpoints::Off;
use aftercall::worker;
use tokio::net::TcpListener;

use super::bench::{Bench, SECRET};
use crate::backends;

/// Endpoints of each kind.
const EACH: usize = 5;

const MOODS: [Mood; 4] = [Mood::Steady, Mood::Flaky, Mood::Slow, Mood::Dead];

/// A CRM that believes the endpoints of these tests, and where results go to it.
async fn crm(host: &Host, mood: Mood) -> (Arc<Crm>, String) {
    let crm = Arc::new(Crm::default());
    crm.trust(&Secret::new(SECRET).unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/crm/{}",
        listener.local_addr().unwrap(),
        mood.as_str()
    );
    let app = router(host, &crm);
    // It ends with the test's runtime.
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (crm, url)
}

/// Five endpoints of each mood, each with a CRM of its own.
async fn crowd(bench: &Bench) -> Vec<(Mood, String, Arc<Crm>)> {
    let mut crowd = Vec::new();
    for mood in MOODS {
        for n in 0..EACH {
            let (crm, mut url) = crm(&bench.flow.host, mood).await;
            if mood == Mood::Dead && n % 2 == 1 {
                // One that is not even there.
                "http://127.0.0.1:9/".clone_into(&mut url);
            }
            let name = format!("{} {n}", mood.as_str());
            let endpoint = bench.endpoint(&name, &url, |_| {}).await;
            crowd.push((mood, endpoint.id, crm));
        }
    }
    crowd
}

fn events() -> usize {
    let asked = std::env::var("AFTERCALL_CROWD_EVENTS").ok();
    asked.map_or(60, |text| text.parse().unwrap())
}

/// Waits until each of these CRMs has taken so many events. Only a test that hangs is ended.
async fn until_taken(crowd: &[(Mood, String, Arc<Crm>)], mood: Mood, count: usize) {
    let hangs = Duration::from_mins(2) + Duration::from_millis(60) * u32::try_from(count).unwrap();
    let began = Instant::now();
    for (_, id, crm) in crowd.iter().filter(|(its, ..)| *its == mood) {
        while crm.sums().delivered < count {
            let sums = crm.sums();
            assert!(began.elapsed() < hangs, "{id} got {sums:?} of {count}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_slow_and_flaky_endpoints_delay_nobody_else() {
    let count = events();
    let bench = Bench::on(backends::timed("crm_crowd").await).await;
    let crowd = crowd(&bench).await;
    let kept = Duration::ZERO;
    let retention = Retention {
        conversations: kept,
        messages: kept,
        events: kept,
        dead_letters: kept,
        deliveries: kept,
        quarantine: kept,
        audit: kept,
    };
    worker::start(&bench.flow, retention, Duration::ZERO);
    for n in 0..count {
        bench
            .add(&bench.event(n, "conversation.completed", &format!("conv_{n}")))
            .await;
        bench.flow.news.tell();
    }
    // While slow ones still answer, and dead ones wait for their next attempt.
    until_taken(&crowd, Mood::Steady, count).await;
    until_taken(&crowd, Mood::Flaky, count).await;
    bench.flow.host.stop.cancel();
    for (mood, id, crm) in &crowd {
        let sums = crm.sums();
        assert_eq!(sums.verified, sums.attempts, "{id}: {sums:?}");
        match mood {
            Mood::Steady => {
                assert_eq!(
                    (sums.events, sums.attempts as usize),
                    (count, count),
                    "{id}"
                );
            }
            // Each under one id, however often it was tried; those that fail at first were tried twice.
            Mood::Flaky => {
                assert_eq!((sums.events, sums.repeated), (count, 0), "{id}: {sums:?}");
                let failed = (0..count).filter(|n| n % 2 == 1 || n % 64 == 2).count();
                assert_eq!(sums.attempts as usize, count + failed, "{id}: {sums:?}");
            }
            Mood::Slow => assert_eq!(sums.repeated, 0, "{id}: {sums:?}"),
            _ => assert_eq!(sums.delivered, 0, "{id}: {sums:?}"),
        }
    }
}

#[tokio::test]
async fn dead_endpoints_are_disabled_on_schedule_and_no_others() {
    for bench in Bench::all("crm_crowd_days").await {
        let crowd = crowd(&bench).await;
        let day = Duration::from_hours(24);
        let states = async || {
            let mut states = Vec::new();
            for (mood, id, _) in &crowd {
                states.push((*mood, bench.endpoint_of(id).await));
            }
            states
        };
        for n in 0..6 {
            bench
                .add(&bench.event(n, "conversation.completed", &format!("conv_{n}")))
                .await;
            // Once at each endpoint, and once more a little later, for the flaky ones.
            bench.work(2).await;
            bench.pass(Duration::from_secs(10));
            bench.work(2).await;
            for (mood, endpoint) in states().await {
                // Five days after its first failure, and not a day before.
                let over = mood == Mood::Dead && n == 5;
                assert_eq!(endpoint.enabled, !over, "day {n}: {}", endpoint.id);
                if over {
                    assert_eq!(endpoint.disabled.unwrap().1, Off::Failing);
                }
            }
            bench.pass(day);
        }
        assert_eq!(bench.results("endpoint.disabled").await.len(), EACH);
        for (mood, id, crm) in &crowd {
            let sums = crm.sums();
            if *mood != Mood::Dead {
                assert_eq!((sums.delivered, sums.repeated), (6, 0), "{id}: {sums:?}");
            }
        }
    }
}
