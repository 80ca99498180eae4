//! The same connections against servers that people use.

#[path = "support/real.rs"]
mod real;
#[path = "support/stub.rs"]
mod stub;

use futures::future::join_all;
use mcp_bridge::gateway::Gateway;
use mcp_bridge::upstream::Upstreams;
use mcp_bridge::upstream::config::Policy;
use serde_json::{Value, json};
use stub::{arguments, in_ms, options, soon};

async fn call(gateway: &Gateway, server: &str, tool: &str, input: Value) -> Value {
    let raw = gateway.call(server, tool, arguments(input), soon()).await.expect("a result");
    serde_json::from_str(raw.result.get()).expect("JSON")
}

#[tokio::test]
async fn real_servers_list_and_answer() {
    let Some(folder) = real::folder() else { return };
    let upstreams = Upstreams::new(real::configs(&folder), options());
    let gateway = Gateway::new(upstreams.clone(), &Policy::default());

    // All at once; the counts are those of the pinned versions.
    let names = ["everything", "filesystem", "git", "memory", "time"];
    assert_eq!(upstreams.names().collect::<Vec<_>>(), names);
    let lists = join_all(names.map(|name| gateway.tools(name))).await;
    let counts: Vec<_> = lists.iter().map(|list| list.as_ref().expect("a list").tools.len()).collect();
    assert_eq!(counts, [13, 14, 12, 9, 2]);
    let everything = lists[0].as_ref().expect("a list");
    assert!(everything.instructions.as_deref().is_some_and(|text| text.len() > 1000));

    let echo = call(&gateway, "everything", "echo", json!({"message": "hi"})).await;
    assert_eq!(echo["content"][0]["text"], "Echo: hi");
    let time = json!({"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"});
    let time = call(&gateway, "time", "convert_time", time).await;
    assert_eq!(time["structuredContent"]["time_difference"], "+9.0h");
    let file = call(&gateway, "filesystem", "read_text_file", json!({"path": folder.join("files/hello.txt")})).await;
    assert_eq!(file["structuredContent"]["content"], "Hello from a file.\n");
    let log = call(&gateway, "git", "git_log", json!({"repo_path": folder.join("repository")})).await;
    assert!(log["content"].to_string().contains("First commit"), "{log}");
    let graph = call(&gateway, "memory", "read_graph", json!({})).await;
    assert!(graph["structuredContent"]["entities"].is_array(), "{graph}");

    // A tool's own no.
    let missing = call(&gateway, "filesystem", "read_text_file", json!({"path": "/no/such/file"})).await;
    assert_eq!(missing["isError"], true);

    let many =
        join_all((0..100).map(|number| call(&gateway, "everything", "get-sum", json!({"a": number, "b": 1})))).await;
    for (number, sum) in many.iter().enumerate() {
        let text = sum["content"][0]["text"].as_str().expect("text");
        assert!(text.contains(&(number + 1).to_string()), "{text}");
    }

    let slow = json!({"duration": 60, "steps": 3});
    let slow = gateway.call("everything", "trigger-long-running-operation", arguments(slow), in_ms(300)).await;
    assert_eq!(slow.expect_err("too slow").code(), "upstream.call_timeout");
    call(&gateway, "everything", "echo", json!({"message": "still there"})).await;

    upstreams.shutdown().await;
}
