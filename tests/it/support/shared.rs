//! What several processes of one test share: a database and a virtual host of the test's own, where
//! `tests/services` gives both servers.

use crate::backends;
use crate::rabbit::{control, urls};

/// The token that every process takes.
pub(crate) const TOKEN: &str = "aftercall_token_of_processes_that_share";

const SECRET_KEY: &str = "YWZ0ZXJjYWxsLWZhaWx1cmUtc3VpdGUtMzItYnl0ZXM=";

/// A fresh database and a fresh virtual host, which goes with it.
pub(crate) struct Shared {
    database: String,
    broker: String,
    host: String,
}

impl Shared {
    /// Both of them; none where there is no PostgreSQL or no RabbitMQ, which is said.
    pub(crate) async fn fresh(test: &str) -> Option<Self> {
        let (broker, server) = (urls()?, std::env::var("AFTERCALL_TEST_DATABASE_URL").ok()?);
        let name = format!("{test}_{}", std::process::id());
        control(&["add_vhost", &name])?;
        control(&["set_permissions", "-p", &name, "guest", ".*", ".*", ".*"])?;
        drop(backends::timed(test).await);
        let (base, _) = server.rsplit_once('/')?;
        Some(Self {
            database: format!("{base}/aftercall_{name}"),
            broker: format!("{}/{name}", broker.trim_end_matches('/')),
            host: name,
        })
    }

    /// The database's URL.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// The environment of a process that works on them.
    pub(crate) fn environment(&self) -> [(&str, &str); 4] {
        [
            ("AFTERCALL_DATABASE_URL", &self.database),
            ("AFTERCALL_AMQP_URL", &self.broker),
            ("AFTERCALL_ADMIN_TOKEN", TOKEN),
            ("AFTERCALL_SECRET_KEY", SECRET_KEY),
        ]
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        control(&["delete_vhost", &self.host]);
    }
}
