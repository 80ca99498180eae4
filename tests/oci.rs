//! OCI images with no engine: from a real registry, and from a real `docker save`, against what Docker makes of the same image.
#![cfg(target_os = "linux")]

#[path = "oci/registry.rs"]
mod registry;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use mcp_bridge::sandbox::SandboxError;
use mcp_bridge::sandbox::embedded::image::{Image, PullOptions, Store};
use registry::{Registry, digest, log_in};
use serde_json::{Value, json};

/// This machine's processor in the words of images.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).expect("packed");
    out.finish().expect("packed")
}

/// A layer with these files.
fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, name, text.as_bytes()).expect("packed");
    }
    out.into_inner().expect("packed")
}

fn config(layers: &[&[u8]], architecture: &str) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    json!({"os": "linux", "architecture": architecture, "config": {"Env": ["PATH=/bin", "A=1"]},
        "rootfs": {"type": "layers", "diff_ids": ids}})
    .to_string()
    .into_bytes()
}

/// A store in a folder of its own.
struct Place {
    dir: tempfile::TempDir,
    store: Store,
    options: PullOptions,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::new(dir.path().join("images"));
        let options = PullOptions { auth_files: vec![dir.path().join("auth.json")] };
        Self { dir, store, options }
    }

    async fn pull(&self, name: &str) -> Result<Image, SandboxError> {
        self.store.pull(name, &self.options, |_| {}).await
    }

    async fn refused(&self, name: &str) -> SandboxError {
        let error = self.pull(name).await.expect_err("refused");
        self.nothing_half_made();
        assert!(self.store.find(name).expect("looked").is_none());
        error
    }

    fn nothing_half_made(&self) {
        for folder in ["staging", "images", "names"] {
            let entries = std::fs::read_dir(self.dir.path().join("images").join(folder));
            let left: Vec<PathBuf> = entries.into_iter().flatten().map(|entry| entry.expect("entry").path()).collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

#[tokio::test]
async fn an_image_is_pulled_found_replaced_and_removed() {
    let Some(registry) = Registry::start(false) else { return };
    let (one, two) = (layer(&[("a", "1"), ("b", "1")]), layer(&[(".wh.a", ""), ("c", "2")]));
    registry.push("tool", "v1", &config(&[&one, &two], architecture()), &[gzip(&one), two.clone()]);
    let place = Place::new();
    let name = registry.name("tool:v1");
    assert!(place.store.find(&name).expect("looked").is_none());
    // Two at once: one of them downloads.
    let (image, other) = tokio::join!(place.pull(&name), place.pull(&name));
    let image = image.expect("pulled");
    assert_eq!(image, other.expect("pulled"));
    assert_eq!(place.store.find(&name).expect("looked"), Some(image.clone()));
    assert_eq!(image.env, [("PATH", "/bin"), ("A", "1")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(image.digest, digest(&config(&[&one, &two], architecture())));
    let names = tree(&image.root).into_keys().collect::<Vec<_>>();
    assert_eq!(names, [PathBuf::from("b"), PathBuf::from("c")]);

    // Another image under the same tag: the old one stays until it is pruned.
    registry.push("tool", "v1", &config(&[&one], architecture()), &[gzip(&one)]);
    let newer = place.pull(&name).await.expect("pulled");
    assert_ne!(newer.root, image.root);
    assert!(image.root.exists());
    assert_eq!(place.store.prune().await.expect("pruned"), 1);
    assert!(!image.root.exists() && newer.root.exists());
    assert_eq!(place.store.list().expect("listed"), [newer]);
    assert!(place.store.remove(&name).await.expect("removed"));
    assert!(!place.store.remove(&name).await.expect("looked"));
    place.nothing_half_made();
}

#[tokio::test]
async fn the_part_for_this_machine_is_chosen_or_missed_by_name() {
    let Some(registry) = Registry::start(false) else { return };
    let mut entries = Vec::new();
    for (architecture, text) in [("s390x", "theirs"), (architecture(), "ours")] {
        let layer = layer(&[("a", text)]);
        let mut entry = registry.push("many", architecture, &config(&[&layer], architecture), &[gzip(&layer)]);
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entries.push(entry);
    }
    let index = |entries: &[Value]| json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries});
    registry.push_manifest("many", "all", &index(&entries));
    registry.push_manifest("many", "few", &index(&entries[..1]));
    let place = Place::new();
    for name in ["many:few", "many:s390x"] {
        let error = place.refused(&registry.name(name)).await;
        assert_eq!(error.code(), "sandbox.image_platform", "{error}");
        assert!(error.to_string().contains("linux/s390x"), "{error}");
    }
    let image = place.pull(&registry.name("many:all")).await.expect("pulled");
    assert_eq!(std::fs::read_to_string(image.root.join("a")).expect("read"), "ours");
    // By digest, too; and a digest that the content does not have is none.
    let pinned = registry.name(&format!("many@{}", entries[1]["digest"].as_str().expect("a digest")));
    assert_eq!(place.pull(&pinned).await.expect("pulled").root, image.root);
}

#[tokio::test]
async fn what_is_damaged_or_missing_is_named_and_nothing_is_kept() {
    let Some(registry) = Registry::start(false) else { return };
    let place = Place::new();
    for name in ["none:1", "tool:none"] {
        let error = place.refused(&registry.name(name)).await;
        assert_eq!(error.code(), "sandbox.image_pull_failed", "{error}");
        assert!(error.to_string().contains("has no such image"), "{error}");
    }
    let error = place.refused("127.0.0.1:1/none").await;
    assert_eq!(error.code(), "sandbox.image_pull_failed", "{error}");
    assert_eq!(place.pull("No Name").await.expect_err("no name").code(), "sandbox.image_name");

    // A layer that is shorter, longer, or other than its digest says.
    type Harm = fn(&mut Vec<u8>);
    let harms: [Harm; 3] = [|bytes| bytes.truncate(20), |bytes| bytes.extend([0; 9]), |bytes| bytes[15] ^= 1];
    for (at, harm) in harms.into_iter().enumerate() {
        let text = format!("{at}");
        let layer = layer(&[("a", &text)]);
        let packed = gzip(&layer);
        registry.push("harmed", &text, &config(&[&layer], architecture()), std::slice::from_ref(&packed));
        let mut bytes = packed.clone();
        harm(&mut bytes);
        std::fs::write(registry.blob(&digest(&packed)), bytes).expect("written");
        let error = place.refused(&registry.name(&format!("harmed:{at}"))).await;
        assert_eq!(error.code(), "sandbox.image_invalid", "{error}");
    }
    // A layer that is right and unpacks to something else; one too many; none; a blob that is gone.
    let (one, two) = (layer(&[("a", "1")]), layer(&[("a", "2")]));
    registry.push("odd", "other", &config(&[&one], architecture()), &[gzip(&two)]);
    registry.push("odd", "many", &config(&[&one], architecture()), &[gzip(&one), gzip(&two)]);
    registry.push("odd", "none", &config(&[], architecture()), &[]);
    registry.push("odd", "text", b"no json", &[gzip(&one)]);
    for tag in ["other", "many", "none", "text"] {
        let error = place.refused(&registry.name(&format!("odd:{tag}"))).await;
        assert_eq!(error.code(), "sandbox.image_invalid", "{tag}: {error}");
    }
    let lost = layer(&[("a", "lost")]);
    registry.push("odd", "lost", &config(&[&lost], architecture()), &[gzip(&lost)]);
    std::fs::remove_file(registry.blob(&digest(&gzip(&lost)))).expect("removed");
    assert_eq!(place.refused(&registry.name("odd:lost")).await.code(), "sandbox.image_pull_failed");
}

#[tokio::test]
async fn a_registry_that_wants_a_login_gets_the_stored_one() {
    let Some(registry) = Registry::start(true) else { return };
    let layer = layer(&[("a", "1")]);
    registry.push("own", "1", &config(&[&layer], architecture()), &[gzip(&layer)]);
    let place = Place::new();
    let name = registry.name("own:1");
    for word in [None, Some("wrong")] {
        if let Some(word) = word {
            log_in(&place.options.auth_files[0], registry.address(), word);
        }
        let error = place.refused(&name).await;
        assert_eq!(error.code(), "sandbox.image_pull_failed", "{error}");
        assert!(error.to_string().contains("docker login") && !error.to_string().contains("wrong"), "{error}");
    }
    log_in(&place.options.auth_files[0], registry.address(), "word");
    place.pull(&name).await.expect("pulled");
}

/// What there is, by path: kind and rights, modification time, target or digest.
fn tree(root: &Path) -> BTreeMap<PathBuf, (String, i64, String)> {
    fn walk(root: &Path, folder: &Path, seen: &mut BTreeMap<PathBuf, (String, i64, String)>) {
        for entry in std::fs::read_dir(folder).expect("listed") {
            let path = entry.expect("entry").path();
            let stat = path.symlink_metadata().expect("there");
            let rights = stat.permissions().mode() & 0o777;
            let (kind, content) = match () {
                () if stat.is_symlink() => {
                    ("link".into(), std::fs::read_link(&path).expect("read").display().to_string())
                }
                () if stat.is_dir() => (format!("folder {rights:o}"), String::new()),
                () => (format!("file {rights:o}"), digest(&std::fs::read(&path).expect("read"))),
            };
            seen.insert(path.strip_prefix(root).expect("below").to_owned(), (kind, stat.mtime(), content));
            if stat.is_dir() {
                walk(root, &path, seen);
            }
        }
    }
    let mut seen = BTreeMap::new();
    walk(root, root, &mut seen);
    seen
}

/// The same of what `docker export` gives.
fn exported(bytes: &[u8]) -> BTreeMap<PathBuf, (String, i64, String)> {
    let mut seen = BTreeMap::new();
    let mut files: BTreeMap<PathBuf, (String, i64, String)> = BTreeMap::new();
    for entry in tar::Archive::new(bytes).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let path: PathBuf = entry.path().expect("a path").components().collect();
        let time = i64::try_from(entry.header().mtime().expect("a time")).expect("a time");
        let rights = entry.header().mode().expect("a mode") & 0o777;
        let link = entry.link_name().expect("a link").map(|link| link.into_owned());
        let found = match entry.header().entry_type() {
            tar::EntryType::Symlink => ("link".into(), time, link.expect("a target").display().to_string()),
            tar::EntryType::Directory => (format!("folder {:o}", rights | 0o700), time, String::new()),
            tar::EntryType::Link => files[&link.expect("a target")].clone(),
            tar::EntryType::Regular => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).expect("read");
                (format!("file {:o}", rights | 0o400), time, digest(&bytes))
            }
            _ => continue,
        };
        files.insert(path.clone(), found.clone());
        seen.insert(path, found);
    }
    seen
}

