//! The console in a real browser: headless Chromium, driven by `tests/browser/console.cjs`.
//!
//! Needs chromium, node and npm, which `tests/services` installs where it may; where they or npm's
//! registry are out of reach the test skips, and says so. Screenshots stay in `target/browser/shots`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{
    Platform, Server, completed_body, conversation_id, finished_call, now_ms, rfc3339,
};

const PACKAGES: [&str; 2] = ["playwright-core@1.65.1", "axe-core@4.14.1"];

/// Where the caller's sentence stands in the recording, in seconds.
const SEEK: &str = "8.500";

const CALLER: &str = "sip_+14155550123";

/// Would be run by a page that took it for more than text.
const PLANTED: &str =
    "<script>window.planted=1</script><img src=x onerror=\"window.planted=2\">{{ 7919*7907 }}';--";

/// A call whose platform does not call it over, and that becomes a letter; they are many.
const LETTERS: usize = 12;

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser")
}

fn runs(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

/// The browser, and the packages that drive it; or what is missing.
fn tools() -> Result<&'static str, &'static str> {
    let chromium = ["chromium", "chromium-browser", "google-chrome"];
    let chromium = chromium
        .into_iter()
        .find(|name| runs(name))
        .ok_or("chromium is not installed")?;
    if !runs("node") || !runs("npm") {
        return Err("node and npm are not installed");
    }
    let there = |package: &str| {
        let name = package.split('@').next().unwrap_or_default();
        target()
            .join("node_modules")
            .join(name)
            .join("package.json")
            .exists()
    };
    if !PACKAGES.iter().all(|package| there(package)) {
        let installed = Command::new("npm")
            .args([
                "install",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
            ])
            .arg(target())
            .args(PACKAGES)
            .stdout(Stdio::null())
            .status();
        if !installed.is_ok_and(|status| status.success()) {
            return Err("npm could not fetch playwright-core and axe-core");
        }
    }
    Ok(chromium)
}

/// Twenty seconds of silence, as a WAV file of 8 bits and 8 kHz.
fn silence() -> Vec<u8> {
    let samples: u32 = 20 * 8_000;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + samples).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(8_000_u32.to_le_bytes());
    wav.extend(8_000_u32.to_le_bytes());
    wav.extend(b"\x01\0\x08\0data");
    wav.extend(samples.to_le_bytes());
    wav.resize(wav.len() + samples as usize, 0x80);
    wav
}

async fn recordings() -> MockServer {
    let server = MockServer::start().await;
    let wav = ResponseTemplate::new(200).set_body_raw(silence(), "audio/wav");
    Mock::given(path("/call.wav"))
        .respond_with(wav)
        .mount(&server)
        .await;
    server
}

/// An address that takes results.
async fn crm() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/hook"))
        .respond_with(ResponseTemplate::new(200).set_body_string("taken"))
        .mount(&server)
        .await;
    server
}

/// A call with a recording whose caller says who they are eight and a half seconds into it.
async fn a_call(server: &Server, platform: &Platform, recording: &str) -> String {
    let id = conversation_id(1);
    let mut call = finished_call(&id, CALLER, Some("caller_hangup"));
    let began = now_ms() - 60_000;
    call["recording_url"] = json!(recording);
    call["recording_started_at"] = json!(rfc3339(began + 1_500));
    let say = |n: i64, role: &str, content: &str| {
        let at = rfc3339(began + n * 10_000);
        json!({"id": format!("m{n}"), "role": role, "content": content, "started_at": at})
    };
    platform.add(
        call,
        vec![
            say(0, "assistant", "Acme front desk, who is calling?"),
            say(
                1,
                "user",
                "Hi, my name is Dana Whitfield, and my email is dana@example.com.",
            ),
            say(2, "assistant", "Thank you, Dana. <script>alert(1)</script>"),
        ],
    );
    server.post_signed(completed_body(&id)).await.unwrap();
    server.wait_for(&id, Duration::from_secs(30)).await;
    id
}

