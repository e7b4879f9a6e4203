//! The faults: what breaks while the load runs, and how it is mended again.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use aftercall::host::Dice;
use wiremock::ResponseTemplate;

use super::fleet::{Fleet, Mode};
use super::load::events;
use super::records::{Records, TOLD};
use crate::proxy::Line;
use crate::services::Service;
use crate::support::Instead;

/// What can be done to a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    ReceiverKilled,
    WorkerKilled,
    BrokerKilled,
    DatabaseKilled,
    BrokerAlarm,
    BrokerSilent,
    DatabaseSlow,
    Platform500,
    Platform429,
    PlatformGarbage,
    PlatformHalf,
    DiskFull,
    Storm,
}

/// How long a platform misbehaves: its second retry is 6 s after the first answer, and finds it well.
const MISBEHAVES: Duration = Duration::from_secs(4);

/// Longer than any time-out on the way to the broker: confirms, heartbeats, reconnects.
const SILENT: Duration = Duration::from_secs(25);

const ALARMED: Duration = Duration::from_secs(6);
const DOWN: Duration = Duration::from_secs(2);
const SLOW: Duration = Duration::from_secs(10);
const SLOWNESS: Duration = Duration::from_secs(2);

/// Work must go on so soon after what it needs is back; measured, it is a few seconds.
const RESUMES: Duration = Duration::from_mins(1);

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ReceiverKilled => "receivers killed 5 times",
            Self::WorkerKilled => "workers killed between write and ack, 4 times",
            Self::BrokerKilled => "broker killed, started again",
            Self::DatabaseKilled => "database killed, started again",
            Self::BrokerAlarm => "broker's memory alarm for 6 s",
            Self::BrokerSilent => "broker silent for 25 s",
            Self::DatabaseSlow => "database 2 s slower a query, for 10 s",
            Self::Platform500 => "platform answers 500",
            Self::Platform429 => "platform answers 429",
            Self::PlatformGarbage => "platform answers garbage",
            Self::PlatformHalf => "platform answers by halves",
            Self::DiskFull => "disk full",
            Self::Storm => "each event 20 times, from 8 connections",
        }
    }

    /// How long the load should go on for its sake: so long that events come before, in and after it.
    pub(super) fn lasts(self) -> Duration {
        let eventful = Duration::from_secs(8);
        match self {
            Self::BrokerSilent => SILENT + eventful,
            Self::DatabaseSlow => SLOW + eventful,
            _ => eventful,
        }
    }

    /// Breaks it, mends it, and waits until everybody is ready again.
    pub(super) async fn strike(self, fleet: &mut Fleet) {
        match self {
            // A storm is the load's own.
            Self::Storm => {}
            Self::WorkerKilled if fleet.mode != Mode::Embedded => kill_workers(fleet).await,
            // Embedded, one process is both.
            Self::ReceiverKilled | Self::WorkerKilled => kill_receivers(fleet).await,
            Self::BrokerKilled => restart(fleet, Service::Broker).await,
            Self::DatabaseKilled => restart(fleet, Service::Database).await,
            Self::BrokerAlarm => alarm(fleet).await,
            Self::BrokerSilent => {
                fleet.lines.set_broker(Line::Hold);
                tokio::time::sleep(SILENT).await;
                fleet.lines.set_broker(Line::Pass);
                resumes(fleet).await;
            }
            Self::DatabaseSlow => {
                let line = fleet.lines.database.as_ref().unwrap();
                line.set(Line::Slow {
                    request: SLOWNESS,
                    answer: Duration::ZERO,
                });
                tokio::time::sleep(SLOW).await;
                line.set(Line::Pass);
            }
            Self::Platform500 => misbehave(fleet, |_| Some(ResponseTemplate::new(500))).await,
            Self::Platform429 => {
                let slow_down =
                    |_: &str| Some(ResponseTemplate::new(429).insert_header("Retry-After", "2"));
                misbehave(fleet, slow_down).await;
            }
            Self::PlatformGarbage => misbehave(fleet, |path| Some(garbage(path))).await,
            Self::PlatformHalf => {
                fleet.lines.platform.set(Line::Half(300));
                tokio::time::sleep(MISBEHAVES).await;
                fleet.lines.platform.set(Line::Pass);
            }
            Self::DiskFull => fill_disk(fleet).await,
        }
        fleet.wait_until_ready().await;
    }
}

/// In turn; a moment after each start, so that the next death meets work.
async fn kill_receivers(fleet: &mut Fleet) {
    for n in 0..5 {
        let which = n % fleet.receivers.len();
        fleet.receivers[which].kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        fleet.receivers[which].start();
        fleet.wait_until_ready().await;
        let moment = Duration::from_secs_f64(0.2 + Dice.fraction());
        tokio::time::sleep(moment).await;
    }
}

