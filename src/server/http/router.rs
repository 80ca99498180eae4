//! From a request to the place that answers it. The order of the checks is the order of the lines of [`answer`].

use std::net::IpAddr;
use std::sync::Arc;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use super::auth::METADATA;
use super::error::HttpError;
use super::places::Place;
use super::reply::{self, Reply};
use super::site::Site;
use super::{guard, health, rest, sse, streamable, ws};

/// Where a request came from, and to which address of ours.
#[derive(Clone)]
pub(super) struct Ends {
    pub place: Arc<Place>,
    pub to: IpAddr,
}

pub(super) async fn answer(site: Arc<Site>, ends: Ends, request: Request<Incoming>) -> Reply {
    let path = known(request.uri().path());
    let mut reply = match guard::check(&site.settings, ends.to, &request) {
        Ok(origin) => {
            let refuse: fn(&HttpError) -> Reply =
                if path == "/mcp" { |error| reply::refuse_rpc(error, None) } else { reply::refuse };
            let mut reply = route(&site, ends, request, path).await.unwrap_or_else(|error| refuse(&error));
            guard::allow(origin, &mut reply);
            reply
        }
        Err(error) => {
            tracing::debug!(code = error.code(), from = %ends.place.from, "refused: {error}");
            reply::refuse(&error)
        }
    };
    reply::for_who_asked(&mut reply);
    site.counts.answered(path, reply.status().as_u16());
    reply
}

async fn route(
    site: &Arc<Site>,
    ends: Ends,
    request: Request<Incoming>,
    path: &'static str,
) -> Result<Reply, HttpError> {
    let from = ends.place.from;
    site.pace.admit(from)?;
    if let Some(reply) = guard::preflight(&request) {
        return Ok(reply);
    }
    let method = request.method().clone();
    let refused = |allow: &'static str| HttpError::Method { method: method.to_string(), path, allow };
    if path == METADATA {
        let metadata = site.door.metadata(&site.settings).ok_or_else(|| no_metadata(site, &request))?;
        return if method == Method::GET { Ok(reply::json(StatusCode::OK, &metadata)) } else { Err(refused("GET")) };
    }
    if path == OTHER {
        return Err(no_metadata(site, &request));
    }
    let who = site.door.who(request.headers(), from).await;
    if path == "/health" && method == Method::GET {
        return Ok(health::health(site, who.ok().as_ref(), request.uri().query().unwrap_or_default()));
    }
    let who = who?;
    match (path, method.as_str()) {
        ("/mcp", "POST") => Ok(streamable::post(site, who, from, request).await),
        ("/mcp", "GET") => streamable::get(site, who, request.headers()),
        ("/mcp", "DELETE") => streamable::delete(site, &who, request.headers()),
        ("/mcp", _) => Err(refused("GET, POST, DELETE")),
        ("/sse", "GET") => sse::open(site, who),
        ("/messages", "POST") => sse::post(site, &who, request).await,
        ("/ws", "GET") => ws::open(site, who, ends.place, request),
        ("/tools", "GET") => rest::tools(site, &who).await,
        ("/tools/call", "POST") => rest::call(site, &who, request).await,
        ("/metrics", "GET") => Ok(health::metrics(site, &who)),
        ("/messages" | "/tools/call", _) => Err(refused("POST")),
        _ => Err(refused("GET")),
    }
}

const OTHER: &str = "other";

/// The path as one of ours: what is counted must not grow with what is asked.
fn known(path: &str) -> &'static str {
    const PATHS: [&str; 9] =
        ["/mcp", "/sse", "/messages", "/ws", "/tools", "/tools/call", "/health", "/metrics", METADATA];
    // Clients ask for the document of `/mcp` by its path behind the document's own (RFC 9728, section 3.1).
    let path = path.strip_suffix("/mcp").filter(|path| *path == METADATA).unwrap_or(path);
    PATHS.into_iter().find(|known| *known == path).unwrap_or(OTHER)
}

/// Clients look for an authorization server at several places before they say that there is none. Those of 2025-03-26 look for its
/// metadata here, where it must not be: it would name another issuer than the place it was found at (RFC 8414, section 3.3).
fn no_metadata(site: &Site, request: &Request<Incoming>) -> HttpError {
    let path: String = request.uri().path().chars().take(100).collect();
    if path.starts_with("/.well-known/") {
        let hint = match site.door.document() {
            Some(document) => format!("{document} names the one whose tokens are taken here (RFC 9728)"),
            None => "send a token from `mcp-bridge token add NAME` as `Authorization: Bearer TOKEN`".into(),
        };
        return HttpError::Tool {
            status: 404,
            code: "http.no_oauth",
            message: "this bridge is no authorization server".into(),
            hint,
            wait: None,
        };
    }
    HttpError::NoPath { path }
}
