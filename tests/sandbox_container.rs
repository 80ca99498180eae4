//! The promises of a container sandbox, tried by hostile programs on every engine that the environment names
//! (`.ci/engines up` prints the variables). Plain `python3 -c` programs: nothing of the guest is involved.
#![cfg(unix)]

mod engines;

use std::time::{Duration, Instant};

use engines::{connect, each};
use mcp_bridge::sandbox::container::{Engine, Level, context_tar};
use mcp_bridge::sandbox::{Backend, ByteReader, SandboxError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Every Python that is promised.
const PYTHONS: [&str; 4] = ["3.9", "3.11", "3.13", "3.14"];

#[tokio::test]
async fn every_promised_python_starts_and_is_the_one_it_says() {
    each(async |bench| {
        for version in PYTHONS {
            let mut spec = bench.spec("import sys; print('%d.%d' % sys.version_info[:2])");
            spec.image = format!("localhost/mcp-bridge-test:{version}");
            assert_eq!(bench.run(&spec).await.out.trim(), version);
        }
    })
    .await;
}

#[tokio::test]
async fn the_probe_finds_every_promise_kept() {
    each(async |bench| {
        let found = bench.engine.check(&bench.spec("").image, "65534:65534").await;
        let walls = ["user", "capabilities", "no-new-privileges", "seccomp", "network", "read-only root", "tmpfs"];
        for name in walls.iter().chain(&["cpus", "pids", "memory", "swap", "image", "engine"]) {
            let check = found.iter().find(|check| check.name == **name);
            assert_eq!(check.map(|check| check.level), Some(Level::Ok), "{name}: {found:#?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_probe_sees_a_promise_that_is_broken() {
    each(async |bench| {
        let found = bench.engine.check(&bench.spec("").image, "0:0").await;
        let user = found.iter().find(|check| check.name == "user").expect("looked at");
        assert_eq!(user.level, Level::Fail, "{found:#?}");
    })
    .await;
}

#[tokio::test]
async fn the_environment_is_what_was_given_and_what_the_image_sets() {
    each(async |bench| {
        let mut spec = bench.spec("import os; print('\\n'.join('%s=%s' % item for item in os.environ.items()))");
        spec.env = vec![("GIVEN".into(), "a=b 'c' $HOME".into())];
        let out = bench.run(&spec).await.out;
        assert!(out.lines().any(|line| line == "GIVEN=a=b 'c' $HOME"), "{out}");
        let known = ["GIVEN", "HOME", "HOSTNAME", "PATH", "TERM", "container"];
        let stranger = out.lines().find(|line| !known.iter().any(|name| line.starts_with(&format!("{name}="))));
        assert_eq!(stranger, None);
    })
    .await;
}

#[tokio::test]
async fn memory_ends_at_its_limit() {
    each(async |bench| {
        let end = bench.run(&bench.spec("x = bytearray(300 << 20); print('had it')")).await;
        assert_eq!((end.out.as_str(), end.code), ("", Some(137)));
    })
    .await;
}

#[tokio::test]
async fn a_fork_bomb_meets_the_process_limit_and_nothing_of_it_is_left() {
    each(async |bench| {
        let bomb = "
import os, time
n = 0
try:
    while True:
        if os.fork() == 0: time.sleep(600)
        n += 1
except OSError as e:
    print(n, e.errno)
";
        let out = bench.run(&bench.spec(bomb)).await.out;
        let (children, errno) = out.trim().split_once(' ').expect("two numbers");
        assert!(children.parse::<u32>().expect("a number") < 64, "{out}");
        assert_eq!(errno, "11", "EAGAIN");
        bench.nothing_is_left().await;
    })
    .await;
}

#[tokio::test]
async fn open_files_end_at_their_limit() {
    each(async |bench| {
        let program = "
import os
n = 0
try:
    while True: os.dup(0); n += 1
except OSError as e: print(n < 256, e.errno)
";
        assert_eq!(bench.run(&bench.spec(program)).await.out, "True 24\n");
    })
    .await;
}

#[tokio::test]
async fn no_network_of_any_family() {
    let program = "
import socket
def attempt(name, family, kind, address, proto=0):
    try:
        s = socket.socket(family, kind, proto); s.settimeout(3)
        s.bind(address) if family == 17 else s.connect(address)
        if kind == socket.SOCK_DGRAM: s.send(b'x')
        print(name, 'REACHED')
    except OSError: print(name, 'refused')
attempt('tcp4', socket.AF_INET, socket.SOCK_STREAM, ('1.1.1.1', 80))
attempt('udp4', socket.AF_INET, socket.SOCK_DGRAM, ('1.1.1.1', 53))
attempt('tcp6', socket.AF_INET6, socket.SOCK_STREAM, ('2606:4700:4700::1111', 80))
attempt('udp6', socket.AF_INET6, socket.SOCK_DGRAM, ('2606:4700:4700::1111', 53))
attempt('raw', socket.AF_INET, socket.SOCK_RAW, ('1.1.1.1', 0), socket.IPPROTO_ICMP)
attempt('vsock', 40, socket.SOCK_STREAM, (2, 22))
attempt('packet', 17, socket.SOCK_RAW, ('lo', 0))
attempt('host', socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', PORT))
attempt('abstract', socket.AF_UNIX, socket.SOCK_STREAM, '\\0mcp-bridge-test-PORT')
try: socket.getaddrinfo('example.com', 80); print('dns REACHED')
except OSError: print('dns refused')
";
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port().to_string();
    #[cfg(target_os = "linux")]
    let _abstract = {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(format!("mcp-bridge-test-{port}"));
        std::os::unix::net::UnixListener::bind_addr(&address.expect("a name")).expect("bound")
    };
    let program = program.replace("PORT", &port);
    each(async |bench| {
        let out = bench.run(&bench.spec(&program)).await.out;
        assert_eq!(out.lines().count(), 10, "{out}");
        assert!(out.lines().all(|line| line.ends_with("refused")), "{out}");
    })
    .await;
}

#[tokio::test]
async fn only_the_two_folders_can_be_written_and_they_end_at_their_size() {
    each(async |bench| {
        let program = "
import os
for place in ('/tmp', '/workspace'):
    n = 0
    try:
        with open(place + '/fill', 'wb', buffering=0) as f:
            while True: n += f.write(b'x' * 65536)
    except OSError as e: print(place, n, e.errno)
for place in ('/', '/etc', '/usr', '/var/tmp', '/run', '/root', '/dev', '/proc', '/sys/fs/cgroup', '/home'):
    try: open(place + '/x', 'w'); print(place, 'WRITTEN')
    except OSError: pass
for name in ('/etc/hosts', '/etc/resolv.conf', '/etc/hostname', '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger'):
    try: open(name, 'a'); print(name, 'WRITTEN')
    except OSError: pass
open('/workspace/fill', 'w').close()
with open('/workspace/run', 'w') as f: f.write('#!/bin/sh\\necho ran\\n')
os.chmod('/workspace/run', 0o755)
try: os.execv('/workspace/run', ['run'])
except OSError as e: print('exec', e.errno)
";
        let out = bench.run(&bench.spec(program)).await.out;
        assert_eq!(out, "/tmp 4194304 28\n/workspace 8388608 28\nexec 13\n");
    })
    .await;
}

#[tokio::test]
async fn the_kernels_doors_are_shut() {
    each(async |bench| {
        let program = "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    r = getattr(libc, name)(*args)
    print(name, 'OPEN' if r == 0 else 'shut')
call('unshare', 0x40000000)
call('mount', b'none', b'/tmp', b'tmpfs', 0, None)
call('setuid', 0)
call('setgid', 0)
call('chroot', b'/')
call('sethostname', b'x', 1)
call('ptrace', 16, os.getppid() or 1, 0, 0)
print(os.getpid())
";
        let out = bench.run(&bench.spec(program)).await.out;
        assert!(!out.contains("OPEN"), "{out}");
        assert_eq!(out.lines().count(), 8, "{out}");
        assert!(out.ends_with("\n1\n"), "the program is PID 1, there is no init of the engine's: {out}");
    })
    .await;
}

#[tokio::test]
async fn a_half_close_arrives_and_the_answer_still_comes_back() {
    each(async |bench| {
        let program = "
import sys
data = sys.stdin.buffer.read()
sys.stdout.buffer.write(data[::-1]); sys.stderr.write('bye')";
        let mut sandbox = bench.engine.launch(&bench.spec(program)).await.expect("launched");
        sandbox.input.write_all(b"hello").await.expect("written");
        sandbox.input.shutdown().await.expect("shut down");
        assert_eq!(both(sandbox.program, sandbox.supervisor).await, ("olleh".into(), "bye".into()));
        assert_eq!(sandbox.handle.destroy().await.expect("destroyed").exit_code, Some(0));
    })
    .await;
}

async fn both(mut program: ByteReader, mut supervisor: ByteReader) -> (String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    let (a, b) = tokio::join!(program.read_to_string(&mut out), supervisor.read_to_string(&mut err));
    a.and(b).expect("read");
    (out, err)
}

/// Bytes sent through each stream.
const FLOOD: usize = 200_000_000;

#[tokio::test]
async fn two_hundred_megabytes_go_in_exactly() {
    let block: Vec<u8> = (0..1_000_000u32).map(pattern).collect();
    each(async |bench| {
        let program = "
import sys
block = bytes(((n * 2654435761) & 0xffffffff) >> 24 for n in range(1000000))
print('ready', flush=True)
count = 0
while True:
    data = sys.stdin.buffer.read(len(block))
    if data != block: break
    count += len(data)
print(count, len(data))";
        let mut sandbox = bench.engine.launch(&bench.spec(program)).await.expect("launched");
        let mut ready = [0; 6];
        sandbox.program.read_exact(&mut ready).await.expect("started");
        let began = Instant::now();
        for _ in 0..FLOOD / block.len() {
            sandbox.input.write_all(&block).await.expect("written");
        }
        sandbox.input.shutdown().await.expect("shut down");
        let (out, err) = both(sandbox.program, sandbox.supervisor).await;
        assert_eq!((out.as_str(), err.as_str()), (format!("{FLOOD} 0\n").as_str(), ""));
        eprintln!("{}: in {:.0} MB/s", bench.name(), FLOOD as f64 / began.elapsed().as_secs_f64() / 1e6);
        sandbox.handle.destroy().await.expect("destroyed");
    })
    .await;
}

#[tokio::test]
async fn two_hundred_megabytes_come_out_of_each_stream_exactly() {
    each(async |bench| {
        let program = format!(
            "
import os, threading
block = bytes(((n * 2654435761) & 0xffffffff) >> 24 for n in range(1000000))
def send(fd):
    for _ in range({}):
        view = memoryview(block)
        while view: view = view[os.write(fd, view):]
both = [threading.Thread(target=send, args=(fd,)) for fd in (1, 2)]
for t in both: t.start()
for t in both: t.join()",
            FLOOD / 1_000_000
        );
        let sandbox = bench.engine.launch(&bench.spec(&program)).await.expect("launched");
        let began = Instant::now();
        let counts = tokio::join!(compare(sandbox.program), compare(sandbox.supervisor));
        assert_eq!(counts, (FLOOD, FLOOD));
        eprintln!("{}: out {:.0} MB/s", bench.name(), 2.0 * FLOOD as f64 / began.elapsed().as_secs_f64() / 1e6);
        sandbox.handle.destroy().await.expect("destroyed");
    })
    .await;
}

/// Counts the bytes of a stream and holds every one against the pattern.
async fn compare(mut stream: ByteReader) -> usize {
    let expected: Vec<u8> = (0..2_000_000u32).map(|n| pattern(n % 1_000_000)).collect();
    let (mut count, mut buffer) = (0, vec![0; 1 << 18]);
    loop {
        let read = stream.read(&mut buffer).await.expect("read");
        if read == 0 {
            return count;
        }
        let from = count % 1_000_000;
        assert!(buffer[..read] == expected[from..from + read], "differs after {count} bytes");
        count += read;
    }
}

fn pattern(n: u32) -> u8 {
    (n.wrapping_mul(2_654_435_761) >> 24) as u8
}

#[tokio::test]
async fn destroy_leaves_nothing_of_a_program_that_never_ends() {
    each(async |bench| {
        let stubborn = "
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
print('on', flush=True)
while True: pass";
        let mut sandbox = bench.engine.launch(&bench.spec(stubborn)).await.expect("launched");
        sandbox.program.read_exact(&mut [0; 3]).await.expect("started");
        assert_eq!(bench.containers().len(), 1, "the view from outside sees it");
        let ended = sandbox.handle.destroy().await.expect("destroyed");
        assert_eq!(ended.exit_code, None, "it did not end by itself");
        assert_eq!(bench.containers(), Vec::<String>::new(), "gone when destroy says so, not later");
        bench.nothing_is_left().await;
    })
    .await;
}

#[tokio::test]
async fn dropping_a_sandbox_leaves_nothing() {
    each(async |bench| {
        drop(bench.engine.launch(&bench.spec("while True: pass")).await.expect("launched"));
        bench.engine.settle().await;
        bench.nothing_is_left().await;
    })
    .await;
}

#[tokio::test]
async fn giving_up_a_launch_half_way_leaves_nothing() {
    each(async |bench| {
        let spec = bench.spec("while True: pass");
        // From "not yet created" to "started": wherever the launch is when nobody waits for it any more.
        for limit in [1, 10, 30, 60, 100, 150, 200, 300] {
            let _ = tokio::time::timeout(Duration::from_millis(limit), bench.engine.launch(&spec)).await;
        }
        bench.engine.settle().await;
        bench.nothing_is_left().await;
    })
    .await;
}

#[tokio::test]
async fn hanging_up_is_noticed_inside_and_the_engine_cleans_up_alone() {
    each(async |bench| {
        let program = "import sys; sys.stdin.read(); print('hung up')";
        let sandbox = bench.engine.launch(&bench.spec(program)).await.expect("launched");
        drop(sandbox.input);
        assert_eq!(both(sandbox.program, sandbox.supervisor).await.0, "hung up\n");
        // Neither destroyed nor dropped: forgotten, as when the bridge is killed.
        std::mem::forget(sandbox.handle);
        bench.nothing_is_left().await;
    })
    .await;
}

#[tokio::test]
async fn a_missing_image_says_how_to_get_it() {
    each(async |bench| {
        let mut spec = bench.spec("");
        spec.image = "localhost/mcp-bridge-test:never-made".into();
        let error = bench.engine.launch(&spec).await.err().expect("there is no such image");
        assert_eq!(error.code(), "sandbox.image_missing");
        assert!(
            error.hint().contains("mcp-bridge image pull localhost/mcp-bridge-test:never-made"),
            "{}",
            error.hint()
        );
    })
    .await;
}

#[tokio::test]
async fn a_pull_that_cannot_work_says_why() {
    each(async |bench| {
        // Port 9 of this machine: nobody serves images there.
        let error = bench.engine.pull("127.0.0.1:9/none:1", |_| {}).await.expect_err("no such registry");
        assert_eq!(error.code(), "sandbox.image_pull_failed");
        assert!(error.to_string().contains("127.0.0.1:9"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_image_without_the_program_says_so_and_leaves_nothing() {
    each(async |bench| {
        let mut spec = bench.spec("");
        spec.command[0] = "python2.7".into();
        let error = bench.engine.launch(&spec).await.err().expect("there is no such program");
        assert!(matches!(error, SandboxError::LaunchFailed { step: "command", .. }), "{error}");
        assert!(error.hint().contains("MCP_BRIDGE_IMAGE"));
        bench.engine.settle().await;
        bench.nothing_is_left().await;
    })
    .await;
}

#[tokio::test]
async fn many_at_once_are_kept_apart() {
    each(async |bench| {
        let specs: Vec<_> = (0..8).map(|n| bench.spec(&format!("print({n})"))).collect();
        let ends = futures::future::join_all(specs.iter().map(|spec| bench.run(spec))).await;
        let outs: Vec<String> = ends.into_iter().map(|end| end.out).collect();
        assert_eq!(outs, (0..8).map(|n| format!("{n}\n")).collect::<Vec<_>>());
        bench.nothing_is_left().await;
    })
    .await;
}

#[tokio::test]
async fn a_compiled_twin_is_made_once_used_and_pruned() {
    each(async |bench| {
        let engine = &bench.engine;
        let mut spec = bench.spec("import asyncio, os; print(os.path.exists(asyncio.__cached__))");
        spec.image = "localhost/mcp-bridge-test:3.13-nopyc".into();
        let twin = engine.derive_compiled(&spec.image).await.expect("made");
        assert_eq!(engine.compiled(&spec.image).await.expect("asked"), Some(twin.clone()));
        assert_eq!(bench.run(&spec).await.out, "True\n");
        // A bridge that starts later finds it by itself.
        let later = connect(engine.kind()).await;
        let mut sandbox = later.launch(&spec).await.expect("launched");
        let mut out = String::new();
        sandbox.program.read_to_string(&mut out).await.expect("read");
        assert_eq!(out, "True\n");
        sandbox.handle.destroy().await.expect("destroyed");
        engine.prune_compiled(&[]).await.expect("pruned");
        assert!(engine.image(&twin).await.expect("asked").is_some(), "it stays as long as its base has a name");
        bench.nothing_is_left().await;
    })
    .await;
}

#[tokio::test]
async fn an_image_is_built_and_its_twin_goes_when_its_name_does() {
    each(async |bench| {
        let (engine, tag) = (&bench.engine, format!("localhost/mcp-bridge-test:{}", bench.mark()));
        let recipe = format!("FROM localhost/mcp-bridge-test:3.13-nopyc\nLABEL mark={}\n", bench.mark());
        let context = context_tar([("Containerfile", recipe.as_bytes())]);
        let mut steps = Vec::new();
        engine.build(context, "Containerfile", &tag, |step| steps.push(step.status)).await.expect("built");
        assert!(steps.iter().any(|step| step.contains("LABEL")), "{steps:?}");
        let twin = engine.derive_compiled(&tag).await.expect("made");
        bench.untag(&tag);
        assert!(engine.prune_compiled(&[]).await.expect("pruned") >= 1);
        assert_eq!(engine.image(&twin).await.expect("asked"), None);
        let broken = context_tar([("Containerfile", &b"FROM localhost/mcp-bridge-test:never-made\n"[..])]);
        let error = engine.build(broken, "Containerfile", &tag, |_| {}).await.expect_err("there is no such base");
        assert_eq!(error.code(), "sandbox.image_build_failed");
        bench.nothing_is_left().await;
    })
    .await;
}

#[tokio::test]
async fn a_limit_that_the_engine_will_not_enforce_is_an_error_unless_allowed_by_name() {
    let fake =
        engines::Fake::start(r#"{"Id": "f00d", "Warnings": ["Your kernel does not support swap limit capabilities"]}"#);
    let spec = engines::spec("", "fake");
    let error = fake.engine(&[]).await.launch(&spec).await.err().expect("weakened");
    assert!(matches!(error, SandboxError::Weakened { what: "swap", .. }), "{error}");
    assert!(error.hint().contains("MCP_BRIDGE_ALLOW_DEGRADED=swap"), "{}", error.hint());
    fake.asked_for("DELETE", "/containers/f00d").await;
    // Allowed, the launch goes on, to the attachment, which this engine does not have.
    let error = fake.engine(&["swap"]).await.launch(&spec).await.err().expect("not an engine");
    assert!(matches!(error, SandboxError::LaunchFailed { step: "start", .. }), "{error}");
}

#[tokio::test]
async fn a_sweep_takes_what_the_dead_left_and_spares_the_living() {
    each(async |bench| {
        let program = "import sys; print('on', flush=True); sys.stdin.read()";
        let mut living = bench.engine.launch(&bench.spec(program)).await.expect("launched");
        let orphan = bench.orphan();
        assert!(bench.containers().contains(&orphan));
        assert!(bench.engine.sweep().await.expect("swept") >= 1);
        assert_eq!(bench.containers().len(), 1, "the orphan is gone and the living one is not");
        living.program.read_exact(&mut [0; 3]).await.expect("it lives");
        living.handle.destroy().await.expect("destroyed");
    })
    .await;
}

/// The `podman` program and no socket is enough; and nothing of the service is left when the engine is dropped.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_podman_program_without_a_socket_is_enough() {
    use mcp_bridge::sandbox::container::{Kind, Runtime, Surroundings};
    if engines::address(Kind::Podman).is_none() || std::path::Path::new("/run/podman/podman.sock").exists() {
        eprintln!("skipped: no Podman to test with, or this machine has a socket of its own");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = engines::options(folder.path());
    options.runtime = Runtime::Podman;
    let nowhere = Some(folder.path().join("none"));
    options.surroundings =
        Surroundings { path: std::env::var_os("PATH"), xdg_runtime_dir: nowhere, ..Default::default() };
    let engine = Engine::connect(options).await.expect("started");
    assert_eq!(engine.name(), "podman");
    assert!(engine.image("localhost/no-such-image").await.expect("it answers").is_none());
    let left = || std::fs::read_dir(folder.path()).expect("read").count();
    assert_eq!(left(), 1, "its socket");
    drop(engine);
    assert_eq!(left(), 0);
}
