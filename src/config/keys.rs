//! Every key that settings can have, and the nearest one to a key that they can't.

/// Keys of the file. Each is also the variable [`variable`] names, but for `sources`, which is a list.
pub(super) const SETTINGS: &[&str] = &[
    "data_dir",
    "admin_token",
    "secret_key",
    "secret_key_previous",
    "server.listen",
    "server.shutdown_grace",
    "database.url",
    "queue.url",
    "queue.confirm_timeout",
    "finalize.grace",
    "finalize.fallback_since",
    "finalize.max_wait",
    "finalize.recheck",
    "memory.extractor",
    "memory.timezone",
    "memory.region",
    "memory.retention",
    "memory.llm.base_url",
    "memory.llm.model",
    "memory.llm.api_key",
    "memory.llm.timeout",
    "retention.conversations",
    "retention.messages",
    "retention.events",
    "retention.dead_letters",
    "retention.deliveries",
    "retention.quarantine",
    "retention.audit",
    "endpoints.allow_private",
    "results.payload",
    "sources",
];

/// Keys of one entry of `[[sources]]`.
pub(super) const SOURCE: &[&str] = &[
    "name",
    "platform",
    "webhook.secrets",
    "webhook.key",
    "webhook.keys",
    "webhook.tolerance",
    "webhook.max_body",
    "webhook.url",
    "webhook.scheme",
    "webhook.header",
    "webhook.timestamp_header",
    "webhook.payload",
    "webhook.encoding",
    "webhook.prefix",
    "api.platform",
    "api.base_url",
    "api.token",
    "api.account",
    "agent",
    "timezone",
    "region",
    "reconcile.every",
    "reconcile.look_back",
    "reconcile.settle",
];

/// Short names of variables, and the keys that they mean.
pub(super) const SHORT: &[(&str, &str)] = &[
    ("AFTERCALL_DATABASE_URL", "database.url"),
    ("AFTERCALL_AMQP_URL", "queue.url"),
    ("AFTERCALL_DATA", "data_dir"),
];

/// Variables that are no settings of the server: the command line reads them.
const OTHER_VARIABLES: &[&str] = &[
    "AFTERCALL_CONFIG",
    "AFTERCALL_LOG",
    "AFTERCALL_OUTPUT",
    "AFTERCALL_TOKEN",
    "AFTERCALL_URL",
];

/// What every variable of ours begins with.
pub(super) const PREFIX: &str = "AFTERCALL_";

/// The variable of a key: `AFTERCALL_SERVER__LISTEN` for `server.listen`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

/// Every variable that means something.
pub(super) fn variables() -> Vec<String> {
    SETTINGS
        .iter()
        .filter(|key| **key != "sources")
        .map(|key| variable(key))
        .chain(SHORT.iter().map(|(name, _)| (*name).to_owned()))
        .chain(OTHER_VARIABLES.iter().map(|name| (*name).to_owned()))
        .collect()
}

/// The variables that set a key, the usual one first; none for what is set in the file alone.
pub(super) fn variables_of(key: &str) -> Vec<String> {
    if key == "sources" || !SETTINGS.contains(&key) {
        return Vec::new();
    }
    let short = SHORT.iter().filter(|(_, meant)| *meant == key);
    let short = short.map(|(name, _)| (*name).to_owned());
    short.chain([variable(key)]).collect()
}

/// Whether a name is so close to a known one that this may be meant.
pub(super) fn is_near(name: &str, known: &str) -> bool {
    strsim::damerau_levenshtein(name, known) * 4 <= known.len()
}

/// The known keys in the table of this name.
pub(super) fn below<'a>(table: &str, known: &[&'a str]) -> Vec<&'a str> {
    let is_below = |key: &str| {
        key.strip_prefix(table)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    known.iter().copied().filter(|key| is_below(key)).collect()
}

/// The names of tables: what stands before a dot in a known key, and `sources`, whose entries are some.
pub(super) fn tables<'a>(known: &[&'a str]) -> impl Iterator<Item = &'a str> {
    known.iter().flat_map(|key| {
        let entries = (*key == "sources").then_some(*key);
        let before = key.match_indices('.').map(|(at, _)| &key[..at]);
        before.chain(entries)
    })
}

/// The known key that was most likely meant. A key in the wrong table counts as one slip.
pub(super) fn nearest<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> &'a str {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    known
        .into_iter()
        .min_by_key(|candidate| {
            let whole = strsim::damerau_levenshtein(key, candidate);
            let end = strsim::damerau_levenshtein(&last(key), &last(candidate)) + 1;
            whole.min(end)
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, known: &[&str], meant: &str) {
        assert_eq!(nearest(key, known.iter().copied()), meant);
    }

    #[test]
    fn a_slip_is_understood() {
        check("server.lisen", SETTINGS, "server.listen");
        check("listen", SETTINGS, "server.listen");
        check("finalise.grace", SETTINGS, "finalize.grace");
        check("source", SETTINGS, "sources");
        check("webhook.secret", SOURCE, "webhook.secrets");
        check("secrets", SOURCE, "webhook.secrets");
        check("api.tokens", SOURCE, "api.token");
    }

    #[test]
    fn tables_are_what_keys_stand_in() {
        let tables: Vec<_> = tables(SETTINGS).collect();
        assert!(tables.contains(&"server") && tables.contains(&"memory.llm"));
        assert_eq!(nearest("servr", tables.iter().copied()), "server");
        assert_eq!(nearest("source", tables.iter().copied()), "sources");
        assert_eq!(
            below("server", SETTINGS),
            ["server.listen", "server.shutdown_grace"]
        );
        assert!(below("serve", SETTINGS).is_empty());
    }

    #[test]
    fn variables_follow_from_keys() {
        assert_eq!(variable("server.listen"), "AFTERCALL_SERVER__LISTEN");
        assert_eq!(variable("secret_key"), "AFTERCALL_SECRET_KEY");
        assert!(!variables().contains(&"AFTERCALL_SOURCES".to_owned()));
        assert_eq!(
            variables_of("queue.url"),
            ["AFTERCALL_AMQP_URL", "AFTERCALL_QUEUE__URL"]
        );
        assert!(variables_of("sources").is_empty() && variables_of("webhook.url").is_empty());
    }
}
