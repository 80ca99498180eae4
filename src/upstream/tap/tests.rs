use serde_json::json;

use super::*;

/// A tap that waits for the answer to request 1 or 3.
fn waiting() -> Tap {
    let tap = Tap::new("s", Secrets::default());
    [1, 3].into_iter().for_each(|id| tap.ours.sent(RequestId::Number(id)));
    tap
}

fn raw(tap: &Tap, line: &[u8]) -> (RequestId, String) {
    let Some(JsonRpcMessage::Response(response)) = tap.incoming(line) else { panic!("not a response") };
    match tap.ours.take(&response.id) {
        Some(Answer::Raw(text)) => (response.id, text.get().to_owned()),
        other => panic!("not raw: {other:?}"),
    }
}

#[test]
fn a_result_survives_letter_by_letter() {
    for result in [
        r#"{"content":[{"type":"hologram","x":1.0}],"unknown":{"b":1,"a":2},"big":123456789012345678901234567890}"#,
        r#"{"z": 1,  "text":"lone \ud800 surrogate"}"#,
        "[1,2]",
    ] {
        let line = format!(r#"{{"result":{result},"jsonrpc":"2.0","id":3}}"#);
        assert_eq!(raw(&waiting(), line.as_bytes()), (RequestId::Number(3), result.to_owned()));
    }
}

#[test]
fn an_id_sent_back_as_a_string_is_ours() {
    let (id, _) = raw(&waiting(), br#"{"jsonrpc":"2.0","id":"3","result":{}}"#);
    assert_eq!(id, RequestId::Number(3));
}

#[test]
fn a_request_given_up_before_it_left_is_not_waited_for() {
    let tap = Tap::new("s", Secrets::default());
    let message = |value| serde_json::from_value::<ClientJsonRpcMessage>(value).expect("a message");
    let call = json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "t"}});
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}});
    // The caller goes first, then the messages go out.
    tap.ours.give_up(&RequestId::Number(5));
    tap.outgoing(&message(call));
    let given_up = tap.ours.given_up(Some(&RequestId::Number(5)));
    tap.outgoing(&message(cancelled));
    assert!(given_up.is_cancelled());
    tap.incoming(br#"{"jsonrpc":"2.0","id":5,"result":{}}"#);
    assert!(tap.ours.take(&RequestId::Number(5)).is_none(), "an answer that nobody takes is not kept");
}

#[test]
fn a_request_that_the_server_made_and_took_back_is_done_with() {
    let tap = Tap::new("s", Secrets::default());
    let ping = || tap.incoming(br#"{"jsonrpc":"2.0","id":"7","method":"ping"}"#);
    assert!(ping().is_some() && ping().is_none(), "twice is once");
    tap.incoming(br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"7"}}"#);
    assert!(ping().is_some());
    tap.theirs.done(Some(&RequestId::String("7".into())));
    assert!(ping().is_some());
}

#[test]
fn an_answer_without_content_is_an_answer() {
    for line in [r#"{"jsonrpc":"2.0","id":1,"result":null}"#, r#"{"jsonrpc":"2.0","id":1}"#] {
        assert_eq!(raw(&waiting(), line.as_bytes()), (RequestId::Number(1), "null".into()));
    }
}

#[test]
fn bytes_that_are_not_utf8_do_not_lose_the_answer() {
    let (_, text) = raw(&waiting(), b"{\"id\":1,\"result\":{\"text\":\"a\xffb\"}}");
    assert_eq!(text, "{\"text\":\"a\u{fffd}b\"}");
}

#[test]
fn noise_is_skipped() {
    let tap = Tap::new("s", Secrets::default());
    for line in ["", "   ", "Starting server...", "42", "{\"level\":\"info\"}", "[]", "{\"id\":1", "{\"id\":1}"] {
        assert!(tap.incoming(line.as_bytes()).is_none(), "{line}");
    }
}

#[test]
fn errors_keep_their_data_and_need_no_field() {
    let tap = Tap::new("s", Secrets::default());
    let error = |line: &str| match tap.incoming(line.as_bytes()) {
        Some(JsonRpcMessage::Error(error)) => (error.id, error.error.code.0, error.error.message, error.error.data),
        other => panic!("{other:?}"),
    };
    let id = Some(RequestId::Number(1));
    assert_eq!(
        error(r#"{"id":1,"error":{"code":-32000,"message":"no","data":[1]}}"#),
        (id.clone(), -32000, "no".into(), Some(serde_json::json!([1])))
    );
    assert_eq!(error(r#"{"id":1,"error":"broken"}"#), (id.clone(), -32603, "\"broken\"".into(), None));
    assert_eq!(error(r#"{"id":null,"error":{"code":1}}"#), (None, 1, r#"{"code":1}"#.into(), None));
}

#[test]
fn list_changes_are_counted() {
    let tap = Tap::new("s", Secrets::default());
    assert!(tap.incoming(br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#).is_none());
    assert_eq!(tap.list_changes(), 1);
}
