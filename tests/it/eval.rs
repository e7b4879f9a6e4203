//! How well the rules extract, on our own calls and on the development set beside the project.
//!
//! `make eval` prints the tables. The scores of our own set are exact, so the floor under them is
//! what they are, less what a better rule may trade between slots.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

mod score;

use score::{Answers, Score};

/// Calls that we have written at the least.
const OWN_CALLS: usize = 60;

/// Precision and recall of a slot that our own set must reach.
const FLOOR: &[(&str, f64, f64)] = &[
    ("all", 0.98, 0.97),
    ("identity.name", 1.0, 0.97),
    ("contact.phone", 1.0, 0.97),
    ("contact.email", 1.0, 0.97),
    ("contact.address", 1.0, 0.97),
    ("identifier", 1.0, 0.97),
    ("appointment", 1.0, 0.97),
    ("consent", 1.0, 1.0),
];

fn extract(transcripts: &str) -> Answers {
    use aftercall::extract::lines::{Options, Readers, run};
    let options = Options {
        readers: Readers::Rules,
        zone: jiff::tz::TimeZone::UTC,
        region: "US".to_owned(),
    };
    let mut output = Vec::new();
    let done = run(transcripts.as_bytes(), &mut output, &options, |trouble| {
        panic!("{trouble}");
    });
    let summary = futures::executor::block_on(done).unwrap();
    assert_eq!(summary.dropped, 0, "not carried by their quotes");
    Answers::read(transcripts, &String::from_utf8(output).unwrap())
}

/// What lies beside the project, if it does.
fn shared(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("AFTERCALL_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let folder = root.join(folder);
    folder.is_dir().then_some(folder)
}

fn own_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/eval");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
        .collect();
    files.sort();
    files
}

#[test]
fn our_own_calls() {
    let transcripts: String = own_files()
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let golds: Vec<Value> = transcripts
        .lines()
        .map(|line| {
            let call: Value = serde_json::from_str(line).unwrap();
            let mut gold = call["gold"].clone();
            gold["conversation_id"] = call["conversation"]["id"].clone();
            gold
        })
        .collect();
    assert!(golds.len() >= OWN_CALLS);
    let score = Score::of(&golds, &extract(&transcripts));
    println!("our own calls\n{score}");
    assert_eq!(score.leaked, [""; 0], "must not be stored");
    assert_eq!(score.on_failed_bookings, 0);
    for (slot, precision, recall) in FLOOR {
        let tally = score.slot(slot);
        assert!(
            tally.precision() >= *precision && tally.recall() >= *recall,
            "{slot}: {tally:?}\n{}",
            score.errors.join("\n")
        );
    }
}

/// The development set is label noise in part, so it has no floor but what can't be noise: every
/// observation stands on its quote.
#[test]
fn the_development_set() {
    let Some(folder) = shared("eval/dev") else {
        println!("skipped: there is no development set beside the project");
        return;
    };
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(set) = name.strip_prefix("gold-") else {
            continue;
        };
        let golds: Vec<Value> = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let transcripts =
            fs::read_to_string(path.with_file_name(format!("transcripts-{set}"))).unwrap();
        let score = Score::of(&golds, &extract(&transcripts));
        println!("{}\n{score}", set.trim_end_matches(".jsonl"));
        assert_eq!(score.on_failed_bookings, 0);
    }
}
