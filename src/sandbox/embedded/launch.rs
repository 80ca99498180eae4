//! Starting one sandbox: a keeper is spawned, told its plan, and heard.

use std::io::{self, IoSlice, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::runtime::Handle as Runtime;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::cgroup::Group;
use super::nursery::Nursery;
use super::step::{Last, Plan, Word};
use super::{keeper, watch};
use crate::sandbox::{DESTROY_LIMIT, Ended, Handle, MEASURE_LIMIT, Sandbox, SandboxError};

/// The argument by which our binary knows that it is to be a keeper.
pub const KEEPER: &str = "__sandbox";

/// Why a sandbox did not start: the step that failed, before it is explained.
pub(super) enum Refusal {
    Step { step: String, errno: i32, reason: String },
    Other(SandboxError),
}

impl Refusal {
    /// In words, for a log.
    pub fn reason(&self) -> String {
        match self {
            Self::Step { step, reason, .. } => format!("{step}: {reason}"),
            Self::Other(error) => error.to_string(),
        }
    }
}

pub(super) fn other(step: &'static str) -> impl Fn(io::Error) -> Refusal {
    move |error| Refusal::Other(SandboxError::LaunchFailed { step, reason: error.to_string() })
}

/// Spawns `binary` as a keeper and has it carry out the plan. When this future is dropped, so is the socket, and the keeper
/// takes back what it has done.
pub(super) async fn launch(
    binary: &Path,
    plan: &Plan,
    name: String,
    endings: &TaskTracker,
) -> Result<Sandbox, Refusal> {
    let text = serde_json::to_vec(plan).map_err(|error| other("plan")(error.into()))?;
    let (pipes, inside) = Pipes::new()?;
    let (ours, keeper) = spawn(binary, KEEPER, &name)?;
    // From here on whoever drops it ends it.
    let hold = Hold { bridge: BufReader::new(ours), source: Source::Cold(keeper), groups: plan.groups.clone() };
    let mut kept = Kept::new(hold, name, endings);
    let Some(Hold { bridge, .. }) = &mut kept.hold else { return Err(other("keeper")(io::ErrorKind::NotFound.into())) };
    let handed = inside.each_ref().map(|pipe| pipe.as_raw_fd());
    tell(bridge.get_mut(), &text, &handed).await.map_err(other("plan"))?;
    drop(inside);
    pipes.sandbox(kept, false).await
}

/// A keeper, and our end of the socket that is its standard input.
pub(super) fn spawn(binary: &Path, kind: &str, name: &str) -> Result<(UnixStream, Child), Refusal> {
    let (ours, theirs) = UnixStream::pair().map_err(other("socket"))?;
    let theirs = OwnedFd::from(
        theirs.into_std().and_then(|socket| socket.set_nonblocking(false).map(|()| socket)).map_err(other("socket"))?,
    );
    let keeper = Command::new(binary)
        // The name is for people who look at the process list.
        .args([kind, name])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(other("keeper"))?;
    Ok((ours, keeper))
}

/// Our ends of a sandbox's three pipes.
pub(super) struct Pipes {
    input: PipeWriter,
    program: PipeReader,
    supervisor: PipeReader,
}

impl Pipes {
    /// And the sandbox's ends, in the order of its descriptors.
    pub fn new() -> Result<(Self, [OwnedFd; 3]), Refusal> {
        let (inside_input, input) = io::pipe().map_err(other("pipe"))?;
        let (program, inside_program) = io::pipe().map_err(other("pipe"))?;
        let (supervisor, inside_supervisor) = io::pipe().map_err(other("pipe"))?;
        let inside = [inside_input.into(), inside_program.into(), inside_supervisor.into()];
        Ok((Self { input, program, supervisor }, inside))
    }

    /// The sandbox, once its keeper says that it runs.
    pub async fn sandbox(self, mut kept: Kept, booted: bool) -> Result<Sandbox, Refusal> {
        let begun = match &mut kept.hold {
            Some(Hold { bridge, .. }) => started(bridge).await,
            None => Err(other("keeper")(io::ErrorKind::NotFound.into())),
        };
        match begun {
            Ok(init) => kept.init = init,
            Err(refusal) => {
                // Nothing of this try may be in the way of another one.
                let _ = Box::new(kept).destroy().await;
                return Err(refusal);
            }
        }
        Ok(Sandbox {
            input: Box::pin(Input(Some(pipe::Sender::from_owned_fd(self.input.into()).map_err(other("pipe"))?))),
            program: Box::pin(pipe::Receiver::from_owned_fd(self.program.into()).map_err(other("pipe"))?),
            supervisor: Box::pin(pipe::Receiver::from_owned_fd(self.supervisor.into()).map_err(other("pipe"))?),
            weaknesses: Vec::new(),
            origin: String::new(),
            booted,
            handle: Box::new(kept),
        })
    }
}

/// Tells a keeper something: the text's length, with descriptors, then the text.
pub(super) async fn tell(socket: &mut UnixStream, text: &[u8], descriptors: &[i32]) -> io::Result<()> {
    let length = u32::try_from(text.len()).map_err(io::Error::other)?.to_be_bytes();
    let message = || {
        let rights = [ControlMessage::ScmRights(descriptors)];
        let sent = sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&length)], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
        // A fresh socket takes four bytes at once.
        if sent == length.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    };
    socket.writable().await?;
    socket.try_io(tokio::io::Interest::WRITABLE, message)?;
    socket.write_all(text).await
}

