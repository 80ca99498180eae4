//! Who is calling: a token that was given out by hand, a JWT of an authorization server, or nobody in particular.
//!
//! The transport decides, never an argument. `tokens` keeps what `mcp-bridge token` gives out, `jwt` reads what an authorization
//! server signed (with `keys`, which may be `fetched`), `guesses` slows down whoever tries tokens.

mod fetched;
mod guesses;
mod jwt;
mod keys;
mod tokens;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, HeaderMap};
use tokio_util::sync::CancellationToken;

use super::error::HttpError;
use super::quiet::Quiet;
use crate::execution::Caller;
use crate::settings::{Http, HttpAuth};
use guesses::Guesses;
pub use jwt::JwtError;
use jwt::{Claims, Jwts, Wrong};
use tokens::Tokens;
pub use tokens::{Listed, TokenError, TokenFile};

/// Between two looks at the file of tokens on behalf of connections that are silent. Requests look themselves.
const LOOK: Duration = Duration::from_millis(500);

/// Between two lines of the log about wrong tokens.
const SAID: Duration = Duration::from_secs(1);

/// What is said of wrong tokens (RFC 6750, section 3).
const UNKNOWN: &str = "the token is not known, has expired, or is for others";
const NAMES_NOBODY: &str =
    "the sub of the token cannot be a name here: 1 to 255 characters are wanted, all of them visible";

/// A caller, as long as it may call.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub caller: Caller,
    /// Cancelled when what let the caller in is taken back; everything of it then ends.
    pub root: CancellationToken,
    /// When that happens by itself.
    pub until: Option<SystemTime>,
}

impl Who {
    /// Resolves when the caller may not go on.
    pub async fn over(&self) {
        let left = self.until.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default());
        let expired = async {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.root.cancelled() => {}
            () = expired => {}
        }
    }
}

pub(super) struct Door {
    auth: HttpAuth,
    tokens: Tokens,
    jwts: Option<Jwts>,
    guesses: Guesses,
    /// What the log says of wrong tokens.
    said: Quiet,
    /// Ends what nobody in particular has open.
    anonymous: CancellationToken,
    closing: CancellationToken,
    /// Where clients read about the authorization server.
    metadata: Option<String>,
}

impl Door {
    /// # Errors
    /// The file of tokens, or the file of keys, cannot be used.
    pub fn new(settings: &Http, tokens: TokenFile, closing: &CancellationToken) -> Result<Arc<Self>, DoorError> {
        let tokens = Tokens::open(tokens, closing)?;
        let jwts = settings.jwt.as_ref().map(Jwts::new).transpose()?;
        let metadata = jwts.as_ref().map(|_| format!("{}{METADATA}", public_url(settings)));
        let door = Arc::new(Self {
            auth: settings.auth,
            tokens,
            jwts,
            guesses: Guesses::default(),
            said: Quiet::new(SAID),
            anonymous: closing.child_token(),
            closing: closing.clone(),
            metadata,
        });
        tokio::spawn(keep_looking(Arc::downgrade(&door)));
        Ok(door)
    }

    /// Whether callers must say who they are, now.
    pub fn demands(&self) -> bool {
        self.tokens.look();
        let demands = match self.auth {
            HttpAuth::Off => false,
            HttpAuth::Required => true,
            HttpAuth::Auto => self.jwts.is_some() || self.tokens.ever(),
        };
        if demands {
            self.anonymous.cancel();
        }
        demands
    }

    /// Who sent these headers. A wrong token is answered late when its address sent many; a right one never is.
    ///
    /// # Errors
    /// Nobody who may call.
    pub async fn who(&self, headers: &HeaderMap, from: IpAddr) -> Result<Who, HttpError> {
        if !self.demands() {
            return Ok(Who { caller: Caller::anonymous(), root: self.anonymous.clone(), until: None });
        }
        let Some(token) = bearer(headers) else { return Err(self.unauthorized(None)) };
        if let Some((name, root, until)) = self.tokens.find(token) {
            return Ok(Who { caller: Caller::named(&format!("token:{name}")), root, until });
        }
        let wrong = match &self.jwts {
            None => Wrong::Unknown,
            Some(jwts) => match jwts.read(token).await {
                Ok(Claims { sub, until }) => {
                    let root = self.closing.child_token();
                    return Ok(Who { caller: Caller::named(&format!("jwt:{sub}")), root, until: Some(until) });
                }
                Err(wrong) => wrong,
            },
        };
        if let Some(left_out) = self.said.turn() {
            tracing::warn!(code = "http.unauthorized", %from, left_out, "a token was refused: {wrong}");
        }
        if wrong == Wrong::NoName {
            // Who has one that an issuer signed does not guess.
            return Err(self.unauthorized(Some(NAMES_NOBODY)));
        }
        self.guesses.wrong(from).await?;
        Err(self.unauthorized(Some(UNKNOWN)))
    }

    /// Where clients read about the authorization server, if there is one.
    pub fn document(&self) -> Option<&str> {
        self.metadata.as_deref()
    }

    /// The document that says where callers log in, if that is possible (RFC 9728).
    pub fn metadata(&self, settings: &Http) -> Option<serde_json::Value> {
        let jwt = settings.jwt.as_ref()?;
        Some(serde_json::json!({
            "resource": format!("{}/mcp", public_url(settings)),
            "authorization_servers": [jwt.issuer],
            "bearer_methods_supported": ["header"],
            "resource_name": "mcp-bridge",
        }))
    }

    /// `wrong`: what is the matter with the token that came.
    fn unauthorized(&self, wrong: Option<&str>) -> HttpError {
        let mut challenge = String::from("Bearer realm=\"mcp-bridge\"");
        if let Some(why) = wrong {
            challenge += &format!(", error=\"invalid_token\", error_description=\"{why}\"");
        }
        if let Some(url) = &self.metadata {
            challenge += &format!(", resource_metadata=\"{url}\"");
        }
        HttpError::Unauthorized { challenge }
    }
}

/// The path of the document about this resource.
pub(super) const METADATA: &str = "/.well-known/oauth-protected-resource";

fn public_url(settings: &Http) -> String {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    settings.url.clone().unwrap_or_else(|| format!("{scheme}://{}", settings.address))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let only = all.next().filter(|_| all.next().is_none())?.to_str().ok()?;
    let (scheme, token) = only.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// So that a connection which sends nothing ends too when what let it in is gone.
async fn keep_looking(door: std::sync::Weak<Door>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(door) = door.upgrade() else { return };
        door.demands();
    }
}

/// Why nobody can be let in.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Jwt(#[from] JwtError),
}

impl DoorError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Token(error) => error.code(),
            Self::Jwt(error) => error.code(),
        }
    }

    /// One thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Token(error) => error.hint(),
            Self::Jwt(error) => error.hint(),
        }
    }
}
