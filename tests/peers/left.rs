//! What must not be left behind, and who must not wait.

use std::time::Duration;

use futures::future::join_all;
use mcp_bridge::gateway::Gateway;
use mcp_bridge::upstream::config::Policy;
use mcp_bridge::upstream::{Options, Upstreams};
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};

use crate::case::{START, gateway, works_again};
use crate::http_stub::{Request, remote};
use crate::peer::{Act, EVERY, Peer, Wire};
use crate::stub::{PATIENCE, Stub, in_ms, no_arguments, options, soon};

fn all_but(method: &'static str, act: Act) -> impl Fn(&Request) -> Act + Send + Sync + 'static {
    move |request: &Request| if request.asks() == method { act.clone() } else { Act::Plain }
}

/// Each call that nobody waits for any more lets go of what carried it.
#[tokio::test]
async fn calls_without_an_answer_hold_nothing() {
    for wire in [Wire::Http, Wire::Sse] {
        let peer = Peer::start(wire, all_but("tools/call", Act::Deaf)).await;
        let (gateway, upstreams) = gateway(&[("r", &peer)], START);
        gateway.tools("r").await.expect("its list");
        let calls = join_all((0..30).map(|_| gateway.call("r", "t", no_arguments(), in_ms(4000))));
        let (outcomes, ()) = tokio::join!(calls, peer.was_asked("tools/call", 30));
        for outcome in outcomes {
            assert_eq!(outcome.expect_err("no answer").code(), "upstream.call_timeout", "{wire:?}");
        }
        // The stream of events alone.
        peer.owes_at_most(1).await;
        peer.mend();
        works_again("unanswered", &gateway, "r").await;
        upstreams.shutdown().await;
        peer.is_let_go().await;
    }
}

/// A server that is let go while calls to it hang.
#[tokio::test]
async fn a_server_that_is_let_go_is_let_go_with_its_calls() {
    join_all(EVERY.iter().map(async |wire| {
        let peer = Peer::start(*wire, all_but("tools/call", Act::Deaf)).await;
        let (gateway, upstreams) = gateway(&[("r", &peer)], START);
        gateway.tools("r").await.expect("its list");
        let calls = join_all((0..10).map(|_| gateway.call("r", "t", no_arguments(), soon())));
        tokio::select! {
            biased;
            _ = calls => panic!("nobody answers over {wire:?}"),
            // One after another is read where messages come in one stream.
            () = peer.was_asked("tools/call", 10) => {}
        }
        drop((gateway, upstreams));
        peer.is_let_go().await;
    }))
    .await;
}

/// Who comes while a list is waited for hears what came of it, and does not wait as long again.
#[tokio::test]
async fn a_list_that_does_not_come_is_waited_for_once() {
    join_all(EVERY.iter().map(async |wire| {
        let peer = Peer::start(*wire, all_but("tools/list", Act::Silence)).await;
        let (_gateway, upstreams) = gateway(&[("r", &peer)], START);
        for outcome in join_all((0..20).map(|_| upstreams.tools("r"))).await {
            assert_eq!(outcome.expect_err("no list").code(), "upstream.list_timeout", "{wire:?}");
        }
        assert_eq!(peer.asked("tools/list").len(), 1, "{wire:?}");
        upstreams.shutdown().await;
    }))
    .await;
}

/// Pages of megabytes without an end.
#[tokio::test]
async fn a_list_of_many_large_pages_is_cut() {
    let filler = "d".repeat(3_000_000);
    let peer = Peer::start(Wire::Stdio, move |request: &Request| {
        if request.asks() != "tools/list" {
            return Act::Plain;
        }
        let next = request.body["params"]["cursor"].as_str().unwrap_or_default().len() + 1;
        let tool = json!({"name": format!("t{next}"), "description": filler});
        let page = json!({"tools": [tool], "nextCursor": "c".repeat(next)});
        Act::Say(vec![format!(r#"{{"jsonrpc":"2.0","id":$ID,"result":{page}}}"#)])
    })
    .await;
    let (_gateway, upstreams) = gateway(&[("r", &peer)], PATIENCE);
    // Six pages of 3 MB are more than 16 MiB.
    assert_eq!(upstreams.tools("r").await.expect("what was read").tools.len(), 6);
    upstreams.shutdown().await;
}

/// Health: one that is only quiet is left in peace, one that does not say that it lives is connected to again.
#[tokio::test]
async fn quiet_servers_are_told_from_dead_ones() {
    // Ten of them pass before a server counts as unused, which its start may take a good part of.
    let policy = Policy { health_check_interval: Some(Duration::from_secs(1)), ..Policy::default() };
    join_all(EVERY.iter().map(async |wire| {
        let quiet = Peer::start(*wire, |_: &Request| Act::Plain).await;
        let dead = Peer::start(*wire, all_but("ping", Act::Silence)).await;
        let upstreams = Upstreams::new(vec![quiet.config("quiet"), dead.config("dead")], options());
        let gateway = Gateway::new(upstreams.clone(), &policy);
        for name in ["quiet", "dead"] {
            gateway.tools(name).await.expect("its list");
        }
        tokio::join!(quiet.was_asked("ping", 3), dead.was_asked("initialize", 2));
        assert_eq!(quiet.asked("initialize").len(), 1, "{wire:?}");
        let last = gateway.server("dead").expect("dead").last_error.expect("an error");
        assert_eq!(last.code, "upstream.ping_timeout", "{wire:?}: {}", last.message);
        upstreams.shutdown().await;
        quiet.is_let_go().await;
        dead.is_let_go().await;
    }))
    .await;
}

/// A host that does not take connections: nothing refuses them either.
#[tokio::test]
async fn a_connection_that_is_not_taken_is_given_up_in_time() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(1).expect("listening");
    let address = listener.local_addr().expect("an address");
    // Those fill the queue; one more is neither taken nor refused.
    let mut queue = Vec::new();
    while let Ok(taken) = tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
        queue.push(taken.expect("a place in the queue"));
    }
    for (scheme, kind) in [("http", Wire::Http), ("http", Wire::Sse), ("ws", Wire::WebSocket)] {
        let kind = match kind {
            Wire::Sse => mcp_bridge::upstream::config::RemoteKind::Sse,
            _ => mcp_bridge::upstream::config::RemoteKind::Unstated,
        };
        let limit = Duration::from_millis(300);
        let options = Options { start_timeout: limit, ..options() };
        let upstreams = Upstreams::new(vec![remote(&format!("{scheme}://{address}/"), kind, &[])], options);
        let error = upstreams.tools("r").await.expect_err("nobody is there");
        assert_eq!((error.code(), error.may_have_happened()), ("upstream.start_timeout", false), "{scheme} {kind:?}");
    }
    drop(listener);
}

/// Gigabytes on stderr delay nobody, and only the last of it is kept.
#[tokio::test]
async fn a_flood_on_stderr_delays_nobody() {
    let line = "W".repeat(1000) + "\n";
    let noise = json!({"tools": ["t"], "calls": {"t": {"stderr": line.repeat(50_000) + "the end\n", "text": "said"}, "die": {"crash": 3}}});
    let stub = Stub::new("s", noise);
    let upstreams = stub.upstreams();
    for _ in 0..4 {
        let said = upstreams.call("s", "t", no_arguments(), soon()).await.expect("an answer");
        assert!(said.get().contains("said"));
    }
    let error = upstreams.call("s", "die", no_arguments(), soon()).await.expect_err("a crash").to_string();
    assert!(error.ends_with("the end") && error.len() < 9000, "{} bytes", error.len());
}
