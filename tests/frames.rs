//! The Rust half of the pipe, held to the fixtures that `runtime-py/tests/test_frames.py` reads too.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures::FutureExt;
use futures::future::BoxFuture;
use mcp_bridge::guest::{
    Answer, Conduct, Ending, Exited, Finished, Frame, FrameCodec, FrameError, Guest, Hello, Operation, Outcome, Output,
    Pipes, Refusal, Request, ServerName, Start, Upload,
};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, from_value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::codec::{Decoder, Encoder};

fn fixture(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/fixtures/frames/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a fixture")).expect("JSON")
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{key} of {case}"))
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn decode(wire: &[u8], step: usize) -> Result<Vec<Frame>, FrameError> {
    let (mut codec, mut buffer, mut frames) = (FrameCodec::default(), BytesMut::new(), Vec::new());
    for piece in wire.chunks(step) {
        buffer.extend_from_slice(piece);
        while let Some(frame) = codec.decode(&mut buffer)? {
            frames.push(frame);
        }
    }
    while let Some(frame) = codec.decode_eof(&mut buffer)? {
        frames.push(frame);
    }
    Ok(frames)
}

#[test]
fn good_frames_are_read_and_written() {
    for case in fixture("frames") {
        let wire = bytes(text(&case, "hex"));
        for step in [1, 1000] {
            let frames = decode(&wire, step).unwrap_or_else(|error| panic!("{case}: {error}"));
            let [frame] = &frames[..] else { panic!("{case}: {frames:?}") };
            assert_eq!([frame.kind], text(&case, "kind").as_bytes(), "{case}");
            match case.get("payload_hex").and_then(Value::as_str) {
                Some(raw) => assert_eq!(frame.payload[..], bytes(raw), "{case}"),
                None => assert_eq!(serde_json::from_slice::<Value>(&frame.payload).expect("JSON"), case["payload"]),
            }
            let mut again = BytesMut::new();
            FrameCodec::default().encode(frame.clone(), &mut again).expect("a frame");
            assert_eq!(again[..], wire, "{case}");
        }
    }
}

#[test]
fn many_frames_come_one_by_one() {
    let all: Vec<u8> = fixture("frames").iter().flat_map(|case| bytes(text(case, "hex"))).collect();
    assert_eq!(decode(&all, 7).expect("frames").len(), fixture("frames").len());
}

#[test]
fn every_message_of_the_guest_is_understood_and_start_is_written_as_it_reads_it() {
    let mut seen = String::new();
    for case in fixture("frames") {
        let (kind, payload) = (text(&case, "kind"), case["payload"].clone());
        seen.push_str(kind);
        let why = case.to_string();
        match kind {
            "S" => {
                let servers = payload["servers"].as_array().expect("servers").iter();
                let start = Start {
                    version: 1,
                    run: text(&payload, "run").into(),
                    filename: text(&payload, "filename").into(),
                    code: text(&payload, "code").into(),
                    servers: servers
                        .map(|s| ServerName { name: text(s, "name").into(), alias: text(s, "alias").into() })
                        .collect(),
                    requested: from_value(payload["requested"].clone()).expect(&why),
                    result_limit: payload["result_limit"].as_u64().expect("a number"),
                    workspace: text(&payload, "workspace").into(),
                    session: payload["session"].as_bool().expect("a word"),
                };
                assert_eq!(serde_json::to_value(start).expect("JSON"), payload);
            }
            "U" => {
                let said = Upload {
                    name: text(&payload, "name"),
                    folder: text(&payload, "folder"),
                    size: payload["size"].as_u64().expect("a number") as usize,
                };
                assert_eq!(serde_json::to_value(said).expect("JSON"), payload);
            }
            "C" => {
                let request: Request = from_value(payload.clone()).expect(&why);
                assert_eq!(request.id, payload["id"]);
                if let Operation::CallTool(call) = request.operation {
                    let said = json!({"id": request.id, "op": "call_tool", "server": call.server, "tool": call.tool,
                        "exact": call.exact, "args": call.args, "kwargs": call.kwargs});
                    assert_eq!(said, payload);
                }
            }
            "F" => {
                let wire = bytes(text(&case, "hex"));
                let finished: Finished = serde_json::from_slice(&wire[5..]).expect(&why);
                assert_eq!(finished.outcome == Outcome::Ok, payload["outcome"] == "ok", "{case}");
                assert_eq!(
                    finished.error.map(|e| json!(e.kind)),
                    payload.get("error").map(|e| e["type"].clone()),
                    "{case}"
                );
            }
            "H" => {
                let hello: Hello = from_value(payload.clone()).expect(&why);
                assert_eq!(
                    (json!(hello.python), json!(hello.sealed)),
                    (payload["python"].clone(), payload["sealed"].clone())
                );
            }
            "D" | "Z" => {
                let exited: Exited = from_value(payload.clone()).expect(&why);
                let said =
                    [json!(exited.code), json!(exited.signal), json!(exited.oom_kills), json!(exited.pids_denied)];
                let keys = ["code", "signal", "oom_kills", "pids_denied"];
                assert_eq!(said, keys.map(|key| payload[key].clone()), "{case}");
            }
            _ => {}
        }
    }
    // Every kind there is has a fixture.
    for kind in "SUPRABCXFHOEDZ".chars() {
        assert!(seen.contains(kind), "no fixture of kind {kind}");
    }
}

struct Nobody;

impl Answer for Nobody {
    fn answer(self: Arc<Self>, _: Operation) -> BoxFuture<'static, Result<Box<RawValue>, Refusal>> {
        Box::pin(async { Ok(to_raw_value(&()).expect("JSON")) })
    }
}

