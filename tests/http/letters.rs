//! Results are the server's own text, letter by letter, whichever way they go, and arguments have the numbers that were written.

use serde_json::{Value, json};

use super::bridge::{Bridge, home, run, text};
use super::exact::{ARGUMENTS, answer, entry, heard, newer, older, written};
use super::raw::{Request, hello};
use super::{sessions, stateless, ws};

fn call() -> Value {
    json!({"name": "exact__it", "arguments": {}})
}

/// A bridge in front of the server of one era.
fn bridge(server: &str) -> Bridge {
    let home = home();
    let file = json!({"mcpServers": {"exact": entry(server)}});
    std::fs::write(home.path().join("servers.json"), file.to_string()).expect("servers");
    Bridge::with(home, &["--expose", "tools"], &[])
}

#[test]
fn results_pass_letter_by_letter_over_http() {
    for server in ["older", "newer"] {
        let bridge = bridge(server);
        let session = sessions::open(&bridge, "2025-11-25");
        let request = Request::rpc(2, "tools/call", call()).session(&session);
        assert_eq!(request.ask(bridge.port).body, answer(2, &older()), "server {server}");
        let mut events = request.with("Accept", "text/event-stream").open(bridge.port);
        assert_eq!(events.next("data: "), Some(answer(2, &older())), "server {server}");

        let alone = stateless::request("tools/call", call()).ask(bridge.port);
        assert_eq!(alone.body, answer(5, &newer(server)), "server {server}");
        // Plain HTTP has no era: what the server said.
        let own = if server == "newer" { newer(server) } else { older() };
        assert_eq!(bridge.post("/tools/call", &call()).body, own);

        let mut stream = Request::new("GET", "/sse").with("Accept", "text/event-stream").open(bridge.port);
        let place = stream.next("data: ").expect("the endpoint");
        let first = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("2024-11-05")});
        let then = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call()});
        for message in [first, json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), then] {
            assert_eq!(Request::new("POST", &place).json(&message).ask(bridge.port).status, 202);
        }
        stream.message();
        assert_eq!(stream.next("data: "), Some(answer(2, &older())), "server {server}");
    }
}

#[tokio::test]
async fn results_pass_letter_by_letter_over_websocket() {
    let bridge = bridge("older");
    let mut socket = ws::connect(&bridge, &[]).await.expect("a socket");
    ws::say(&mut socket, ws::request(1, "initialize", hello("2025-11-25"))).await;
    ws::answer(&mut socket, 1).await;
    ws::say(&mut socket, json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    ws::say(&mut socket, ws::request(2, "tools/call", call())).await;
    assert_eq!(ws::text(&mut socket).await, answer(2, &older()));
}

#[test]
fn arguments_pass_letter_by_letter_over_http() {
    let bridge = bridge("newer");
    let session = sessions::open(&bridge, "2025-11-25");
    let post = Request::new("POST", "/tools/call").json(&call());
    for request in [
        Request::rpc(2, "tools/call", call()).session(&session),
        stateless::request("tools/call", call()),
        post.clone(),
    ] {
        assert_eq!(heard(&request.written(ARGUMENTS).ask(bridge.port).body), ARGUMENTS);
    }
    let lines = ARGUMENTS.replace(",\"", "\r\n,\n\"");
    assert_eq!(heard(&post.written(&lines).ask(bridge.port).body).replace(' ', ""), ARGUMENTS);

    let mut stream = Request::new("GET", "/sse").with("Accept", "text/event-stream").open(bridge.port);
    let place = stream.next("data: ").expect("the endpoint");
    let first = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello("2024-11-05")});
    let then = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call()});
    for message in [first, json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), then] {
        assert_eq!(Request::new("POST", &place).json(&message).written(ARGUMENTS).ask(bridge.port).status, 202);
    }
    stream.message();
    assert_eq!(heard(&stream.next("data: ").expect("an answer")), ARGUMENTS);
}

#[tokio::test]
async fn arguments_pass_letter_by_letter_over_websocket() {
    let bridge = bridge("older");
    let mut socket = ws::connect(&bridge, &[]).await.expect("a socket");
    ws::say(&mut socket, ws::request(1, "initialize", hello("2025-11-25"))).await;
    ws::answer(&mut socket, 1).await;
    ws::say(&mut socket, json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    ws::put(&mut socket, &written(&ws::request(2, "tools/call", call()), ARGUMENTS)).await;
    assert_eq!(heard(&ws::text(&mut socket).await), ARGUMENTS);
}

#[test]
fn who_calls_is_taken_out_of_what_rest_passes_on() {
    let home = home();
    let file = json!({"mcpServers": {"exact": entry("older")}});
    std::fs::write(home.path().join("servers.json"), file.to_string()).expect("servers");
    let bridge = Bridge::with(home, &["--expose", "tools"], &[("MCP_BRIDGE_AGENT_ID", "1")]);
    let named = ARGUMENTS.replacen('{', r#"{"agent_id":"ann","#, 1);
    let answer = Request::new("POST", "/tools/call").json(&call()).written(&named).ask(bridge.port);
    assert_eq!(heard(&answer.body), ARGUMENTS);
}

#[test]
fn arguments_of_a_command_are_those_that_were_typed() {
    let home = home();
    let file = json!({"mcpServers": {"exact": entry("newer")}});
    std::fs::write(home.path().join("servers.json"), file.to_string()).expect("servers");
    let typed = ["--arg", "hear=true", "--arg", "n=18446744073709551617", "--arg", "s=1e", "--arg", "x=[1,\n1e-400]"];
    for (words, got) in [
        (vec!["--json", ARGUMENTS], ARGUMENTS),
        (typed.to_vec(), r#"{"hear":true,"n":18446744073709551617,"s":"1e","x":[1, 1e-400]}"#),
    ] {
        let called = run(home.path(), &[&["call", "exact", "it", "--raw"], &words[..]].concat());
        assert_eq!(heard(&text(&called.stdout)), got);
    }
}

#[test]
fn a_header_says_every_digit_of_its_argument() {
    let bridge = bridge("older");
    let params = json!({"name": "exact__headed", "arguments": {}});
    let arguments = r#"{"hear":true,"n":18446744073709551617}"#;
    let ask = |header: &str| {
        let request = stateless::request("tools/call", params.clone()).with("Mcp-Param-N", header);
        request.written(arguments).ask(bridge.port)
    };
    assert_eq!(heard(&ask("18446744073709551617").body), arguments);
    assert_eq!(ask("18446744073709551616").code(), "http.header_mismatch");
}
