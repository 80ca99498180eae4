//! What only its owner knows is neither guessed nor chosen, whichever way one comes: tokens and sessions over SSE and WebSocket.
//! `attack` and `sessions` have the same for Streamable HTTP.

use serde_json::{Value, json};

use super::bridge::{Bridge, eventually, home};
use super::raw::{Open, Request, hello};
use super::sessions;
use super::ws;
use super::ws_abuse::upgrade;

const CHOSEN: &str = "0123456789abcdef0123456789abcdef";

/// A stream of SSE, and where its messages go.
fn sse(bridge: &Bridge, request: Request) -> (Open, String) {
    let mut stream = request.with("Accept", "text/event-stream").open(bridge.port);
    let place = stream.next("data: ").expect("the endpoint");
    (stream, place)
}

#[test]
fn a_session_of_sse_is_neither_guessed_nor_chosen() {
    let bridge = Bridge::start();
    let chooses = Request::new("GET", &format!("/sse?session_id={CHOSEN}")).session(CHOSEN);
    let (_mine, mine) = sse(&bridge, chooses);
    let (_other, other) = sse(&bridge, Request::new("GET", "/sse"));
    let id = |place: &str| place.strip_prefix("/messages?session_id=").expect("an id").to_owned();
    let (mine, other) = (id(&mine), id(&other));
    let common = mine.chars().zip(other.chars()).filter(|(one, two)| one == two).count();
    assert!(mine != CHOSEN && mine.len() == 32 && common < 16, "{mine} {other}");
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let post = |path: &str| Request::new("POST", path).json(&ping);
    let ask = |guess: &str| post(&format!("/messages?session_id={guess}")).ask(bridge.port);
    let before = format!("{CHOSEN}&session_id={mine}");
    for guess in ["", "0", "null", "../..", "%00", "*", CHOSEN, &mine[..31], &mine.to_uppercase(), &before] {
        let answer = ask(guess);
        assert_eq!((answer.status, answer.code().as_str()), (404, "http.no_session"), "{guess:?}");
    }
    // The other transport's header names none here.
    assert_eq!(post("/messages").session(&mine).ask(bridge.port).status, 404);
    assert_eq!(ask(&mine).status, 202);
}

#[tokio::test]
async fn a_connection_is_its_own_session_whatever_it_names() {
    let bridge = Bridge::with(home(), &["--expose", "both"], &[]);
    let session = sessions::open(&bridge, "2025-11-25");
    let (port, call) = (bridge.port, Request::rpc(7, "tools/call", json!({"name": "stub__wait"})).session(&session));
    let waits = std::thread::spawn(move || call.ask(port));
    eventually("it is under way", || bridge.get("/metrics").body.contains("requests_in_flight 1\n").then_some(()));

    // The id of another's request is free here, and a request of another's is none that could be taken back.
    let first = ws::request(7, "initialize", hello("2025-11-25"));
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    let mut socket = ws::connect(&bridge, &[("Mcp-Session-Id", &session)]).await.expect("a socket");
    ws::say(&mut socket, first.clone()).await;
    assert!(ws::answer(&mut socket, 7).await.get("result").is_some());
    ws::say(&mut socket, cancel.clone()).await;
    ws::say(&mut socket, ws::request(8, "ping", json!({}))).await;
    assert_eq!(ws::answer(&mut socket, 8).await["result"], json!({}));
    let (mut stream, place) = sse(&bridge, Request::new("GET", "/sse").session(&session));
    let post = |message: &Value| {
        let posted = Request::new("POST", &place).json(message).session(&session).ask(bridge.port);
        assert_eq!(posted.status, 202, "{posted:?}");
    };
    post(&first);
    assert_eq!(stream.message()["id"], 7);
    post(&cancel);
    post(&ws::request(8, "ping", json!({})));
    assert_eq!(stream.message()["id"], 8);

    let _open = bridge.opens_the_gate();
    let answer = waits.join().expect("an answer").json();
    assert_eq!(answer["result"]["content"][0]["text"], "went", "{answer}");
}

#[test]
fn wrong_tokens_open_nothing_whichever_way_they_come() {
    let mut bridge = Bridge::start();
    let token = bridge.token("ann");
    let (_stream, place) = sse(&bridge, Request::new("GET", "/sse").bearer(&token));
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let ways = [Request::new("GET", "/sse"), upgrade(), Request::new("POST", &place).json(&message)];
    let end = token.len() - 1;
    let near = [token[..end].to_owned(), format!("{token}A"), token.to_ascii_lowercase()];
    // At once: one after another they would be answered ever later.
    let guesses: Vec<_> = ways
        .iter()
        .flat_map(|way| near.iter().map(|guess| way.clone().bearer(guess)))
        .map(|guess| (bridge.port, guess))
        .map(|(port, guess)| std::thread::spawn(move || guess.ask(port)))
        .collect();
    for guess in guesses {
        let answer = guess.join().expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (401, "http.unauthorized"));
        assert!(answer.header("www-authenticate").is_some());
    }
    // A right one counts in its header only: elsewhere it would stand in logs, or be sent by pages.
    for (way, path) in ways.iter().zip(["/sse", "/ws", &place]) {
        let and = if path.contains('?') { '&' } else { '?' };
        let query = way.clone().at(&format!("{path}{and}access_token={token}&token={token}"));
        let protocol = way.clone().with("Sec-WebSocket-Protocol", &format!("mcp, bearer.{token}"));
        for request in [query, protocol, way.clone().with("Cookie", &format!("token={token}")), way.clone()] {
            assert_eq!(request.ask(bridge.port).status, 401, "{path}");
        }
    }
    let statuses = ways.map(|way| way.bearer(&token).open(bridge.port).status);
    assert_eq!(statuses, [200, 101, 202]);
    assert!(!bridge.log().contains(&token[..end]), "a token stands in the log");
}
