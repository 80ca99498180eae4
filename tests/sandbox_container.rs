//! What containers alone have: engines, images, orphans. On every engine that the environment names (`.ci/engines up` prints the
//! variables), with plain `python3 -c` programs. What every sandbox promises is tried in `tests/contract`.
#![cfg(unix)]

mod engines;

use engines::{connect, each};
use mcp_bridge::sandbox::container::{Engine, context_tar};
use mcp_bridge::sandbox::{Backend, Level, SandboxError};
use tokio::io::AsyncReadExt;

/// Every Python that is promised.
const PYTHONS: [&str; 4] = ["3.9", "3.11", "3.13", "3.14"];

#[tokio::test]
async fn every_promised_python_starts_and_is_the_one_it_says() {
    each(async |bench| {
        for version in PYTHONS {
            let mut spec = bench.spec("import sys; print('%d.%d' % sys.version_info[:2])");
            spec.image = format!("localhost/mcp-bridge-test:{version}");
            assert_eq!(bench.run(&spec).await.trim(), version);
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
async fn a_compiled_twin_is_made_once_used_and_pruned() {
    each(async |bench| {
        let engine = &bench.engine;
        let mut spec = bench.spec("import asyncio, os; print(os.path.exists(asyncio.__cached__))");
        spec.image = "localhost/mcp-bridge-test:3.13-nopyc".into();
        let twin = engine.derive_compiled(&spec.image).await.expect("made");
        assert_eq!(engine.compiled(&spec.image).await.expect("asked"), Some(twin.clone()));
        assert_eq!(bench.run(&spec).await, "True\n");
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
    // Killed, it is started again by the next launch; its store has no such image, which only an engine can know.
    let service = service_of(folder.path());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(service), nix::sys::signal::Signal::SIGKILL).expect("killed");
    while !has_ended(service) {
        tokio::task::yield_now().await;
    }
    let mut spec = engines::spec("", "revived");
    spec.image = "localhost/no-such-image".into();
    let error = engine.launch(&spec).await.err().expect("there is no such image");
    assert_eq!(error.code(), "sandbox.image_missing", "{error}");
    assert_ne!(service_of(folder.path()), service);
    assert_eq!(left(), 1, "its socket");
    drop(engine);
    assert_eq!(left(), 0);
}

/// The process that serves a socket in this folder.
#[cfg(target_os = "linux")]
fn service_of(folder: &std::path::Path) -> i32 {
    let serves = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&format!("unix://{}", folder.display()))
    };
    let numbers = std::fs::read_dir("/proc").expect("processes").flatten();
    numbers.filter_map(|it| it.file_name().to_str()?.parse().ok()).find(serves).expect("a service")
}

/// It is a zombie, and the last of its threads is: only now can its parent know.
#[cfg(target_os = "linux")]
fn has_ended(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    stat.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with('Z')) && threads <= 1
}
