//! How many messages a second the rules read on one core, and whether long calls cost more a
//! message than short ones.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark prints, fails by panicking, and reads the clock"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use aftercall::extract::lines::{Options, Readers, run};
use futures::executor::block_on;
use serde_json::{Value, json};

/// How long each measurement lasts at the least.
const LASTS: Duration = Duration::from_secs(2);

fn main() {
    let calls = own_calls();
    println!("{:24} {:>12} {:>10}", "input", "messages/s", "to one");
    let once = rate(&calls);
    println!("{:24} {once:12.0} {:10.2}", "the evaluation's calls", 1.0);
    for times in [4, 16, 64] {
        let long = rate(&lengthened(&calls, times));
        println!(
            "{:24} {long:12.0} {:10.2}",
            format!("each {times} times as long"),
            long / once
        );
    }
}

/// The calls of `tests/eval`, a line each.
fn own_calls() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/eval");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

/// The same calls, the messages of each said over and over.
fn lengthened(calls: &str, times: usize) -> String {
    let mut longer = String::new();
    for line in calls.lines() {
        let mut call: Value = serde_json::from_str(line).unwrap();
        let said = call["messages"].as_array().unwrap().clone();
        let again = (0..times).flat_map(|_| said.iter().cloned());
        let messages: Vec<Value> = again
            .enumerate()
            .map(|(at, mut one)| {
                one["id"] = json!(format!("m{at}"));
                one
            })
            .collect();
        call["messages"] = Value::from(messages);
        writeln!(longer, "{call}").unwrap();
    }
    longer
}

/// Messages a second, from JSON to JSON: reading, redacting, extracting, grounding, writing.
fn rate(calls: &str) -> f64 {
    let options = Options {
        readers: Readers::Rules,
        zone: jiff::tz::TimeZone::UTC,
        region: "US".to_owned(),
    };
    let messages = calls.matches("\"role\"").count();
    let once = || {
        let done = run(calls.as_bytes(), std::io::sink(), &options, |trouble| {
            panic!("{trouble}")
        });
        assert!(block_on(done).unwrap().observations > 0);
    };
    // Patterns are compiled at their first use.
    once();
    let began = Instant::now();
    let mut rounds = 0_u32;
    while began.elapsed() < LASTS {
        once();
        rounds += 1;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let all = messages as f64 * f64::from(rounds);
    all / began.elapsed().as_secs_f64()
}
