//! The compiled twin of an image.
//!
//! The official Python images come without compiled modules, and with a read-only root Python would compile what it imports in
//! every sandbox anew, which doubles the time of a short program. So the standard library and the installed packages are compiled
//! once, and kept as an image of our own, named by the id of the image it was made from: a new base has a new id, and never
//! gets an old twin. Two bridges that make the same twin at once do double work and no harm.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use bollard::models::{ContainerConfig, ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CommitContainerOptions, ListImagesOptions, RemoveImageOptions, WaitContainerOptions};
use futures::StreamExt;

use super::stake::Stake;
use super::{Engine, Inner, debt, launch, refused, status, words};
use crate::sandbox::SandboxError;
use crate::sandbox::instance;

const REPOSITORY: &str = "localhost/mcp-bridge-compiled";
/// Stands for a run in the labels of a container that compiles.
const COMPILES: &str = "compile";
/// The label on a twin that carries the id of its base.
const LABEL: &str = "mcp-bridge.compiled-from";
/// The standard library alone takes 4 s on one processor; an image with large packages ten times that. Three times that.
const COMPILE_LIMIT: Duration = Duration::from_secs(120);
/// Bytes of memory for the compilation: 20 MB for the standard library; generated files of large packages take far more.
const COMPILE_MEMORY: i64 = 1 << 30;
/// Processes for the compilation: a few workers and their threads.
const COMPILE_PIDS: i64 = 64;

