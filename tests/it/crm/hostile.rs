//! Hostile URLs, down to the connection: a listener that they would reach is never connected to. That
//! they would reach it is shown by the same URLs where its address is allowed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aftercall::endpoint::Method;
use aftercall::outbound::guard::{self, Lookup};
use aftercall::outbound::{NoAnswer, Outbound, Request};
use aftercall::signature::standard::Key;
use aftercall::time::Timestamp;
use futures::FutureExt as _;
use http::HeaderMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Ways of writing this machine's own address, each with the port of the listener in place of `PORT`.
const OURS: [&str; 26] = [
    "127.0.0.1:PORT",
    "127.0.0.2:PORT",
    "127.1:PORT",
    "127.0.1:PORT",
    "2130706433:PORT",
    "0x7f000001:PORT",
    "0x7f.0.0.1:PORT",
    "0X7F.0x00.0x00.0x01:PORT",
    "0177.0.0.1:PORT",
    "0177.0.0.01:PORT",
    "017700000001:PORT",
    "127.0.0.1.:PORT",
    "%31%32%37.0.0.1:PORT",
    "127%2e0%2e0%2e1:PORT",
    "１２７.０.０.１:PORT",
    "127。0。0。1:PORT",
    "①②⑦.⓪.⓪.①:PORT",
    "0:PORT",
    "0.0.0.0:PORT",
    "localhost:PORT",
    "localhost.:PORT",
    "LOCALHOST:PORT",
    "[::1]:PORT",
    "[0:0:0:0:0:0:0:1]:PORT",
    "[::ffff:127.0.0.1]:PORT",
    "[::ffff:7f00:1]:PORT",
];

/// Addresses of networks that are not ours to reach from here: private, link-local, metadata, and what
/// a gateway or a tunnel would take for one of them.
const THEIRS: [&str; 34] = [
    "10.0.0.8",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.1.1",
    "3232235777",
    "0300.0250.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.170.2",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.254.169.254.",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:1:2:3:4:5601:5601]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::5efe:10.0.0.1]",
    "[ff02::1]",
];

/// A server on every address of this machine, that counts who connects.
struct Trap {
    port: u16,
    connected: Arc<AtomicUsize>,
}

impl Trap {
    async fn set() -> Self {
        let connected = Arc::new(AtomicUsize::new(0));
        // Of both families at once, where the machine has both.
        let listener = match TcpListener::bind("[::]:0").await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("0.0.0.0:0").await.unwrap(),
        };
        let port = listener.local_addr().unwrap().port();
        let count = Arc::clone(&connected);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut some = [0; 1024];
                    let _ = stream.read(&mut some).await;
                    let gone = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                    let _ = stream.write_all(gone.as_bytes()).await;
                });
            }
        });
        Self { port, connected }
    }

    fn connections(&self) -> usize {
        self.connected.load(Ordering::SeqCst)
    }
}

fn outbound(allow: &[&str], lookup: Lookup) -> Outbound {
    drop(rustls::crypto::ring::default_provider().install_default());
    let ranges: Vec<_> = allow.iter().map(|range| range.parse().unwrap()).collect();
    Outbound::new(&ranges, lookup).unwrap()
}

async fn post(outbound: &Outbound, url: &str) -> Result<u16, NoAnswer> {
    let keys = [Key::of_random([1; 32])];
    let request = Request {
        url,
        method: Method::Post,
        id: "evt_1",
        keys: &keys,
        headers: HeaderMap::new(),
        content_type: "application/json",
        body: b"{}".to_vec(),
    };
    let sent = outbound.send(request, Timestamp::from_secs(1_780_000_000));
    sent.await.map(|answer| answer.status)
}

/// Names that lead to each of these in turn, and to the last one from then on.
fn names(answers: &[&[&str]]) -> Lookup {
    let answers: Vec<Vec<IpAddr>> = answers
        .iter()
        .map(|found| found.iter().map(|one| one.parse().unwrap()).collect())
        .collect();
    let asked = AtomicUsize::new(0);
    Arc::new(move |_| {
        let turn = asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let found = answers[turn].clone();
        async move { Ok(found) }.boxed()
    })
}