impl Output for Nobody {
    fn stdout(&mut self, _: &[u8]) {}
    fn stderr(&mut self, _: &[u8]) {}
    fn flooded(&self) -> bool {
        false
    }
}

fn start() -> Start {
    Start {
        version: 1,
        run: "r-1".into(),
        filename: "program.py".into(),
        code: "1".into(),
        servers: Vec::new(),
        requested: None,
        result_limit: 1000,
        workspace: "/workspace".into(),
        session: false,
    }
}

/// A whole conversation with a guest that says just this, and then nothing more.
async fn hear(program: Vec<u8>, supervisor: Vec<u8>) -> Ending {
    let pipes = Pipes {
        input: Box::pin(tokio::io::sink()),
        program: Box::pin(Cursor::new(program)),
        supervisor: Box::pin(Cursor::new(supervisor)),
    };
    let conduct = Conduct { max_calls: 10 };
    Guest::boot(pipes, false).run(&start(), Arc::new(Nobody), &mut Nobody, conduct, std::future::pending()).await
}

/// The greeting and the first frame of every supervisor.
fn greeting() -> Vec<u8> {
    let hello = fixture("frames").into_iter().find(|case| case["kind"] == "H").expect("a greeting");
    [b"\0MCPBR1\n".to_vec(), bytes(text(&hello, "hex"))].concat()
}

/// The violation with this reason, or none at all.
fn says(ending: &Ending, reason: Option<&str>) -> bool {
    match (&ending.violation, reason) {
        (Some(said), Some(reason)) => said.contains(reason),
        (said, reason) => said.is_none() && reason.is_none(),
    }
}

#[tokio::test]
async fn each_bad_frame_ends_the_conversation_with_its_reason_on_either_stream() {
    for case in fixture("bad") {
        let reason = match text(&case, "error") {
            "length" => Some("a frame announces"),
            // A writer that died in the middle broke no rule: how it died is told by others.
            "incomplete" => None,
            "kind" => Some("unknown frame"),
            "payload" => Some("cannot be read"),
            other => panic!("unknown error {other:?}"),
        };
        let wire = bytes(text(&case, "hex"));
        // Where a good frame comes first, it is one of the supervisor's.
        if !text(&case, "name").starts_with("a frame, then") {
            let ending = hear(wire.clone(), greeting()).await;
            assert!(says(&ending, reason), "{case}: {:?}", ending.violation);
            assert!(ending.hello.is_some() && ending.finished.is_none(), "{case}");
        }
        let ending = hear(Vec::new(), [greeting(), wire].concat()).await;
        // A request is no word of the supervisor's, however well it is made.
        let reason = if reason == Some("cannot be read") { Some("unknown frame") } else { reason };
        assert!(says(&ending, reason), "{case}: {:?}", ending.violation);
    }
}

#[tokio::test]
async fn a_complaint_of_the_engines_does_not_lose_the_report() {
    let finished = fixture("frames").into_iter().find(|case| case["kind"] == "F").expect("a report");
    let supervisor = [greeting(), b"Error: write unixpacket: broken pipe\n".to_vec()].concat();
    let ending = hear(bytes(text(&finished, "hex")), supervisor).await;
    assert!(ending.finished.is_some() && ending.violation.is_some(), "{ending:?}");
}

