//! An endpoint is sent an event once, also when an earlier release made the delivery.

use aftercall::store::{self, Conn, deliveries, results};

use super::bench::Bench;

#[tokio::test]
async fn what_an_earlier_release_made_is_not_made_again() {
    for bench in Bench::all("crm_once").await {
        let crm = bench.endpoint("crm", "https://crm.example/", |_| {}).await;
        bench
            .add(&bench.event(1, "conversation.completed", "conv_1"))
            .await;
        let now = bench.now();
        let again = bench.write(move |conn| {
            Box::pin(async move {
                let event = results::get(conn, "evt_1").await?.unwrap();
                let place = event.created_at;
                let crms = [crm];
                assert_eq!(deliveries::add(conn, &crms, &event, place, now).await?, 0);
                rename(conn, &deliveries::id_of(&crms[0].id, "evt_1", place)).await?;
                deliveries::add(conn, &crms, &event, place, now).await
            })
        });
        assert_eq!(again.await, 0);
        let kept = bench.deliveries().await;
        let ids: Vec<&str> = kept.iter().map(|its| its.id.as_str()).collect();
        assert_eq!(ids, ["dlv_old"]);
    }
}

/// Its id was another one.
async fn rename(conn: &mut Conn<'_>, id: &str) -> store::Result<()> {
    const TEXT: &str = "UPDATE deliveries SET id = 'dlv_old' WHERE id = $1";
    let renamed = match conn {
        Conn::Sqlite(c) => {
            let query = sqlx::query(TEXT).bind(id);
            query.execute(&mut **c).await?.rows_affected()
        }
        Conn::Postgres(c) => {
            let query = sqlx::query(TEXT).bind(id);
            query.execute(&mut **c).await?.rows_affected()
        }
    };
    assert_eq!(renamed, 1);
    Ok(())
}