/// Compiles every library folder of the interpreter. Exits 0 although single files fail: packages carry templates and
/// files for other versions, and Python compiles at import what is missing.
const SCRIPT: &str = "\
import compileall, os, py_compile, re, site, sysconfig
paths = [sysconfig.get_path(name) for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')] + site.getsitepackages()
skip = re.compile(r'/(test|tests|idlelib|turtledemo)/')
seen = set()
for path in paths:
    if path and os.path.isdir(path) and not any(path == s or path.startswith(s + os.sep) for s in seen):
        seen.add(path)
        compileall.compile_dir(path, quiet=2, rx=skip, workers=min(2, os.cpu_count() or 1),
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
";

/// What runs for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runs {
    /// The id of the image that the name stands for.
    base: String,
    /// The image to run: the twin, or the name itself.
    pub image: String,
}

impl Runs {
    /// What a sandbox is made from: it changes when the name stands for another image, and when a twin is made.
    pub fn origin(&self) -> String {
        format!("{} {}", self.base, self.image)
    }
}

/// For each image as the operator wrote it, what is run for it, as long as the name stands for the same one.
#[derive(Default)]
pub(super) struct Known(Mutex<HashMap<String, Runs>>);

impl Known {
    fn get(&self, image: &str, base: &str) -> Option<Runs> {
        self.lock().get(image).filter(|runs| runs.base == base).cloned()
    }

    fn put(&self, image: &str, runs: Runs) {
        self.lock().insert(image.to_owned(), runs);
    }

    /// The image may have changed: look again at the next launch.
    pub(super) fn forget(&self, image: &str) {
        self.lock().remove(image);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Runs>> {
        // A map that was left by a panic half-way is still a map.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Inner {
    /// The image to run for `image`: its compiled twin if there is one. What the name stands for is asked every time, which takes
    /// 1 ms (Docker) to 4 ms (Podman): somebody may have built or pulled it anew.
    pub(super) async fn image_to_run(&self, image: &str) -> Result<Runs, SandboxError> {
        let base = match self.docker.inspect_image(image).await {
            Ok(base) => base.id.unwrap_or_default(),
            Err(error) if status(&error) == Some(404) => {
                return Err(SandboxError::ImageMissing { image: image.to_owned(), engine: self.kind.name() });
            }
            Err(error) => return Err(refused("looking at the image")(error)),
        };
        if let Some(known) = self.compiled.get(image, &base) {
            return Ok(known);
        }
        let twin = twin_of(&base);
        let runs = if self.docker.inspect_image(&twin).await.is_ok() { twin } else { image.to_owned() };
        let runs = Runs { base, image: runs };
        self.compiled.put(image, runs.clone());
        Ok(runs)
    }
}

impl Engine {
    /// The compiled twin of `image`, if it was made.
    pub async fn compiled(&self, image: &str) -> Result<Option<String>, SandboxError> {
        let Some(base) = self.image(image).await? else { return Ok(None) };
        let twin = twin_of(&base.id);
        Ok(self.image(&twin).await?.map(|_| twin))
    }

    /// Makes the compiled twin of `image` unless it exists, and returns its name; launches use it from now on. Takes 5 to 60 s of
    /// one processor. The compilation runs in the image itself, without network and without capabilities.
    pub async fn derive_compiled(&self, image: &str) -> Result<String, SandboxError> {
        let missing = || SandboxError::ImageMissing { image: image.to_owned(), engine: self.inner.kind.name() };
        let base = self.image(image).await?.ok_or_else(missing)?;
        let twin = twin_of(&base.id);
        if self.image(&twin).await?.is_none() {
            self.make(&base.id, &twin).await?;
        }
        // Looked up anew by the next launch, which finds the twin.
        self.inner.compiled.forget(image);
        Ok(twin)
    }

    async fn make(&self, base: &str, twin: &str) -> Result<(), SandboxError> {
        let failed = |reason: String| SandboxError::ImageBuildFailed { image: twin.to_owned(), reason };
        let docker = &self.inner.docker;
        let body = compiler(base, &self.inner.instance);
        let stake = Stake::new(COMPILES);
        let created = docker.create_container(None, body).await.map_err(|error| {
            if status(&error).is_none() {
                debt::owe(&self.inner, &tokio::runtime::Handle::current());
            }
            failed(words(&error))
        });
        let id = created?.id;
        let removed = launch::Discard::new(self.inner.clone(), id.clone(), stake);
        docker.start_container(&id, None).await.map_err(|error| failed(words(&error)))?;
        let condition = WaitContainerOptions { condition: "not-running".into() };
        let mut ends = docker.wait_container(&id, Some(condition));
        match tokio::time::timeout(COMPILE_LIMIT, ends.next()).await {
            Err(_) => return Err(failed(format!("not done within {} s", COMPILE_LIMIT.as_secs()))),
            Ok(None) => return Err(failed("the engine lost the container".into())),
            Ok(Some(Err(error))) => return Err(failed(format!("the compilation ended with {error:?}"))),
            Ok(Some(Ok(_))) => {}
        }
        let (repository, tag) = twin.rsplit_once(':').unwrap_or((twin, "latest"));
        let options = CommitContainerOptions {
            container: Some(id),
            repo: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
            ..Default::default()
        };
        // Without a configuration of its own the twin takes that of the container: the base's, and our labels.
        let config = ContainerConfig::default();
        let patient = docker.clone().with_timeout(COMPILE_LIMIT);
        patient.commit_container(options, config).await.map_err(|error| failed(words(&error)))?;
        drop(removed);
        Ok(())
    }

    /// Removes compiled twins that nobody will use: those whose base is gone or has lost its last name, and leftovers of two
    /// bridges that made the same one. Twins of the images in `keep` stay. Returns how many were removed.
    pub async fn prune_compiled(&self, keep: &[&str]) -> Result<usize, SandboxError> {
        let mut kept = Vec::new();
        for image in keep {
            kept.extend(self.image(image).await?.map(|facts| facts.id));
        }
        let filters = [("label".to_owned(), vec![LABEL.to_owned()])].into();
        let options = ListImagesOptions { filters: Some(filters), ..Default::default() };
        let twins = self.inner.docker.list_images(Some(options)).await.map_err(refused("listing images"))?;
        let mut removed = 0;
        for twin in twins {
            let base = twin.labels.get(LABEL).cloned().unwrap_or_default();
            let name = twin.repo_tags.iter().find(|tag| tag.starts_with(REPOSITORY));
            let wanted = name.is_some()
                && (kept.contains(&base) || self.image(&base).await?.is_some_and(|facts| !facts.tags.is_empty()));
            if !wanted {
                // By name where there is one: the id may have other names, which are not ours to take.
                let target = name.unwrap_or(&twin.id);
                let removal = self.inner.docker.remove_image(target, None::<RemoveImageOptions>, None).await;
                removed += usize::from(removal.is_ok());
            }
        }
        Ok(removed)
    }
}

/// The name of the twin of the image with this id.
fn twin_of(base: &str) -> String {
    let digits = base.rsplit(':').next().unwrap_or(base);
    format!("{REPOSITORY}:{}", digits.get(..16).unwrap_or(digits))
}

fn compiler(base: &str, owner: &instance::Instance) -> ContainerCreateBody {
    let labels = [(instance::LABEL, &*owner.to_string()), (instance::RUN_LABEL, COMPILES), (LABEL, base)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    ContainerCreateBody {
        image: Some(base.to_owned()),
        entrypoint: Some(Vec::new()),
        cmd: Some(["python3", "-I", "-c", SCRIPT].map(String::from).to_vec()),
        // The libraries belong to root; with every capability dropped it may write its own files and nothing more.
        user: Some("0:0".into()),
        network_disabled: Some(true),
        labels: Some(labels.into()),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            memory: Some(COMPILE_MEMORY),
            memory_swap: Some(COMPILE_MEMORY),
            pids_limit: Some(COMPILE_PIDS),
            cap_drop: Some(vec!["ALL".into()]),
            security_opt: Some(vec!["no-new-privileges".into()]),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twins_name_comes_from_the_bases_id() {
        let id = "sha256:0123456789abcdef0123456789abcdef";
        assert_eq!(twin_of(id), "localhost/mcp-bridge-compiled:0123456789abcdef");
        assert_eq!(twin_of("0123456789abcdef0123"), twin_of(id));
        assert_eq!(twin_of(""), "localhost/mcp-bridge-compiled:");
    }

    #[test]
    fn what_is_known_holds_for_one_image_and_is_forgotten_on_demand() {
        let known = Known::default();
        let runs = Runs { base: "1".into(), image: "b".into() };
        known.put("a", runs.clone());
        assert_eq!(known.get("a", "1"), Some(runs));
        assert_eq!(known.get("a", "2"), None, "the name stands for another image");
        known.forget("a");
        assert_eq!(known.get("a", "1"), None);
    }
}
