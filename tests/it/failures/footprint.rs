//! What processes hold while work piles up: 256 connections post ten thousand calls, of which the
//! platform tells nothing.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aftercall::event::Stage;
use aftercall::worker;

use super::fleet::{Fleet, Mode, Process};
use super::load::{Load, script};
use crate::proxy::Line;

const CALLS: usize = 10_000;
const CONNECTIONS: usize = 256;

/// The most that a receiver and a worker may hold (issue's figures, of a release build).
const RECEIVER_MIB: f64 = 48.0;
const WORKER_MIB: f64 = 64.0;

/// How long the broker's counts, which are 5 s old, may take to show all calls.
const COUNTED_WITHIN: Duration = Duration::from_mins(1);

/// The most memory that a process has had at once, in MiB. Of a debug build the code alone, which
/// counts as memory once it has run, is larger than all that is allowed: it is left out.
fn peak_mib(process: &Process) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let field = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.unwrap().trim_start_matches(':').trim_end_matches("kB");
        kib.trim().parse::<f64>().unwrap() / 1024.0
    };
    let code = if cfg!(debug_assertions) {
        field("RssFile")
    } else {
        0.0
    };
    field("VmHWM") - code
}

/// Messages that a fleet's consumers hold, and those that wait beside them.
async fn held_and_waiting(fleet: &Fleet) -> (usize, usize) {
    let columns = ["name", "messages_unacknowledged", "messages"];
    let listing = ["list_queues", "-p", &fleet.name, "--no-table-headers"];
    let queues = fleet
        .services()
        .rabbitmqctl(&[&listing[..], &columns].concat())
        .await;
    let mut sums = (0, 0);
    for line in queues.lines() {
        let mut counts = line
            .split('\t')
            .skip(1)
            .map(|n| n.trim().parse().unwrap_or(0));
        sums.0 += counts.next().unwrap_or(0);
        sums.1 += counts.next().unwrap_or(0);
    }
    sums
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_held_by_the_broker() {
    let Some(fleet) = Fleet::start(Mode::Distributed).await else {
        println!(
            "skipped: it needs a broker and a database of its own; run it under tests/services"
        );
        return;
    };
    fleet.lines.platform.set(Line::Hold);
    script(&fleet.platform, 1);
    let load = Load::on(&fleet);
    load.storm(CALLS, 1, CONNECTIONS).await;
    assert_eq!(load.tally.accepted.load(Ordering::SeqCst), CALLS);

    let prefetch: usize = Stage::ALL
        .map(|stage| usize::from(worker::places(stage)))
        .iter()
        .sum();
    let started = Instant::now();
    let (mut most_held, mut waiting) = (0, 0);
    while waiting < CALLS && started.elapsed() < COUNTED_WITHIN {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (held, all) = held_and_waiting(&fleet).await;
        most_held = most_held.max(held);
        waiting = all;
    }
    let largest = |processes: &[Process]| processes.iter().map(peak_mib).fold(0.0, f64::max);
    let (receiver, worker) = (largest(&fleet.receivers), largest(&fleet.workers));
    println!(
        "{waiting} messages wait, workers hold {most_held}; \
         a receiver had {receiver:.1} MiB, a worker {worker:.1} MiB; slowest answer {:?}",
        load.tally.slowest()
    );
    assert!(waiting >= CALLS, "the broker has {waiting} messages");
    assert!(
        most_held <= prefetch * fleet.workers.len(),
        "{most_held} are held"
    );
    assert!(receiver < RECEIVER_MIB, "a receiver had {receiver:.1} MiB");
    assert!(worker < WORKER_MIB, "a worker had {worker:.1} MiB");
    fleet.clear().await;
}
