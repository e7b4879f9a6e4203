//! What lies in `deploy/` speaks of this program: its settings, ports, paths, queues and metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aftercall::config::{Config, Overrides};
use aftercall::event::Stage;
use regex::Regex;
use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::{Map, Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn text(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Every file under the folder, by its path below `deploy/`.
fn files() -> Vec<String> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else {
                into.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&folder(), &mut found);
    let mut files: Vec<_> = found
        .iter()
        .map(|path| path.strip_prefix(folder()).unwrap().display().to_string())
        // What `deploy/up` made here has this machine's secrets in it.
        .filter(|path| path != ".env")
        .collect();
    files.sort();
    files
}

/// The documents of a YAML file.
fn yaml(file: &str) -> Vec<Value> {
    let text = text(file);
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    documents.iter().map(json_of).collect()
}

fn json_of(yaml: &Yaml<'_>) -> Value {
    if let Some(entries) = yaml.as_mapping() {
        let mut object = Map::new();
        for (key, value) in entries {
            let (key, value) = (key.as_str().unwrap(), json_of(value));
            if key == "<<" {
                for (key, value) in value.as_object().unwrap() {
                    object.entry(key).or_insert_with(|| value.clone());
                }
            } else {
                object.insert(key.to_owned(), value);
            }
        }
        Value::Object(object)
    } else if let Some(items) = yaml.as_sequence() {
        items.iter().map(json_of).collect()
    } else if let Some(text) = yaml.as_str() {
        json!(text)
    } else if let Some(number) = yaml.as_integer() {
        json!(number)
    } else if let Some(flag) = yaml.as_bool() {
        json!(flag)
    } else {
        assert!(yaml.is_null(), "{yaml:?}");
        Value::Null
    }
}

/// Every Kubernetes object, with the file that it stands in.
fn objects() -> Vec<(String, Value)> {
    files()
        .into_iter()
        .filter(|file| file.starts_with("kubernetes/"))
        .flat_map(|file| yaml(&file).into_iter().map(move |o| (file.clone(), o)))
        .collect()
}

fn named(kind: &str, name: &str) -> Value {
    objects()
        .into_iter()
        .map(|(_, object)| object)
        .find(|o| o["kind"] == kind && o["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// Everything that runs aftercall in Kubernetes: its pod's specification.
fn pods() -> Vec<(String, Value)> {
    objects()
        .into_iter()
        .filter(|(_, object)| object["kind"] == "Deployment" || object["kind"] == "Job")
        .map(|(file, object)| (file, object["spec"]["template"]["spec"].clone()))
        .collect()
}

/// Everything that runs aftercall in the compose file.
fn services() -> Vec<(String, Value)> {
    let compose = yaml("compose.yaml").remove(0);
    let services = compose["services"].as_object().unwrap().clone();
    services
        .into_iter()
        .filter(|(_, service)| service["image"] == "aftercall:local")
        .collect()
}

fn names(text: &str, pattern: &str) -> BTreeSet<String> {
    Regex::new(pattern)
        .unwrap()
        .find_iter(text)
        .map(|found| found.as_str().to_owned())
        .collect()
}

#[test]
fn every_file_can_be_read() {
    for file in files() {
        if Path::new(&file)
            .extension()
            .is_some_and(|end| end == "yaml")
        {
            assert!(!yaml(&file).is_empty(), "{file}");
        }
        if Path::new(&file)
            .extension()
            .is_some_and(|end| end == "json")
        {
            let _: Value = serde_json::from_str(&text(&file)).unwrap();
        }
    }
}

#[test]
fn every_variable_is_a_setting() {
    let mut found = BTreeSet::new();
    for file in files() {
        found.extend(names(&text(&file), r"\bAFTERCALL_[A-Z][A-Z_]*[A-Z]\b"));
    }
    assert!(found.contains("AFTERCALL_DATABASE_URL"), "{found:?}");
    for name in found {
        // A value that is wrong is an error, and no warning; a name that is wrong is a warning. It is as
        // long as an admin token should be.
        let environment = BTreeMap::from([(name.clone(), "x".repeat(8))]);
        if let Ok(config) = Config::load_with(&Overrides::default(), &environment) {
            assert_eq!(config.warnings, Vec::<String>::new(), "{name}");
        }
    }
}

/// The settings are taken without a complaint, under the variables that the container gets.
#[track_caller]
fn loads(settings: &str, variables: &BTreeSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aftercall.toml");
    std::fs::write(&file, settings).unwrap();
    let environment = variables
        .iter()
        .map(|name| {
            let value = match name.as_str() {
                "AFTERCALL_DATABASE_URL" => "postgres://a:b@postgres:5432/aftercall",
                "AFTERCALL_AMQP_URL" => "embedded",
                "AFTERCALL_SECRET_KEY" | "AFTERCALL_SECRET_KEY_PREVIOUS" => {
                    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
                }
                "AFTERCALL_SERVER__LISTEN" => "0.0.0.0:8080",
                "AFTERCALL_ADMIN_TOKEN" => "ac_token_of_a_test",
                _ => "x",
            };
            (name.clone(), value.to_owned())
        })
        .collect();
    let overrides = Overrides {
        config: Some(file),
        ..Overrides::default()
    };
    let config = Config::load_with(&overrides, &environment).unwrap();
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(config.server.listen, "0.0.0.0:8080");
    assert_eq!(config.sources.len(), 1);
}

#[test]
fn the_settings_fit_the_variables() {
    let secrets = names(&text("env.example"), r"(?m)^[A-Z_]+");
    let mut of_image = names(&text("Dockerfile"), r"AFTERCALL_[A-Z_]+");
    of_image.remove("AFTERCALL_DATA");
    for (name, service) in services() {
        assert_eq!(service["env_file"], ".env", "{name}");
        let given = service["environment"].as_object().unwrap().keys().cloned();
        let variables: BTreeSet<_> = given
            .chain(secrets.clone())
            .chain(of_image.clone())
            .collect();
        loads(&text("aftercall.toml"), &variables);
    }
    let settings = named("ConfigMap", "aftercall-settings");
    let settings = settings["data"]["aftercall.toml"].as_str().unwrap();
    let of_sources = named("Secret", "aftercall-sources");
    let of_sources = of_sources["stringData"].as_object().unwrap().clone();
    let kept = named("Secret", "aftercall");
    for (file, pod) in pods() {
        let container = &pod["containers"][0];
        assert_eq!(
            container["envFrom"][0]["secretRef"]["name"], "aftercall-sources",
            "{file}"
        );
        let mut variables: BTreeSet<_> = of_sources.keys().cloned().collect();
        for variable in container["env"].as_array().unwrap() {
            variables.insert(variable["name"].as_str().unwrap().to_owned());
            let by_reference = &variable["valueFrom"]["secretKeyRef"];
            if by_reference.is_object() {
                assert_eq!(by_reference["name"], "aftercall", "{file}");
                let key = by_reference["key"].as_str().unwrap();
                let is_there = kept["stringData"][key].is_string();
                assert!(
                    is_there || by_reference["optional"] == true,
                    "{file}: {key}"
                );
            } else {
                assert_eq!(variable["value"], "/etc/aftercall/aftercall.toml", "{file}");
            }
        }
        loads(settings, &variables);
    }
}

#[test]
fn every_role_runs_everywhere_and_migrates_first() {
    let roles = ["receiver", "worker", "api"];
    let commands: BTreeMap<_, _> = services()
        .into_iter()
        .map(|(name, service)| (name, service["command"].clone()))
        .collect();
    assert_eq!(commands.len(), roles.len() + 1);
    assert_eq!(commands["migrate"], json!(["migrate"]));
    assert_eq!(
        named("Job", "aftercall-migrate")["spec"]["template"]["spec"]["containers"][0]["args"],
        json!(["migrate"])
    );
    for role in roles {
        let command = json!(["serve", "--role", role]);
        assert_eq!(commands[role], command);
        let deployment = named("Deployment", &format!("aftercall-{role}"));
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["args"], command);
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
        let budget = named("PodDisruptionBudget", &format!("aftercall-{role}"));
        assert_eq!(&budget["spec"]["selector"]["matchLabels"], labels);
    }
    for role in ["receiver", "api"] {
        let service = named("Service", &format!("aftercall-{role}"));
        assert_eq!(
            service["spec"]["selector"]["app.kubernetes.io/component"],
            role
        );
    }
    let listed = yaml("kubernetes/kustomization.yaml").remove(0);
    let listed: BTreeSet<_> = listed["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| format!("kubernetes/{}", file.as_str().unwrap()))
        .collect();
    let there: BTreeSet<_> = files()
        .into_iter()
        .filter(|file| file.starts_with("kubernetes/"))
        .filter(|file| !file.ends_with("kustomization.yaml") && !file.ends_with("example.yaml"))
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn nothing_runs_as_root_or_writes_where_it_should_not() {
    let image = text("Dockerfile");
    assert!(image.contains("\nUSER 65532:65532\n"));
    assert!(image.contains("\nEXPOSE 8080\n"));
    assert!(image.contains("AFTERCALL_SERVER__LISTEN=0.0.0.0:8080"));
    for (name, service) in services() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
    }
    for (file, pod) in pods() {
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{file}");
        assert_eq!(pod["securityContext"]["runAsUser"], 65532, "{file}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{file}");
        let container = &pod["containers"][0];
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true, "{file}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{file}");
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{file}");
        assert!(
            container["resources"]["limits"]["memory"].is_string(),
            "{file}"
        );
    }
}

#[test]
fn probes_ask_what_is_served_and_stopping_has_its_time() {
    let overrides = Overrides::default();
    let defaults = Config::load_with(&overrides, &BTreeMap::new()).unwrap();
    let grace = defaults.server.shutdown_grace.as_secs();
    let served = aftercall::http::openapi().paths.paths;
    for (file, pod) in pods() {
        let container = &pod["containers"][0];
        if container["args"][0] == "migrate" {
            continue;
        }
        assert_eq!(container["ports"][0]["containerPort"], 8080, "{file}");
        for (probe, path) in [
            ("startupProbe", "/healthz"),
            ("livenessProbe", "/healthz"),
            ("readinessProbe", "/readyz"),
        ] {
            let get = &container[probe]["httpGet"];
            assert_eq!(
                (&get["path"], &get["port"]),
                (&json!(path), &json!("http")),
                "{file}"
            );
            assert!(served.contains_key(path));
        }
        let before = container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
        let given = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(given > grace + before.unwrap_or(0), "{file}");
    }
    for (name, service) in services() {
        let given = service["stop_grace_period"].as_str().unwrap();
        let given: u64 = given.trim_end_matches('s').parse().unwrap();
        assert!(given > grace, "{name}");
    }
}

#[test]
fn the_queues_are_those_of_the_code() {
    let definitions: Value = serde_json::from_str(&text("rabbitmq/definitions.json")).unwrap();
    let called = |list: &str| -> BTreeSet<String> {
        let entries = definitions[list].as_array().unwrap();
        let name = |entry: &Value| entry["name"].as_str().unwrap().to_owned();
        entries.iter().map(name).collect()
    };
    let queues = called("queues");
    let scaled: BTreeSet<_> = named("ScaledObject", "aftercall-worker")["spec"]["triggers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trigger| {
            trigger["metadata"]["queueName"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let stages: BTreeSet<_> = Stage::ALL
        .iter()
        .map(|stage| format!("aftercall.{}", stage.as_str()))
        .collect();
    assert_eq!(scaled, stages);
    assert!(stages.is_subset(&queues));
    for binding in definitions["bindings"].as_array().unwrap() {
        let to = binding["destination"].as_str().unwrap();
        assert!(queues.contains(to), "{binding}");
        assert!(
            called("exchanges").contains(binding["source"].as_str().unwrap()),
            "{binding}"
        );
    }
    for queue in definitions["queues"].as_array().unwrap() {
        let name = queue["name"].as_str().unwrap();
        let policies = definitions["policies"].as_array().unwrap();
        let meant: Vec<_> = policies
            .iter()
            .filter(|p| {
                Regex::new(p["pattern"].as_str().unwrap())
                    .unwrap()
                    .is_match(name)
            })
            .collect();
        assert_eq!(meant.len(), 1, "one policy for {name}");
        assert_eq!(queue["arguments"]["x-queue-type"], "quorum", "{name}");
        assert_eq!(queue["arguments"]["x-overflow"], "reject-publish", "{name}");
    }
    let topology = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/queue/rabbit/topology.rs");
    let Ok(topology) = std::fs::read_to_string(topology) else {
        println!("skipped: there is no topology in the code to compare with");
        return;
    };
    let mut expected: BTreeSet<_> = names(&topology, r#"Tier::new\("[^"]+"#)
        .iter()
        .map(|tier| tier.replace("Tier::new(\"", "aftercall.delay."))
        .chain(stages)
        .collect();
    expected.insert("aftercall.dead".to_owned());
    assert_eq!(queues, expected);
}

/// The sources, without their tests and without the metrics' descriptions.
fn code() -> (String, String) {
    fn sources(folder: &Path, into: &mut (String, String)) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = || std::fs::read_to_string(&path).unwrap_or_default();
            if path.is_dir() {
                sources(&path, into);
            } else if path.ends_with("telemetry/described.rs") {
                into.1 = text();
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.0
                    .push_str(text().split("#[cfg(test)]").next().unwrap());
            }
        }
    }
    let mut read = (String::new(), String::new());
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&src, &mut read);
    read
}

#[test]
fn alerts_and_dashboard_speak_of_metrics_that_exist() {
    let (code, _) = code();
    for file in ["prometheus/alerts.yaml", "grafana/aftercall.json"] {
        let queried = names(&text(file), r"\baftercall_[a-z_]+\b");
        assert!(queried.len() > 5, "{file}");
        for name in queried {
            let base = name.trim_end_matches("_bucket");
            let base = base.strip_suffix("_seconds_count").map_or_else(
                || base.to_owned(),
                |histogram| format!("{histogram}_seconds"),
            );
            assert!(
                code.contains(&format!("\"{base}\"")),
                "{file}: {name} is counted nowhere"
            );
        }
    }
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let (_, described) = code();
    let dashboard = text("grafana/aftercall.json");
    let missing: Vec<_> = names(&described, r#""aftercall_[a-z_]+""#)
        .into_iter()
        .filter(|name| !dashboard.contains(name.trim_matches('"')))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_metric_is_described_once_and_named_by_convention() {
    let (code, described) = code();
    let counted = names(
        &code,
        r#"(?:counter|gauge|histogram)!\(\s*"aftercall_[a-z_]+"#,
    );
    assert!(counted.len() > 15);
    for one in &counted {
        let (kind, name) = one.split_once('"').unwrap();
        assert_eq!(
            described.matches(&format!("\"{name}\"")).count(),
            1,
            "{name}"
        );
        assert_eq!(
            name.ends_with("_total"),
            kind.starts_with("counter"),
            "{name}"
        );
        assert!(
            !kind.starts_with("histogram") || name.ends_with("_seconds"),
            "{name}"
        );
    }
    let lines = described.matches("\"aftercall_").count();
    assert_eq!(lines, counted.len(), "what is described is counted");
}

#[test]
fn the_dashboard_can_be_imported() {
    let board: Value = serde_json::from_str(&text("grafana/aftercall.json")).unwrap();
    assert_eq!(board["uid"], "aftercall");
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels
        .iter()
        .map(|one| one["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), panels.len(), "each panel has its own id");
    let mut taken: Vec<[u64; 4]> = Vec::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let here = [
            side("x"),
            side("y"),
            side("x") + side("w"),
            side("y") + side("h"),
        ];
        assert!(here[2] <= 24, "{title} is too wide");
        for other in &taken {
            let apart = here[2] <= other[0]
                || other[2] <= here[0]
                || here[3] <= other[1]
                || other[3] <= here[1];
            assert!(apart, "{title} lies on another panel");
        }
        taken.push(here);
        let targets = panel["targets"].as_array();
        assert_eq!(targets.is_none(), panel["type"] == "row", "{title}");
        for target in targets.into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!target["expr"].as_str().unwrap().is_empty(), "{title}");
        }
    }
}

#[test]
fn every_alert_has_its_paragraph_in_the_runbook() {
    let runbook = text("RUNBOOK.md");
    let paragraphs: BTreeSet<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let alerts = yaml("prometheus/alerts.yaml");
    let rules = alerts[0]["groups"][0]["rules"].as_array().unwrap().clone();
    let mut named = BTreeSet::new();
    for rule in &rules {
        let name = rule["alert"].as_str().unwrap();
        let place = format!("deploy/RUNBOOK.md of aftercall's sources, chapter {name}");
        assert_eq!(rule["annotations"]["runbook"], place, "{name}");
        let (_, rest) = runbook.split_once(&format!("## {name}\n")).expect(name);
        let paragraph = rest.split("\n## ").next().unwrap();
        assert!(paragraph.trim().len() > 100, "{name} has a paragraph");
        named.insert(name);
    }
    assert_eq!(paragraphs, named, "no paragraph without its alert");
}

#[test]
fn what_is_said_of_every_file_is_up_to_date() {
    let readme = text("README.md");
    for file in files() {
        let first = file.split('/').next().unwrap();
        assert!(
            first == "README.md" || readme.contains(first),
            "{file} is not in deploy/README.md"
        );
    }
}