#[tokio::test]
async fn no_notation_of_our_own_address_is_connected_to() {
    let trap = Trap::set().await;
    let open = outbound(&["127.0.0.0/8", "0.0.0.0/8", "::1"], guard::machine());
    let mut reached = 0;
    for host in OURS {
        let host = host.replace("PORT", &trap.port.to_string());
        // Where it is allowed, it leads here: the list is a list of what would.
        let before = trap.connections();
        let sent = post(&open, &format!("http://{host}/hook")).await;
        reached += usize::from(sent == Ok(204));
        // Some machines can't look `localhost.` up.
        let known = sent != Err(NoAnswer::Unresolved);
        let after = trap.connections();
        assert_eq!(after > before, sent == Ok(204), "{host}: {sent:?}");
        for scheme in ["https", "http"] {
            for allow in [&[][..], &["10.0.0.0/8", "203.0.113.7"]] {
                let closed = outbound(allow, guard::machine());
                let sent = post(&closed, &format!("{scheme}://{host}/hook")).await;
                assert!(
                    matches!(sent, Err(NoAnswer::Refused(_))) || !known,
                    "{scheme}://{host}: {sent:?}"
                );
            }
        }
        assert_eq!(trap.connections(), after, "{host} was connected to");
    }
    // Without IPv6, and without that name, all but three.
    assert!(reached >= OURS.len() - 3, "{reached} of {}", OURS.len());
}

#[tokio::test]
async fn no_address_of_another_network_is_asked() {
    // The guard's answer comes before anything is connected to, which could only time out here.
    let closed = outbound(&["192.0.2.7"], guard::machine());
    for host in THEIRS {
        for url in [
            format!("https://{host}/latest/meta-data/"),
            format!("http://{host}/latest/meta-data/"),
            format!("https://{host}:8443/"),
        ] {
            let refused = post(&closed, &url);
            let sent = refused.now_or_never();
            assert!(
                matches!(sent, Some(Err(NoAnswer::Refused(_)))),
                "{url}: {sent:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_user_in_the_url_hides_no_host() {
    let trap = Trap::set().await;
    let open = outbound(&["127.0.0.0/8"], guard::machine());
    let port = trap.port;
    for url in [
        format!("http://user@127.0.0.1:{port}/"),
        format!("http://user:secret@127.0.0.1:{port}/"),
        format!("http://crm.example.com@127.0.0.1:{port}/"),
        format!("http://crm.example.com%40127.0.0.1:{port}/"),
        format!("http://:@127.0.0.1:{port}:80/"),
    ] {
        let sent = post(&open, &url).await;
        assert!(matches!(sent, Err(NoAnswer::Refused(_))), "{url}: {sent:?}");
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_name_that_leads_here_is_not_connected_to_whenever_it_says_so() {
    let trap = Trap::set().await;
    let url = format!("https://crm.example.com:{}/", trap.port);
    let plain = format!("http://crm.example.com:{}/", trap.port);
    // At the check and when it connects; at one of the two; beside an address that passes.
    for answers in [
        &[&["127.0.0.1"][..]][..],
        &[&["1.1.1.1"], &["127.0.0.1"]],
        &[&["1.1.1.1"], &["::1"]],
        &[&["1.1.1.1"], &["::ffff:127.0.0.1"]],
        &[&["1.1.1.1"], &["1.1.1.1", "127.0.0.1"]],
        &[&["127.0.0.1", "1.1.1.1"]],
        &[&["1.1.1.1"], &["64:ff9b::7f00:1"]],
        &[&["1.1.1.1"], &["0.0.0.0"]],
    ] {
        let sent = post(&outbound(&[], names(answers)), &url).await;
        assert!(
            matches!(sent, Err(NoAnswer::Refused(_))),
            "{answers:?}: {sent:?}"
        );
        let sent = post(&outbound(&[], names(answers)), &plain).await;
        assert!(
            matches!(sent, Err(NoAnswer::Refused(_))),
            "{answers:?}: {sent:?}"
        );
    }
    // Allowed when it is checked, and another's machine when it connects.
    let changing = names(&[&["10.0.0.1"], &["127.0.0.1"]]);
    let sent = post(&outbound(&["10.0.0.0/8"], changing), &plain).await;
    assert!(matches!(sent, Err(NoAnswer::Refused(_))), "{sent:?}");
    assert_eq!(trap.connections(), 0);
    // What is allowed is connected to, by the address that was checked.
    let sent = post(&outbound(&["127.0.0.1"], names(&[&["127.0.0.1"]])), &plain).await;
    assert_eq!((sent, trap.connections()), (Ok(204), 1));
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let trap = Trap::set().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let target = format!("http://127.0.0.1:{}/inner", trap.port);
    tokio::spawn(async move {
        let statuses = [301, 302, 303, 307, 308, 300];
        for status in statuses.into_iter().cycle() {
            let Ok((mut stream, _)) = listener.accept().await else {
                return;
            };
            let mut some = [0; 4096];
            let _ = stream.read(&mut some).await;
            let answer = format!(
                "HTTP/1.1 {status} Elsewhere\r\nlocation: {target}\r\nrefresh: 0; url={target}\r\n\
                 content-length: 0\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let open = outbound(&["127.0.0.1"], guard::machine());
    for status in [301, 302, 303, 307, 308, 300] {
        let sent = post(&open, &format!("http://{address}/")).await;
        assert_eq!(sent, Ok(status));
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(trap.connections(), 0);
}
