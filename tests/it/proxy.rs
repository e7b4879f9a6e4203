//! A TCP line that can be cut, held or slowed: what networks do, between a process and its server.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of the bytes on a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Line {
    /// They go through.
    #[default]
    Pass,
    /// Open connections are closed, and so are new ones.
    Cut,
    /// Nothing goes through and nothing is closed: the other end looks dead, and nobody says so.
    Hold,
    /// Every chunk of a request, of an answer, waits so long.
    Slow { request: Duration, answer: Duration },
    /// A connection is closed when so many bytes of answers have gone through it.
    Half(usize),
}

/// A line to one server. It listens on loopback until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    line: watch::Sender<Line>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// A line to a port of this machine. Nobody need listen there yet.
    pub(crate) async fn to(server: u16) -> Self {
        let port = crate::support::free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let line = watch::Sender::new(Line::Pass);
        let watched = line.subscribe();
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server, watched.clone()));
            }
        });
        Self {
            port,
            line,
            listening,
        }
    }

    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.line.send_replace(Line::Cut);
    }
}

/// Carries one connection until an end closes it, or the line is cut.
async fn connect(client: TcpStream, server: u16, line: watch::Receiver<Line>) {
    let mut cut = line.clone();
    let carried = async {
        // While the line is held, not even the connection is made.
        let mut held = line.clone();
        if held.wait_for(|line| *line != Line::Hold).await.is_err() {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
            return;
        };
        drop(client.set_nodelay(true));
        drop(server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // One end that closes closes the other: the protocols carried here know no half-closing.
        tokio::select! {
            () = carry(from_client, to_server, line.clone(), Way::Request) => {}
            () = carry(from_server, to_client, line.clone(), Way::Answer) => {}
        }
    };
    tokio::select! {
        () = carried => {}
        _ = cut.wait_for(|line| *line == Line::Cut) => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut line: watch::Receiver<Line>,
    way: Way,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut gone_through = 0;
    while line.wait_for(|line| *line != Line::Hold).await.is_ok() {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            changed = line.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Ok(count @ 1..) = read else { return };
        let mut carried = count;
        let now = *line.borrow();
        match (now, way) {
            (Line::Slow { request, .. }, Way::Request) => tokio::time::sleep(request).await,
            (Line::Slow { answer, .. }, Way::Answer) => tokio::time::sleep(answer).await,
            (Line::Half(most), Way::Answer) => {
                carried = count.min(most.saturating_sub(gone_through));
            }
            _ => {}
        }
        if to.write_all(&buffer[..carried]).await.is_err() || carried < count {
            return;
        }
        gone_through += carried;
    }
}

#[tokio::test]
async fn a_line_passes_holds_halves_and_is_cut() {
    let server = TcpListener::bind(("127.0.0.1", crate::support::free_port()))
        .await
        .unwrap();
    let proxy = Proxy::to(server.local_addr().unwrap().port()).await;
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    let (mut far_end, _) = server.accept().await.unwrap();
    let mut heard = [0; 4];

    client.write_all(b"ping").await.unwrap();
    far_end.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ping");

    proxy.set(Line::Hold);
    far_end.write_all(b"pong").await.unwrap();
    let silent =
        tokio::time::timeout(Duration::from_millis(200), client.read_exact(&mut heard)).await;
    assert!(silent.is_err(), "a held line says nothing");
    proxy.set(Line::Pass);
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"pong");

    proxy.set(Line::Half(6));
    far_end.write_all(b"pong").await.unwrap();
    let mut rest = Vec::new();
    drop(client.read_to_end(&mut rest).await);
    assert!(rest.len() <= 4, "{rest:?}");

    proxy.set(Line::Cut);
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    assert!(!matches!(client.read(&mut heard).await, Ok(1..)));
}
