//! ElevenLabs' official Python library, pointed at us by its base URL, as `tests/clients` installs it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Platform, Server, completed_body, conversation_id, finished_call, talk};

const CALLS: usize = 23;

#[tokio::test]
async fn elevenlabs_own_library_lists_and_reads() {
    let Some(python) = std::env::var_os("AFTERCALL_TEST_PYTHON") else {
        println!("skipped: AFTERCALL_TEST_PYTHON is not set; tests/clients sets it");
        return;
    };
    let platform = Platform::start().await;
    let server = Server::start(&platform, "[finalize]\ngrace = \"100ms\"\nrecheck = []\n").await;
    for n in 0..CALLS {
        let id = conversation_id(n);
        let reason = Some("agent_ended").filter(|_| n % 2 == 0);
        platform.add(finished_call(&id, "+14155550123", reason), talk("Bye."));
        server.post_signed(completed_body(&id)).await.unwrap();
    }
    for n in 0..CALLS {
        server
            .wait_for(&conversation_id(n), Duration::from_mins(1))
            .await;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/dropin/list_and_read.py");
    let out = Command::new(python)
        .arg(script)
        .args([&server.url, &server.admin_token(), &CALLS.to_string()])
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}
