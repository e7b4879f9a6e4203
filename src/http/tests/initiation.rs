//! What ElevenLabs' agent hears when a call begins.

use super::*;

const PATH: &str = "/v1/initiation/elevenlabs";

impl Bench {
    async fn begin(&self, token: &str, body: &str) -> Answer {
        let request = Request::post(PATH)
            .header("xi-api-key", token)
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.send(request).await
    }
}

fn stranger() -> Value {
    json!({
        "type": "conversation_initiation_client_data",
        "dynamic_variables": {"caller_memory": "", "caller_name": "", "caller_known": ""},
    })
}

#[tokio::test]
async fn a_stranger_has_the_same_names_empty() {
    let bench = Bench::new().await;
    let token = bench.token(&[Scope::MemoriesRead], &[]).await;
    let bound = bench.token(&[Scope::MemoriesRead], &["other"]).await;
    for (token, body) in [
        (
            &token,
            r#"{"caller_id":"+14155550123","agent_id":"front-desk"}"#,
        ),
        (
            &token,
            r#"{"caller_id":"anonymous","agent_id":"front-desk","call_sid":"CA1"}"#,
        ),
        (&token, r#"{"caller_id":null}"#),
        (&token, "junk"),
        (&token, ""),
        (
            &bound,
            r#"{"caller_id":"+14155550123","agent_id":"front-desk"}"#,
        ),
    ] {
        let answer = bench.begin(token, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (200, stranger()),
            "{body}"
        );
    }
}

#[tokio::test]
async fn only_a_token_of_the_scope_is_told() {
    let bench = Bench::new().await;
    let other = bench.token(&[Scope::ConversationsRead], &[]).await;
    assert_eq!(bench.begin("ac_wrong", "{}").await.status, 401);
    assert_eq!(bench.begin(&other, "{}").await.status, 403);
}

#[tokio::test]
async fn who_called_before_is_known() {
    let bench = Bench::new().await;
    bench.remember("front-desk").await;
    let token = bench.token(&[Scope::MemoriesRead], &["front-desk"]).await;
    let body = r#"{"caller_id":"+14155550123","agent_id":"front-desk",
        "called_number":"+14155550100","call_sid":"CA1"}"#;
    let known = bench.begin(&token, body).await.json();
    // What nobody reads makes no stranger of her.
    let odd = r#"{"caller_id":"+14155550123","agent_id":"front-desk","agent_id":"front-desk",
        "called_number":null,"call_sid":12345}"#;
    assert_eq!(bench.begin(&token, odd).await.json(), known);
    let expected = json!({
        "caller_memory": "1. The caller's name is Ann.", "caller_name": "Ann",
        "caller_known": "true",
    });
    assert_eq!(known["dynamic_variables"], expected);
}
