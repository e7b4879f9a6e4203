//! A PostgreSQL and a RabbitMQ for server processes, fresh for each test, where there are both.

use tokio::sync::RwLockReadGuard;

use crate::backends;
use crate::rabbit::{control, in_peace, urls};

/// The token of the processes' admin.
pub(super) const TOKEN: &str = "aftercall_token_of_the_crm_tests";

/// A database and a virtual host that nobody else uses.
pub(super) struct Distributed {
    /// The virtual host's URL.
    pub(super) broker: String,
    database: String,
    vhost: String,
    _peace: RwLockReadGuard<'static, ()>,
}

impl Distributed {
    /// None, said aloud, where one of the two is not there.
    pub(super) async fn fresh(test: &str) -> Option<Self> {
        let server = std::env::var("AFTERCALL_TEST_DATABASE_URL").ok();
        let (Some(urls), Some(server)) = (urls(), server) else {
            println!("skipped: PostgreSQL or RabbitMQ is not there");
            return None;
        };
        let peace = in_peace().await;
        let vhost = format!("{test}_{}", std::process::id());
        control(&["add_vhost", &vhost])?;
        control(&["set_permissions", "-p", &vhost, "guest", ".*", ".*", ".*"])?;
        // It makes the database, and migrates it.
        drop(backends::timed(test).await);
        let (base, _) = server.rsplit_once('/').unwrap();
        Some(Self {
            broker: format!("{}/{vhost}", urls.trim_end_matches('/')),
            database: format!("{base}/aftercall_{test}_{}", std::process::id()),
            vhost,
            _peace: peace,
        })
    }

    /// The environment of its processes.
    pub(super) fn environment(&self) -> [(&str, &str); 4] {
        [
            ("AFTERCALL_DATABASE_URL", self.database.as_str()),
            ("AFTERCALL_AMQP_URL", self.broker.as_str()),
            ("AFTERCALL_ADMIN_TOKEN", TOKEN),
            (
                "AFTERCALL_SECRET_KEY",
                "YWZ0ZXJjYWxsLWZhaWx1cmUtc3VpdGUtMzItYnl0ZXM=",
            ),
        ]
    }

    /// Takes the virtual host away.
    pub(super) fn close(self) {
        control(&["delete_vhost", &self.vhost]);
    }
}