fn docker(method: &str, path: &str, body: &str) -> Option<Vec<u8>> {
    let Some(address) = std::env::var("MCP_BRIDGE_TEST_DOCKER").ok().filter(|text| !text.is_empty()) else {
        assert!(std::env::var_os("CI").is_none(), "MCP_BRIDGE_TEST_DOCKER is not set");
        eprintln!("skipped: MCP_BRIDGE_TEST_DOCKER is not set (see .ci/engines)");
        return None;
    };
    let mut stream = UnixStream::connect(address.strip_prefix("unix://").expect("unix://")).expect("connected");
    let head = format!(
        "{method} /v1.41{path} HTTP/1.0\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..at]).into_owned();
    assert!(head.starts_with("HTTP/1.0 20") || head.starts_with("HTTP/1.1 20"), "{head}");
    Some(answer.split_off(at + 4))
}

const IMAGE: &str = "localhost/mcp-bridge-test:3.13";

/// `docker save`, packed in two ways and as a folder's worth of registry: each leads to what Docker itself makes of it.
#[tokio::test]
async fn a_real_image_is_what_docker_makes_of_it() {
    let Some(saved) = docker("GET", &format!("/images/{IMAGE}/get"), "") else { return };
    let made = docker("POST", "/containers/create", &json!({"Image": IMAGE, "Cmd": ["x"]}).to_string()).expect("made");
    let id = serde_json::from_slice::<Value>(&made).expect("json")["Id"].as_str().expect("an id").to_owned();
    let export = docker("GET", &format!("/containers/{id}/export"), "").expect("exported");
    docker("DELETE", &format!("/containers/{id}?force=true"), "").expect("removed");
    let mut expected = exported(&export);
    drop(export);

    let place = Place::new();
    let file = place.dir.path().join("saved.tar");
    std::fs::write(&file, &saved).expect("written");
    let images = place.store.load(&file, None, |_| {}).await.expect("loaded");
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].name, IMAGE);
    let mut found = tree(&images[0].root);
    // What Docker puts into every container, and what that does to the folders around it.
    for own in [".dockerenv", "dev", "etc", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"] {
        expected.remove(Path::new(own));
        found.remove(Path::new(own));
    }
    expected.retain(|path, _| !path.starts_with("dev"));
    found.retain(|path, _| !path.starts_with("dev"));
    assert!(expected.len() > 500, "{}", expected.len());
    for (path, want) in &expected {
        assert_eq!(found.get(path), Some(want), "{}", path.display());
    }
    assert_eq!(found.len(), expected.len());

    // The same layers by way of a registry are the same image.
    let Some(registry) = Registry::start(false) else { return };
    let mut parts = BTreeMap::new();
    for entry in tar::Archive::new(&saved[..]).entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let (name, mut bytes) = (entry.path().expect("a path").display().to_string(), Vec::new());
        entry.read_to_end(&mut bytes).expect("read");
        parts.insert(name, bytes);
    }
    let table: Value = serde_json::from_slice(&parts["manifest.json"]).expect("json");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let layers: Vec<Vec<u8>> =
        table[0]["Layers"].as_array().expect("layers").iter().map(|name| gzip(&parts[&text(name)])).collect();
    registry.push("py", "3.13", &parts[&text(&table[0]["Config"])], &layers);
    let other = Place::new();
    let pulled = other.pull(&registry.name("py:3.13")).await.expect("pulled");
    assert_eq!(pulled.digest, images[0].digest);
    assert_eq!(tree(&pulled.root), tree(&images[0].root));
}

