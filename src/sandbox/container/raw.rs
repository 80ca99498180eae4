//! One plain GET to an engine, for the two questions where the client library is in the way: the greeting (the answer is in the
//! headers) and the list of containers (Podman names states that the library refuses, and one would hide all).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::find::Endpoint;

/// Bytes of an answer that are taken: a list of ten thousand containers is a tenth of it.
const ANSWER: u64 = 64 << 20;

/// An engine's answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, whatever its case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Asks for `path` on a connection of its own. An error of kind `NotFound`, `PermissionDenied` or `ConnectionRefused` is about the
/// connection, as the system put it.
pub(super) async fn get(endpoint: &Endpoint, path: &str) -> io::Result<Answer> {
    match endpoint {
        #[cfg(unix)]
        Endpoint::Unix(socket) => exchange(tokio::net::UnixStream::connect(socket).await?, path).await,
        Endpoint::Tcp(address) => exchange(tokio::net::TcpStream::connect(address.as_str()).await?, path).await,
        #[cfg(windows)]
        Endpoint::Pipe(name) => {
            let pipe = tokio::net::windows::named_pipe::ClientOptions::new().open(name.replace('/', "\\"))?;
            exchange(pipe, path).await
        }
        #[allow(unreachable_patterns)]
        other => Err(io::Error::new(io::ErrorKind::Unsupported, format!("{other} cannot be reached on this system"))),
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> io::Result<Answer> {
    // Version 1.0: the body comes in one piece and ends with the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n").as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(ANSWER).read_to_end(&mut bytes).await?;
    parse(bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "what answers does not speak HTTP"))
}

fn parse(bytes: Vec<u8>) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut lines = std::str::from_utf8(&bytes[..end]).ok()?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    Some(Answer { status, headers, body: bytes[end + 4..].to_vec() })
}

/// A value in a query: every byte as `%xx`, which needs no table of what is safe.
pub(super) fn encoded(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_what_is_none() {
        let answer = parse(b"HTTP/1.0 200 OK\r\nApi-Version: 1.41\r\n\r\nOK\r\n\r\n".to_vec()).expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"OK\r\n\r\n"[..]));
        assert_eq!(answer.header("api-version"), Some("1.41"));
        assert_eq!(answer.header("server"), None);
        for bytes in ["", "hi", "HTTP/1.0 200 OK", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 x\r\n\r\n", "HTTP/1.1\r\n\r\n"] {
            assert!(parse(bytes.into()).is_none(), "{bytes}");
        }
        assert!(parse(vec![0xff, b'\r', b'\n', b'\r', b'\n']).is_none());
    }

    #[test]
    fn a_query_value() {
        assert_eq!(encoded("a\"{"), "%61%22%7B");
    }
}
