//! Stored logins, in the form that the engines' API wants.

use bollard::auth::DockerCredentials;

use super::find::Surroundings;
use crate::sandbox::credentials;

/// The stored login for the registry of `image`, if there is one that can be read.
pub(super) fn of(image: &str, host: &Surroundings) -> Option<DockerCredentials> {
    let login = credentials::find(image, &host.auth_files())?;
    Some(DockerCredentials {
        username: Some(login.username),
        password: Some(login.password),
        identitytoken: login.identity_token,
        serveraddress: Some(login.address),
        ..Default::default()
    })
}
