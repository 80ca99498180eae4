//! A case, and what every case must hold.

use std::time::Duration;

use mcp_bridge::gateway::{Gateway, GatewayError};
use mcp_bridge::upstream::config::{Policy, Retry};
use mcp_bridge::upstream::{Options, Upstreams};
use serde_json::Value;

use crate::http_stub::Request;
use crate::peer::{Act, Peer, Wire};
use crate::stub::{PATIENCE, in_ms, no_arguments, options, soon};

/// The time of a start, and of a list, where a peer keeps silent: long enough for a process to start on a busy machine.
pub const START: Duration = Duration::from_secs(5);
/// The time of a call that is never answered, in milliseconds.
const CALL: u64 = 2000;

pub struct Case {
    pub name: &'static str,
    pub wires: &'static [Wire],
    /// The method, of JSON-RPC or HTTP, that the peer does not answer as it should.
    pub on: &'static str,
    pub act: Act,
    /// How the first use must end: the text of a result; or the code of an error, with `, perhaps` where it may have happened.
    /// `closed` stands for what a connection's end is called over each transport.
    pub wanted: &'static str,
    /// What the error must say as well.
    pub words: &'static str,
}

pub fn row(
    name: &'static str,
    wires: &'static [Wire],
    on: &'static str,
    act: Act,
    wanted: &'static str,
    words: &'static str,
) -> Case {
    Case { name, wires, on, act, wanted, words }
}

/// No second attempt hides what the first one met, and a start that failed may be tried again at once.
pub fn gateway(peers: &[(&str, &Peer)], start: Duration) -> (Gateway, Upstreams) {
    let wait = Duration::from_millis(1);
    let retry = Retry { max_attempts: 1, wait_min: wait, wait_max: wait, exponential_base: 1.0 };
    let policy = Policy { retry, health_check_interval: None, ..Policy::default() };
    let options = Options { start_timeout: start, first_back_off: Duration::ZERO, ..options() };
    let upstreams = Upstreams::new(peers.iter().map(|(name, peer)| peer.config(name)).collect(), options);
    (Gateway::new(upstreams.clone(), &policy), upstreams)
}

/// Uses the server as programs do: the list first, then a call of `t`. What came of it, and the error.
pub async fn used(gateway: &Gateway, server: &str, milliseconds: u64) -> (String, Option<GatewayError>) {
    let outcome = match gateway.tools(server).await {
        Ok(_) => gateway.call(server, "t", no_arguments(), in_ms(milliseconds)).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(called) => {
            let result: Value = serde_json::from_str(called.result.get()).expect("JSON");
            let text = result["content"][0]["text"].as_str().unwrap_or_default();
            (if text.len() > 100 { format!("{} bytes", text.len()) } else { text.to_owned() }, None)
        }
        Err(error) => {
            let perhaps = if error.may_have_happened() { ", perhaps" } else { "" };
            (format!("{}{perhaps}", error.code()), Some(error))
        }
    }
}

/// Waits until the server's calls are answered as they should be.
pub async fn works_again(name: &str, gateway: &Gateway, server: &str) {
    let again = async {
        while used(gateway, server, 10_000).await.0 != "called" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.unwrap_or_else(|_| panic!("{name}: mended, it does not work"));
}

/// Tries a case over one transport. What is wrong, if anything.
async fn faults(case: &Case, wire: Wire) -> Vec<String> {
    let (on, act) = (case.on, case.act.clone());
    let answer = move |request: &Request| if request.asks() == on { act.clone() } else { Act::Plain };
    let peer = Peer::start(wire, answer).await;
    let (gateway, upstreams) = gateway(&[("r", &peer)], START);
    // What is answered at all may take its time.
    let limit = if case.wanted.contains("call_timeout") { CALL } else { 60_000 };
    let (found, error) = used(&gateway, "r", limit).await;
    let closed = if wire == Wire::Stdio { "upstream.exited" } else { "upstream.interrupted" };
    let wanted = case.wanted.replace("closed", closed);
    let said = error.as_ref().map_or(String::new(), |error| format!("{error}; {}", error.hint()));
    let mut faults = Vec::new();
    if found != wanted || !said.contains(case.words) {
        faults.push(format!(
            "{} over {wire:?}: wanted {wanted:?} with {:?}, found {found:?}: {said}",
            case.name, case.words
        ));
    }
    if case.on == "initialize" && error.is_some() {
        // Of a start that failed nothing is left, however long the peer would go on.
        peer.is_let_go().await;
    }
    peer.mend();
    works_again(case.name, &gateway, "r").await;
    upstreams.shutdown().await;
    peer.is_let_go().await;
    faults
}

/// Tries all cases over one transport side by side, and beside them a server that works and two that never answer.
pub async fn check(cases: &[Case], wire: Wire) {
    let silent =
        |on: &'static str| move |request: &Request| if request.asks() == on { Act::Silence } else { Act::Plain };
    let good = Peer::start(wire, |_: &Request| Act::Plain).await;
    let mute = Peer::start(wire, silent("initialize")).await;
    let listless = Peer::start(wire, silent("tools/list")).await;
    let (others, upstreams) = gateway(&[("good", &good), ("mute", &mute), ("listless", &listless)], PATIENCE * 2);
    let failing = cases.iter().filter(|case| case.wires.contains(&wire)).map(|case| faults(case, wire));
    let working = async {
        others.tools("good").await.expect("it works");
        for _ in 0..100 {
            others.call("good", "t", no_arguments(), soon()).await.expect("it answers");
        }
    };
    let hanging = async { tokio::join!(others.tools("mute"), others.tools("listless")) };
    tokio::select! {
        biased;
        outcome = hanging => panic!("the silent ones were not waited for: {outcome:?}"),
        (faults, ()) = async { tokio::join!(futures::future::join_all(failing), working) } => {
            let faults: Vec<String> = faults.into_iter().flatten().collect();
            assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
        }
    }
    upstreams.shutdown().await;
    for peer in [good, mute, listless] {
        peer.is_let_go().await;
    }
}
