use futures::FutureExt as _;

use super::*;

/// A guard whose names all lead to the same addresses.
fn guard(allow: &[&str], found: &'static [&'static str]) -> Guard {
    let ranges: Vec<AddressRange> = allow.iter().map(|range| range.parse().unwrap()).collect();
    let lookup: Lookup = Arc::new(move |_| {
        let found = found.iter().map(|text| text.parse().unwrap()).collect();
        async move { Ok(found) }.boxed()
    });
    Guard::new(&ranges, lookup)
}

async fn judged(guard: &Guard, url: &str) -> Result<bool, Refused> {
    guard.resolve(&guard.read(url)?).await
}

/// Every way that is known to us of writing an address of our own network into a URL.
const HOSTILE: [&str; 44] = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1:8443/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://0x7F.1/",
    "https://127.0.0.1./",
    "https://%31%32%37.0.0.1/",
    "https://１２７.０.０.１/",
    "https://127。0。0。1/",
    "https://①②⑦.⓪.⓪.①/",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.8/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://3232235777/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/latest/meta-data/",
    "https://2852039166/",
    "https://0251.0376.0251.0376/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://255.255.255.255/",
    "https://224.0.0.1/",
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]:8443/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:0a00:0008]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:0:0:0:0:80ff:fffe]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
];

#[tokio::test]
async fn an_address_is_refused_in_every_notation() {
    let guard = guard(&[], &["1.1.1.1"]);
    for url in HOSTILE {
        let refused = judged(&guard, url).await;
        assert_eq!(refused, Err(Refused::Address), "{url}");
    }
    for url in [
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://METADATA.google.internal./",
        "https://instance-data.ec2.internal/",
    ] {
        assert_eq!(judged(&guard, url).await, Err(Refused::Address), "{url}");
    }
    for url in [
        "ftp://crm.example.com/",
        "file:///etc/passwd",
        "gopher://crm.example.com/",
        "javascript:alert(1)",
        "//crm.example.com",
        "crm.example.com",
        "https://",
        "https://[::1",
        "https://[fe80::1%25eth0]/",
        "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "",
    ] {
        assert_eq!(judged(&guard, url).await, Err(Refused::Url), "{url}");
    }
}

#[tokio::test]
async fn the_form_of_a_url_is_judged() {
    let guard = guard(&[], &["1.1.1.1"]);
    for (url, refused) in [
        ("https://user@crm.example.com/", Refused::Userinfo),
        ("https://user:secret@crm.example.com/", Refused::Userinfo),
        ("https://crm.example.com@127.0.0.1/", Refused::Userinfo),
        ("https://:secret@crm.example.com/", Refused::Userinfo),
        ("http://crm.example.com/", Refused::Plain),
        ("http://127.0.0.1/", Refused::Plain),
        ("https://crm.example.com:22/", Refused::Port),
        ("https://crm.example.com:25/", Refused::Port),
        ("https://crm.example.com:1023/", Refused::Port),
    ] {
        assert_eq!(judged(&guard, url).await, Err(refused), "{url}");
    }
    for url in [
        "https://crm.example.com/hook?x=1",
        "https://crm.example.com:443/",
        "https://crm.example.com:80/",
        "https://crm.example.com:1024/",
        "https://crm.example.com:65535/",
        "HTTPS://CRM.EXAMPLE.COM/",
        "https://bücher.example/",
        "https://1.1.1.1/",
        "https://[2606:4700::1111]/",
        // What looks like another's host behind a slash is a path.
        "https://crm.example.com\\@127.0.0.1/",
    ] {
        assert_eq!(judged(&guard, url).await, Ok(true), "{url}");
    }
}

#[tokio::test]
async fn every_answer_of_a_name_must_pass() {
    for found in [
        &["127.0.0.1"][..],
        &["1.1.1.1", "10.0.0.1"],
        &["2606:4700::1111", "::ffff:169.254.169.254"],
        &["fd00::1"],
    ] {
        let guard = guard(&[], found);
        let refused = judged(&guard, "https://crm.example.com/").await;
        assert_eq!(refused, Err(Refused::Address), "{found:?}");
        let refused = judged(&guard, "https://localhost:8443/").await;
        assert_eq!(refused, Err(Refused::Address), "{found:?}");
    }
    let unknown = guard(&[], &[]);
    assert_eq!(
        judged(&unknown, "https://crm.example.com/").await,
        Ok(false)
    );
}

#[tokio::test]
async fn what_is_allowed_may_be_private_and_plain() {
    let guard = guard(&["10.0.0.0/8", "::1"], &["10.1.2.3"]);
    for url in [
        "https://10.0.0.8/",
        "http://10.0.0.8/",
        "http://[::1]:8080/",
        "https://[::ffff:10.0.0.8]/",
        "http://crm.internal/",
        "https://crm.internal/",
    ] {
        assert_eq!(judged(&guard, url).await, Ok(true), "{url}");
    }
    assert_eq!(
        judged(&guard, "https://127.0.0.1/").await,
        Err(Refused::Address)
    );
    assert_eq!(judged(&guard, "http://1.1.1.1/").await, Err(Refused::Plain));
    let mixed = super::tests::guard(&["10.0.0.0/8"], &["10.1.2.3", "1.1.1.1"]);
    assert_eq!(
        judged(&mixed, "http://crm.internal/").await,
        Err(Refused::Plain)
    );
    assert_eq!(judged(&mixed, "https://crm.internal/").await, Ok(true));
}
