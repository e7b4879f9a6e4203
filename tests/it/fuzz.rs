//! Whatever strangers send: the inputs that `make fuzz` kept, and some thousand variations
//! of them, hold to what `fuzz/src/lib.rs` says.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[path = "../../fuzz/src/lib.rs"]
#[expect(
    unreachable_pub,
    clippy::expect_used,
    reason = "it is a crate of its own, too, and all of it is a test"
)]
mod rules;

/// Holds an input to a target's rules; panics when it breaks one.
type Holds = fn(&[u8]);

const TARGETS: [(&str, Holds); 4] = [
    ("headers", rules::headers),
    ("bodies", rules::bodies),
    ("rooms", rules::rooms),
    ("transcripts", rules::transcripts),
];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect()
}

#[test]
fn the_kept_inputs_break_nothing() {
    for (target, holds) in TARGETS {
        let inputs = corpus(target);
        assert!(inputs.len() >= 5, "{target}: the corpus is kept");
        for input in &inputs {
            holds(input);
            for end in 0..input.len().min(512) {
                holds(&input[..end]);
            }
        }
    }
}

#[test]
fn variations_of_them_break_nothing() {
    for (target, holds) in TARGETS {
        let inputs = corpus(target);
        let edit = (
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
            any::<Vec<u8>>(),
        );
        let edits = prop::collection::vec(edit, 1..6);
        let strategy = (prop::sample::select(inputs), any::<u8>(), edits);
        let mut runner = TestRunner::new(Config {
            cases: 3_000,
            failure_persistence: None,
            ..Config::default()
        });
        runner
            .run(&strategy, |(mut input, first, edits)| {
                if let Some(byte) = input.first_mut() {
                    *byte = first;
                }
                for (from, to, with) in edits {
                    let (from, to) = (from.index(input.len() + 1), to.index(input.len() + 1));
                    input.splice(from.min(to)..from.max(to), with);
                }
                holds(&input);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{target}: {error}"));
    }
}
