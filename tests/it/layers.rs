//! Who may know whom: the invariants of ARCHITECTURE.md, held by reading the sources.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

const WORDS: &[&str] = &[
    "conversation",
    "end_reason",
    "endpoint",
    "erased",
    "event",
    "id",
    "memory",
    "page",
    "retry",
    "room",
    "secret",
    "signature",
    "time",
    "verdict",
];
/// Below the edges: what the machine gives, and what the operator set.
const GROUND: &[&str] = &["host", "config", "trace"];
const EDGES: &[&str] = &["extract", "outbound", "platform", "queue", "store"];
const FLOW: &[&str] = &[
    "circuit",
    "consent",
    "deliver",
    "erasure",
    "finalize",
    "flow",
    "receive",
    "reconcile",
    "remember",
    "replay",
    "retention",
    "stats",
    "worker",
];
const FACES: &[&str] = &["cli", "console", "http", "simulate"];
const WIRING: &[&str] = &["app", "shutdown", "telemetry"];

/// What a module may import beside itself.
fn may_import(module: &str) -> BTreeSet<&'static str> {
    let layers: &[&[&str]] = match module {
        module if WORDS.contains(&module) => &[WORDS],
        "host" | "config" | "trace" => &[WORDS],
        // The queue in the database is the outbox: the one edge that stands on another.
        "queue" => &[WORDS, GROUND, &["store"]],
        module if EDGES.contains(&module) => &[WORDS, GROUND],
        module if FLOW.contains(&module) => &[WORDS, GROUND, EDGES, FLOW],
        "http" | "console" => &[WORDS, GROUND, EDGES, FLOW],
        "simulate" | "telemetry" | "shutdown" => &[WORDS, GROUND],
        "app" => &[
            WORDS,
            GROUND,
            EDGES,
            FLOW,
            &["http", "console", "telemetry", "shutdown"],
        ],
        "cli" => &[WORDS, GROUND, EDGES, FLOW, FACES, WIRING],
        _ => &[],
    };
    layers
        .iter()
        .flat_map(|layer| layer.iter().copied())
        .collect()
}

/// Outside crates, and the only places that know them. A place is a file, or a module with all its files.
const CRATES: &[(&str, &[&str])] = &[
    ("sqlx", &["src/store", "src/queue/sql.rs"]),
    // Telemetry silences its log of returned messages.
    ("lapin", &["src/queue/rabbit", "src/telemetry.rs"]),
    ("axum", &["src/http", "src/console", "src/simulate"]),
    (
        "reqwest",
        &[
            "src/platform",
            "src/extract/llm",
            "src/outbound",
            "src/telemetry/otlp.rs",
            "src/cli",
            "src/simulate",
        ],
    ),
    ("askama", &["src/console"]),
    ("backoff", &["src/retry.rs"]),
    ("minijinja", &["src/outbound/template.rs"]),
    ("ring", &["src/secret.rs", "src/signature", "src/main.rs"]),
    ("clap", &["src/cli", "src/main.rs", "src/app.rs"]),
    ("anyhow", &["src/cli", "src/main.rs"]),
    ("rand", &["src/host.rs"]),
];

/// What rules and plain types have no use for.
const NOT_IN_WORDS: &[&str] = &[
    "tokio",
    "tokio_util",
    "tower",
    "tower_http",
    "metrics",
    "tracing",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::io",
    "std::thread",
];

const FORBIDDEN_NAMES: &[&str] = &[
    "mod", "utils", "util", "common", "helpers", "helper", "types",
];

/// Longer files have a second room in them.
const MAX_LINES: usize = 500;

struct Source {
    /// As `src/store/sqlite.rs`.
    path: String,
    text: String,
    /// The text without comments and without its tests, which may reach further.
    code: String,
}

