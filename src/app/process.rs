//! What the process takes of the machine, under the names that every Prometheus client gives it. Linux
//! tells that in `/proc`; where there is none, nothing is told.

use std::fs;
use std::sync::Arc;

use crate::http::health::Exposition;
use crate::telemetry;

/// Parts of a second in which the kernel counts time for `/proc`: the same on all that Rust runs on.
const TICKS: u64 = 100;

/// Tells what was recorded, and the CPU that the process has spent until then: a recorder's counters are
/// whole numbers, and seconds are not.
pub(super) fn exposition() -> Exposition {
    let recorded = telemetry::metrics();
    Arc::new(move || {
        let mut told = recorded.render();
        if let Some(spent) = Spent::read(&read("/proc/self/stat")) {
            told.push_str(&spent.told());
        }
        told
    })
}

/// Brings the gauges up to date.
pub(super) fn sample() {
    if let Some(spent) = Spent::read(&read("/proc/self/stat"))
        && let Some(booted) = number_after(&read("/proc/stat"), "btime")
    {
        set("process_start_time_seconds", booted + spent.began / TICKS);
    }
    if let Some(kib) = number_after(&read("/proc/self/status"), "VmRSS:") {
        set("process_resident_memory_bytes", kib * 1024);
    }
    if let Some(most) = number_after(&read("/proc/self/limits"), "Max open files") {
        set("process_max_fds", most);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        set("process_open_fds", (open.count() as u64).saturating_sub(1));
    }
}

/// Tells the recorder what they mean.
pub(super) fn describe() {
    for (name, help) in [
        (
            "process_start_time_seconds",
            "When the process began, in Unix seconds.",
        ),
        (
            "process_resident_memory_bytes",
            "Memory that the process holds.",
        ),
        ("process_max_fds", "Files that the process may have open."),
        ("process_open_fds", "Files that the process has open."),
    ] {
        metrics::describe_gauge!(name, help);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats; none of these comes near 2^52"
)]
fn set(name: &'static str, value: u64) {
    metrics::gauge!(name).set(value as f64);
}

/// Times in `/proc/self/stat`, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spent {
    /// In the program and in the kernel for it.
    cpu: u64,
    /// After the machine's start.
    began: u64,
}

impl Spent {
    /// Reads the fields 14, 15 and 22 of proc(5): behind the name, which may hold anything.
    fn read(stat: &str) -> Option<Self> {
        let (_, behind) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = behind.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: field(14)? + field(15)?,
            began: field(22)?,
        })
    }

    /// The CPU, in Prometheus' text format.
    fn told(self) -> String {
        let (seconds, hundredths) = (self.cpu / TICKS, self.cpu % TICKS);
        format!(
            "# HELP process_cpu_seconds_total Seconds of CPU that the process has spent.\n\
             # TYPE process_cpu_seconds_total counter\n\
             process_cpu_seconds_total {seconds}.{hundredths:02}\n"
        )
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first number of the line that begins so.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 120 30 0 0 20 0 4 0 5550 99 0";
        let spent = Spent {
            cpu: 150,
            began: 5_550,
        };
        assert_eq!(Spent::read(stat), Some(spent));
        let told = spent.told();
        assert!(
            told.ends_with("\nprocess_cpu_seconds_total 1.50\n"),
            "{told}"
        );
        let little = Spent { cpu: 7, began: 0 };
        assert!(little.told().ends_with(" 0.07\n"), "{}", little.told());
        assert_eq!(Spent::read(""), None);
        let status = "Name:\tx\nVmRSS:\t   20480 kB\n";
        assert_eq!(number_after(status, "VmRSS:"), Some(20_480));
        let limits = "Max open files            1024                 524288               files\n";
        assert_eq!(number_after(limits, "Max open files"), Some(1_024));
        assert_eq!(
            number_after("Max open files  unlimited", "Max open files"),
            None
        );
    }
}
