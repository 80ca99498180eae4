//! Images that are whole, as files: what is written here is either there or not.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::fault::Fault;
use super::format::Config;
use super::name::Name;
use super::staging::{Staging, make};
use super::{Image, path::quoted};

/// The finished part of a store.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    dir: PathBuf,
}

/// `names/<hash>.json`
#[derive(Serialize, Deserialize)]
struct Label {
    name: String,
    digest: String,
}

/// `images/<id>/image.json`
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    env: Vec<(String, String)>,
}

impl Shelf {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn folder(&self, id: &Digest) -> PathBuf {
        self.dir.join("images").join(id.hex())
    }

    fn label(&self, name: &str) -> PathBuf {
        // A name may hold what a file's name may not; its digest never does.
        self.dir.join("names").join(format!("{}.json", Digest::of(name.as_bytes()).hex()))
    }

    /// What is known of an image, if it is there.
    pub fn image(&self, id: &Digest) -> Result<Option<Record>, Fault> {
        read(&self.folder(id).join("image.json"))
    }

    pub fn find(&self, name: &str) -> Result<Option<Image>, Fault> {
        let Some(label) = read::<Label>(&self.label(name))?.filter(|label| label.name == name) else { return Ok(None) };
        self.resolve(label)
    }

    fn resolve(&self, label: Label) -> Result<Option<Image>, Fault> {
        let Ok(id) = Digest::parse(&label.digest) else { return Ok(None) };
        let root = self.folder(&id).join("root");
        Ok(self.image(&id)?.map(|record| Image { name: label.name, digest: label.digest, root, env: record.env }))
    }

    pub fn list(&self) -> Result<Vec<Image>, Fault> {
        let mut images = Vec::new();
        for path in files(&self.dir.join("names"))? {
            if let Some(label) = read::<Label>(&path)?
                && let Some(image) = self.resolve(label)?
            {
                images.push(image);
            }
        }
        images.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(images)
    }

    /// Takes a finished image out of the staging folder.
    pub fn publish(&self, staging: &Staging, folder: &Path, id: &Digest, config: &Config) -> Result<(), Fault> {
        write(&folder.join("image.json"), &Record { env: config.env() })?;
        make(&self.dir.join("images"))?;
        // Only one that cannot be read is in its place: the caller has looked.
        self.discard(staging, id)?;
        let target = self.folder(id);
        fs::rename(folder, &target).map_err(|error| Fault::store(&target, error))
    }

    /// Says what a name stands for from now on.
    pub fn give_name(&self, staging: &Staging, name: &Name, id: &Digest) -> Result<Image, Fault> {
        let name = name.whole();
        make(&self.dir.join("names"))?;
        let (draft, label) = (staging.path().join("name.json"), self.label(&name));
        write(&draft, &Label { name: name.clone(), digest: id.to_string() })?;
        fs::rename(&draft, &label).map_err(|error| Fault::store(&label, error))?;
        let found = self.find(&name)?;
        found.ok_or_else(|| Fault::Store {
            path: label,
            reason: format!("{} was removed meanwhile", quoted(name.as_bytes())),
        })
    }

    pub fn remove(&self, staging: &Staging, name: &Name) -> Result<bool, Fault> {
        let label = self.label(&name.whole());
        match fs::remove_file(&label) {
            Ok(()) => self.prune(staging).map(|_| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Fault::store(&label, error)),
        }
    }

    pub fn prune(&self, staging: &Staging) -> Result<usize, Fault> {
        let named: HashSet<String> = self.list()?.into_iter().map(|image| image.digest).collect();
        let mut removed = 0;
        for path in files(&self.dir.join("images"))? {
            let id = path.file_name().and_then(|name| name.to_str()).and_then(Digest::from_hex);
            if let Some(id) = id.filter(|id| !named.contains(&id.to_string())) {
                self.discard(staging, &id)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Moved away first: nobody finds an image that is half gone.
    fn discard(&self, staging: &Staging, id: &Digest) -> Result<(), Fault> {
        let (folder, away) = (self.folder(id), staging.path().join(format!("{}.old", id.hex())));
        match fs::rename(&folder, &away) {
            Ok(()) => fs::remove_dir_all(&away).map_err(|error| Fault::store(&away, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Fault::store(&folder, error)),
        }
    }
}

/// The empty root of an image in the making: everybody may look into it, as into any root.
pub(super) fn new_root(folder: &Path) -> Result<PathBuf, Fault> {
    let root = folder.join("root");
    make(&root)?;
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).map_err(|error| Fault::store(&root, error))?;
    Ok(root)
}

/// `None` where the file is missing, or is not one of ours: an image of which nothing can be said is pulled again.
fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, Fault> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Fault::store(path, error)),
    }
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), Fault> {
    let bytes = serde_json::to_vec(value).map_err(|error| Fault::store(path, io::Error::from(error)))?;
    fs::write(path, bytes).map_err(|error| Fault::store(path, error))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Fault::store(folder, error)),
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| Fault::store(folder, error))).collect()
}