/// The line to the broker is held, so that what a worker has written it can't acknowledge; then it
/// dies.
async fn kill_workers(fleet: &mut Fleet) {
    for n in 0..4 {
        let before = written(fleet).await;
        fleet.lines.set_working(Line::Hold);
        let started = Instant::now();
        while written(fleet).await <= before && started.elapsed() < Duration::from_secs(3) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let which = n % fleet.workers.len();
        fleet.workers[which].kill();
        fleet.lines.set_working(Line::Pass);
        fleet.workers[which].start();
        fleet.wait_until_ready().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn restart(fleet: &Fleet, service: Service) {
    let services = fleet.services();
    services.kill(service).await;
    tokio::time::sleep(DOWN).await;
    services.start(service).await;
    resumes(fleet).await;
}

async fn alarm(fleet: &Fleet) {
    let services = fleet.services();
    let watermark = async |share: &str| {
        services
            .rabbitmqctl(&["set_vm_memory_high_watermark", share])
            .await
    };
    watermark("0.00001").await;
    tokio::time::sleep(ALARMED).await;
    watermark("0.4").await;
    resumes(fleet).await;
}

/// Rows that the stages have written, as a sign of life.
async fn written(fleet: &Fleet) -> i64 {
    let counted = async {
        let records = Records::of(fleet).await?;
        records.count("SELECT COUNT(*) FROM timeline").await
    };
    counted.await.unwrap_or(0)
}

/// Whether nothing is left that could go on.
async fn all_told(fleet: &Fleet) -> bool {
    let counted = async { Records::of(fleet).await?.count(TOLD).await };
    let all = i64::try_from(events()).unwrap();
    counted.await.is_ok_and(|told| told == all)
}

/// Waits until work goes on, and says how long that took.
async fn resumes(fleet: &Fleet) {
    let (before, started) = (written(fleet).await, Instant::now());
    while written(fleet).await <= before && !all_told(fleet).await {
        assert!(
            started.elapsed() < RESUMES,
            "work does not go on\n{}",
            fleet.logged()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!(
        "work went on after {:.1} s",
        started.elapsed().as_secs_f64()
    );
}

async fn misbehave(fleet: &Fleet, answer: Instead) {
    *fleet.platform.instead.lock().unwrap() = Some(answer);
    tokio::time::sleep(MISBEHAVES).await;
    *fleet.platform.instead.lock().unwrap() = None;
}

/// A page of a proxy in between, a JSON of another shape, and no JSON at all.
fn garbage(path: &str) -> ResponseTemplate {
    let answer = ResponseTemplate::new(200);
    match path.bytes().map(usize::from).sum::<usize>() % 3 {
        0 => answer.set_body_string("<html>Please log in</html>"),
        1 => answer.set_body_raw(r#"{"id": 7, "messages": "none"}"#, "application/json"),
        _ => answer.set_body_raw("[[[[", "application/json"),
    }
}

/// Takes the last byte of the file system that the data lie on, holds it for a while, and lets go.
async fn fill_disk(fleet: &Fleet) {
    let path = fleet.data().join("ballast");
    let filled = tokio::task::spawn_blocking({
        let path = path.clone();
        move || {
            let mut ballast = File::create(path).unwrap();
            let mut size = 1 << 20;
            let block = vec![0x5a_u8; size];
            while size > 0 {
                if ballast.write_all(&block[..size]).is_err() {
                    size /= 2;
                }
            }
        }
    });
    filled.await.unwrap();
    tokio::time::sleep(MISBEHAVES).await;
    std::fs::remove_file(path).unwrap();
}

/// The words that run a command with a small file system of its own at `data`, if this machine lets
/// us mount one: it is seen by that process alone, and goes with it.
pub(super) fn within_small_disk(bytes: usize) -> Option<Vec<String>> {
    let mut script = String::from("mkdir -p data && ");
    write!(script, "mount -t tmpfs -o size={bytes} small data").unwrap();
    let mut words = vec!["unshare".to_owned(), "--mount".to_owned()];
    words.push("--map-root-user".to_owned());
    words.extend(["sh", "-c"].map(str::to_owned));
    let folder = tempfile::tempdir().unwrap();
    let tried = std::process::Command::new(&words[0])
        .args(&words[1..])
        .arg(&script)
        .current_dir(folder.path())
        .output();
    if !tried.is_ok_and(|output| output.status.success()) {
        return None;
    }
    words.push(format!("{script} && exec \"$0\" \"$@\""));
    Some(words)
}
