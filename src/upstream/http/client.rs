//! One server's HTTP client: its address, its certificates, what proves who we are; and what a status means.

use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Identity, RequestBuilder, Response, Url};
use tokio_util::io::StreamReader;

use super::{Access, Address, trouble};
use crate::upstream::config;
use crate::upstream::error::Proof;
use crate::upstream::trouble::{Trouble, said};

/// What an error page may hold, in bytes.
const ERROR_BODY: usize = 64 * 1024;
/// Bytes of a file of certificates or keys: all that a system trusts have a quarter of it.
const MOST_PEM: u64 = 1 << 20;
/// Redirects followed for one request.
const MOST_REDIRECTS: usize = 5;

/// Cheap to clone; all clones share connections.
#[derive(Clone)]
pub(in crate::upstream) struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    address: Address,
    access: Access,
}

impl Client {
    /// The error is one of the entry: files of certificates that cannot be read, headers that are none.
    pub(in crate::upstream) fn new(address: Address, access: Access, files: &config::Access) -> Result<Self, String> {
        crate::tls::ready();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("mcp-bridge/", env!("CARGO_PKG_VERSION")))
            .tcp_nodelay(true)
            .redirect(Policy::custom(redirect));
        if address.is_local() {
            builder = builder.no_proxy();
        }
        #[cfg(unix)]
        if let Some(socket) = &address.socket {
            builder = builder.unix_socket(socket.clone());
        }
        if address.url.scheme() == "http" {
            // No TLS is spoken there, redirects included: a machine without any certificates will do.
            builder = builder.tls_certs_only([]);
        }
        if let Some(file) = &files.ca {
            let roots = Certificate::from_pem_bundle(&read(file)?);
            let roots = roots.ok().filter(|roots| !roots.is_empty());
            builder = builder.tls_certs_merge(
                roots.ok_or_else(|| format!("`tls.ca` {} holds no certificate in PEM form", file.display()))?,
            );
        }
        if let Some((certificate, key)) = &files.certificate {
            let mut pem = read(key)?;
            if key != certificate {
                pem.push(b'\n');
                pem.extend(read(certificate)?);
            }
            let identity = Identity::from_pem(&pem);
            builder = builder.identity(identity.map_err(|_| {
                let file = certificate.display();
                format!("`tls.cert` {file} and `tls.key` are not a certificate and its key in PEM form")
            })?);
        }
        let http = builder.build().map_err(|error| super::causes(&error.without_url()))?;
        Ok(Self(Arc::new(Inner { http, address, access })))
    }

    pub(in crate::upstream) fn address(&self) -> &Address {
        &self.0.address
    }

    pub(in crate::upstream) fn access(&self) -> &Access {
        &self.0.access
    }

    /// Sends a request with what proves who we are; once more with fresh proof when the server refuses the first with 401, which
    /// says that it did nothing. `build` makes the request, perhaps twice.
    pub(in crate::upstream) async fn send(
        &self,
        build: impl Fn(&reqwest::Client) -> RequestBuilder,
    ) -> Result<Response, Trouble> {
        let trouble = |error| match trouble(error) {
            Trouble::Unreachable(reason) => Trouble::Unreachable(format!("{}: {reason}", self.0.address.shown())),
            other => other,
        };
        let proof = self.0.access.headers().await?;
        let response = build(&self.0.http).headers(proof.clone()).send().await.map_err(trouble)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        match self.0.access.renewed(&proof).await? {
            Some(fresh) => build(&self.0.http).headers(fresh).send().await.map_err(trouble),
            None => Ok(response),
        }
    }

    /// What a refusal (401, 403) of what was shown last means.
    pub(in crate::upstream) async fn denied(&self, status: StatusCode, challenge: Option<String>) -> Trouble {
        let proof = self.0.access.headers().await.map(|shown| self.0.access.proof(&shown));
        Trouble::Denied { status: status.as_u16(), challenge, proof: proof.unwrap_or(Proof::Nothing) }
    }

    /// What a status that is no success means, and the body that explains it, if it is not too long-winded.
    pub(in crate::upstream) async fn refusal(&self, response: Response) -> (Trouble, Vec<u8>) {
        let status = response.status();
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let challenge = text(WWW_AUTHENTICATE);
        if status == StatusCode::UNAUTHORIZED || (status == StatusCode::FORBIDDEN && challenge.is_some()) {
            return (self.denied(status, challenge).await, Vec::new());
        }
        let retry_after = text(RETRY_AFTER);
        if status.is_redirection() {
            let words = astray(&response, &text(LOCATION).unwrap_or_default());
            return (Trouble::status(status.as_u16(), &words, retry_after), Vec::new());
        }
        let body = body(response, ERROR_BODY).await.ok().flatten().unwrap_or_default();
        let words = String::from_utf8_lossy(&body);
        if status == StatusCode::FORBIDDEN {
            return (self.denied(status, said(&words)).await, Vec::new());
        }
        (Trouble::status(status.as_u16(), &words, retry_after), body)
    }
}

/// Why a redirect was not followed.
fn astray(response: &Response, location: &str) -> String {
    let target = response.url().join(location).ok();
    let shown = target.as_ref().map_or_else(|| "nowhere".into(), |url| config::host_of(url.as_str()));
    match target.filter(|url| may_follow(response.status(), response.url(), url)) {
        Some(_) => format!("its redirects go in a circle: more than {MOST_REDIRECTS} of them, the last to {shown}"),
        None => format!("it redirects to {shown}, which is not followed"),
    }
}

/// The whole body; `Ok(None)` when it is longer than `limit` bytes.
pub(in crate::upstream) async fn body(response: Response, limit: usize) -> Result<Option<Vec<u8>>, Trouble> {
    let expected = response.content_length().unwrap_or(0);
    if expected > limit as u64 {
        return Ok(None);
    }
    let mut body = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(trouble)?;
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The body as it comes. Its errors hold no address.
pub(in crate::upstream) fn reader(response: Response) -> impl tokio::io::AsyncRead + Unpin + Send + 'static {
    StreamReader::new(Box::pin(response.bytes_stream().map_err(|error| match trouble(error) {
        Trouble::Broken(reason) | Trouble::Unreachable(reason) => std::io::Error::other(reason),
        other => std::io::Error::other(format!("{other:?}")),
    })))
}

/// The media type without its parameters, in small letters.
pub(in crate::upstream) fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Only within one origin, where headers may go, and only where the method stays what it was.
fn may_follow(status: StatusCode, from: &Url, to: &Url) -> bool {
    let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    keeps_method && from.origin() == to.origin()
}

fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let from = attempt.previous().last();
    let may = from.is_some_and(|from| may_follow(attempt.status(), from, attempt.url()));
    if may && attempt.previous().len() <= MOST_REDIRECTS { attempt.follow() } else { attempt.stop() }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    crate::regular::read(file, MOST_PEM).map_err(|error| format!("{} cannot be read ({error})", file.display()))
}
