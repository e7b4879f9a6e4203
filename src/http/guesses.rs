//! Wrong tokens, counted by whence they come: whoever tries many is told to wait.
//!
//! A token that works is never refused, for behind a proxy many clients share one address. Webhooks are
//! not counted: a platform must hear that its signature is wrong, however often.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::error::ApiError;
use super::{Api, dropin};
use crate::time::Timestamp;

/// Wrong tokens of one address that are answered 401 within a [`WINDOW`].
const MOST: u32 = 200;

const WINDOW: Duration = Duration::from_mins(1);

/// Addresses that are counted at a time.
const ADDRESSES: usize = 4_096;

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// The wrong tokens of late.
#[derive(Debug, Default)]
pub struct Guesses(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts(HashMap<IpAddr, Count>);

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Timestamp,
    wrong: u32,
}

impl Guesses {
    fn count(&self, from: IpAddr, now: Timestamp) -> Option<Duration> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.count(from, now)
    }
}

impl Counts {
    /// Counts a wrong token; says how long its sender is to wait when these are too many.
    fn count(&mut self, from: IpAddr, now: Timestamp) -> Option<Duration> {
        let network = network(from);
        if !self.0.contains_key(&network) && self.0.len() >= ADDRESSES {
            self.make_room(now);
        }
        let first = Count {
            since: now,
            wrong: 0,
        };
        let count = self.0.entry(network).or_insert(first);
        if now.since(count.since) >= WINDOW {
            *count = first;
        }
        count.wrong = count.wrong.saturating_add(1);
        (count.wrong > MOST).then(|| WINDOW.saturating_sub(now.since(count.since)))
    }

    /// Forgets those whose time is over, or else whoever began first.
    fn make_room(&mut self, now: Timestamp) {
        self.0.retain(|_, count| now.since(count.since) < WINDOW);
        if self.0.len() < ADDRESSES {
            return;
        }
        let oldest = self.0.iter().min_by_key(|(_, count)| count.since);
        if let Some(address) = oldest.map(|(address, _)| *address) {
            self.0.remove(&address);
        }
    }
}

/// What one sender can choose from: of IPv6 the 64 bits that a line is given.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Lets the request run, and makes 429 of one wrong token too many.
pub(super) async fn slow_down(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Response {
    // Webhooks go by without another allocation.
    if !carries_token(request.method(), request.uri().path(), request.headers()) {
        return next.run(request).await;
    }
    let path = request.uri().path().to_owned();
    let peer = request.extensions().get().copied();
    let response = next.run(request).await;
    let (Some(Peer(from)), StatusCode::UNAUTHORIZED) = (peer, response.status()) else {
        return response;
    };
    let Some(wait) = api.guesses.count(from, api.flow.host.now()) else {
        return response;
    };
    let error = ApiError::too_many_guesses(wait);
    if is_log_in(&path) {
        return as_page(response, &error);
    }
    dropin::plainly(&path, error)
}

fn carries_token(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    if is_log_in(path) {
        return *method == Method::POST;
    }
    let tokens = [header::AUTHORIZATION.as_str(), "x-api-key", "xi-api-key"];
    !path.starts_with("/webhooks/") && tokens.iter().any(|name| headers.contains_key(*name))
}

fn is_log_in(path: &str) -> bool {
    path == "/console/login"
}

/// The log-in's own page under the failure's status and headers.
fn as_page(mut page: Response, error: &ApiError) -> Response {
    *page.status_mut() = error.status();
    page.headers_mut().extend(error.headers());
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_wrong_token_too_many_has_to_wait_for_the_window_s_end() {
        let mut counts = Counts::default();
        let (guesser, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..MOST {
            assert_eq!(counts.count(guesser, NOW), None);
        }
        let later = NOW.plus(Duration::from_secs(20));
        assert_eq!(counts.count(guesser, later), Some(Duration::from_secs(40)));
        assert_eq!(counts.count(other, later), None);
        assert_eq!(counts.count(guesser, NOW.plus(WINDOW)), None);
    }

    #[test]
    fn a_line_of_ipv6_is_one_sender() {
        let mut counts = Counts::default();
        for n in 0..MOST {
            assert_eq!(
                counts.count(address(&format!("2001:db8:1:2::{n:x}")), NOW),
                None
            );
        }
        assert!(counts.count(address("2001:db8:1:2:ffff::1"), NOW).is_some());
        assert!(counts.count(address("2001:db8:1:3::1"), NOW).is_none());
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn no_more_addresses_are_kept_than_there_is_room_for() {
        let mut counts = Counts::default();
        let at = |n: usize| NOW.plus(Duration::from_millis(n.try_into().unwrap()));
        let from = |n: usize| IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
        for n in 0..ADDRESSES + 10 {
            counts.count(from(n), at(n));
        }
        assert_eq!(counts.0.len(), ADDRESSES);
        assert!(!counts.0.contains_key(&from(9)) && counts.0.contains_key(&from(10)));
        counts.count(from(ADDRESSES + 10), NOW.plus(2 * WINDOW));
        assert_eq!(counts.0.len(), 1, "those whose time is over go first");
    }
}
