//! The bridge's side.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};

use super::{Answer, ControlError, Keeps, PATIENCE, Question, folder};

/// Bytes of a question: ten times what any has.
const LONGEST: u64 = 1024;
/// Connections at once; more wait to be accepted.
const MOST: usize = 4;

/// An open door; dropped, it is closed and its socket is gone.
pub struct Door {
    path: PathBuf,
    listening: AbortHandle,
}

impl Door {
    /// Opens the door of this process. Must be called within a runtime.
    ///
    /// # Errors
    /// When no socket can be made: a folder that cannot be written, or a path longer than sockets may have (107 bytes).
    pub fn open(state: &Path, keeps: Arc<dyn Keeps>) -> Result<Self, ControlError> {
        let folder = folder(state);
        let (listener, path) = bind(state, &folder).map_err(|reason| ControlError::Socket { folder, reason })?;
        let listening = tokio::spawn(listen(listener, keeps)).abort_handle();
        Ok(Self { path, listening })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.listening.abort();
        // One that stays is swept by the next who looks.
        let _ = fs::remove_file(&self.path);
    }
}

/// A socket that listens when it is first seen under its name, so that one which refuses a connection is certainly dead.
fn bind(state: &Path, folder: &Path) -> io::Result<(UnixListener, PathBuf)> {
    fs::create_dir_all(state)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => fs::set_permissions(folder, Permissions::from_mode(0o700))?,
    }
    let prefix = format!("{}-", std::process::id());
    let unseen =
        tempfile::Builder::new().prefix(&prefix).suffix(".new").make_in(folder, |path| UnixListener::bind(path))?;
    fs::set_permissions(unseen.path(), Permissions::from_mode(0o600))?;
    let path = unseen.path().with_extension("sock");
    let listener = unseen.persist(&path).map_err(|error| error.error)?;
    Ok((listener, path))
}

async fn listen(listener: UnixListener, keeps: Arc<dyn Keeps>) {
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = visitors.join_next() => {}
            visitor = listener.accept(), if visitors.len() < MOST => {
                if let Ok((stream, _)) = visitor {
                    let keeps = Arc::clone(&keeps);
                    // Whoever is slow, or hangs up, has no answer; nobody else waits for that.
                    visitors.spawn(async move { drop(tokio::time::timeout(PATIENCE, visit(stream, keeps)).await) });
                } else {
                    // Out of descriptors, most likely: not a reason to be busy.
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
    }
}

async fn visit(stream: UnixStream, keeps: Arc<dyn Keeps>) -> io::Result<()> {
    let ours = nix::unistd::geteuid().as_raw();
    // The folder's permissions say the same; this holds also where a file system knows none.
    if !matches!(stream.peer_cred()?.uid(), uid if uid == ours || uid == 0) {
        return Ok(());
    }
    let (read, mut write) = stream.into_split();
    let mut line = Vec::new();
    BufReader::new(read.take(LONGEST)).read_until(b'\n', &mut line).await?;
    let answers = match serde_json::from_slice::<Question>(&line) {
        Ok(Question::List) => {
            let sessions = keeps.list().await;
            let done = Answer::Done { done: sessions.len() };
            sessions.into_iter().map(Answer::Session).chain([done]).collect()
        }
        Ok(Question::Servers) => {
            let servers = keeps.servers();
            let done = Answer::Done { done: servers.len() };
            servers.into_iter().map(Answer::Server).chain([done]).collect()
        }
        Ok(Question::End { session }) => vec![Answer::Done { done: keeps.end(&session) }],
        Err(_) => vec![Answer::Refused { error: "this is no question that I know".into() }],
    };
    let mut text = Vec::new();
    for answer in answers {
        serde_json::to_writer(&mut text, &answer)?;
        text.push(b'\n');
    }
    write.write_all(&text).await?;
    write.shutdown().await
}
