//! Connections: taken until the process stops, given up when a client dawdles over a request's head.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::{Listener as _, ListenerExt as _};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::guesses::Peer;
use crate::host::Host;

/// How long a request's head may take, and a connection be idle: longer than the minute after which
/// proxies let go of a connection, so that none sends a request into one that we are closing.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);

/// How long a stopping process waits for the rest of a request's head.
const LAST_HEAD_PATIENCE: Duration = Duration::from_secs(2);

/// Serves until `stop`. Requests in flight are finished by tasks of `host`, which waits for them.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken, host: Host) {
    // Answers are small and written at once: waiting to fill a packet only delays them.
    let mut listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    loop {
        let (stream, address) = tokio::select! {
            () = stop.cancelled() => return,
            taken = listener.accept() => taken,
        };
        let peer = Peer(address.ip());
        host.spawn(answer(stream, peer, router.clone(), stop.clone()));
    }
}

/// Answers the requests of one connection. How a client ends it is the client's affair.
async fn answer(stream: TcpStream, peer: Peer, router: Router, stop: CancellationToken) {
    let busy = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&busy);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let mut router = router.clone();
        let answering = Arc::clone(&answering);
        async move {
            answering.store(true, Ordering::Relaxed);
            let response: Result<Response, Infallible> = router.call(request).await;
            answering.store(false, Ordering::Relaxed);
            response
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_PATIENCE)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let ended = timeout(LAST_HEAD_PATIENCE, connection.as_mut()).await;
    if ended.is_err() && busy.load(Ordering::Relaxed) {
        drop(connection.await);
    }
}
