//! Images from a registry.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, RegistryOperation};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::archive::{pair, parts_of};
use super::blob::Blob;
use super::digest::{Digest, Sum};
use super::fault::Fault;
use super::format::{Config, Descriptor, Manifest, Platform, choose, json};
use super::layer::Layer;
use super::limits::Limits;
use super::name::Name;
use crate::sandbox::credentials::Login;

/// A registry that takes longer than this to take a connection is not there.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// Longest silence within an answer. A slow registry sends something within a minute.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// Manifests and configs are a few kilobytes: two minutes are enough for any line, and bound what a hostile registry can send.
const MANIFEST_LIMIT: Duration = Duration::from_secs(120);
/// Layers at the same time, as Docker does.
const AT_ONCE: usize = 3;
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// A registry, logged in to for one image.
pub(super) struct Registry {
    client: Client,
    name: Name,
    auth: RegistryAuth,
}

/// A manifest whose digest fits, and the config it points to.
pub(super) struct Described {
    /// Digest of the config, which is the image's id.
    pub id: Digest,
    pub config: Config,
    pub layers: Vec<Descriptor>,
}

impl Registry {
    pub async fn connect(name: Name, login: Option<Login>) -> Result<Self, Fault> {
        crate::tls::ready();
        let plain = if name.is_local() { vec![name.reference().resolve_registry().to_owned()] } else { Vec::new() };
        let config = ClientConfig {
            protocol: ClientProtocol::HttpsExcept(plain),
            connect_timeout: Some(CONNECT_LIMIT),
            read_timeout: Some(READ_LIMIT),
            user_agent: concat!("mcp-bridge/", env!("CARGO_PKG_VERSION")),
            ..Default::default()
        };
        let client = Client::try_from(config).map_err(|error| refused(&name, error))?;
        let auth = login.map_or(RegistryAuth::Anonymous, |login| RegistryAuth::Basic(login.username, login.password));
        // Asked for by itself, because the library would go on without an answer.
        client.auth(name.reference(), &auth, RegistryOperation::Pull).await.map_err(|error| refused(&name, error))?;
        Ok(Self { client, name, auth })
    }

    /// What the name stands for on this machine.
    pub async fn describe(&self, limits: &Limits) -> Result<Described, Fault> {
        tokio::time::timeout(MANIFEST_LIMIT, self.described(limits)).await.map_err(|_| {
            Fault::Pull(format!("the registry did not describe it within {} s", MANIFEST_LIMIT.as_secs()))
        })?
    }

    async fn described(&self, limits: &Limits) -> Result<Described, Fault> {
        let machine = Platform::here();
        let mut manifest = self.manifest(self.name.reference(), self.name.digest(), limits).await?;
        if let Some(entries) = &manifest.manifests {
            let digest = choose(entries, &machine)?.digest()?;
            let reference = self.name.reference().clone_with_digest(digest.to_string());
            manifest = self.manifest(&reference, Some(digest), limits).await?;
        }
        let (config, layers) = parts_of(manifest)?;
        let (id, size) = (config.digest()?, config.size);
        if size > limits.manifest {
            return Err(Fault::Invalid(format!("the config is longer than {} bytes", limits.manifest)));
        }
        let mut bytes = Vec::new();
        self.fetch("the config", &id, size, &mut bytes, |_| {}).await?;
        let config: Config = json("the config", &bytes)?;
        config.check_platform(&machine)?;
        // Before anything large is fetched.
        drop(pair(&layers, &config, limits)?);
        Ok(Described { id, config, layers })
    }

    async fn manifest(
        &self,
        reference: &Reference,
        digest: Option<Digest>,
        limits: &Limits,
    ) -> Result<Manifest, Fault> {
        let answer = self.client.pull_manifest_raw(reference, &self.auth, &MANIFESTS).await;
        let (bytes, _) = answer.map_err(|error| refused(&self.name, error))?;
        if bytes.len() as u64 > limits.manifest {
            return Err(Fault::Invalid(format!("the manifest is longer than {} bytes", limits.manifest)));
        }
        if let Some(digest) = digest {
            let mut sum = Sum::default();
            sum.add(&bytes);
            sum.check("the manifest", &digest, None)?;
        }
        json("the manifest", &bytes)
    }

