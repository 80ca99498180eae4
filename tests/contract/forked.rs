//! What is particular to sandboxes that are forked from a parent; all promises are tried on them like on any other.

use std::time::{Duration, Instant};

use mcp_bridge::sandbox::embedded::Fork;
use tokio::io::AsyncReadExt;

use crate::bench::{Bench, again_as_user};

/// A parent is made within a second; a crowded machine is given a minute.
const PATIENCE: Duration = Duration::from_secs(60);

/// The test as root and as an ordinary user.
macro_rules! forked {
    ($name:ident, $body:expr) => {
        mod $name {
            use super::*;

            async fn on(backend: &'static str) {
                if let Some(bench) = Bench::get(backend).await {
                    let body = $body;
                    body(&bench).await;
                    bench.nothing_is_left().await;
                }
            }

            #[tokio::test]
            async fn embedded_forked() {
                on("embedded-forked").await;
            }

            #[tokio::test]
            async fn embedded_user_forked() {
                if !again_as_user(module_path!(), "embedded_user_forked") {
                    on("embedded-user-forked").await;
                }
            }
        }
    };
}

forked!(the_first_starts_cold_and_later_ones_are_forked, async |bench: &Bench| {
    let bench = bench.with(Fork::Auto);
    let spec = bench.spec("print('on')");
    let first = bench.backend().launch(&spec).await.expect("launched");
    assert!(!first.booted, "{}", first.handle.describe());
    let began = Instant::now();
    loop {
        let sandbox = bench.backend().launch(&spec).await.expect("launched");
        if sandbox.booted {
            assert!(sandbox.handle.describe().ends_with("(forked)"), "{}", sandbox.handle.describe());
            break;
        }
        assert!(began.elapsed() < PATIENCE, "no parent came");
    }
    drop(first);
    bench.nothing_is_left().await;
});

forked!(one_parent_has_all_children, async |bench: &Bench| {
    let spec = bench.spec("print('on')");
    let mut parents = Vec::new();
    for _ in 0..5 {
        assert_eq!(bench.run(&spec).await.out, "on\n");
        parents.extend(bench.parents());
    }
    assert!(parents.len() == 5 && parents.iter().all(|parent| *parent == parents[0]), "{parents:?}");
});

forked!(what_shapes_a_parent_is_never_stale, async |bench: &Bench| {
    assert_eq!(bench.prints("print(1)").await, "1\n");
    assert_eq!(bench.prints("print(2)").await, "2\n");
    let mut spec = bench.spec("import os; print(os.environ['X'])");
    for value in ["a", "b"] {
        spec.env = vec![("X".into(), value.into())];
        assert_eq!(bench.run(&spec).await.out, format!("{value}\n"));
    }
});

forked!(a_parent_that_was_killed_is_replaced, async |bench: &Bench| {
    let spec = bench.spec("print('on')");
    for _ in 0..3 {
        assert_eq!(bench.run(&spec).await.out, "on\n");
        let [parent] = bench.parents()[..] else { panic!("{:?}", bench.parents()) };
        kill(parent);
    }
    assert_eq!(bench.run(&spec).await.out, "on\n");
});

forked!(a_parent_takes_its_children_with_it, async |bench: &Bench| {
    let spec = bench.spec("import os\nos.fork()\nprint('on', flush=True)\nwhile True: pass");
    let mut sandbox = bench.launch(&spec).await;
    sandbox.program.read_exact(&mut [0; 3]).await.expect("started");
    let [parent] = bench.parents()[..] else { panic!("{:?}", bench.parents()) };
    kill(parent);
    let mut rest = Vec::new();
    sandbox.program.read_to_end(&mut rest).await.expect("the end");
    let ended = sandbox.handle.destroy().await.expect("destroyed");
    assert_eq!(ended.exit_code, None);
});

forked!(one_child_ends_without_the_others, async |bench: &Bench| {
    let spec = bench.spec("print('on', flush=True)\nprint(input())");
    let mut both = Vec::new();
    for _ in 0..2 {
        let mut sandbox = bench.launch(&spec).await;
        sandbox.program.read_exact(&mut [0; 3]).await.expect("started");
        both.push(sandbox);
    }
    both.remove(0).handle.destroy().await.expect("destroyed");
    let mut other = both.remove(0);
    tokio::io::AsyncWriteExt::write_all(&mut other.input, b"still here\n").await.expect("it listens");
    let mut said = String::new();
    other.program.read_to_string(&mut said).await.expect("said");
    assert_eq!(said, "still here\n");
    assert_eq!(other.handle.destroy().await.expect("destroyed").exit_code, Some(0));
});

forked!(a_child_sees_neither_its_parent_nor_its_siblings, async |bench: &Bench| {
    // What a run makes, and keeps: files, an abstract socket, a process; and whom it can name.
    let program = "
import os, socket
name = b'\\0of-a-run'
try:
    with socket.socket(socket.AF_UNIX) as other: other.connect(name)
    met = ['socket']
except OSError: met = []
kept = socket.socket(socket.AF_UNIX)
kept.bind(name)
kept.listen()
for place in ('/tmp', '/workspace', '/dev/shm'):
    met += os.listdir(place)
    open(place + '/of-a-run', 'w').close()
if os.fork() == 0:
    while True: os.read(0, 1) or os._exit(0)
met += [name for name in os.listdir('/proc') if name.isdigit() and int(name) > 2]
for pid in range(3, 5000):
    try: os.kill(pid, 0); met.append(pid)
    except ProcessLookupError: pass
print(os.getpid(), os.getppid(), met, flush=True)
os.read(0, 1)";
    let spec = bench.spec(program);
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut sandbox = bench.launch(&spec).await;
        let mut said = [0; 7];
        sandbox.program.read_exact(&mut said).await.expect("said");
        assert_eq!(String::from_utf8_lossy(&said), "1 0 []\n");
        // It goes on while the next one looks.
        kept.push(sandbox);
    }
});

forked!(random_numbers_differ_between_children, async |bench: &Bench| {
    let spec = bench.spec("import os, random; print(random.random(), os.urandom(8))");
    let (one, other) = (bench.run(&spec).await.out, bench.run(&spec).await.out);
    assert!(one.len() > 10 && one.split(' ').zip(other.split(' ')).all(|(one, other)| one != other), "{one}{other}");
});

fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
}
