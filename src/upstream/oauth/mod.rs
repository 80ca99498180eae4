//! OAuth 2.1 towards remote servers, as the authorization chapter of MCP has it: what a login left is used and renewed here;
//! the login itself is [`Login`], which a person carries out. Discovery, registration, PKCE and renewal are rmcp's.

mod file;
#[cfg_attr(not(target_os = "linux"), path = "no_keyring.rs")]
mod keyring;
mod login;
mod store;

use http::HeaderValue;
use rmcp::transport::auth::{AuthError, AuthorizationManager, OAuthClientConfig};
use tokio::sync::Mutex;

use super::config::OAuth;
use super::http::causes;
use super::secrets::Secrets;
use super::trouble::Trouble;
pub use login::{Login, LoginError, logout};
use store::Store;
pub use store::{Kept, Logins, UseKeyring};

/// The tokens of one server, for as long as a connection lives.
pub(super) struct Tokens {
    store: Store,
    address: String,
    entry: OAuth,
    /// Made when there is something to use: it asks the authorization server for its metadata first.
    manager: Mutex<Option<AuthorizationManager>>,
}

impl Tokens {
    /// `secrets` learns the tokens.
    pub(super) fn new(logins: &Logins, address: String, entry: OAuth, secrets: Secrets) -> Self {
        let store = Store::new(logins, &address, secrets);
        Self { store, address, entry, manager: Mutex::default() }
    }

    /// The header with a token that is good for half a minute at least; `None` before a login.
    pub(super) async fn header(&self) -> Result<Option<HeaderValue>, Trouble> {
        let mut manager = self.manager.lock().await;
        if manager.is_none() {
            let kept = self.store.read().await.map_err(|reason| trouble(&AuthError::CredentialStoreError(reason)))?;
            if kept.is_none() {
                return Ok(None);
            }
            *manager = self.manager().await.map_err(|error| trouble(&error))?;
        }
        let Some(manager) = manager.as_ref() else { return Ok(None) };
        match manager.get_access_token().await {
            Ok(token) => bearer(&token).map(Some),
            // Only a person can help: the server's 401 says it better than we could.
            Err(AuthError::AuthorizationRequired | AuthError::TokenRefreshRejected(_)) => Ok(None),
            Err(error) => Err(trouble(&error)),
        }
    }

    /// Another token than the one that was refused, if the authorization server gives one.
    pub(super) async fn renewed(&self, refused: Option<&HeaderValue>) -> Result<Option<HeaderValue>, Trouble> {
        let current = self.header().await?;
        // Renewed meanwhile, by another request or another bridge.
        if current.is_some() && current.as_ref() != refused {
            return Ok(current);
        }
        let manager = self.manager.lock().await;
        let Some(manager) = manager.as_ref() else { return Ok(None) };
        match manager.refresh_token().await {
            Ok(_) => {}
            Err(AuthError::AuthorizationRequired | AuthError::TokenRefreshRejected(_)) => return Ok(None),
            Err(error) => return Err(trouble(&error)),
        }
        let token = manager.get_access_token().await.map_err(|error| trouble(&error))?;
        bearer(&token).map(Some)
    }

    async fn manager(&self) -> Result<Option<AuthorizationManager>, AuthError> {
        let mut manager = manager(&self.address, &self.entry).await?;
        manager.set_credential_store(self.store.clone());
        if !manager.initialize_from_store().await? {
            return Ok(None);
        }
        // What a login registered is known by its id; a client that was given a secret needs that too.
        if let (Some(id), Some(secret)) = (&self.entry.client_id, &self.entry.client_secret) {
            // Renewal sends no redirect address.
            let client = OAuthClientConfig::new(id, "http://127.0.0.1/").with_client_secret(secret.expose());
            manager.configure_client(client)?;
        }
        Ok(Some(manager))
    }
}

/// rmcp's manager for a server. Addresses that its metadata names may be private ones only where its own is, or where the entry
/// says so: a server elsewhere must not make us ask around in here.
async fn manager(address: &str, entry: &OAuth) -> Result<AuthorizationManager, AuthError> {
    crate::tls::ready();
    match entry.allow_private {
        true => AuthorizationManager::new_allowing_private_addresses(address).await,
        false => AuthorizationManager::new(address).await,
    }
}

fn bearer(token: &str) -> Result<HeaderValue, Trouble> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| Trouble::Login("it holds a token that fits no header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The login could not be used or renewed; nothing of the call was sent.
fn trouble(error: &AuthError) -> Trouble {
    Trouble::Login(causes(error))
}
