//! Images in files: what `docker save` and `podman save` write, and OCI layouts as a tar file or a folder, gzipped or not.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::blob::Blob;
use super::decoder;
use super::digest::Digest;
use super::fault::Fault;
use super::format::{Config, Descriptor, Manifest, Platform, Saved, choose, json};
use super::layer::Layer;
use super::limits::Limits;
use super::path::{clean, quoted};
use super::tarball::{Kind, Tarball};
use crate::regular;

/// An image that is about to be unpacked: the config is verified, and so is each layer's packed form.
pub(super) struct Found {
    /// The names that the archive has for it, as it has them.
    pub names: Vec<String>,
    /// Digest of the config, which is the image's id.
    pub id: Digest,
    pub config: Config,
    pub layers: Vec<Layer>,
}

/// The files of an archive.
enum Files {
    Folder(PathBuf),
    Tar { file: Arc<File>, path: PathBuf, parts: HashMap<Vec<u8>, Part> },
}

enum Part {
    Data {
        offset: u64,
        size: u64,
    },
    /// Old archives keep a layer once and link to it.
    Link(Vec<u8>),
}

/// Entries of an archive. 10 000: each image has two and three for each layer.
const MOST_PARTS: usize = 10_000;
/// An index may list indexes; one level is usual, and none needs more than three.
const MOST_INDEXES: usize = 3;
/// Images of one archive.
const MOST_IMAGES: usize = 64;

/// Reads what `path` holds; a compressed archive is first unpacked into `scratch`.
pub(super) fn read(path: &Path, scratch: &Path, limits: &Limits) -> Result<Vec<Found>, Fault> {
    let files = if path.is_dir() { Files::Folder(path.to_owned()) } else { Files::tar(path, scratch, limits)? };
    let machine = Platform::here();
    // Docker's table first: where there are both, it is the one that has the names.
    if let Some(table) = files.find("manifest.json")? {
        let saved: Vec<Saved> = json("manifest.json", &table.bytes("manifest.json", limits.manifest)?)?;
        within(saved.len())?;
        return saved.into_iter().map(|one| files.saved(one, &machine, limits)).collect();
    }
    let Some(index) = files.find("index.json")? else {
        return Err(Fault::invalid("it is no image archive: it has neither manifest.json nor index.json"));
    };
    let index: Manifest = json("index.json", &index.bytes("index.json", limits.manifest)?)?;
    let entries = index.manifests.unwrap_or_default();
    within(entries.len())?;
    // Several entries of the same name, or of none, are one image for several machines.
    let mut groups: Vec<(Option<String>, Vec<Descriptor>)> = Vec::new();
    for entry in entries {
        let notes = entry.annotations.clone().unwrap_or_default();
        // A tag alone says nothing about whose it is.
        let name = notes.name.or(notes.reference.filter(|name| name.contains(['/', ':'])));
        match groups.iter_mut().find(|(other, _)| *other == name) {
            Some((_, group)) => group.push(entry),
            None => groups.push((name, vec![entry])),
        }
    }
    groups.into_iter().map(|(name, entries)| files.layout(name, &entries, &machine, limits)).collect()
}

fn within(images: usize) -> Result<(), Fault> {
    match images {
        0 => Err(Fault::invalid("it holds no image")),
        1..=MOST_IMAGES => Ok(()),
        _ => Err(Fault::Invalid(format!("it holds more than {MOST_IMAGES} images"))),
    }
}

impl Files {
    fn tar(path: &Path, scratch: &Path, limits: &Limits) -> Result<Self, Fault> {
        let failed = |error| Fault::store(path, error);
        let mut first = [0; 4];
        let unreadable = |error: io::Error| Fault::File { path: path.to_owned(), reason: error.to_string() };
        let file = regular::open(path).map_err(|error| unreadable(error.into()))?;
        let read = (&file).read(&mut first).map_err(failed)?;
        let packed = first[..read].starts_with(&[0x1f, 0x8b]) || first[..read].starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        let (file, path) = if packed {
            let plain = scratch.join("archive.tar");
            (unpacked(path, &plain, limits)?, plain)
        } else {
            (file, path.to_owned())
        };
        let file = Arc::new(file);
        let size = file.metadata().map_err(failed)?.len();
        let whole = Blob::Part { file: file.clone(), path: path.clone(), offset: 0, size };
        let mut stream = Tarball::new(whole.open().map_err(failed)?, &path);
        let mut parts = HashMap::new();
        while let Some(entry) = stream.next()? {
            let name = clean(&entry.name)?;
            let part = match entry.kind {
                Kind::File if entry.holes > 0 => return Err(Fault::invalid("a part of the archive is sparse")),
                Kind::File => Part::Data { offset: stream.offset(), size: entry.size },
                // A symbolic link is relative to its own folder, a hard link to the archive.
                Kind::Symlink => {
                    let folder = super::path::split(&name).map_or(&b""[..], |(folder, _)| folder);
                    Part::Link(clean(&[folder, entry.link.as_slice()].join(&b'/'))?)
                }
                Kind::HardLink => Part::Link(clean(&entry.link)?),
                Kind::Folder | Kind::Other => continue,
            };
            if parts.insert(name, part).is_none() && parts.len() > MOST_PARTS {
                return Err(Fault::invalid("it is no image archive: it has too many files"));
            }
        }
        Ok(Self::Tar { file, path, parts })
    }

