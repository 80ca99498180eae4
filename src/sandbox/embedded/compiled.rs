//! Compiled modules for an image that comes without (the official Python images do): with a read-only root, Python would compile
//! what it imports in every sandbox anew. They are compiled in a sandbox, once, and what comes out is put into the store's copy.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::Embedded;
use super::image::Store;
use crate::sandbox::{Backend, Limits, SandboxError, SandboxSpec};

const PROGRAM: &str = include_str!("compile.py");
/// The standard library takes 10 s on one processor; an image with large packages ten times that. A little more.
const TIME: Duration = Duration::from_secs(120);
/// Bytes of memory: 20 MB for the standard library; generated files of large packages take far more.
const MEMORY: u64 = 1 << 30;
/// Bytes of all compiled modules together: the standard library has 30 MB, a stack for data ten times that.
const ALL: u64 = 1 << 30;
/// Bytes of one path: the kernel takes 4096.
const PATH: u32 = 4096;
/// Bytes of one module: the largest generated ones have a few million.
const MODULE: u32 = 64 << 20;

/// Compiles the image's modules and keeps them beside their sources. An image that is not there is none of ours to compile.
pub(super) async fn compile(embedded: &Embedded, store: &Store, image: &str) -> Result<(), SandboxError> {
    if store.find(image)?.is_none() {
        return Ok(());
    }
    let spec = SandboxSpec {
        run: "compile".into(),
        image: image.to_owned(),
        command: ["python3", "-I", "-B", "-c", PROGRAM].map(String::from).into(),
        env: Vec::new(),
        limits: limits(),
        boot: bytes::Bytes::new(),
    };
    let sandbox = embedded.launch(&spec).await?;
    // The input stays open: its end is a hang-up.
    let _input = sandbox.input;
    let mut complaint = sandbox.supervisor.take(u64::from(PATH));
    let (mut said, failed) =
        (Vec::new(), |reason: String| SandboxError::ImageBuildFailed { image: image.to_owned(), reason });
    let work = async { tokio::join!(modules(sandbox.program.take(ALL)), complaint.read_to_end(&mut said)).0 };
    let modules = tokio::time::timeout(TIME, work).await;
    sandbox.handle.destroy().await?;
    let modules = modules.map_err(|_| failed(format!("compiling took more than {} s", TIME.as_secs())))?;
    let modules = modules.map_err(|error| failed(format!("compiling: {error}")))?;
    store.put_compiled(image, modules).await
}

fn limits() -> Limits {
    // Nothing is written but the output, and one process does it.
    let small = 1 << 20;
    Limits {
        memory: MEMORY,
        pids: 16,
        cpus: 1.0,
        user: "65534:65534".into(),
        tmp: small,
        workspace: small,
        open_files: 64,
    }
}

/// Paths inside the image, and what belongs there.
async fn modules(mut stream: impl AsyncRead + Unpin) -> std::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found = Vec::new();
    loop {
        let length = match stream.read_u32().await {
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(found),
            Err(error) => return Err(error),
        };
        let path = piece(&mut stream, length, PATH).await?;
        let length = stream.read_u32().await?;
        found.push((path, piece(&mut stream, length, MODULE).await?));
    }
}

/// Memory grows with what really comes, whatever the length says.
async fn piece(stream: &mut (impl AsyncRead + Unpin), length: u32, most: u32) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if length > most {
        return Err(std::io::Error::other(format!("a piece of {length} bytes, where {most} are the most")));
    }
    stream.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 == u64::from(length) { Ok(bytes) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_are_read_and_nonsense_is_not_believed() {
        let whole = b"\0\0\0\x01a\0\0\0\x02bc";
        assert_eq!(modules(&whole[..]).await.expect("one"), [(b"a".to_vec(), b"bc".to_vec())]);
        assert!(modules(&b""[..]).await.expect("none").is_empty());
        for end in 4..whole.len() {
            assert!(modules(&whole[..end]).await.is_err(), "{end}");
        }
        assert!(modules(&b"\xff\xff\xff\xff"[..]).await.is_err());
        assert!(modules(&b"\0\0\0\x01a\xff\xff\xff\xff"[..]).await.is_err());
    }
}
