//! The embedded sandbox alone, without guest and bridge: this very program, started again with [`COMMAND`], runs [`PROGRAM`] in a
//! new sandbox for every line it reads, and answers with a line when nothing of it is left.

use std::path::PathBuf;
use std::process::Command;

use mcp_bridge::sandbox::embedded::{Embedded, Fork, Options};
use mcp_bridge::sandbox::{Backend, Limits, SandboxSpec};
use tokio::io::AsyncReadExt;

use super::plain::{PATH, PROGRAM};
use super::process::Talk;
use super::user::User;

pub const COMMAND: &str = "bare-sandbox";
/// The name of an image that was never pulled stands for the host's Python.
const IMAGE: &str = "none";

/// One that waits for lines.
pub struct Bare(Talk);

impl Bare {
    pub fn start(user: User) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.arg(COMMAND).env_clear();
        Self(Talk::start(user.runs(&mut command), "a sandbox without guest and bridge"))
    }

    /// From the wish for a sandbox to its removal.
    pub fn run(&mut self) {
        assert!(self.0.line("") == "done\n", "the bare sandbox does not work");
    }
}

/// The other side of [`Bare::run`], until standard input ends.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let embedded = Embedded::new(Options {
        binary: env!("CARGO_BIN_EXE_mcp-bridge").into(),
        path: Some(PATH.into()),
        python: None,
        rootfs: None,
        default_image: IMAGE.into(),
        images: PathBuf::from("/nonexistent"),
        allow_degraded: Vec::new(),
        fork: Fork::Never,
    });
    for _ in std::io::stdin().lines() {
        runtime.block_on(once(&embedded));
        println!("done");
    }
}

async fn once(embedded: &Embedded) {
    let mut sandbox = embedded.launch(&spec()).await.expect("a sandbox");
    let mut printed = String::new();
    sandbox.program.read_to_string(&mut printed).await.expect("its output");
    sandbox.handle.destroy().await.expect("gone");
    assert!(printed == "1\n", "{printed}");
}

/// The bridge's own defaults.
fn spec() -> SandboxSpec {
    let limits = Limits {
        memory: 512 << 20,
        pids: 128,
        cpus: 1.0,
        user: "65534:65534".into(),
        tmp: 64 << 20,
        workspace: 128 << 20,
        open_files: 1024,
    };
    let command = ["python3", "-c", PROGRAM].map(str::to_owned).into();
    SandboxSpec {
        run: "bench".into(),
        image: IMAGE.into(),
        command,
        env: vec![("PATH".into(), PATH.into())],
        limits,
        boot: bytes::Bytes::new(),
    }
}
