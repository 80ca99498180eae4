//! OCI images with no engine: pulled from a registry or loaded from a file, verified, unpacked into a store of their own.
//!
//! The store is a folder: `images/<id>/root` is a tree, `images/<id>/image.json` what its config sets; `names/<hash of the
//! name>.json` says which id a name stands for. Everything is made in `staging` and renamed at the end, under one lock, so that
//! what is found is whole. Finding takes no lock: two small files are read.

mod archive;
mod blob;
mod decoder;
mod digest;
mod fault;
mod format;
mod layer;
mod limits;
mod name;
mod path;
mod pax;
mod registry;
mod shelf;
mod sparse;
mod staging;
mod tarball;
#[cfg(test)]
mod tests;
mod tree;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use limits::Limits;

use self::digest::Digest;
use self::fault::Fault;
use self::format::Config;
use self::layer::Layer;
use self::limits::Budget;
use self::name::Name;
use self::registry::Registry;
use self::shelf::Shelf;
use self::staging::Staging;
use self::tree::Tree;
use crate::sandbox::{Progress, SandboxError, credentials};

/// An image that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its whole name, e.g. `docker.io/library/python:3.14-slim`.
    pub name: String,
    /// Its id: the digest of its config, the same that engines show.
    pub digest: String,
    /// The root of its file system.
    pub root: PathBuf,
    /// The environment that it sets, in its order.
    pub env: Vec<(String, String)>,
}

/// What a pull needs to know of its surroundings.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// Files in which `docker login` or `podman login` keep words, best first.
    pub auth_files: Vec<PathBuf>,
}

/// Images in a folder.
#[derive(Clone, Debug)]
pub struct Store {
    shelf: Shelf,
    limits: Limits,
}

impl Store {
    /// The store in `dir`, which is made when it is first needed.
    pub fn new(dir: PathBuf) -> Self {
        Self::with_limits(dir, Limits::default())
    }

    /// A store that takes only images within these bounds.
    pub fn with_limits(dir: PathBuf, limits: Limits) -> Self {
        Self { shelf: Shelf::new(dir), limits }
    }

