//! What goes wrong with a list of tools.

use crate::case::{Case, check, row};
use crate::peer::{Act, EVERY, Wire};

fn cases() -> Vec<Case> {
    const ON: &str = "tools/list";
    let say = |text: &str| Act::Say(vec![text.to_owned()]);
    let error = say(r#"{"jsonrpc":"2.0","id":$ID,"error":{"code":-32000,"message":"fetch failed"}}"#);
    let none = say(r#"{"jsonrpc":"2.0","id":$ID,"result":{"tools":"none"}}"#);
    let again = say(r#"{"jsonrpc":"2.0","id":$ID,"result":{"tools":[{"name":"t"}],"nextCursor":"again"}}"#);
    let huge = format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{{"tools":[{{"name":"{}"}}]}}}}"#, "n".repeat(1 << 20));
    vec![
        row("refuses", EVERY, ON, error, "upstream.protocol, perhaps", "fetch failed"),
        row("answers nonsense", EVERY, ON, none, "upstream.bad_answer, perhaps", "tools/list"),
        row("hangs", EVERY, ON, Act::Silence, "upstream.list_timeout", "within 5 s"),
        row("hangs in its answer", EVERY, ON, Act::Stuck, "upstream.list_timeout", "within 5 s"),
        row("dies", EVERY, ON, Act::Die, "closed", ""),
        row("dies in its answer", EVERY, ON, Act::Half, "closed", ""),
        row("gives the same cursor again", EVERY, ON, again, "called", ""),
        row("names a tool by a megabyte", EVERY, ON, say(&huge), "called", ""),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_over_stdio() {
    check(&cases(), Wire::Stdio).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_over_http() {
    check(&cases(), Wire::Http).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_over_sse() {
    check(&cases(), Wire::Sse).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_over_websocket() {
    check(&cases(), Wire::WebSocket).await;
}
