//! The failure suite: under a steady load of signed events something breaks and comes back. Then
//! every accepted event has had its effects once, and the API answers as if nothing had happened.
//!
//! `AFTERCALL_CHAOS_EVENTS` sets how many events a run has (2,000). Each run adds its row to the table
//! in `target/tmp/failures.md`. Distributed runs need `tests/services`, and are skipped without.
//!
//! A run has all that it breaks for itself, so that runs need not wait for each other.

mod faults;
mod fleet;
mod footprint;
mod load;
mod records;
mod verdict;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use self::faults::{Fault, within_small_disk};
use self::fleet::{Fleet, Mode};
use self::load::{Load, Tally, events, script};
use self::verdict::{Answers, judge, row};

/// The contract gives an answer 4 s; a machine that is busy with the tests adds to that. What hangs
/// in these faults hangs for longer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(12);

/// The answers of a run in which nothing failed.
async fn expected() -> &'static Answers {
    static EXPECTED: OnceCell<Answers> = OnceCell::const_new();
    let run = || async {
        let mut fleet = Fleet::embedded(&[]).await;
        under_load(&mut fleet, &[]).await.0
    };
    EXPECTED.get_or_init(run).await
}

/// The load, the faults one after the other in it, and the verdict.
async fn under_load(fleet: &mut Fleet, faults: &[Fault]) -> (Answers, String) {
    let events = events();
    script(&fleet.platform, events);
    let load = Load::on(fleet);
    let started = Instant::now();
    let strikes = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        for fault in faults {
            fault.strike(fleet).await;
        }
    };
    let within = faults.iter().map(|fault| fault.lasts()).sum();
    tokio::join!(load.drive(events, within), strikes);
    finish(fleet, faults, &load.tally, started).await
}

async fn finish(
    fleet: &Fleet,
    faults: &[Fault],
    tally: &Tally,
    started: Instant,
) -> (Answers, String) {
    let outcome = judge(fleet, events()).await;
    let names: Vec<_> = faults.iter().map(|fault| fault.name()).collect();
    let names = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join("; then ")
    };
    let name = format!("{} | {names}", fleet.mode.name());
    let row = row(&name, events(), tally, &outcome, started.elapsed());
    assert_eq!((outcome.lost, outcome.doubled), (0, 0), "{row}");
    assert!(tally.slowest() < ANSWERED_WITHIN, "{row}");
    (outcome.answers, row)
}

/// One run: the faults, then nothing lost, nothing twice, and the answers of a run without them.
async fn survives(mode: Mode, faults: &[Fault]) {
    let Some(mut fleet) = Fleet::start(mode).await else {
        println!("skipped: it needs a broker and a database to kill; run it under tests/services");
        return;
    };
    let (answers, row) = under_load(&mut fleet, faults).await;
    fleet.clear().await;
    compare(&answers, &row).await;
}

async fn compare(answers: &Answers, row: &str) {
    tell(row);
    let differences = expected().await.differences(answers);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Adds a row to the table.
fn tell(row: &str) {
    println!("{row}");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("failures.md");
    let header = if path.exists() { "" } else { verdict::HEADER };
    let mut table = File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    writeln!(table, "{header}{row}").unwrap();
}

macro_rules! runs {
    ($($name:ident: $mode:ident, $faults:expr;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            survives(Mode::$mode, &$faults).await;
        }
    )+};
}

runs! {
    embedded_killed: Embedded, [Fault::ReceiverKilled];
    embedded_platform_answers_500: Embedded, [Fault::Platform500];
    embedded_platform_answers_429: Embedded, [Fault::Platform429];
    embedded_platform_answers_garbage: Embedded, [Fault::PlatformGarbage];
    embedded_platform_answers_by_halves: Embedded, [Fault::PlatformHalf];
    embedded_mixed: Embedded, [Fault::Platform500, Fault::ReceiverKilled, Fault::PlatformHalf, Fault::WorkerKilled];
    database_workers_killed: Database, [Fault::WorkerKilled];
    database_killed: Database, [Fault::DatabaseKilled];
    distributed_without_a_fault: Distributed, [];
    distributed_receivers_killed: Distributed, [Fault::ReceiverKilled];
    distributed_workers_killed: Distributed, [Fault::WorkerKilled];
    distributed_broker_killed: Distributed, [Fault::BrokerKilled];
    distributed_database_killed: Distributed, [Fault::DatabaseKilled];
    distributed_broker_alarmed: Distributed, [Fault::BrokerAlarm];
    distributed_broker_silent: Distributed, [Fault::BrokerSilent];
    distributed_database_slow: Distributed, [Fault::DatabaseSlow];
    distributed_platform_answers_500: Distributed, [Fault::Platform500];
    distributed_platform_answers_429: Distributed, [Fault::Platform429];
    distributed_platform_answers_garbage: Distributed, [Fault::PlatformGarbage];
    distributed_platform_answers_by_halves: Distributed, [Fault::PlatformHalf];
    distributed_broker_killed_twice_and_database_once: Distributed, [Fault::BrokerKilled, Fault::DatabaseKilled, Fault::BrokerKilled];
    distributed_mixed: Distributed, [Fault::Platform429, Fault::WorkerKilled, Fault::BrokerAlarm, Fault::ReceiverKilled, Fault::DatabaseSlow, Fault::BrokerKilled, Fault::PlatformHalf];
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_disk_full() {
    let Some(within) = within_small_disk((32 << 20) + events() * (48 << 10)) else {
        println!("skipped: this machine does not let us mount a small file system");
        return;
    };
    let mut fleet = Fleet::embedded(&within).await;
    let (answers, row) = under_load(&mut fleet, &[Fault::DiskFull]).await;
    compare(&answers, &row).await;
}

async fn survives_a_storm(mode: Mode) {
    let Some(fleet) = Fleet::start(mode).await else {
        println!("skipped: it needs a broker and a database; run it under tests/services");
        return;
    };
    script(&fleet.platform, events());
    let load = Load::on(&fleet);
    let started = Instant::now();
    load.storm(events(), 20, 8).await;
    let (answers, row) = finish(&fleet, &[Fault::Storm], &load.tally, started).await;
    fleet.clear().await;
    compare(&answers, &row).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_storm_of_duplicates() {
    survives_a_storm(Mode::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distributed_storm_of_duplicates() {
    survives_a_storm(Mode::Distributed).await;
}