    /// Pulls an image for this machine and gives it its name; an image that is there already is not downloaded again.
    ///
    /// Registries on this machine (`localhost`, `127.0.0.1`, `[::1]`) are spoken to without TLS, all others with. When the future
    /// is dropped, everything that was begun is taken away.
    ///
    /// # Errors
    /// `sandbox.image_name`, `sandbox.image_pull_failed`, `sandbox.image_invalid`, `sandbox.image_platform` and `sandbox.image_store`.
    pub async fn pull(
        &self,
        reference: &str,
        options: &PullOptions,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Image, SandboxError> {
        self.pulled(reference, options, Arc::new(progress)).await.map_err(|fault| fault.about(reference))
    }

    async fn pulled(&self, reference: &str, options: &PullOptions, progress: Show) -> Result<Image, Fault> {
        let name = Name::parse(reference)?;
        let staging = self.staging(&progress).await?;
        let login = credentials::find(&name.whole(), &options.auth_files);
        let registry = Registry::connect(name.clone(), login).await?;
        let described = registry.describe(&self.limits).await?;
        if self.shelf.image(&described.id)?.is_none() {
            let folder = staging.0.folder("blobs")?;
            let show = |done, all| progress(step("downloading", Some((done, all))));
            let layers = registry.layers(&described, &folder, &self.limits, show).await?;
            self.put(&staging, described.id.clone(), described.config, layers, &progress).await?;
        }
        self.shelf.give_name(&staging.0, &name, &described.id)
    }

    /// Loads the images of a file that `docker save` or `podman save` wrote, or of an OCI layout (a tar file or a folder);
    /// each gets the names that the file has for it, or `name`. Returns one entry for each name.
    ///
    /// # Errors
    /// As [`Self::pull`]; `sandbox.image_file` for a file that cannot be opened; `sandbox.image_invalid` also for a file with no name for an image, or several images and one `name`.
    pub async fn load(
        &self,
        file: &Path,
        name: Option<&str>,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Vec<Image>, SandboxError> {
        let shown = name.map_or_else(|| file.display().to_string(), str::to_owned);
        self.loaded(file, name, Arc::new(progress)).await.map_err(|fault| fault.about(&shown))
    }

    async fn loaded(&self, file: &Path, name: Option<&str>, progress: Show) -> Result<Vec<Image>, Fault> {
        let name = name.map(Name::parse).transpose()?;
        let staging = self.staging(&progress).await?;
        progress(step("reading", None));
        let (path, work, limits) = (file.to_owned(), staging.0.clone(), self.limits);
        let found = blocking(move || archive::read(&path, work.path(), &limits)).await?;
        if name.is_some() && found.len() > 1 {
            return Err(Fault::Invalid(format!("it holds {} images, and one name was given", found.len())));
        }
        let mut images = Vec::new();
        for found in found {
            let names = match &name {
                Some(name) => vec![name.clone()],
                None => found.names.iter().map(|name| Name::parse(name)).collect::<Result<_, _>>()?,
            };
            if names.is_empty() {
                return Err(Fault::invalid("it has no name for its image: give one with --name"));
            }
            if self.shelf.image(&found.id)?.is_none() {
                self.put(&staging, found.id.clone(), found.config, found.layers, &progress).await?;
            }
            for name in &names {
                images.push(self.shelf.give_name(&staging.0, name, &found.id)?);
            }
        }
        Ok(images)
    }

    /// The image of this name. Reads two small files.
    ///
    /// # Errors
    /// `sandbox.image_name` for text that is none, `sandbox.image_store` where the store cannot be read.
    pub fn find(&self, reference: &str) -> Result<Option<Image>, SandboxError> {
        Name::parse(reference).and_then(|name| self.shelf.find(&name.whole())).map_err(|fault| fault.about(reference))
    }

    /// Every image, by name.
    pub fn list(&self) -> Result<Vec<Image>, SandboxError> {
        self.shelf.list().map_err(|fault| fault.about("*"))
    }

    /// Puts compiled modules into an image: `.pyc` files in `__pycache__` folders, and nothing else. A sandbox that runs sees each
    /// of them whole or not at all.
    ///
    /// # Errors
    /// `sandbox.image_invalid` for anything else, `sandbox.image_store` for a store that cannot be written.
    pub(in crate::sandbox::embedded) async fn put_compiled(
        &self,
        reference: &str,
        modules: Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Result<(), SandboxError> {
        let work = async {
            let name = Name::parse(reference)?;
            let _staging = self.staging(&silent()).await?;
            let Some(image) = self.shelf.find(&name.whole())? else { return Ok(()) };
            blocking(move || {
                let tree = Tree::open(&image.root)?;
                modules.iter().try_for_each(|(path, bytes)| tree.put_compiled(path, bytes))
            })
            .await
        };
        work.await.map_err(|fault| fault.about(reference))
    }

    /// Takes a name away, and the image with its last name. `false`: there was no such name.
    pub async fn remove(&self, reference: &str) -> Result<bool, SandboxError> {
        let work = async {
            let name = Name::parse(reference)?;
            let staging = self.staging(&silent()).await?;
            let (shelf, work) = (self.shelf.clone(), staging.0.clone());
            blocking(move || shelf.remove(&work, &name)).await
        };
        work.await.map_err(|fault| fault.about(reference))
    }

    /// Removes images that have no name any more (a tag that was pulled again names another), and what a killed pull left.
    /// Returns how many images.
    pub async fn prune(&self) -> Result<usize, SandboxError> {
        let work = async {
            let staging = self.staging(&silent()).await?;
            let (shelf, work) = (self.shelf.clone(), staging.0.clone());
            blocking(move || shelf.prune(&work)).await
        };
        work.await.map_err(|fault| fault.about("*"))
    }

    async fn staging(&self, progress: &Show) -> Result<Held, Fault> {
        let (dir, progress) = (self.shelf.dir().to_owned(), progress.clone());
        let waiting = move || progress(step("waiting for another pull", None));
        blocking(move || Staging::open(&dir, waiting)).await.map(|staging| Held(Arc::new(staging)))
    }

    /// Unpacks and shelves an image.
    async fn put(&self, held: &Held, id: Digest, config: Config, layers: Vec<Layer>, show: &Show) -> Result<(), Fault> {
        let (shelf, limits, staging, show) = (self.shelf.clone(), self.limits, held.0.clone(), show.clone());
        blocking(move || {
            let folder = staging.folder(id.hex())?;
            let root = shelf::new_root(&folder)?;
            let all = layers.len() as u64;
            layer::unpack(&layers, &root, &mut Budget::new(limits), staging.cancelled(), |done| {
                show(step("unpacking layers", Some((done as u64, all))));
            })?;
            shelf.publish(&staging, &folder, &id, &config)
        })
        .await
    }
}

type Show = Arc<dyn Fn(Progress) + Send + Sync>;

fn silent() -> Show {
    Arc::new(|_| {})
}

fn step(status: &str, bytes: Option<(u64, u64)>) -> Progress {
    Progress { part: None, status: status.to_owned(), bytes }
}

/// The staging folder as an operation holds it: when that is dropped, the work that still uses the folder ends soon.
struct Held(Arc<Staging>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Runs what waits for disks. A decoder that gives up in a panic has met a stream that no program writes.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => Err(Fault::invalid("its compressed stream cannot be decoded")),
        Err(_) => Err(Fault::Cancelled),
    }
}