/// An OCI layout as a folder, as a tar file and as a packed one; and everything that can be wrong with it.
#[tokio::test]
async fn layouts_and_archives() {
    let place = Place::new();
    let folder = place.dir.path().join("layout");
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("made");
    let put = |bytes: &[u8]| {
        let digest = digest(bytes);
        std::fs::write(blobs.join(&digest[7..]), bytes).expect("written");
        json!({"digest": digest, "size": bytes.len()})
    };
    let one = layer(&[("a", "1")]);
    let (config, packed) = (config(&[&one], architecture()), gzip(&one));
    let manifest = json!({"schemaVersion": 2, "config": put(&config), "layers": [put(&packed)]}).to_string();
    let index = |name: Option<&str>| {
        let mut entry = put(manifest.as_bytes());
        if let Some(name) = name {
            entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        }
        std::fs::write(folder.join("index.json"), json!({"schemaVersion": 2, "manifests": [entry]}).to_string())
            .expect("written");
    };
    let load = |path: PathBuf, name: Option<&'static str>| {
        let store = place.store.clone();
        async move { store.load(&path, name, |_| {}).await }
    };
    index(Some("localhost/tool:1"));
    let images = load(folder.clone(), None).await.expect("loaded");
    assert_eq!((images[0].name.as_str(), images.len()), ("localhost/tool:1", 1));
    assert!(place.store.remove("localhost/tool:1").await.expect("removed"));

    // A tag alone is no name.
    index(Some("latest"));
    let error = load(folder.clone(), None).await.expect_err("no name");
    assert!(error.code() == "sandbox.image_invalid" && error.to_string().contains("--name"), "{error}");
    place.nothing_half_made();
    let mut out = tar::Builder::new(Vec::new());
    out.append_dir_all(".", &folder).expect("packed");
    let archive = out.into_inner().expect("packed");
    for (at, bytes) in [archive.clone(), gzip(&archive)].into_iter().enumerate() {
        let path = place.dir.path().join(format!("{at}.tar"));
        std::fs::write(&path, bytes).expect("written");
        let images = load(path, Some("mine")).await.expect("loaded");
        assert_eq!(images[0].name, "docker.io/library/mine:latest");
        assert_eq!(std::fs::read_to_string(images[0].root.join("a")).expect("read"), "1");
        assert!(place.store.remove("mine").await.expect("removed"));
    }

    // Truncated anywhere, and not an archive at all.
    let path = place.dir.path().join("bad.tar");
    for bytes in [&archive[..archive.len() / 2], &archive[..700], &gzip(&archive)[..300], b"nonsense", b""] {
        std::fs::write(&path, bytes).expect("written");
        let error = load(path.clone(), Some("mine")).await.expect_err("refused");
        assert_eq!(error.code(), "sandbox.image_invalid", "{error}");
        place.nothing_half_made();
    }
    assert_eq!(
        load(place.dir.path().join("none.tar"), Some("mine")).await.expect_err("missing").code(),
        "sandbox.image_file"
    );
    // Each blob altered in turn, and gone.
    for blob in [digest(manifest.as_bytes()), digest(&config), digest(&packed)] {
        let file = blobs.join(&blob[7..]);
        let good = std::fs::read(&file).expect("read");
        let mut bad = good.clone();
        bad[12] ^= 1;
        std::fs::write(&file, bad).expect("written");
        assert_eq!(load(folder.clone(), Some("mine")).await.expect_err("altered").code(), "sandbox.image_invalid");
        std::fs::remove_file(&file).expect("removed");
        assert_eq!(load(folder.clone(), Some("mine")).await.expect_err("gone").code(), "sandbox.image_invalid");
        std::fs::write(&file, good).expect("written");
        place.nothing_half_made();
    }
}