/// Waits for a keeper's first word: the number of PID 1, where it is known, or what refused.
pub(super) async fn started(bridge: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<u32>, Refusal> {
    match hear(bridge).await.map_err(other("keeper"))? {
        Word::Started { init } => Ok(init),
        Word::Failed { step, errno, reason } => Err(Refusal::Step { step, errno, reason }),
        Word::Ended(_) => Err(other("keeper")(io::ErrorKind::UnexpectedEof.into())),
    }
}

async fn hear(bridge: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Word> {
    let mut line = Vec::new();
    bridge.read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the keeper ended without a word"));
    }
    Ok(serde_json::from_slice(&line)?)
}

/// The bridge's hold on a keeper. Dropping it ends the sandbox in the background.
pub(super) struct Kept {
    hold: Option<Hold>,
    name: String,
    /// PID 1 of the sandbox, as the host numbers it.
    init: Option<u32>,
    endings: TaskTracker,
    /// Where the ending runs: a drop may happen on a thread that knows no runtime.
    runtime: Runtime,
}

pub(super) struct Hold {
    bridge: BufReader<UnixStream>,
    source: Source,
    /// What the keeper takes away; ours to do when somebody has killed it.
    groups: Vec<Group>,
}

/// Whose work the sandbox is.
enum Source {
    /// A keeper of its own.
    Cold(Child),
    /// A nursery's, which does not end before this has.
    Forked { _nursery: Arc<Nursery> },
}

impl Kept {
    pub fn new(hold: Hold, name: String, endings: &TaskTracker) -> Self {
        Self { hold: Some(hold), name, init: None, endings: endings.clone(), runtime: Runtime::current() }
    }

    /// Ends in a task of its own, so that a caller who gives up does not leave it half-way.
    fn end(&mut self) -> Option<JoinHandle<Result<Ended, SandboxError>>> {
        let hold = self.hold.take()?;
        let name = self.name.clone();
        let ending = async move {
            let stays =
                |reason: String| SandboxError::NotRemoved { id: name, seconds: DESTROY_LIMIT.as_secs(), reason };
            match tokio::time::timeout(DESTROY_LIMIT, hold.end()).await {
                Ok(Ok(last)) if last.left.is_empty() => {
                    Ok(Ended { exit_code: last.exit_code.map(i64::from), out_of_memory: Some(last.memory_kills > 0) })
                }
                Ok(Ok(last)) => Err(stays(last.left.join("; "))),
                Ok(Err(error)) => Err(stays(error.to_string())),
                Err(_) => Err(stays("the keeper does not end".into())),
            }
        };
        Some(self.endings.spawn_on(ending, &self.runtime))
    }
}

impl Handle for Kept {
    fn destroy(mut self: Box<Self>) -> BoxFuture<'static, Result<Ended, SandboxError>> {
        let ending = self.end();
        async move {
            match ending {
                Some(ending) => ending.await.unwrap_or_else(|error| {
                    Err(SandboxError::Refused { step: "ending a sandbox", reason: error.to_string() })
                }),
                None => Ok(Ended::default()),
            }
        }
        .boxed()
    }

    fn describe(&self) -> String {
        let forked = self.hold.as_ref().is_some_and(|hold| matches!(hold.source, Source::Forked { .. }));
        format!("embedded {}{}", self.name, if forked { " (forked)" } else { "" })
    }

    fn memory(&self) -> BoxFuture<'static, Option<u64>> {
        let init = self.init;
        async move {
            let look = tokio::task::spawn_blocking(move || init.map(watch::resident));
            tokio::time::timeout(MEASURE_LIMIT, look).await.ok()?.ok()?.filter(|bytes| *bytes > 0)
        }
        .boxed()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.end());
    }
}

