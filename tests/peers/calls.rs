//! What goes wrong with a call.

use crate::case::{Case, check, row};
use crate::peer::{Act, EVERY, Wire};

/// Those that a message of broken text leaves alive.
const BYTES: &[Wire] = &[Wire::Stdio, Wire::Http, Wire::Sse];
/// Where an answer is not tied to its request.
const SPOKEN: &[Wire] = &[Wire::Stdio, Wire::Sse, Wire::WebSocket];
const HTTP: &[Wire] = &[Wire::Http];
const SOCKET: &[Wire] = &[Wire::WebSocket];

/// The answer to the call, with this text.
fn text(text: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#)
}

fn cases() -> Vec<Case> {
    const ON: &str = "tools/call";
    const UNANSWERED: &str = "upstream.call_timeout, perhaps";
    let say = |text: &str| Act::Say(vec![text.to_owned()]);
    let flood = |message: &str| Act::Flood(message.to_owned());
    let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"flood"}}"#;
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$ID,"progress":$N}}"#;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let ping = r#"{"jsonrpc":"2.0","id":"p$N","method":"ping"}"#;
    let sample =
        r#"{"jsonrpc":"2.0","id":"s","method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}"#;
    let error = r#"{"jsonrpc":"2.0","id":$ID,"error":{"code":-32042,"message":"quota"}}"#;
    let unknown = r#"{"jsonrpc":"2.0","id":$ID,"error":{"code":-32602,"message":"Unknown tool"}}"#;
    let nameless = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"no"}}"#;
    let others = text("whose?").replace("$ID", "4711");
    vec![
        row("hangs", EVERY, ON, Act::Silence, UNANSWERED, "it may have happened"),
        row("hangs in its answer", EVERY, ON, Act::Stuck, UNANSWERED, ""),
        row("dies", EVERY, ON, Act::Die, "closed, perhaps", "which may have happened"),
        row("dies in its answer", EVERY, ON, Act::Half, "closed, perhaps", "which may have happened"),
        row("notifies for ever", EVERY, ON, flood(note), UNANSWERED, ""),
        row("makes progress for ever", EVERY, ON, flood(progress), UNANSWERED, ""),
        row("changes its tools for ever", EVERY, ON, flood(changed), UNANSWERED, ""),
        row("asks for ever", EVERY, ON, flood(ping), UNANSWERED, ""),
        row("babbles for ever", EVERY, ON, flood("no JSON, and no end"), UNANSWERED, ""),
        row("answers twice", EVERY, ON, Act::Say(vec![text("first"), text("second")]), "first", ""),
        row("answers others", SPOKEN, ON, say(&others), UNANSWERED, ""),
        row("answers others", HTTP, ON, say(&others), "upstream.not_mcp, perhaps", "an answer to request 4711"),
        row("fails without saying at what", HTTP, ON, say(nameless), "upstream.protocol, perhaps", "error -32603: no"),
        row("answers others first", EVERY, ON, Act::Say(vec![others, text("mine")]), "mine", ""),
        row("asks before it answers", EVERY, ON, Act::Say(vec![sample.into(), text("asked")]), "asked", ""),
        row("writes what is not text", BYTES, ON, Act::Say(vec![text("a$BYTEb")]), "a\u{fffd}b", ""),
        row("writes what is not text", SOCKET, ON, Act::Say(vec![text("a$BYTEb")]), "closed, perhaps", "UTF-8"),
        row("says no", EVERY, ON, say(error), "upstream.protocol, perhaps", "error -32042: quota"),
        row("does not know it", EVERY, ON, say(unknown), "upstream.protocol", "input schema"),
        row("answers no result", EVERY, ON, say(r#"{"jsonrpc":"2.0","id":$ID}"#), "upstream.bad_answer, perhaps", ""),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_stdio() {
    check(&cases(), Wire::Stdio).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_http() {
    check(&cases(), Wire::Http).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_sse() {
    check(&cases(), Wire::Sse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_websocket() {
    check(&cases(), Wire::WebSocket).await;
}

/// Answers of 50 MB, and of more than a message may hold: one after the other, as each takes its room.
#[tokio::test]
async fn large_answers() {
    let large = Act::Say(vec![text(&"x".repeat(50_000_000))]);
    let over = Act::Say(vec![text(&"x".repeat(mcp_bridge::upstream::MAX_LINE))]);
    let cases = [
        row("answers with 50 MB", EVERY, "tools/call", large, "50000000 bytes", ""),
        row("answers with too much", BYTES, "tools/call", over.clone(), "upstream.too_large, perhaps", "a filter"),
        row(
            "answers with too much",
            SOCKET,
            "tools/call",
            over,
            "closed, perhaps",
            "a message of more than 67108864 bytes",
        ),
    ];
    for case in cases {
        for wire in case.wires {
            check(std::slice::from_ref(&case), *wire).await;
        }
    }
}
