//! A question that nobody answers.

use std::sync::Arc;

use mcp_bridge::upstream::{Client, ClientHandle};
use serde_json::json;

use crate::stub::in_ms;
use crate::{Person, World, call};

#[tokio::test]
async fn a_question_that_nobody_answers_is_given_up_at_the_deadline() {
    let world = World::new(&json!({"a": {"servers": "*", "tools": "*", "ask": "*"}}));
    let person = Person::slow();
    world.shared.catalog("git-hub").await.expect("the tools");
    let client = ClientHandle(Arc::clone(&person) as Arc<dyn Client>);
    let broker = world.broker_until(in_ms(100), "a", Some(client));
    let (one, other) = tokio::join!(call(&broker, "git-hub", "get_issue"), call(&broker, "git-hub", "create_issue"));
    for refusal in [one, other].map(|answer| answer.expect_err("nobody said yes")) {
        assert_eq!((refusal.kind, refusal.code), ("CallDenied", "broker.not_asked"));
        assert!(refusal.message.ends_with("nobody answered before the deadline"), "{}", refusal.message);
    }
    assert_eq!(person.asked.lock().expect("the list").len(), 1, "the other was never put");
    assert!(world.stubs[0].received("tools/call").is_empty());
    let calls = world.calls().await;
    let told: Vec<(&str, &str)> = calls.iter().map(|(_, decision, _, outcome)| (&**decision, &**outcome)).collect();
    assert_eq!(told, [("ask", "broker.not_asked"); 2]);
}