impl Hold {
    /// On a child of a nursery, by its socket to the keeper.
    pub fn forked(bridge: UnixStream, nursery: Arc<Nursery>, groups: Vec<Group>) -> Self {
        Self { bridge: BufReader::new(bridge), source: Source::Forked { _nursery: nursery }, groups }
    }

    async fn end(mut self) -> io::Result<Last> {
        // The hang-up. A keeper that has ended already has said its last word.
        let _ = self.bridge.get_mut().shutdown().await;
        let word = hear(&mut self.bridge).await;
        if let Source::Cold(keeper) = &mut self.source {
            keeper.wait().await?;
        }
        let Ok(word) = word else { return self.clear().await };
        match word {
            Word::Ended(last) => Ok(last),
            Word::Failed { step, reason, .. } => Err(io::Error::other(format!("{step}: {reason}"))),
            Word::Started { .. } => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// The kernel has ended the sandbox together with its keeper; how it ended, nobody saw.
    async fn clear(self) -> io::Result<Last> {
        let groups = self.groups;
        let left = tokio::task::spawn_blocking(move || keeper::clear(&groups)).await;
        Ok(Last { left: left.map_err(io::Error::other)?, ..Last::default() })
    }
}

/// The sandbox's input. Shutting it down closes the pipe, which is the hang-up that PID 1 watches for.
struct Input(Option<pipe::Sender>);

impl Input {
    fn with<T>(&mut self, act: impl FnOnce(Pin<&mut pipe::Sender>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut self.0 {
            Some(pipe) => act(Pin::new(pipe)),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|pipe| pipe.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A pipe holds nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::embedded::keeper::say;

    #[tokio::test]
    async fn what_the_keeper_could_not_take_away_is_told() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let last = Last { left: vec!["group x: busy".into()], ..Last::default() };
        say(&theirs, &Word::Ended(last)).expect("said");
        ours.set_nonblocking(true).expect("set");
        let bridge = BufReader::new(UnixStream::from_std(ours).expect("a stream"));
        let keeper = tokio::process::Command::new("true").spawn().expect("a process");
        let hold = Hold { bridge, source: Source::Cold(keeper), groups: Vec::new() };
        let kept = Box::new(Kept::new(hold, "mcp-bridge.1-1".into(), &TaskTracker::new()));
        let error = kept.destroy().await.expect_err("it is still there");
        assert_eq!(error.code(), "sandbox.not_removed");
        assert!(error.to_string().contains("group x: busy"), "{error}");
    }
}
