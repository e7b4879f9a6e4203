//! A process that is asked to stop. What a `kill -9` leaves is the failure suite's subject.

use crate::support::{Platform, Server, completed_body, conversation_id, finished_call, talk};

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight() {
    let platform = Platform::start().await;
    let mut server = Server::start(&platform, "[finalize]\ngrace = \"0s\"\nrecheck = []\n").await;
    let id = conversation_id(1);
    platform.add(finished_call(&id, "+14155550123", None), talk("Hello."));
    assert_eq!(
        server.post_signed(completed_body(&id)).await.unwrap().0,
        200
    );
    let status = server.terminate().await;
    assert!(status.success(), "{status}: {}", server.logged());
}
