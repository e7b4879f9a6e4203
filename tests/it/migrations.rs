//! Migrations follow each other: the next one's number is above all that a database may have run, and it
//! names the one before it. So two that were written at the same time can't both be the next.

use std::collections::BTreeMap;
use std::path::Path;

/// The last that does not name the one before it.
const SILENT: u32 = 1207;

/// The migrations of a folder by their numbers: name and text.
fn migrations(folder: &str) -> BTreeMap<u32, (String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let mut found = BTreeMap::new();
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "sql")) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let number = name.split('_').next().unwrap().parse().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let twin = found.insert(number, (name, text));
        assert!(twin.is_none(), "{number} is there twice: {twin:?}");
    }
    found
}

#[test]
fn each_stands_above_the_one_before_it_and_names_it() {
    let shared = migrations("migrations");
    let (sqlite, postgres) = (
        migrations("migrations/sqlite"),
        migrations("migrations/postgres"),
    );
    let names = |of: &BTreeMap<u32, (String, String)>| -> Vec<String> {
        of.values().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&sqlite), names(&postgres), "what one has, both have");
    for own in [sqlite, postgres] {
        let mut all = shared.clone();
        for (number, one) in own {
            let twin = all.insert(number, one);
            assert!(twin.is_none(), "{number} is there twice: {twin:?}");
        }
        let befores = all.keys();
        for (before, (number, (name, text))) in befores.zip(all.iter().skip(1)) {
            if *number > SILENT {
                let first = text.lines().next().unwrap();
                assert_eq!(first, format!("-- After {before}."), "{name}");
            }
        }
    }
}
