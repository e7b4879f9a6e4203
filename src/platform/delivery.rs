//! One HTTP delivery of a webhook, as it came, and as its sender saw it.

use std::sync::LazyLock;

use http::{HeaderMap, Method, Uri, header};

static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
static NO_TARGET: LazyLock<Uri> = LazyLock::new(Uri::default);

/// One HTTP delivery, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// `POST`, or `GET` from platforms that let their customer choose.
    pub method: &'a Method,
    /// Its target, with the query.
    pub target: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its raw body: the bytes that were signed.
    pub body: &'a [u8],
}

impl<'a> Delivery<'a> {
    /// A delivery that was found authentic before, and of which only the payload was kept.
    pub fn kept(payload: &'a [u8]) -> Self {
        Self {
            method: &Method::POST,
            target: &NO_TARGET,
            headers: &NO_HEADERS,
            body: payload,
        }
    }

    /// What the delivery says: its body, or the query of a `GET`, whose body no signature covers.
    pub fn payload(&self) -> &'a [u8] {
        if *self.method == Method::GET {
            self.target.query().unwrap_or_default().as_bytes()
        } else {
            self.body
        }
    }

    /// The URL that the sender posted to, for signatures that cover it: `public` with this
    /// request's query, else what the request and the proxy before us say. None where no host is
    /// named.
    ///
    /// Nothing here is trusted: a URL that nobody signed only fails to verify.
    pub fn url(&self, public: Option<&str>) -> Option<String> {
        let base = match public {
            Some(public) => public.to_owned(),
            None => format!("{}://{}{}", self.scheme(), self.host()?, self.target.path()),
        };
        Some(match self.target.query() {
            Some(query) => format!("{base}?{query}"),
            None => base,
        })
    }

    /// The URLs that the sender may have posted to: [`Delivery::url`], and where nobody configured it
    /// also the same by https, for a proxy that ends TLS need not say so.
    pub(super) fn urls(&self, public: Option<&str>) -> Vec<String> {
        let mut urls: Vec<String> = self.url(public).into_iter().collect();
        if public.is_none() {
            let plain = urls.first().and_then(|url| url.strip_prefix("http://"));
            urls.extend(plain.map(|rest| format!("https://{rest}")));
        }
        urls
    }

    /// The body, which a `GET` has none of.
    pub(super) fn posted(&self) -> &'a [u8] {
        if *self.method == Method::GET {
            b""
        } else {
            self.body
        }
    }

    fn scheme(&self) -> &str {
        self.first("x-forwarded-proto")
            .or(self.target.scheme_str())
            .unwrap_or("http")
    }

    fn host(&self) -> Option<&str> {
        self.first("x-forwarded-host")
            .or_else(|| self.first(header::HOST.as_str()))
            .or_else(|| Some(self.target.authority()?.as_str()))
    }

    /// The first of a header's values, which is the outermost proxy's.
    fn first(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?.to_str().ok()?;
        let first = value.split(',').next()?.trim();
        (!first.is_empty()).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_url_is_the_senders() {
        let target: Uri = "/webhooks/acme?a=1&b=%20".parse().unwrap();
        let mut headers = HeaderMap::new();
        let url = |headers: &HeaderMap, public| {
            let delivery = Delivery {
                method: &Method::POST,
                target: &target,
                headers,
                body: b"",
            };
            delivery.url(public)
        };
        assert_eq!(url(&headers, None), None);
        headers.insert("host", HeaderValue::from_static("10.0.0.1:8080"));
        let seen = "http://10.0.0.1:8080/webhooks/acme?a=1&b=%20";
        assert_eq!(url(&headers, None).unwrap(), seen);
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https, http"));
        headers.insert("x-forwarded-host", HeaderValue::from_static("a.example"));
        let seen = "https://a.example/webhooks/acme?a=1&b=%20";
        assert_eq!(url(&headers, None).unwrap(), seen);
        let delivery = Delivery {
            method: &Method::POST,
            target: &target,
            headers: &HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("a.example"))]),
            body: b"",
        };
        let tried = delivery.urls(None);
        assert_eq!(tried.len(), 2, "{tried:?}");
        assert!(tried[1].starts_with("https://a.example/webhooks/acme?"));
        assert_eq!(delivery.urls(Some("https://b.example/hook")).len(), 1);
        let public = url(&headers, Some("https://b.example/hook"));
        assert_eq!(public.unwrap(), "https://b.example/hook?a=1&b=%20");
    }

    #[test]
    fn a_get_says_what_its_query_says() {
        let target: Uri = "/webhooks/acme?CallStatus=completed".parse().unwrap();
        let delivery = |method| Delivery {
            method,
            target: &target,
            headers: &NO_HEADERS,
            body: b"forged",
        };
        assert_eq!(delivery(&Method::GET).payload(), b"CallStatus=completed");
        assert_eq!(delivery(&Method::POST).payload(), b"forged");
    }
}
