//! The two halves of the pipe together, with no sandbox around them: the real guest on this machine's Python, the real host half, scripted answers.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use mcp_bridge::guest::{
    Answer, Conduct, Ending, Guest, Operation, Outcome, Output, Pipes, Refusal, ServerName, Start, Stop, command,
};
use serde_json::Value;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tokio::process::{Child, Command};
use tokio::sync::Notify;

#[derive(Default)]
struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output for Kept {
    fn stdout(&mut self, bytes: &[u8]) {
        self.stdout.extend_from_slice(bytes);
    }
    fn stderr(&mut self, bytes: &[u8]) {
        self.stderr.extend_from_slice(bytes);
    }
    fn flooded(&self) -> bool {
        self.stdout.len() + self.stderr.len() > 4 << 20
    }
}

/// Answers every call with its own operands; `wait` never answers. Tells of every call.
#[derive(Default)]
struct Echo {
    called: Arc<Notify>,
}

impl Answer for Echo {
    fn answer(self: Arc<Self>, operation: Operation) -> BoxFuture<'static, Result<Box<RawValue>, Refusal>> {
        self.called.notify_one();
        Box::pin(async move {
            match operation {
                Operation::CallTool(call) if call.tool == "wait" => std::future::pending().await,
                Operation::CallTool(call) if call.tool == "refuse" => Err(Refusal {
                    kind: "ToolNotFound",
                    message: "no such tool".into(),
                    hint: Some("did you mean echo?".into()),
                    code: "broker.tool_not_found",
                }),
                Operation::CallTool(call) => {
                    Ok(to_raw_value(&json!({"content": [], "structuredContent": call.kwargs})).expect("json"))
                }
                Operation::ListServers { .. } => Ok(to_raw_value(&["stub"]).expect("json")),
                other => panic!("unexpected {other:?}"),
            }
        })
    }
}

fn spawn() -> (Child, Pipes) {
    let argv = command();
    let mut child = Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python3");
    let pipes = Pipes {
        input: Box::pin(child.stdin.take().expect("stdin")),
        program: Box::pin(child.stdout.take().expect("stdout")),
        supervisor: Box::pin(child.stderr.take().expect("stderr")),
    };
    (child, pipes)
}

fn start(code: &str) -> Start {
    Start {
        version: 1,
        run: "r-1".into(),
        filename: "program.py".into(),
        code: code.into(),
        servers: vec![ServerName { name: "stub".into(), alias: "stub".into() }],
        requested: None,
        result_limit: 1 << 20,
        workspace: "/nowhere".into(),
        session: false,
    }
}

async fn run_until(code: &str, conduct: Conduct, stop: impl Future<Output = Stop> + Send) -> (Ending, Kept) {
    run_with(Echo::default(), code, conduct, stop).await
}

async fn run_with(echo: Echo, code: &str, conduct: Conduct, stop: impl Future<Output = Stop> + Send) -> (Ending, Kept) {
    let (mut child, pipes) = spawn();
    let mut kept = Kept::default();
    let ending = Guest::boot(pipes, false).run(&start(code), Arc::new(echo), &mut kept, conduct, stop).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), child.wait()).await;
    assert!(ended.is_ok(), "the guest outlived its run");
    (ending, kept)
}

async fn run(code: &str) -> (Ending, Kept) {
    let patience = async {
        // Only a fault makes a program wait for this.
        tokio::time::sleep(Duration::from_secs(60)).await;
        Stop::Deadline
    };
    run_until(code, Conduct { max_calls: 100 }, patience).await
}

fn result(ending: &Ending) -> Value {
    let finished = ending.finished.as_ref().unwrap_or_else(|| panic!("not finished: {ending:?}"));
    assert_eq!(finished.outcome, Outcome::Ok, "{ending:?}");
    serde_json::from_str(finished.result.as_ref().expect("result").get()).expect("json")
}

#[tokio::test]
async fn a_program_prints_calls_and_answers() {
    let (ending, kept) = run("print('hello')\nr = await mcp_stub.echo(a=1, b='ü')\nr.a, r['b']").await;
    assert_eq!(result(&ending), json!([1, "ü"]));
    assert_eq!(kept.stdout, b"hello\n");
    assert_eq!(ending.exited.expect("exited").signal, None);
    assert!(ending.violation.is_none());
}

