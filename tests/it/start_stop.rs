//! Starting and stopping the binary: who may use a data folder, and what a stop waits for.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn serve(folder: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aftercall"));
    command
        .current_dir(folder)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env_clear()
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A server that listens, and where.
fn start(folder: &Path, variables: &[(&str, &str)]) -> (Child, String) {
    let mut server = serve(folder, variables).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let (_, url) = first.trim().split_once("listens on http://").unwrap();
    (server, url.to_owned())
}

#[test]
fn a_stop_does_not_wait_for_half_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, address) = start(folder.path(), &[]);
    let mut whole = TcpStream::connect(&address).unwrap();
    whole
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = [0; 12];
    whole.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let mut half = TcpStream::connect(&address).unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nHos").unwrap();
    let begun = Instant::now();
    let pid = server.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    let status = server.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    const REQUESTS: usize = 6_000;
    let folder = tempfile::tempdir().unwrap();
    let (mut server, address) = start(folder.path(), &[]);
    let mut asking = TcpStream::connect(&address).unwrap();
    asking
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut answers = BufReader::new(asking.try_clone().unwrap());
    for n in 0..REQUESTS {
        asking
            .write_all(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let length = body_length(&mut answers, n);
        answers.read_exact(&mut vec![0; length]).unwrap();
    }
    // Somebody reads again: what was lost is told.
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("Lines of the log were lost")));
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Reads the head of an answer, and says how long its body is.
fn body_length(answers: &mut impl BufRead, n: usize) -> usize {
    let mut length = None;
    loop {
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "answer {n} is cut off");
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
        if line == "\r\n" {
            return length.unwrap();
        }
    }
}

#[test]
fn a_database_has_one_server_whatever_the_data_folder_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/shared/calls.db", folder.path().display());
    let one = [
        ("AFTERCALL_DATABASE_URL", url.as_str()),
        ("AFTERCALL_DATA", "one"),
    ];
    let two = [
        ("AFTERCALL_DATABASE_URL", url.as_str()),
        ("AFTERCALL_DATA", "two"),
    ];
    let (mut server, _) = start(folder.path(), &one);
    let second = serve(folder.path(), &two).output().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("is in use by another aftercall"), "{said}");
}

#[test]
fn what_callers_said_is_for_the_owner_of_the_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("aftercall-data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (mut server, _) = start(folder.path(), &[]);
    for name in [
        "aftercall.db",
        "aftercall.db-wal",
        "secret-key",
        "admin-token",
    ] {
        let mode = std::fs::metadata(data.join(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}