    /// Downloads the layers into `folder`, verified. `progress` hears bytes done and to be done.
    pub async fn layers(
        &self,
        described: &Described,
        folder: &Path,
        limits: &Limits,
        progress: impl Fn(u64, u64) + Sync,
    ) -> Result<Vec<Layer>, Fault> {
        let paired: Vec<_> = pair(&described.layers, &described.config, limits)?.collect();
        let mut seen = HashSet::new();
        let mut wanted = Vec::new();
        let mut layers = Vec::new();
        for (descriptor, diff_id) in paired {
            let digest = descriptor.digest()?;
            let path = folder.join(digest.hex());
            layers.push(Layer { blob: Blob::File(path.clone()), diff_id });
            // The same layer twice (an empty one, often) is one download.
            if seen.insert(digest.clone()) {
                wanted.push((digest, descriptor.size, path));
            }
        }
        let all = wanted.iter().fold(0_u64, |sum, (_, size, _)| sum.saturating_add(*size));
        // Packed is not larger than unpacked, but for a few bytes: a disk is not filled to find out.
        if all > limits.unpacked {
            return Err(Fault::Invalid(format!("its layers have {all} bytes, more than {}", limits.unpacked)));
        }
        let done = AtomicU64::new(0);
        let tell = |bytes| progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, all);
        progress(0, all);
        futures::stream::iter(wanted)
            .map(|(digest, size, path)| async move {
                let mut file = File::create_new(&path).await.map_err(|error| Fault::store(&path, error))?;
                self.fetch("a layer", &digest, size, &mut Written { file: &mut file, path: &path }, tell).await?;
                file.flush().await.map_err(|error| Fault::store(&path, error))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(layers)
    }

    async fn fetch(
        &self,
        what: &str,
        digest: &Digest,
        size: u64,
        target: &mut impl Target,
        tell: impl Fn(u64),
    ) -> Result<(), Fault> {
        // Only the digest: other addresses that a manifest may name are none of the user's choice.
        let descriptor = OciDescriptor { digest: digest.to_string(), ..Default::default() };
        let failed = |error| refused(&self.name, error);
        let mut stream = self.client.pull_blob_stream(self.name.reference(), &descriptor).await.map_err(failed)?.stream;
        let (mut sum, mut left) = (Sum::default(), size);
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(|error| interrupted(what, digest, &error))?;
            left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                Fault::Invalid(format!("{what} {digest} has more than the {size} bytes it should have"))
            })?;
            sum.add(&bytes);
            target.take(&bytes).await?;
            tell(bytes.len() as u64);
        }
        sum.check(what, digest, Some(size))
    }
}

/// Where a download goes.
trait Target {
    async fn take(&mut self, bytes: &[u8]) -> Result<(), Fault>;
}

impl Target for Vec<u8> {
    async fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

struct Written<'a> {
    file: &'a mut File,
    path: &'a Path,
}

impl Target for Written<'_> {
    async fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.file.write_all(bytes).await.map_err(|error| Fault::store(self.path, error))
    }
}

/// A stream that broke off: the library's word for a wrong digest comes the same way as the line's.
fn interrupted(what: &str, digest: &Digest, error: &std::io::Error) -> Fault {
    let reason = chain(error);
    if reason.contains("nvalid digest") {
        return Fault::Invalid(format!("{what} should be {digest}, and the registry sent something else"));
    }
    Fault::Pull(format!("{what} broke off: {reason}"))
}

/// The library's errors in words for the user; addresses, which may carry tokens, are left out.
fn refused(name: &Name, error: OciDistributionError) -> Fault {
    use OciDistributionError as E;
    let registry = name.reference().registry();
    let login = || {
        Fault::Pull(format!(
            "{registry} refused: the image does not exist, or needs a login (`docker login {registry}`)"
        ))
    };
    match error {
        E::AuthenticationFailure(_) | E::UnauthorizedError { .. } => login(),
        E::RegistryError { envelope, .. } => {
            let is = |codes: &[OciErrorCode]| envelope.errors.iter().any(|error| codes.contains(&error.code));
            if is(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                return login();
            }
            if is(&[OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown, OciErrorCode::NotFound]) {
                return Fault::Pull(format!("{registry} has no such image"));
            }
            if is(&[OciErrorCode::BlobUnknown]) {
                return Fault::Pull(format!("{registry} has lost a part of it"));
            }
            let words: Vec<&str> = envelope.errors.iter().map(|error| error.message.as_str()).collect();
            Fault::Pull(format!("{registry} says: {}", short(&words.join("; "))))
        }
        E::ServerError { code: 401 | 403, .. } => login(),
        E::ServerError { code: 404, .. } | E::ImageManifestNotFoundError(_) => {
            Fault::Pull(format!("{registry} has no such image"))
        }
        E::ServerError { code, message, .. } => Fault::Pull(format!("{registry} answered {code}: {}", short(&message))),
        E::RequestError(error) => Fault::Pull(format!("{registry}: {}", chain(&error.without_url()))),
        E::DigestError(error) => Fault::Invalid(error.to_string()),
        E::IoError(error) => Fault::Pull(chain(&error)),
        other => Fault::Pull(short(&other.to_string())),
    }
}

/// An error with its causes: "error sending request" alone says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.iter().any(|word| word.contains(&text)) {
            words.push(text);
        }
        cause = error.source();
    }
    short(&words.join(": "))
}

/// A stranger's words: on one line, and not more than 300 letters of them.
fn short(text: &str) -> String {
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    line
}
