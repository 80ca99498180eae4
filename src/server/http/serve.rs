//! Connections: accepted within a limit, read within a time, ended when the bridge ends.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::places::{Place, party};
use super::router::{self, Ends};
use super::site::Site;
use super::stall::Stall;

/// How long the next request of a connection, or its handshake, may take to come. Longer than clients keep idle connections (5 to 15 s).
const HEAD: Duration = Duration::from_secs(30);
/// Headers of one request: real clients send about ten, behind proxies twenty.
const HEADERS: usize = 100;
/// Bytes of them all, and of what is read at a time.
const HEAD_BYTES: usize = 64 << 10;
/// After an error of the system's, such as no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// How long connections may take to send their last bytes.
const LAST: Duration = Duration::from_secs(1);

/// Serves until the bridge was told to end and what was under way has ended, or its grace is over.
pub(super) async fn serve(site: Arc<Site>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    let accepting = async {
        loop {
            let (stream, from) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Some(place) = site.places.take(party(from.ip())) else { continue };
            let (site, tls) = (Arc::clone(&site), tls.clone());
            tokio::spawn(async move {
                if let Err(error) = connection(&site, stream, place, tls).await {
                    tracing::debug!(%from, "a connection ended: {error}");
                }
            });
        }
    };
    let drained = async {
        site.draining.cancelled().await;
        tracing::info!("ending: {} requests under way have {} s", site.busy.len(), site.settings.grace.as_secs_f64());
        site.busy.close();
        // Whoever wants to know hears that it ends, so connections are accepted meanwhile.
        let _ = tokio::time::timeout(site.settings.grace, site.busy.wait()).await;
    };
    tokio::select! {
        () = accepting => {}
        () = drained => {}
    }
    site.closing.cancel();
    let _ = tokio::time::timeout(LAST, site.places.free()).await;
}

async fn connection(
    site: &Arc<Site>,
    stream: TcpStream,
    place: Place,
    tls: Option<TlsAcceptor>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // An answer is small and somebody waits for it.
    stream.set_nodelay(true)?;
    let ends = Ends { place: Arc::new(place), to: stream.local_addr()?.ip().to_canonical() };
    let Some(tls) = tls else { return speak(site, stream, ends).await };
    let begun = async {
        let mut stream = stream;
        if speaks_plainly(&stream).await? {
            stream.write_all(PLAIN).await?;
            stream.shutdown().await?;
            return Ok(None);
        }
        tls.accept(stream).await.map(Some)
    };
    let begun = tokio::time::timeout(HEAD, begun).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    match begun? {
        Some(stream) => speak(site, stream, ends).await,
        None => Ok(()),
    }
}

/// Whether the client began with a letter, as HTTP does, and not with the handshake of TLS (22).
async fn speaks_plainly(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic())
}

const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 56\r\n\r\n\
    This port speaks HTTPS: use https:// in place of http://";

async fn speak(
    site: &Arc<Site>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ends: Ends,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let service = service_fn(|request| {
        let (site, ends) = (Arc::clone(site), ends.clone());
        async move { Ok::<_, Infallible>(router::answer(site, ends, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Stall::new(stream)), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = site.closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    Ok(tokio::time::timeout(LAST, connection).await??)
}