/// The command line needs no engine.
#[test]
fn the_command_line_loads_shows_and_prunes() {
    let dir = tempfile::tempdir().expect("a folder");
    let one = layer(&[("a", "1")]);
    let config = config(&[&one], architecture());
    let mut out = tar::Builder::new(Vec::new());
    let table =
        json!([{"Config": "config.json", "RepoTags": ["localhost/tool:1"], "Layers": ["one/layer.tar"]}]).to_string();
    for (name, bytes) in [("manifest.json", table.as_bytes()), ("config.json", &config), ("one/layer.tar", &one)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        out.append_data(&mut header, name, bytes).expect("packed");
    }
    let file = dir.path().join("saved.tar");
    std::fs::write(&file, out.into_inner().expect("packed")).expect("written");
    let run = |words: &[&str]| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_mcp-bridge"))
            .arg("image")
            .args(words)
            .env_clear()
            .envs([("MCP_BRIDGE_RUNTIME", "embedded"), ("MCP_BRIDGE_IMAGE", "localhost/tool:1")])
            .env("MCP_BRIDGE_STATE_DIR", dir.path().join("state"))
            .env("HOME", dir.path())
            .output()
            .expect("run");
        (
            out.status.code(),
            String::from_utf8_lossy(&out.stdout).into_owned(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    };
    let (code, _, err) = run(&["path"]);
    assert!(code == Some(3) && err.contains("sandbox.image_missing"), "{err}");
    let (code, text, err) = run(&["load", file.to_str().expect("text")]);
    // It is there, and what it lacks is told at once, by the image's name.
    assert!(
        code == Some(3) && text.is_empty() && err.contains("image `localhost/tool:1` has no Python"),
        "{text}{err}"
    );
    let (code, text, _) = run(&["path"]);
    let root = text.lines().nth(1).expect("a path");
    assert!(code == Some(0) && Path::new(root).join("a").exists(), "{text}");
    assert_eq!(run(&["prune"]).1, "removed 0 images\n");
    let (code, _, err) = run(&["build"]);
    assert!(code == Some(2) && err.contains("cli.image_runtime"), "{err}");
}
