//! A delivery that kills whoever makes it: it is begun so often and no more, and then says what it did.

use std::time::Duration;

use aftercall::deliver::dispatch;
use aftercall::event::Stage;
use aftercall::store::deliveries::Status;
use aftercall::worker;
use wiremock::MockServer;

use super::answers;
use super::bench::Bench;

/// How often a message is taken before it counts as a killer.
const TAKES: usize = 20;

/// Longer than any worker may hold a message.
const DEATH: Duration = Duration::from_secs(91);

#[tokio::test]
async fn a_delivery_that_kills_its_workers_fails_and_can_be_replayed() {
    for bench in Bench::all("crm_crashed").await {
        let crm = MockServer::start().await;
        answers(&crm, 200).await;
        bench.endpoint("crm", &crm.uri(), |_| {}).await;
        let killer = bench.event(1, "conversation.completed", "conv_1");
        bench.add(&killer).await;
        bench.pass(Duration::from_millis(20));
        dispatch(&bench.flow).await.unwrap();
        for _ in 0..TAKES {
            // Its process ends here, and no verdict comes.
            let taken = bench.flow.queue.take(Stage::Deliver, 1).await.unwrap();
            assert_eq!(taken.len(), 1);
            bench.pass(DEATH);
        }
        // The next event of the same call waits for it no longer than that.
        bench
            .add(&bench.event(2, "conversation.updated", "conv_1"))
            .await;
        bench
            .add(&bench.event(3, "conversation.completed", "conv_2"))
            .await;
        bench.pass(Duration::from_millis(20));
        dispatch(&bench.flow).await.unwrap();
        for delivery in bench.flow.queue.take(Stage::Deliver, 9).await.unwrap() {
            worker::run(&bench.flow, delivery).await;
        }
        bench.work(2).await;
        assert_eq!(crm.received_requests().await.unwrap().len(), 2);

        let all = bench.deliveries().await;
        let failed = all.iter().find(|one| one.event_id == killer.id).unwrap();
        assert_eq!((failed.status, failed.attempts), (Status::Failed, 1));
        assert_eq!(bench.attempts(&failed.id).await[0].code, "crashed_worker");
        let steps = bench.steps("conv_1").await;
        assert!(steps.iter().any(|step| step.step == "delivery_failed"));
        let letter = bench.letter().await.unwrap();
        assert_eq!(letter.code, "crashed_worker");
        assert_eq!(letter.conversation_id.as_deref(), Some("conv_1"));

        // What killed it is mended.
        bench.replay(&letter.id).await;
        bench.work(2).await;
        assert_eq!(bench.letter().await.unwrap().state.as_str(), "resolved");
        assert_eq!(crm.received_requests().await.unwrap().len(), 3);
    }
}
