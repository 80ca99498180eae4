//! The command's side: which bridges there are, and what they answer.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{Answer, ControlError, PATIENCE, Question, folder};

/// Bytes of an answer: a thousand sessions with room to spare.
const LONGEST: u64 = 1 << 20;
/// A socket that is not seen yet after so long never will be: its bridge died while it made it.
const UNSEEN: Duration = Duration::from_secs(60);

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Process number of the bridge, as its socket's name tells.
    pub bridge: u32,
    path: PathBuf,
}

#[cfg(test)]
impl Address {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The sockets in the state folder, of bridges that live and of some that do not.
pub fn addresses(state: &Path) -> Vec<Address> {
    let files = std::fs::read_dir(folder(state)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<Address> = files.filter_map(address).collect();
    found.sort();
    found
}

fn address(path: PathBuf) -> Option<Address> {
    let name = path.file_name()?.to_str()?.strip_suffix(".sock")?;
    let bridge = name.split('-').next()?.parse().ok()?;
    Some(Address { bridge, path })
}

/// Removes the sockets of dead bridges.
pub async fn sweep(state: &Path) {
    for address in addresses(state) {
        drop(connect(&address).await);
    }
    let unseen = std::fs::read_dir(folder(state)).into_iter().flatten().flatten();
    for entry in unseen.filter(|entry| entry.file_name().to_string_lossy().ends_with(".new")) {
        let made = entry.metadata().and_then(|it| it.modified()).unwrap_or_else(|_| SystemTime::now());
        if made.elapsed().is_ok_and(|age| age > UNSEEN) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Asks one bridge. `None`: it is dead, and its socket was removed.
///
/// # Errors
/// When it does not answer in time, or not as a bridge does.
pub async fn ask(address: &Address, question: &Question) -> Result<Option<Vec<Answer>>, ControlError> {
    let failed = |reason: String| ControlError::Unanswered { bridge: address.bridge, reason };
    let asked = tokio::time::timeout(PATIENCE + Duration::from_secs(1), exchange(address, question));
    match asked.await {
        Err(_) => Err(failed("it took too long".into())),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Ok(Ok(answers)) => Ok(answers),
    }
}

async fn exchange(address: &Address, question: &Question) -> io::Result<Option<Vec<Answer>>> {
    let Some(mut stream) = connect(address).await? else { return Ok(None) };
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut text = Vec::new();
    stream.take(LONGEST).read_to_end(&mut text).await?;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let answers = lines.map(serde_json::from_slice::<Answer>).collect::<Result<Vec<_>, _>>()?;
    match answers.last() {
        Some(Answer::Done { .. }) => Ok(Some(answers)),
        Some(Answer::Refused { error }) => Err(io::Error::other(error.clone())),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// `None`: nobody listens there any more, and the socket is removed.
async fn connect(address: &Address) -> io::Result<Option<UnixStream>> {
    // Its line of visitors may be full; then it lives.
    let connected = tokio::time::timeout(PATIENCE, UnixStream::connect(&address.path)).await?;
    match connected {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let _ = std::fs::remove_file(&address.path);
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