    /// A file of the archive, by the name that one of its tables has for it.
    fn find(&self, name: &str) -> Result<Option<Blob>, Fault> {
        let mut name = clean(name.as_bytes())?;
        match self {
            Self::Folder(folder) => {
                let path = folder.join(String::from_utf8_lossy(&name).as_ref());
                match path.symlink_metadata() {
                    Ok(found) if found.is_file() => Ok(Some(Blob::File(path))),
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Fault::store(&path, error)),
                    _ => Ok(None),
                }
            }
            Self::Tar { file, path, parts } => {
                // A chain of links is at most as long as there are files.
                for _ in 0..=parts.len() {
                    match parts.get(&name) {
                        None => break,
                        Some(Part::Link(target)) => name.clone_from(target),
                        Some(Part::Data { offset, size }) => {
                            let (offset, size) = (*offset, *size);
                            return Ok(Some(Blob::Part { file: file.clone(), path: path.clone(), offset, size }));
                        }
                    }
                }
                Ok(None)
            }
        }
    }

    fn need(&self, name: &str) -> Result<Blob, Fault> {
        self.find(name)?.ok_or_else(|| Fault::Invalid(format!("its file {} is missing", quoted(name.as_bytes()))))
    }

    /// What a descriptor points to, verified.
    fn blob(&self, what: &str, descriptor: &Descriptor) -> Result<Blob, Fault> {
        let digest = descriptor.digest()?;
        let blob = self.need(&format!("blobs/sha256/{}", digest.hex()))?;
        blob.verify(what, &digest, Some(descriptor.size))?;
        Ok(blob)
    }

    fn saved(&self, saved: Saved, machine: &Platform, limits: &Limits) -> Result<Found, Fault> {
        let bytes = self.need(&saved.config)?.bytes("the config", limits.manifest)?;
        let id = Digest::of(&bytes);
        // The file is named by its digest, in one of two ways.
        let stem = saved.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
        if let Some(stated) = Digest::from_hex(stem).filter(|stated| *stated != id) {
            return Err(Fault::Invalid(format!("the config should be {stated} and is {id}")));
        }
        let config: Config = json("the config", &bytes)?;
        config.check_platform(machine)?;
        let diff_ids = config.diff_ids(limits.layers)?;
        if diff_ids.len() != saved.layers.len() {
            return Err(uneven(saved.layers.len(), diff_ids.len()));
        }
        let mut layers = Vec::new();
        for (name, diff_id) in saved.layers.iter().zip(diff_ids) {
            let blob = self.need(name)?;
            if let Some(digest) = name.strip_prefix("blobs/sha256/").and_then(Digest::from_hex) {
                blob.verify("a layer", &digest, None)?;
            }
            layers.push(Layer { blob, diff_id });
        }
        Ok(Found { names: saved.repo_tags.unwrap_or_default(), id, config, layers })
    }

    fn layout(
        &self,
        name: Option<String>,
        entries: &[Descriptor],
        machine: &Platform,
        limits: &Limits,
    ) -> Result<Found, Fault> {
        let mut entry = choose(entries, machine)?.clone();
        for _ in 0..MOST_INDEXES {
            let bytes = self.blob("a manifest", &entry)?.bytes("a manifest", limits.manifest)?;
            let manifest: Manifest = json("a manifest", &bytes)?;
            if let Some(entries) = &manifest.manifests {
                entry = choose(entries, machine)?.clone();
                continue;
            }
            let (config, layers) = parts_of(manifest)?;
            let bytes = self.blob("the config", &config)?.bytes("the config", limits.manifest)?;
            let id = Digest::of(&bytes);
            let config: Config = json("the config", &bytes)?;
            config.check_platform(machine)?;
            let layers = pair(&layers, &config, limits)?
                .map(|(descriptor, diff_id)| Ok(Layer { blob: self.blob("a layer", descriptor)?, diff_id }))
                .collect::<Result<_, Fault>>()?;
            return Ok(Found { names: name.into_iter().collect(), id, config, layers });
        }
        Err(Fault::invalid("its index lists nothing but indexes"))
    }
}

/// Config and layers of a manifest.
pub(super) fn parts_of(manifest: Manifest) -> Result<(Descriptor, Vec<Descriptor>), Fault> {
    match (manifest.config, manifest.layers) {
        (Some(config), Some(layers)) => Ok((config, layers)),
        _ => Err(Fault::invalid("a manifest has no config or no layers")),
    }
}

/// Each layer of a manifest with the digest that the config has for its content.
pub(super) fn pair<'a>(
    layers: &'a [Descriptor],
    config: &Config,
    limits: &Limits,
) -> Result<impl Iterator<Item = (&'a Descriptor, Digest)> + use<'a>, Fault> {
    let diff_ids = config.diff_ids(limits.layers)?;
    if diff_ids.len() != layers.len() {
        return Err(uneven(layers.len(), diff_ids.len()));
    }
    Ok(layers.iter().zip(diff_ids))
}

fn uneven(layers: usize, diff_ids: usize) -> Fault {
    Fault::Invalid(format!("it has {layers} layers, and its config describes {diff_ids}"))
}

/// Decompresses an archive: its parts are then read from where they lie.
fn unpacked(path: &Path, plain: &Path, limits: &Limits) -> Result<File, Fault> {
    let source = regular::open(path).map_err(|error| Fault::store(path, error))?;
    let mut source = decoder::plain(Box::new(source)).map_err(|error| Fault::reading(path, error))?;
    let mut target = File::create_new(plain).map_err(|error| Fault::store(plain, error))?;
    let mut left = limits.unpacked;
    // As in other places: larger pieces gain nothing.
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::reading(path, error)),
        };
        left = left
            .checked_sub(read as u64)
            .ok_or_else(|| Fault::Invalid(format!("it unpacks to more than {} bytes", limits.unpacked)))?;
        target.write_all(&buffer[..read]).map_err(|error| Fault::store(plain, error))?;
    }
    File::open(plain).map_err(|error| Fault::store(plain, error))
}
