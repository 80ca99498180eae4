//! Images: is it there, fetch it, build it, read it from a file.

use std::path::Path;

use bollard::models::{BuildInfo, CreateImageInfo, ProgressDetail};
use bollard::query_parameters::{BuildImageOptions, CreateImageOptions};
use bollard::{body_full, body_try_stream};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use tokio::io::AsyncReadExt;

use super::{Engine, credentials, refused, status, words};
use crate::regular;
use crate::sandbox::{Progress, SandboxError};

/// What the engine knows of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// The image's own id, `sha256:` and 64 hexadecimal digits.
    pub id: String,
    /// Registry digests under which it was pulled, `name@sha256:…`; empty for one built here.
    pub digests: Vec<String>,
    pub tags: Vec<String>,
}

/// A request's first answer may take as long as a whole upload: ten minutes.
const TRANSFER_LIMIT: std::time::Duration = std::time::Duration::from_secs(600);
/// Bytes of a file sent at once.
const BLOCK: usize = 1 << 18;

impl Engine {
    /// What is known of `image`; `None` when the engine has no such image.
    pub async fn image(&self, image: &str) -> Result<Option<ImageFacts>, SandboxError> {
        match self.inner.docker.inspect_image(image).await {
            Ok(found) => Ok(Some(ImageFacts {
                id: with_algorithm(found.id.unwrap_or_default()),
                digests: found.repo_digests.unwrap_or_default(),
                tags: found.repo_tags.unwrap_or_default(),
            })),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(refused("looking at the image")(error)),
        }
    }

    /// Pulls `image` for the engine's own platform, with the credentials that `docker login` stored for its registry.
    pub async fn pull(&self, image: &str, mut progress: impl FnMut(Progress) + Send) -> Result<(), SandboxError> {
        let failed = |reason| SandboxError::ImagePullFailed { image: image.to_owned(), reason };
        let (name, tag) = reference(image);
        let options = CreateImageOptions { from_image: Some(name), tag, ..Default::default() };
        let login = credentials::of(image, &self.inner.options.surroundings);
        let docker = self.inner.docker.clone().with_timeout(TRANSFER_LIMIT);
        drain(docker.create_image(Some(options), None, login), |info| progress(of_pull(info))).await.map_err(failed)?;
        self.inner.compiled.forget(image);
        // Podman ends the stream of a failed pull like that of a good one.
        match self.image(image).await? {
            Some(_) => Ok(()),
            None => Err(failed("the engine does not have it after the pull".into())),
        }
    }

    /// Builds `tag` from a build context: a tar that holds a file named `containerfile` (see [`super::context_tar`]).
    pub async fn build(
        &self,
        context: Vec<u8>,
        containerfile: &str,
        tag: &str,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<(), SandboxError> {
        let failed = |reason| SandboxError::ImageBuildFailed { image: tag.to_owned(), reason };
        let options = BuildImageOptions {
            dockerfile: containerfile.to_owned(),
            t: Some(tag.to_owned()),
            rm: true,
            forcerm: true,
            ..Default::default()
        };
        let docker = self.inner.docker.clone().with_timeout(TRANSFER_LIMIT);
        let steps = docker.build_image(options, None, Some(body_full(Bytes::from(context))));
        drain(steps, |info| progress(of_build(info))).await.map_err(failed)?;
        self.inner.compiled.forget(tag);
        match self.image(tag).await? {
            Some(_) => Ok(()),
            None => Err(failed("the engine does not have it after the build".into())),
        }
    }

    /// Makes `tag` from a root file system in a tar file, such as `sandbox-image/build-debian.sh` writes.
    pub async fn import(&self, tar: &Path, tag: &str) -> Result<(), SandboxError> {
        let failed = |reason: String| SandboxError::ImageBuildFailed { image: tag.to_owned(), reason };
        let file = regular::open(tar).map_err(|error| failed(format!("{}: {error}", tar.display())))?;
        let file = tokio::fs::File::from_std(file);
        // The whole reference goes into `repo`: Podman 4 does not look at `tag` here.
        let options =
            CreateImageOptions { from_src: Some("-".into()), repo: Some(tag.to_owned()), ..Default::default() };
        let docker = self.inner.docker.clone().with_timeout(TRANSFER_LIMIT);
        let body = body_try_stream(blocks(file));
        drain(docker.create_image(Some(options), Some(body), None), |_| {}).await.map_err(failed)?;
        self.inner.compiled.forget(tag);
        Ok(())
    }
}

/// Reads an engine's stream of steps to its end; the first error is the outcome.
async fn drain<T>(
    steps: impl Stream<Item = Result<T, bollard::errors::Error>>,
    mut each: impl FnMut(T),
) -> Result<(), String> {
    let mut steps = std::pin::pin!(steps);
    while let Some(step) = steps.next().await {
        each(step.map_err(|error| words(&error))?);
    }
    Ok(())
}

fn of_pull(info: CreateImageInfo) -> Progress {
    Progress { part: info.id, status: info.status.unwrap_or_default(), bytes: bytes(info.progress_detail) }
}

fn of_build(info: BuildInfo) -> Progress {
    let status = info.stream.or(info.status).unwrap_or_default().trim_end().to_owned();
    Progress { part: info.id, status, bytes: bytes(info.progress_detail) }
}

fn bytes(detail: Option<ProgressDetail>) -> Option<(u64, u64)> {
    let detail = detail?;
    Some((u64::try_from(detail.current?).ok()?, u64::try_from(detail.total?).ok()?))
}

/// Name and tag as the pull wants them. A name without either means `latest`: without that, Docker fetches every tag.
fn reference(image: &str) -> (String, Option<String>) {
    if image.contains('@') {
        return (image.to_owned(), None);
    }
    match image.rsplit_once(':') {
        // A colon before a slash belongs to a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name.to_owned(), Some(tag.to_owned())),
        _ => (image.to_owned(), Some("latest".to_owned())),
    }
}

/// Podman leaves `sha256:` out in some versions.
fn with_algorithm(id: String) -> String {
    if id.contains(':') { id } else { format!("sha256:{id}") }
}

fn blocks(file: tokio::fs::File) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    futures::stream::try_unfold(file, |mut file| async move {
        let mut block = BytesMut::with_capacity(BLOCK);
        let read = file.read_buf(&mut block).await?;
        Ok((read > 0).then(|| (block.freeze(), file)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags() {
        let read = |image: &str| {
            let (name, tag) = reference(image);
            (name, tag.unwrap_or_default())
        };
        assert_eq!(read("python"), ("python".into(), "latest".into()));
        assert_eq!(read("python:3.14-slim"), ("python".into(), "3.14-slim".into()));
        assert_eq!(read("host:5000/a/b"), ("host:5000/a/b".into(), "latest".into()));
        assert_eq!(read("host:5000/a/b:1"), ("host:5000/a/b".into(), "1".into()));
        assert_eq!(read("a@sha256:00"), ("a@sha256:00".into(), String::new()));
    }

    #[test]
    fn half_a_count_is_no_count() {
        assert_eq!(bytes(Some(ProgressDetail { current: Some(1), total: None })), None);
        assert_eq!(bytes(Some(ProgressDetail { current: Some(-1), total: Some(2) })), None);
        assert_eq!(bytes(Some(ProgressDetail { current: Some(1), total: Some(2) })), Some((1, 2)));
    }
}
