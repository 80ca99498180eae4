//! A login, from the address a person opens to the token that is kept.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use rmcp::transport::auth::{
    AuthError, AuthorizationMetadataSource, AuthorizationRequest, AuthorizationSession, CredentialStore,
    StoredCredentials,
};

use super::{Kept, Logins, Store};
use crate::upstream::config::{OAuth, ServerConfig, Transport};
use crate::upstream::http::causes;
use crate::upstream::secrets::Secrets;

/// A server that takes longer to refuse a stranger is asked in the other way: by the addresses that the specification names.
const CHALLENGE_TIME: Duration = Duration::from_secs(10);

/// Why a login did not come about.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("server `{server}` is not reached over HTTP, so nobody logs in to it")]
    NotHttp { server: String },

    /// Its entry proves in another way who we are, which goes before a login.
    #[error("server `{server}` is shown `{by}` of its entry, so a login would not be used")]
    Outranked { server: String, by: &'static str },

    /// Neither the server nor its host publishes where to log in.
    #[error("server `{server}` offers no login: it publishes no authorization server")]
    NotOffered { server: String },

    #[error("server `{server}`: the authorization server refused: {reason}")]
    Refused { server: String, reason: String },

    #[error("server `{server}`: the login failed: {reason}")]
    Failed { server: String, reason: String },

    #[error("server `{server}`: {reason}")]
    NotForgotten { server: String, reason: String },
}

impl LoginError {
    /// The stable code, e.g. `upstream.login_not_offered`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotHttp { .. } => "upstream.login_not_http",
            Self::Outranked { .. } => "upstream.login_outranked",
            Self::NotOffered { .. } => "upstream.login_not_offered",
            Self::Refused { .. } => "upstream.login_refused",
            Self::Failed { .. } => "upstream.login_failed",
            Self::NotForgotten { .. } => "upstream.login_not_forgotten",
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotHttp { .. } => "give it what it needs by `env` in its entry".into(),
            Self::Outranked { server, by } => {
                format!("take `{by}` out of the entry of `{server}` if you want to log in")
            }
            Self::NotOffered { server } => format!("put a token into `headers` in the entry of `{server}`"),
            Self::Refused { .. } => "try again, and agree to what is asked".into(),
            Self::NotForgotten { .. } => "unlock the keyring and log out again".into(),
            Self::Failed { server, .. } => {
                format!(
                    "check `url` and `oauth` in the entry of `{server}`; `oauth.clientId` where it registers nobody by itself"
                )
            }
        }
    }
}

/// A login that waits for a person.
pub struct Login {
    server: String,
    secrets: Secrets,
    session: AuthorizationSession,
    kept: Arc<Mutex<Option<Kept>>>,
}

impl Login {
    /// Finds the authorization server, registers with it if need be, and makes the address to open. `redirect` is where the
    /// browser is sent in the end; `scopes` what is asked for, in place of what the entry says or the server names.
    pub async fn begin(
        config: &ServerConfig,
        redirect: &str,
        logins: &Logins,
        scopes: Option<&str>,
    ) -> Result<Self, LoginError> {
        let (address, entry) = remote(config)?;
        let server = config.name.clone();
        if let Some(by) = config.transport.own_proof() {
            return Err(LoginError::Outranked { server, by });
        }
        let secrets = Secrets::of(&config.transport, &config.expanded);
        let failed = |error: AuthError| failed(&server, &error, &secrets);
        let mut manager = super::manager(address, entry).await.map_err(failed)?;
        let store = Store::new(logins, address, secrets.clone());
        let kept = Arc::default();
        manager.set_credential_store(Noting { store: store.clone(), kept: Arc::clone(&kept) });
        // A server that is asked says best where to log in, and for what.
        let challenge = challenge(address).await;
        let resolution = manager.resolve_metadata_from_challenge(challenge.as_deref()).await;
        let resolution = resolution.map_err(failed)?;
        // The revision of 2025-03-26 had fixed addresses for servers that publish none. Whether they are there shows when the bridge
        // tries to register.
        let guessed = resolution.source == AuthorizationMetadataSource::LegacyEndpointFallback;
        if guessed && entry.client_id.is_some() {
            return Err(LoginError::NotOffered { server });
        }
        manager.set_metadata(resolution.metadata);
        let mut request =
            AuthorizationRequest::new(redirect).with_client_name("mcp-bridge").with_initial_scope_selection();
        if let Some(id) = &entry.client_id {
            request = request.with_preregistered_client(id);
        }
        if let Some(secret) = &entry.client_secret {
            request = request.with_client_secret(secret.expose());
        }
        if let Some(url) = &entry.client_metadata_url {
            request = request.with_client_metadata_url(url);
        }
        if let Some(scopes) = scopes.or(entry.scopes.as_deref()) {
            // Who asks for more keeps what was granted before: the new login takes the place of the old one.
            let granted = store.granted().await;
            let wanted = granted.iter().map(String::as_str).chain(scopes.split_whitespace());
            request = request.with_scopes(wanted.collect::<BTreeSet<_>>());
        }
        match AuthorizationSession::new(manager, request).await {
            Ok(session) => Ok(Self { server, secrets, session, kept }),
            Err(_) if guessed => Err(LoginError::NotOffered { server }),
            Err((_, error)) => Err(failed(error)),
        }
    }

