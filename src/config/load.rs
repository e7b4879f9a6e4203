//! From flags, environment and file to [`Config`]: everything that is wrong is told at once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use ::config::{Environment, FileFormat, Source as _};

use super::read::{Notes, Reader, Table};
use super::{Config, keys, settings};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "aftercall.toml";

/// What flags say: it goes before the environment and the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`: the file to read.
    pub config: Option<PathBuf>,
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key's path, as `sources.acme-voice.webhook.secrets[0]`.
    pub key: String,
    /// What is wrong with it. Never a secret's text.
    pub message: String,
    /// What mends it.
    pub mend: String,
}

/// The settings can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    fn one(key: &str, message: String, mend: &str) -> Self {
        Self {
            problems: vec![Problem {
                key: key.to_owned(),
                message,
                mend: mend.to_owned(),
            }],
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<::config::ConfigError> for ConfigError {
    fn from(error: ::config::ConfigError) -> Self {
        let message = without_quotation(&error.to_string());
        Self::one(
            "settings",
            message,
            "compare the file with aftercall.example.toml",
        )
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings can't be used")?;
        for Problem { key, message, .. } in &self.problems {
            write!(f, "\n  {key}: {message}")?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads the settings of this process.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_with(overrides, &process_environment()?)
    }

    /// Where embedded data lies, though other settings may be wrong.
    pub fn data_dir(overrides: &Overrides) -> Result<PathBuf, ConfigError> {
        let env = process_environment()?;
        let table = layer(overrides, &env, read_file(overrides, &env)?)?;
        Ok(settings::data_dir(&table))
    }

    /// Reads the settings under the given environment.
    pub fn load_with(
        overrides: &Overrides,
        env: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let mut notes = Notes {
            env,
            named: BTreeSet::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        let file = read_file(overrides, env)?;
        let in_file = file.collect()?;
        Reader::new(&in_file, String::new(), &mut notes).only(keys::SETTINGS);
        let table = layer(overrides, env, file)?;
        let config = settings::read(&table, &mut notes);
        match config {
            Some(mut config) if notes.problems.is_empty() => {
                config.warnings = notes.warnings;
                config.warnings.extend(unknown_variables(env, &notes.named));
                Ok(config)
            }
            _ => Err(ConfigError {
                problems: notes.problems,
            }),
        }
    }
}

fn process_environment() -> Result<BTreeMap<String, String>, ConfigError> {
    readable(std::env::vars_os())
}

/// The environment as text. Of ours, what is no text is wrong; another's is passed over.
fn readable(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut env = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, value) in variables {
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => {
                env.insert(name, value);
            }
            (Ok(name), Err(_)) if name.starts_with(keys::PREFIX) => problems.push(Problem {
                mend: format!("set {name} to text in UTF-8, or unset it"),
                key: name,
                message: "expected UTF-8".to_owned(),
            }),
            _ => {}
        }
    }
    if problems.is_empty() {
        Ok(env)
    } else {
        Err(ConfigError { problems })
    }
}

/// The text of the file that is named, or of `./aftercall.toml` if it is there.
fn read_file(overrides: &Overrides, env: &BTreeMap<String, String>) -> Result<File, ConfigError> {
    let named = overrides.config.clone().or_else(|| {
        let path = env.get("AFTERCALL_CONFIG").filter(|path| !path.is_empty());
        path.map(PathBuf::from)
    });
    let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    if named.is_none() && !path.exists() {
        return Ok(file(""));
    }
    let key = path.display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let message = format!("the file can't be read: {error}");
        ConfigError::one(
            &key,
            message,
            "name the file with --config or AFTERCALL_CONFIG, and let this user read it",
        )
    })?;
    let file = file(&text);
    match file.collect() {
        Ok(_) => Ok(file),
        Err(error) => Err(ConfigError::one(
            &key,
            without_quotation(&error.to_string()),
            "mend the file at that line: it is no TOML",
        )),
    }
}

type File = ::config::File<::config::FileSourceString, FileFormat>;

fn file(text: &str) -> File {
    ::config::File::from_str(text, FileFormat::Toml)
}

/// The message without the lines that quote the file: those may hold a secret.
fn without_quotation(message: &str) -> String {
    let said: Vec<_> = message
        .lines()
        .filter(|line| !line.contains('|') && !line.is_empty())
        .collect();
    said.join(": ")
}

/// Flag over environment over file. Defaults come where each key is read.
fn layer(
    overrides: &Overrides,
    env: &BTreeMap<String, String>,
    file: File,
) -> Result<Table, ConfigError> {
    let mut variables: ::config::Map<String, String> = keys::SETTINGS
        .iter()
        .filter(|key| **key != "sources")
        .filter_map(|key| env.get_key_value(&keys::variable(key)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (short, key) in keys::SHORT {
        if let Some(value) = env.get(*short) {
            variables
                .entry(keys::variable(key))
                .or_insert_with(|| value.clone());
        }
    }
    let environment = Environment::with_prefix("AFTERCALL")
        .prefix_separator("_")
        .separator("__")
        .ignore_empty(true)
        .source(Some(variables));
    let data_dir = overrides.data_dir.as_deref().map(Path::to_string_lossy);
    let layers = ::config::Config::builder()
        .add_source(file)
        .add_source(environment)
        .set_override_option("data_dir", data_dir.map(Cow::into_owned))?
        .set_override_option("server.listen", overrides.listen.clone())?
        .build()?;
    Ok(layers.collect()?)
}

fn unknown_variables(env: &BTreeMap<String, String>, named: &BTreeSet<String>) -> Vec<String> {
    let known = keys::variables();
    env.keys()
        .filter(|name| name.starts_with(keys::PREFIX))
        .filter(|name| !known.contains(name) && !named.contains(*name))
        .map(|name| {
            if name.starts_with(&keys::variable("sources")) {
                return format!(
                    "unknown variable {name}; sources are set in the file alone, as [[sources]]"
                );
            }
            let nearest = keys::nearest(name, known.iter().map(String::as_str));
            if keys::is_near(name, nearest) {
                format!("unknown variable {name}; did you mean {nearest}?")
            } else {
                format!("unknown variable {name}; no setting is called so, or nearly")
            }
        })
        .collect()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn a_variable_that_is_no_text_is_told_of_where_it_is_ours() {
        let of = |name: &str, value: &[u8]| (name.into(), OsString::from_vec(value.to_vec()));
        let others = [of("LS_COLORS", b"\xff"), of("AFTERCALL_DATA", b"data")];
        let env = readable(others.into_iter()).unwrap();
        assert_eq!(env.len(), 1);
        let ours = [of("AFTERCALL_DATA", b"\xff"), of("HOME", b"/")];
        let problems = readable(ours.into_iter()).unwrap_err().problems;
        assert_eq!(problems[0].key, "AFTERCALL_DATA");
    }
}
