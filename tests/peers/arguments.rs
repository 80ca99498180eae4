//! Arguments as each kind of server gets them.

use mcp_bridge::exact::Members;
use mcp_bridge::gateway::Granted;
use mcp_bridge::upstream::Asking;

use crate::case::{START, gateway};
use crate::http_stub::Request;
use crate::peer::{Act, EVERY, Peer};
use crate::stub::soon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_those_that_were_written_over_every_transport() {
    let written = r#"{"n":18446744073709551617,"s":"\u00e9","x":[0.12345678901234567890, 1e-400]}"#;
    let members: Members = serde_json::from_str(written).expect("an object");
    for wire in EVERY {
        let peer = Peer::start(*wire, |_: &Request| Act::Plain).await;
        let (gateway, upstreams) = gateway(&[("r", &peer)], START);
        let tree = serde_json::from_str(written).expect("JSON");
        let asking = Asking::tool("t", tree).as_written(Some(&members));
        gateway.ask(&Granted::default(), "r", asking, soon()).await.expect("an answer");
        let text = &peer.asked("tools/call")[0].text;
        assert!(text.contains(&format!(r#""arguments":{written}"#)), "{wire:?}: {text}");
        upstreams.shutdown().await;
    }
}