/// PID 1 stays until the host hangs up, and whatever the program left behind stays with it and holds the program's stream.
#[tokio::test(start_paused = true)]
async fn a_guest_that_has_exited_is_hung_up_on_at_once() {
    let (input, mut heard) = tokio::io::duplex(1 << 20);
    let (program, calls) = tokio::io::duplex(1 << 10);
    let exited = [greeting(), bytes("0000000b"), b"Z{\"code\":3}".to_vec()].concat();
    let pipes = Pipes { input: Box::pin(input), program: Box::pin(calls), supervisor: Box::pin(Cursor::new(exited)) };
    let guest = tokio::spawn(async move {
        heard.read_to_end(&mut Vec::new()).await.expect("what the host sends, until it hangs up");
        drop(program);
    });
    let begun = tokio::time::Instant::now();
    let conduct = Conduct { max_calls: 1 };
    let ending =
        Guest::boot(pipes, false).run(&start(), Arc::new(Nobody), &mut Nobody, conduct, std::future::pending()).await;
    guest.await.expect("a guest");
    assert_eq!(ending.exited.expect("exited").code, Some(3));
    // The clock stands still unless somebody waits for it.
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO);
}

fn finished() -> Vec<u8> {
    let case = fixture("frames").into_iter().find(|case| case["kind"] == "F").expect("a report");
    bytes(text(&case, "hex"))
}

fn frame(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text].concat()
}

/// A guest that lives on and says nothing more.
fn lives(said: Vec<u8>) -> Pin<Box<dyn AsyncRead + Send>> {
    let (near, far) = tokio::io::duplex(1);
    Box::pin(Cursor::new(said).chain(Living(near, far)))
}

