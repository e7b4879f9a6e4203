//! What the demo runs on: a fresh folder, simulated platforms and CRM, and an aftercall, all in this process.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::crm;
use crate::app::{App, Role, Running};
use crate::config::{Config, Overrides};
use crate::host::Host;
use crate::secret::Secret;
use crate::simulate::sender::Sender;
use crate::simulate::speechify::{Largest, Platform};
use crate::simulate::{Account, serve, sources_toml};

/// Everything that the demo runs on.
pub(super) struct Stage {
    /// The clock, and the simulated platform's tasks.
    pub(super) host: Host,
    /// The simulated platform.
    pub(super) platform: Arc<Platform>,
    /// Where its API is.
    pub(super) platform_url: String,
    /// Posts its webhooks.
    pub(super) sender: Sender,
    /// Where aftercall is.
    pub(super) url: String,
    /// The fresh folder.
    pub(super) folder: PathBuf,
    /// The file with aftercall's token.
    pub(super) token_file: PathBuf,
    /// That token.
    pub(super) token: Secret,
    running: Running,
}

impl Stage {
    /// Makes the folder, and starts platform and aftercall on free ports of this machine.
    pub(super) async fn set(host: &Host, folder: Option<&Path>) -> anyhow::Result<Self> {
        let folder = fresh_folder(host, folder)?;
        let account = Account::simulated();
        let platform = Arc::new(Platform::new(account.api_token.expose(), Largest::SMALL));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let platform_address = serve(host, listener, Arc::clone(&platform))?;
        let settings = folder.join("aftercall.toml");
        std::fs::write(&settings, settings_toml(&sources_toml(platform_address)))
            .with_context(|| settings.display().to_string())?;
        let data_dir = folder.join("aftercall-data");
        let overrides = Overrides {
            config: Some(settings),
            data_dir: Some(data_dir.clone()),
            listen: Some("127.0.0.1:0".to_owned()),
        };
        // No variable of this shell may turn the demo on a real database.
        let config = Config::load_with(&overrides, &BTreeMap::new())?;
        // A host of its own: aftercall stops first, while the platform still answers.
        let app = App::build(config, Host::new(host.clock.clone())).await?;
        let running = Running::start(app, &Role::ALL).await?;
        let url = format!("http://{}", running.address());
        let token_file = data_dir.join("admin-token");
        let token = std::fs::read_to_string(&token_file)
            .with_context(|| token_file.display().to_string())?;
        let token = Secret::new(token.trim())?;
        let sender = Sender::new(&url, host.clock.clone())?;
        let platform_url = format!("http://{platform_address}");
        crm::subscribe(sender.client(), &url, &token, &platform_url, &platform.crm).await?;
        Ok(Self {
            host: host.clone(),
            platform,
            platform_url,
            sender,
            url,
            folder,
            token_file,
            token,
            running,
        })
    }

    /// Stops everything. The folder stays.
    pub(super) async fn strike(self) {
        drop(self.running.stop().await);
        self.host.stop.cancel();
        self.host.drained().await;
    }
}

/// The folder that was asked for, or a new one among the temporary files; only its owner may look
/// into it. One that has an aftercall's data in it already is refused.
fn fresh_folder(host: &Host, asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = if let Some(folder) = asked {
        std::path::absolute(folder)?
    } else {
        let now = host.now().to_jiff().strftime("%Y%m%d-%H%M%S").to_string();
        let random = hex::encode(host.dice.bytes::<3>());
        std::env::temp_dir().join(format!("aftercall-demo-{now}-{random}"))
    };
    let empty = match std::fs::read_dir(&folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| folder.display().to_string()),
    };
    if !empty {
        anyhow::bail!(
            "{} is not empty; the demo needs a fresh folder",
            folder.display()
        );
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| folder.display().to_string())?;
    Ok(folder)
}

fn settings_toml(sources: &str) -> String {
    format!(
        "# Made by `aftercall demo`. `aftercall serve`, run in this folder, serves the same data again;\n\
         # the simulated platform below is gone by then, unless the demo runs with --keep.\n\
         \n\
         [finalize]\n\
         grace = \"1s\"    # 10 s by default; shortened for the demo\n\
         recheck = []    # nobody would answer a second look\n\
         \n\
         [endpoints]\n\
         allow_private = [\"127.0.0.1\"]    # where the demo's CRM is\n\
         \n\
         {sources}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Clock;

    #[test]
    fn the_settings_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("aftercall.toml");
        let sources = sources_toml("127.0.0.1:9090".parse().unwrap());
        std::fs::write(&file, settings_toml(&sources)).unwrap();
        let overrides = Overrides {
            config: Some(file),
            ..Overrides::default()
        };
        let config = Config::load_with(&overrides, &BTreeMap::new()).unwrap();
        assert_eq!(config.finalize.grace.as_secs(), 1);
        assert_eq!(config.sources.len(), 13);
        let asked = config.sources.iter().filter(|source| source.api.is_some());
        assert_eq!(asked.count(), 10, "all but Standard, Telnyx and Vonage");
        assert_eq!(config.warnings, Vec::<String>::new());
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let host = Host::new(Clock::System);
        let folder = tempfile::tempdir().unwrap();
        assert!(fresh_folder(&host, Some(folder.path())).is_ok());
        std::fs::write(folder.path().join("something"), "").unwrap();
        assert!(fresh_folder(&host, Some(folder.path())).is_err());
        let new = fresh_folder(&host, None).unwrap();
        std::fs::remove_dir(new).unwrap();
    }
}