    /// The address a person opens in a browser.
    pub fn address(&self) -> &str {
        self.session.get_authorization_url()
    }

    /// Takes the address that the browser was sent to in the end; keeps the token, and says where.
    pub async fn finish(&self, redirected: &str) -> Result<Option<Kept>, LoginError> {
        let server = self.server.clone();
        if let Some(reason) = refusal(redirected) {
            return Err(LoginError::Refused { server, reason: self.secrets.redact(reason) });
        }
        self.session
            .handle_callback_url(redirected)
            .await
            .map_err(|error| failed(&self.server, &error, &self.secrets))?;
        Ok(self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Forgets the login to a server, in the keyring and as a file; whether there was one.
pub async fn logout(config: &ServerConfig, logins: &Logins) -> Result<bool, LoginError> {
    let (address, _) = remote(config)?;
    let removed = Store::new(logins, address, Secrets::default()).remove().await;
    removed.map_err(|reason| LoginError::NotForgotten { server: config.name.clone(), reason })
}

/// A store that notes where it put the login.
struct Noting {
    store: Store,
    kept: Arc<Mutex<Option<Kept>>>,
}

#[async_trait::async_trait]
impl CredentialStore for Noting {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        self.store.load().await
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        let kept = self.store.write(credentials).await.map_err(AuthError::CredentialStoreError)?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        Ok(())
    }

    async fn clear(&self) -> Result<(), AuthError> {
        self.store.clear().await
    }
}

fn remote(config: &ServerConfig) -> Result<(&str, &OAuth), LoginError> {
    match &config.transport {
        Transport::Remote { url, access, .. } if url.starts_with("http://") || url.starts_with("https://") => {
            Ok((url, &access.oauth))
        }
        _ => Err(LoginError::NotHttp { server: config.name.clone() }),
    }
}

/// What the server answers to somebody it does not know: its `WWW-Authenticate`, if it has one.
async fn challenge(address: &str) -> Option<String> {
    let client = reqwest::Client::builder().timeout(CHALLENGE_TIME).redirect(reqwest::redirect::Policy::none()).build();
    let ping = r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#;
    let request = client.ok()?.post(address).header(CONTENT_TYPE, "application/json").body(ping);
    let response = request.header(ACCEPT, "application/json, text/event-stream").send().await.ok()?;
    let header = response.headers().get(WWW_AUTHENTICATE)?;
    header.to_str().ok().filter(|_| response.status() == StatusCode::UNAUTHORIZED).map(str::to_owned)
}

/// What an authorization server says when it sends the browser back without a code (RFC 6749, 4.1.2.1).
fn refusal(redirected: &str) -> Option<String> {
    let url: reqwest::Url = redirected.parse().ok()?;
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let error = value("error")?;
    Some(value("error_description").map_or(error.clone(), |words| format!("{error} ({words})")))
}

fn failed(server: &str, error: &AuthError, secrets: &Secrets) -> LoginError {
    LoginError::Failed { server: server.to_owned(), reason: secrets.redact(causes(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_from_the_address() {
        let refused = "http://127.0.0.1:1/callback?error=access_denied&error_description=not+today&state=x";
        assert_eq!(refusal(refused).as_deref(), Some("access_denied (not today)"));
        assert_eq!(refusal("http://127.0.0.1:1/callback?code=1&state=x"), None);
        assert_eq!(refusal("no address"), None);
    }
}
