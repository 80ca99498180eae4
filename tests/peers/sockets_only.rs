//! What goes wrong with a WebSocket itself: its handshake, its frames.

use crate::case::{Case, check, row};
use crate::peer::{Act, Wire};
use crate::wire::framed;

const WS: &[Wire] = &[Wire::WebSocket];

fn cases() -> Vec<Case> {
    const CALL: &str = "tools/call";
    const CLOSED: &str = "closed, perhaps";
    let refusal = |head: &str, body: &str| {
        let length = body.len();
        Act::Bytes(format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes())
    };
    // RFC 6455, 5.2: a first frame of text that is not the last of its message; a mask, which only clients use; a length of 2^63;
    // a reserved kind; an end, with its status.
    let endless = Act::Bytes([[0x01, 5].as_slice(), b"{\"a\":", &[0x00, 1], b"1"].concat());
    let masked = Act::Bytes(vec![0x81, 0x82, 1, 2, 3, 4, 5, 6]);
    let giant = Act::Bytes([[0x81, 127].as_slice(), &(1_u64 << 62).to_be_bytes()].concat());
    let reserved = Act::Bytes(vec![0x83, 0]);
    let goodbye = Act::Bytes(vec![0x88, 2, 0x03, 0xe8]);
    let binary = [[0x82].as_slice(), &framed(Wire::WebSocket, b"not JSON")[1..]].concat();
    vec![
        row("is no WebSocket", WS, "GET", refusal("200 OK", "hello"), "upstream.http_status", "status 200"),
        row("wants to be asked elsewhere", WS, "GET", refusal("301 Moved", ""), "upstream.http_status", "status 301"),
        row("wants a token", WS, "GET", refusal("401 No", ""), "upstream.unauthorized", "mcp-bridge login r"),
        row(
            "refuses a host",
            WS,
            "GET",
            refusal("403 No", "Invalid Host"),
            "upstream.unauthorized",
            "host not allowed",
        ),
        row("is busy", WS, "GET", refusal("503 Busy", "later"), "upstream.http_status", "wait"),
        row("hangs before its handshake", WS, "GET", Act::Silence, "upstream.start_timeout", "within 5 s"),
        row("dies before its handshake", WS, "GET", Act::Die, "upstream.not_mcp", ""),
        row("ends in the middle of a message", WS, CALL, endless, CLOSED, ""),
        row("masks what it says", WS, CALL, masked, CLOSED, "mask"),
        row("announces more than there is", WS, CALL, giant, CLOSED, "more than 67108864 bytes"),
        row("speaks another version", WS, CALL, reserved, CLOSED, ""),
        row("says goodbye", WS, CALL, goodbye, CLOSED, "the server closed it"),
        row("says what is no message", WS, CALL, Act::Bytes(binary), CLOSED, ""),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_themselves() {
    check(&cases(), Wire::WebSocket).await;
}