/// A stream that stays open.
struct Living(tokio::io::DuplexStream, #[allow(dead_code)] tokio::io::DuplexStream);

impl AsyncRead for Living {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

/// The process that ran the program may take its time to end, or stay for the next program of a session.
#[tokio::test(start_paused = true)]
async fn a_run_is_over_when_the_program_has_reported_and_all_output_is_here() {
    let begun = Instant::now();
    let supervisor = lives([greeting(), frame(b"Ohi"), frame(b"D{\"oom_kills\":2}")].concat());
    let pipes = Pipes { input: Box::pin(tokio::io::sink()), program: lives(finished()), supervisor };
    let mut guest = Guest::boot(pipes, false);
    let (mut printed, conduct) = (Printed::default(), Conduct { max_calls: 1 });
    let ending = guest.run(&start(), Arc::new(Nobody), &mut printed, conduct, std::future::pending()).await;
    assert!(ending.finished.is_some() && ending.alive && ending.violation.is_none(), "{ending:?}");
    assert_eq!(ending.exited.expect("counters"), Exited { oom_kills: Some(2), ..Exited::default() });
    assert_eq!(printed.0, b"hi");
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_guest_is_ready_when_both_its_halves_are() {
    let ready = |program: Pin<Box<dyn AsyncRead + Send>>, supervisor: Pin<Box<dyn AsyncRead + Send>>| {
        Guest::boot(Pipes { input: Box::pin(tokio::io::sink()), program, supervisor }, false)
    };
    let mut guest = ready(lives(frame(b"A{}")), lives(greeting()));
    assert!(guest.ready().await.is_ok());
    assert!(guest.lost().now_or_never().is_none());
    for (program, supervisor, why) in [
        (lives(Vec::new()), b"python3: broken\n".to_vec(), "python3: broken"),
        (lives(Vec::new()), Vec::new(), "ended before"),
        (Box::pin(Cursor::new(Vec::new())) as Pin<Box<dyn AsyncRead + Send>>, greeting(), "ended before"),
    ] {
        let mut guest = ready(program, Box::pin(Cursor::new(supervisor)));
        let error = guest.ready().await.expect_err("no guest");
        assert!(error.contains(why), "{error}");
    }
    // Its process ended while it waited.
    let mut guest = ready(Box::pin(Cursor::new(frame(b"A{}"))), lives(greeting()));
    assert!(guest.ready().await.is_ok());
    assert_eq!(guest.lost().await, "its sandbox was gone");
}

/// Bytes that lie ready from a moment on, of which nobody has told the reader: as in a pipe when the machine is so crowded that
/// the reader gets no turn.
struct Untold {
    bytes: Cursor<Vec<u8>>,
    from: Instant,
}

impl AsyncRead for Untold {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if Instant::now() < self.from {
            return Poll::Pending;
        }
        Pin::new(&mut self.bytes).poll_read(context, into)
    }
}

#[derive(Default)]
struct Printed(Vec<u8>);

impl Output for Printed {
    fn stdout(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn stderr(&mut self, _: &[u8]) {}
    fn flooded(&self) -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_come_counts_however_late_the_host_looks() {
    let report = fixture("frames").into_iter().find(|case| case["kind"] == "F").expect("a report");
    let program = [bytes("00000003"), b"C{}".to_vec(), bytes(text(&report, "hex"))].concat();
    let supervisor =
        [greeting(), bytes("00000003"), b"Ohi".to_vec(), bytes("0000000b"), b"Z{\"code\":0}".to_vec()].concat();
    for late in ["the report", "the end"] {
        let stream = |bytes: &[u8], name| {
            let wait = std::time::Duration::from_millis(u64::from(late == name));
            Box::pin(Untold { bytes: Cursor::new(bytes.to_vec()), from: Instant::now() + wait })
        };
        // The request before the report is no request any more when the time is over; in time it is a bad one.
        let program = if late == "the report" { &program[..] } else { &program[7..] };
        let (program, supervisor) = (stream(program, "the report"), stream(&supervisor, "the end"));
        let pipes = Pipes { input: Box::pin(tokio::io::sink()), program, supervisor };
        let mut printed = Printed::default();
        let (conduct, never) = (Conduct { max_calls: 10 }, std::future::pending());
        let ending = Guest::boot(pipes, false).run(&start(), Arc::new(Nobody), &mut printed, conduct, never).await;
        assert!(ending.violation.is_none(), "{late}: {ending:?}");
        assert!(ending.finished.is_some() && ending.exited.is_some(), "{late}: {ending:?}");
        assert_eq!(printed.0, b"hi", "{late}");
    }
}

#[tokio::test]
async fn a_stream_speaks_only_its_own_words() {
    for case in fixture("frames") {
        let (kind, wire) = (text(&case, "kind"), bytes(text(&case, "hex")));
        let ending = hear(wire.clone(), greeting()).await;
        assert_eq!(ending.violation.is_none(), "ABCXF".contains(kind), "program, {case}: {:?}", ending.violation);
        let ending = hear(Vec::new(), [greeting(), wire].concat()).await;
        assert_eq!(ending.violation.is_none(), "HOEDZ".contains(kind), "supervisor, {case}: {:?}", ending.violation);
    }
}

/// Answers every request with eight megabytes at once, and tells when it was asked for the last time.
struct Generous {
    value: Box<RawValue>,
    left: AtomicUsize,
    last: Notify,
}

impl Answer for Generous {
    fn answer(self: Arc<Self>, _: Operation) -> BoxFuture<'static, Result<Box<RawValue>, Refusal>> {
        Box::pin(async move {
            if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.last.notify_one();
            }
            Ok(self.value.clone())
        })
    }
}

#[tokio::test]
async fn replies_that_are_never_read_do_not_pile_up() {
    const REQUESTS: usize = 100;
    let (input, mut unread) = tokio::io::duplex(1 << 20);
    let (mut program, calls) = tokio::io::duplex(1 << 16);
    let (supervisor, mut greeted) = tokio::io::duplex(1 << 16);
    let pipes = Pipes { input: Box::pin(input), program: Box::pin(calls), supervisor: Box::pin(supervisor) };
    greeted.write_all(&greeting()).await.expect("a greeting");
    for id in 1..=REQUESTS {
        let body = format!("C{}", json!({"id": id, "op": "list_servers"}));
        program.write_all(&[&(body.len() as u32).to_be_bytes(), body.as_bytes()].concat()).await.expect("a call");
    }
    let value = to_raw_value(&"x".repeat(8 << 20)).expect("JSON");
    let answer = Arc::new(Generous { value, left: AtomicUsize::new(REQUESTS), last: Notify::new() });
    let conversation = tokio::spawn({
        let answer = Arc::clone(&answer);
        async move {
            let conduct = Conduct { max_calls: 1000 };
            Guest::boot(pipes, false).run(&start(), answer, &mut Nobody, conduct, std::future::pending()).await
        }
    });
    answer.last.notified().await;
    // Now the guest reads: the boot block, Start, and all replies.
    let boot = unread.read_u32().await.expect("a length") as usize;
    unread.read_exact(&mut vec![0; boot]).await.expect("the boot block");
    let (mut kept, mut dropped) = (0, 0);
    while kept + dropped < REQUESTS {
        let length = unread.read_u32().await.expect("a length") as usize;
        let mut body = vec![0; length];
        unread.read_exact(&mut body).await.expect("a frame");
        match body.len() {
            _ if body[0] != b'R' => {}
            8_388_608.. => kept += 1,
            _ => {
                assert!(String::from_utf8_lossy(&body).contains("guest.unread_replies"));
                dropped += 1;
            }
        }
    }
    // 256 MiB are kept, in pieces of eight and a little.
    assert_eq!((kept, dropped), (31, REQUESTS - 31));
    drop((program, greeted));
    assert!(conversation.await.expect("an ending").violation.is_none());
}