/// A call whose every text is one that must never be more than text.
async fn a_planted_call(server: &Server, platform: &Platform) -> String {
    let id = conversation_id(2);
    let mut call = finished_call(&id, PLANTED, Some(PLANTED));
    for field in [
        "agent_name",
        "summary",
        "room_name",
        "recording_url",
        "from_number",
    ] {
        call[field] = json!(PLANTED);
    }
    call["metadata"] = json!({PLANTED: PLANTED});
    call["dynamic_variables"] = json!({PLANTED: PLANTED});
    call["agent_snapshot"] = json!({"prompt": PLANTED});
    let said = format!("My name is Eve, and {PLANTED}");
    let say = |n: usize, role: &str, content: &str| {
        json!({"id": format!("m{n}"), "role": role, "content": content, "tool_name": PLANTED,
               "tool_args": {"a": PLANTED}, "tool_result": PLANTED})
    };
    platform.add(
        call,
        vec![say(0, "assistant", PLANTED), say(1, "user", &said)],
    );
    server.post_signed(completed_body(&id)).await.unwrap();
    server.wait_for(&id, Duration::from_secs(30)).await;
    id
}

/// Letters of two causes: calls that never end, and a body that nobody can read.
async fn letters(server: &Server, platform: &Platform) {
    for n in 100..100 + LETTERS {
        let id = conversation_id(n);
        let mut call = finished_call(&id, "sip_+14155550777", None);
        call["status"] = json!("active");
        call["ended_at"] = json!(null);
        platform.add(call, Vec::new());
        server.post_signed(completed_body(&id)).await.unwrap();
    }
    server.post_signed(b"[1]".to_vec()).await.unwrap();
    let wanted = u64::try_from(LETTERS).unwrap() + 1;
    let began = std::time::Instant::now();
    loop {
        let (_, groups) = server.get("/v1/dead-letters/groups").await;
        let groups = groups["groups"].as_array().unwrap().clone();
        let dead: u64 = groups
            .iter()
            .map(|group| group["count"].as_u64().unwrap())
            .sum();
        if dead == wanted {
            break;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{groups:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Mended: by now their platform calls them over.
    for call in platform.calls.lock().unwrap().values_mut() {
        call["status"] = json!("completed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_on_call_find_their_way() {
    let chromium = match tools() {
        Ok(chromium) => chromium,
        Err(why) => {
            println!("skipped in the browser: {why}");
            return;
        }
    };
    let platform = Platform::start().await;
    let recordings = recordings().await;
    let crm = crm().await;
    let quick = "[finalize]\ngrace = \"0s\"\nmax_wait = \"1s\"\n\
                 [endpoints]\nallow_private = [\"127.0.0.1\"]\n";
    let server = Server::start(&platform, quick).await;
    let recording = format!("{}/call.wav", recordings.uri());
    let call = a_call(&server, &platform, &recording).await;
    let planted = a_planted_call(&server, &platform).await;
    letters(&server, &platform).await;

    let shots = target().join("shots");
    drop(std::fs::remove_dir_all(&shots));
    std::fs::create_dir_all(&shots).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/console.cjs");
    let mut driving = Command::new("node");
    driving
        .arg(script)
        .env("NODE_PATH", target().join("node_modules"))
        .env("BASE", &server.url)
        .env("TOKEN", server.admin_token())
        .env("OUT", &shots)
        .env("CALL", &call)
        .env("PLANTED", PLANTED)
        .env("PLANTED_CALL", planted)
        .env("CALLER", CALLER)
        .env("SEEK", SEEK)
        .env("HOOK", format!("{}/hook", crm.uri()))
        .env("CHROMIUM", which(chromium));
    let driven = tokio::task::spawn_blocking(move || driving.output().unwrap())
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&driven.stderr);
    assert!(
        driven.status.success(),
        "{told}\nshots are in {}",
        shots.display()
    );
}

/// The program's whole path, which playwright wants.
fn which(program: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths)
        .map(|folder| folder.join(program))
        .find(|file| file.exists())
        .unwrap_or_else(|| program.into())
}
