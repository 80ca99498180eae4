//! Whom a request is for, which page sent it, and that everybody on its way sees the same end of it: checked before anything else, on
//! every path.
//!
//! A page of the web can have its own name point to 127.0.0.1 (DNS rebinding), and a browser then takes the bridge for a part of that
//! page. The `Host` gives it away, and so does the `Origin`.

use std::net::IpAddr;

use http::header::{self, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{Method, Request, StatusCode};

use super::error::HttpError;
use super::reply::{Reply, empty};
use crate::settings::Http;

/// Names that only reach this machine. Further ones end in `.localhost`, which resolvers keep here too (RFC 6761).
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Checks a request that came to this address of ours. Gives the origin of the page that sent it, if one did.
///
/// # Errors
/// Its Host or its Origin is none of ours, or its body is encoded in more ways than one.
pub(super) fn check<B>(settings: &Http, local: IpAddr, request: &Request<B>) -> Result<Option<HeaderValue>, HttpError> {
    is_plainly_framed(request.headers())?;
    let named = |found: &str| HttpError::Host { found: found.chars().take(100).collect() };
    // The absolute form names a host of its own, and proxies believe that one.
    if let Some(authority) = request.uri().authority()
        && !is_ours(settings, local, authority)
    {
        return Err(named(authority.as_str()));
    }
    let host = only(request.headers(), &HOST).ok_or_else(|| named(""))?;
    let host = host.to_str().map_err(|_| named("not text"))?;
    match host.parse::<Authority>() {
        Ok(authority) if is_ours(settings, local, &authority) => {}
        _ => return Err(named(host)),
    }
    if !request.headers().contains_key(ORIGIN) {
        return Ok(None);
    }
    let origin = only(request.headers(), &ORIGIN).filter(|origin| may_use(settings, origin));
    origin.cloned().map(Some).ok_or_else(|| {
        let found = request.headers().get(ORIGIN).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        HttpError::Origin { found: found.unwrap_or_default().chars().take(100).collect() }
    })
}

/// Checks that the body comes in chunks and nothing besides, or has a length. Of further encodings, or several headers, a proxy may
/// take another for the one that counts, and then see requests where we see a body.
fn is_plainly_framed(headers: &HeaderMap) -> Result<(), HttpError> {
    let is_plain = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if !headers.contains_key(TRANSFER_ENCODING) || only(headers, &TRANSFER_ENCODING).is_some_and(is_plain) {
        return Ok(());
    }
    let all = headers.get_all(TRANSFER_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let found = all.collect::<Vec<_>>().join(", ");
    Err(HttpError::Framing { found: found.chars().take(100).collect() })
}

/// The header, if it stands there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut all = headers.get_all(name).iter();
    all.next().filter(|_| all.next().is_none())
}

/// A port is not looked at: whoever chose the name chose it, and forwarded ports differ.
fn is_ours(settings: &Http, local: IpAddr, authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    // An address is no name that somebody could point elsewhere.
    is_local(&name)
        || name.parse::<IpAddr>().is_ok_and(|ip| ip == local.to_canonical() || ip == settings.address.ip())
        || settings.hosts.iter().any(|host| host.eq_ignore_ascii_case(&name))
}

fn is_local(name: &str) -> bool {
    LOCAL.contains(&name) || name.ends_with(".localhost")
}

fn may_use(settings: &Http, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if settings.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let place = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    place.and_then(|place| place.parse::<Authority>().ok()).is_some_and(|authority| {
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        !authority.as_str().contains('@') && is_local(&name)
    })
}

/// Answers a browser that asks first what its page may send.
pub(super) fn preflight<B>(request: &Request<B>) -> Option<Reply> {
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && request.headers().contains_key(ORIGIN);
    asks.then(|| {
        let mut reply = empty(StatusCode::NO_CONTENT);
        let headers = reply.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
        if let Ok(sent) = HeaderValue::from_str(&sent(request.headers())) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, sent);
        }
        // As long as browsers keep it at most.
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
        reply
    })
}

/// The headers that a page may send; of those that tools name for their arguments, which nobody can list, those that it asks for.
fn sent(asking: &HeaderMap) -> String {
    let mut sent =
        "authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name".to_owned();
    let asked = asking.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter().filter_map(|names| names.to_str().ok());
    for name in asked.flat_map(|names| names.split(',')).filter_map(|name| name.trim().parse::<HeaderName>().ok()) {
        if name.as_str().starts_with("mcp-param-") {
            sent = sent + ", " + name.as_str();
        }
    }
    sent
}

/// Lets the page read the answer.
pub(super) fn allow(origin: Option<HeaderValue>, reply: &mut Reply) {
    let Some(origin) = origin else { return };
    let headers = reply.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("mcp-session-id, www-authenticate"));
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
}