impl Source {
    /// The top module it belongs to: `store` for `src/store/sqlite.rs`.
    fn module(&self) -> &str {
        let inner = self.path.trim_start_matches("src/");
        let first = inner.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    fn is_in(&self, place: &str) -> bool {
        let folder = place.trim_end_matches(".rs");
        self.path == place
            || self.path == format!("{place}.rs")
            || self.path.starts_with(&format!("{folder}/"))
    }
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            Source {
                path: file.strip_prefix(root).unwrap().display().to_string(),
                code: code(&text),
                text,
            }
        })
        .collect()
});

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The text up to its tests, without comments. A `//` in a string cuts its line too short, never
/// too long: nothing is found that is not there.
fn code(text: &str) -> String {
    let before_tests = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    before_tests
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The top modules that `crate::…` paths name, also in `crate::{a, b::c}`.
fn imports(code: &str) -> BTreeSet<String> {
    static PATH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bcrate::(?:([a-z_]+)|\{)").unwrap());
    let mut found = BTreeSet::new();
    for path in PATH.captures_iter(code) {
        if let Some(name) = path.get(1) {
            found.insert(name.as_str().to_owned());
        } else {
            let inside = &code[path.get(0).unwrap().end()..];
            found.extend(first_names(inside));
        }
    }
    found
}

/// The names at the outer level of a braced list, from behind its brace to its end.
fn first_names(list: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut depth = 0;
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            c if depth == 0 => names.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    let first = |path: String| {
        path.trim()
            .split("::")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    names
        .into_iter()
        .map(first)
        .filter(|name| !name.is_empty())
        .collect()
}

/// Whether the code uses the crate or module path, as `sqlx::…`, and not as a part of another name.
fn uses(code: &str, name: &str) -> bool {
    let pattern = format!(r"(?:^|[^\w:]|[^:]:){name}(?:::|;)");
    Regex::new(&pattern).unwrap().is_match(code)
}

#[track_caller]
fn none(what: &str, found: &[String]) {
    let mut told = String::new();
    for line in found {
        write!(told, "\n  {line}").unwrap();
    }
    assert!(found.is_empty(), "{what}:{told}");
}

/// Files that hold no layer: the map of the crate, and its first lines.
fn layered() -> impl Iterator<Item = &'static Source> {
    SOURCES
        .iter()
        .filter(|source| !matches!(source.module(), "lib" | "main") && !source.is_test())
}

#[test]
fn every_module_has_a_layer() {
    let known: BTreeSet<_> = [WORDS, GROUND, EDGES, FLOW, FACES, WIRING]
        .concat()
        .into_iter()
        .collect();
    let strangers: Vec<_> = layered()
        .filter(|source| !known.contains(source.module()))
        .map(|source| source.path.clone())
        .collect();
    none(
        "give these a layer in tests/it/layers.rs and in ARCHITECTURE.md",
        &strangers,
    );
}

#[test]
fn nobody_imports_from_above() {
    let mut wrong = Vec::new();
    for source in layered() {
        let module = source.module();
        let allowed = may_import(module);
        for name in imports(&source.code) {
            let exception = is_exception(source, &name);
            if name != module && !allowed.contains(name.as_str()) && !exception {
                wrong.push(format!("{} imports crate::{name}", source.path));
            }
        }
    }
    none(
        "a module knows only those below it, and an edge no other edge",
        &wrong,
    );
}

/// The simulated platforms sign as the real ones do; that signing is all they know of them.
fn is_exception(source: &Source, import: &str) -> bool {
    source.module() == "simulate"
        && import == "platform"
        && source
            .code
            .match_indices("crate::platform")
            .all(|(at, path)| source.code[at + path.len()..].contains("sign"))
}

#[test]
fn outside_crates_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for source in SOURCES.iter().filter(|source| !source.is_test()) {
        for (name, places) in CRATES {
            if uses(&source.code, name) && !places.iter().any(|place| source.is_in(place)) {
                wrong.push(format!(
                    "{} uses {name}; only {} may",
                    source.path,
                    places.join(", ")
                ));
            }
        }
    }
    none("each outside thing is known in one place", &wrong);
}

#[test]
fn words_do_nothing_but_think() {
    let mut wrong = Vec::new();
    for source in layered().filter(|source| WORDS.contains(&source.module())) {
        for name in NOT_IN_WORDS {
            if uses(&source.code, name) {
                wrong.push(format!("{} uses {name}", source.path));
            }
        }
    }
    none(
        "words are plain types and rules, without I/O, logs or tasks",
        &wrong,
    );
}

#[test]
fn every_file_says_its_job_first() {
    let silent: Vec<_> = SOURCES
        .iter()
        .filter(|source| !source.is_test() && !source.text.starts_with("//! "))
        .map(|source| source.path.clone())
        .collect();
    none("these do not begin with `//! ` and their one job", &silent);
}

#[test]
fn files_have_names_and_an_end() {
    let mut wrong = Vec::new();
    for source in SOURCES.iter() {
        let stem = Path::new(&source.path)
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap();
        if FORBIDDEN_NAMES.contains(&stem) {
            wrong.push(format!("{}: name the file for its one job", source.path));
        }
        let lines = source.text.lines().count();
        if lines > MAX_LINES && !source.is_test() {
            wrong.push(format!(
                "{} has {lines} lines; there is a second room in it",
                source.path
            ));
        }
    }
    none("names and lengths", &wrong);
}

#[test]
fn the_reading_finds_what_is_there() {
    let code = code("use crate::{a, b::{c, d},\n e::f};\nfn x() { crate::g::h(); }\n// crate::z\n");
    let found: Vec<_> = imports(&code).into_iter().collect();
    assert_eq!(found, ["a", "b", "e", "g"]);
    assert!(uses("use sqlx::Row;", "sqlx") && uses("x = sqlx::query()", "sqlx"));
    assert!(uses("fn f(a:sqlx::Row)", "sqlx") && uses("use backoff;", "backoff"));
    assert!(!uses("rustls::crypto::ring::default_provider()", "ring"));
    assert!(!uses("string::x", "ring") && !uses("tower_http::x", "http"));
}