#[tokio::test]
async fn the_programs_of_a_session_share_variables_and_nothing_else() {
    let (mut child, pipes) = spawn();
    let mut guest = Guest::boot(pipes, false);
    guest.ready().await.expect("a guest");
    assert!(guest.lost().now_or_never().is_none());
    let conduct = Conduct { max_calls: 2 };
    for (code, result, printed) in [
        ("x = [1]\nprint('one')\n(await mcp_stub.echo(a=1)).a", json!(1), "one\n"),
        ("x.append((await mcp_stub.echo(a=2)).a)\nx", json!([1, 2]), ""),
        ("print('three')\n[(await mcp_stub.echo(a=n)).a for n in x]", json!([1, 2]), "three\n"),
    ] {
        let mut kept = Kept::default();
        let start = Start { session: true, ..start(code) };
        let never = std::future::pending();
        let ending = guest.run(&start, Arc::new(Echo::default()), &mut kept, conduct, never).await;
        assert!(ending.alive && ending.hello.is_some(), "{ending:?}");
        assert_eq!((self::result(&ending), &kept.stdout[..]), (result, printed.as_bytes()), "{code}");
    }
    let last = start("import os; os._exit(3)");
    let (echo, never) = (Arc::new(Echo::default()), std::future::pending());
    let ending = guest.run(&last, echo, &mut Kept::default(), conduct, never).await;
    assert!(!ending.alive);
    assert_eq!(ending.exited.expect("exited").code, Some(3));
    drop(guest);
    child.wait().await.expect("its end");
}

#[tokio::test]
async fn refusals_are_exceptions_with_hints() {
    let (ending, _) =
        run("try:\n    await mcp_stub.refuse()\nexcept runtime.ToolNotFound as e:\n    text = str(e)\ntext").await;
    assert_eq!(result(&ending), json!("no such tool\nHint: did you mean echo?"));
}

#[tokio::test]
async fn calls_over_the_limit_are_refused_and_the_program_goes_on() {
    let code = "n = 0\nfor i in range(5):\n    try:\n        await mcp_stub.echo(i=i)\n        n += 1\n    except Exception as e:\n        last = type(e).__name__\nn, last";
    let (ending, _) = run_until(code, Conduct { max_calls: 3 }, std::future::pending()).await;
    assert_eq!(result(&ending), json!([3, "CallLimit"]));
}

#[tokio::test]
async fn a_stop_ends_an_endless_c_loop_with_its_output() {
    let echo = Echo::default();
    let called = Arc::clone(&echo.called);
    let stop = async move {
        called.notified().await;
        Stop::Deadline
    };
    // sum() over an endless iterator of C never gives the interpreter back.
    let code = "import itertools\nprint('before')\nmcp = asyncio.ensure_future(mcp_stub.echo())\nawait asyncio.sleep(0)\nsum(itertools.repeat(0))";
    let (ending, kept) = run_with(echo, code, Conduct { max_calls: 9 }, stop).await;
    assert_eq!(ending.stopped, Some(Stop::Deadline));
    assert!(ending.exited.expect("last words").hangup);
    assert_eq!(kept.stdout, b"before\n");
}

#[tokio::test]
async fn a_flood_is_stopped() {
    let (ending, kept) = run("while True: print('x' * 65536)").await;
    assert_eq!(ending.stopped, Some(Stop::Flood));
    assert!(kept.stdout.len() > 4 << 20);
}

#[tokio::test]
async fn forged_frames_on_the_programs_own_pipe_are_a_violation() {
    let code = "import os\nfor fd in map(int, os.listdir('/proc/self/fd')):\n    if fd < 3: continue\n    try:\n        os.write(fd, b'\\xff\\xff\\xff\\xffC')\n    except OSError:\n        pass\nawait mcp_stub.wait()";
    let (ending, _) = run(code).await;
    let violation = ending.violation.expect("violation");
    assert!(violation.contains("4294967295"), "{violation}");
}

#[tokio::test]
async fn protocol_looking_bytes_on_fd_1_are_only_printed() {
    let (ending, kept) = run("import os\nos.write(1, b'\\x00\\x00\\x00\\x01Z')\n'on'").await;
    assert_eq!(result(&ending), json!("on"));
    assert_eq!(kept.stdout, b"\0\0\0\x01Z");
}

#[tokio::test]
async fn a_deeply_nested_argument_is_refused_by_its_number() {
    let code = "x = []\nfor _ in range(300): x = [x]\ntry:\n    await mcp_stub.echo(x=x)\nexcept Exception as e:\n    name = type(e).__name__\nname";
    let (ending, _) = run(code).await;
    assert_eq!(result(&ending), json!("InvalidArguments"));
}

#[tokio::test]
async fn an_interpreter_that_does_not_start_says_why() {
    let mut child = Command::new("sh")
        .args(["-c", "echo 'python3: broken' >&2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh");
    let pipes = Pipes {
        input: Box::pin(child.stdin.take().expect("stdin")),
        program: Box::pin(child.stdout.take().expect("stdout")),
        supervisor: Box::pin(child.stderr.take().expect("stderr")),
    };
    let mut kept = Kept::default();
    let conduct = Conduct { max_calls: 1 };
    let ending = Guest::boot(pipes, false)
        .run(&start("1"), Arc::new(Echo::default()), &mut kept, conduct, std::future::pending())
        .await;
    assert!(ending.violation.expect("reason").contains("python3: broken"));
    assert!(ending.hello.is_none());
}
