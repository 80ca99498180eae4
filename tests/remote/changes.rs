//! Changes that a server of the newer era tells who listens (`subscriptions/listen`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mcp_bridge::upstream::{Asking, ClientHandle, Listener, News, Upstreams};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, mpsc};

use super::{HTTP, HttpStub, Reply, Request, event, modern, plain, result, status, stub, upstreams};

/// A server whose tool has another name each time its tools are listed, and that says so as `listen` has it (the first time, the
/// second time, ...).
async fn telling(listen: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> HttpStub {
    let (lists, listens) = (AtomicUsize::new(0), AtomicUsize::new(0));
    HttpStub::start(move |request| match request.asks() {
        "server/discover" => result(
            request,
            json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {"listChanged": true}, "prompts": {}},
                "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "serverInfo": {"name": "s", "version": "1"}}),
        ),
        "tools/list" => {
            let name = format!("t{}", lists.fetch_add(1, Ordering::SeqCst));
            result(request, json!({"tools": [{"name": name, "inputSchema": {"type": "object"}}], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}))
        }
        "subscriptions/listen" => listen(listens.fetch_add(1, Ordering::SeqCst), request),
        _ => plain(request),
    })
    .await
}

fn notification(request: &Request, method: &str, mut params: Value) -> String {
    params["_meta"] = json!({"io.modelcontextprotocol/subscriptionId": request.body["id"]});
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

fn acknowledged(request: &Request) -> String {
    let filter = json!({"notifications": request.body["params"]["notifications"]});
    notification(request, "notifications/subscriptions/acknowledged", filter)
}

/// Waits until the tools are others than `t0`.
async fn changed(upstreams: &Upstreams) {
    let other = async {
        while upstreams.tools("r").await.expect("tools").tools[0].name == "t0" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(stub::PATIENCE, other).await.expect("the change is seen");
}

#[tokio::test]
async fn a_change_is_heard_on_the_stream_that_was_asked_for() {
    let when = Arc::new(Notify::new());
    let now = when.clone();
    let server = telling(move |_, request| Reply::Later {
        first: acknowledged(request),
        when: when.clone(),
        then: notification(request, "notifications/tools/list_changed", json!({})),
    })
    .await;
    let upstreams = upstreams(server.config(HTTP));
    assert_eq!(upstreams.tools("r").await.expect("tools").tools[0].name, "t0");
    now.notify_one();
    changed(&upstreams).await;
    let asked = server.asked("subscriptions/listen");
    assert_eq!(
        asked[0].body["params"]["notifications"],
        json!({"toolsListChanged": true}),
        "what it says that it tells"
    );
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn a_stream_that_ended_is_asked_for_again_and_what_was_missed_is_looked_up() {
    let server = telling(|count, request| match count {
        0 => event(&acknowledged(request)),
        1 => status(502),
        _ => Reply::Later { first: acknowledged(request), when: Arc::default(), then: String::new() },
    })
    .await;
    let upstreams = upstreams(server.config(HTTP));
    assert_eq!(upstreams.tools("r").await.expect("tools").tools[0].name, "t0");
    changed(&upstreams).await;
    let again = async {
        while server.asked("subscriptions/listen").len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(stub::PATIENCE, again).await.expect("it is asked again");
    upstreams.shutdown().await;
}

#[tokio::test]
async fn who_has_nothing_to_tell_is_not_asked() {
    let server = HttpStub::start(modern).await;
    let upstreams = upstreams(server.config(HTTP));
    super::call(&upstreams).await.expect("a result");
    upstreams.shutdown().await;
    assert!(server.asked("subscriptions/listen").is_empty());
}

const URI: &str = "test://r";

async fn subscribe(upstreams: &Upstreams) {
    let params = Map::from_iter([("uri".to_owned(), json!(URI))]);
    upstreams.ask("r", Asking::new("resources/subscribe", params), stub::soon()).await.expect("subscribed");
}

struct Ear(mpsc::UnboundedSender<String>);

impl Listener for Ear {
    fn hear(&self, _: &str, news: &News) {
        let _ = self.0.send(format!("{news:?}"));
    }

    fn lists_changed(&self) {}

    fn client(&self, _: &str) -> Option<ClientHandle> {
        None
    }
}

/// Of one resource nothing else may have changed.
#[tokio::test]
async fn a_stream_of_a_resource_that_ended_is_asked_for_again_and_news_are_supposed() {
    let listens = AtomicUsize::new(0);
    let server = HttpStub::start(move |request| match request.asks() {
        "server/discover" => result(
            request,
            json!({"supportedVersions": ["2026-07-28"], "capabilities": {"resources": {"subscribe": true}},
                "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "serverInfo": {"name": "s", "version": "1"}}),
        ),
        "subscriptions/listen" if listens.fetch_add(1, Ordering::SeqCst) == 0 => event(&acknowledged(request)),
        "subscriptions/listen" => {
            Reply::Later { first: acknowledged(request), when: Arc::default(), then: String::new() }
        }
        _ => plain(request),
    })
    .await;
    let upstreams = upstreams(server.config(HTTP));
    let (tell, mut heard) = mpsc::unbounded_channel();
    let ear: Arc<dyn Listener> = Arc::new(Ear(tell));
    upstreams.audience().join(&ear);
    subscribe(&upstreams).await;
    assert!(upstreams.watches("r", URI));
    let news = tokio::time::timeout(stub::PATIENCE, heard.recv()).await.expect("it is said").expect("news");
    assert!(news.contains("ResourceUpdated") && news.contains(URI), "{news}");
    assert_eq!(server.asked("subscriptions/listen").len(), 2);
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_session_that_began_anew_knows_of_nobody_who_watches() {
    let (greetings, over) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let is_over = Arc::clone(&over);
    let server = HttpStub::start(move |request| match request.asks() {
        "initialize" => {
            let number = greetings.fetch_add(1, Ordering::SeqCst);
            plain(request).with("mcp-session-id", format!("session-{number}"))
        }
        _ if is_over.load(Ordering::SeqCst) && request.header("mcp-session-id") == "session-0" => status(404),
        "resources/subscribe" => result(request, json!({})),
        _ => plain(request),
    })
    .await;
    let upstreams = upstreams(server.config(HTTP));
    subscribe(&upstreams).await;
    assert!(upstreams.watches("r", URI));
    let mut changes = upstreams.audience().changing();
    over.store(true, Ordering::SeqCst);
    super::call(&upstreams).await.expect("a result, in another session");
    assert_eq!(server.asked("initialize").len(), 2);
    assert!(!upstreams.watches("r", URI), "it is to be asked again");
    tokio::time::timeout(stub::PATIENCE, changes.changed()).await.expect("it is said").expect("an audience");
    subscribe(&upstreams).await;
    assert!(upstreams.watches("r", URI));
}
