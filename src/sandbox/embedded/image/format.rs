//! The JSON of images, Docker's and OCI's, as far as it matters here, and which part of an index fits this machine: pure.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::digest::Digest;
use super::fault::Fault;

/// Points to a manifest, a config or a layer.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Descriptor {
    pub digest: String,
    pub size: u64,
    #[serde(default)]
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: Option<Annotations>,
}

/// How an archive names what it holds.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Annotations {
    /// Docker and containerd: the whole name.
    #[serde(default, rename = "io.containerd.image.name")]
    pub name: Option<String>,
    /// The whole name (Podman, skopeo) or the tag alone (Docker).
    #[serde(default, rename = "org.opencontainers.image.ref.name")]
    pub reference: Option<String>,
}

impl Descriptor {
    pub fn digest(&self) -> Result<Digest, Fault> {
        Digest::parse(&self.digest)
    }
}

/// What a machine must be to run an image.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Platform {
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub variant: Option<String>,
}

impl Platform {
    /// This machine, in the words of images (which are Go's).
    pub fn here() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Self { os: "linux".into(), architecture: architecture.into(), variant: variant.map(Into::into) }
    }

    /// How well an image for `self` runs on `machine`: not at all, or the better the higher.
    fn fits(&self, machine: &Self) -> Option<u32> {
        if (&self.os, &self.architecture) != (&machine.os, &machine.architecture) {
            return None;
        }
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        match (variant, machine.variant.as_deref()) {
            (None, _) => Some(1),
            (Some(theirs), Some(ours)) if theirs == ours => Some(3),
            // An older ARM's programs run on a newer one.
            (Some(theirs), Some(ours)) => (theirs < ours).then_some(2),
            // amd64/v2 and the like want a newer processor than is known of here.
            (Some(theirs), None) => (theirs == "v1").then_some(2),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        // From a stranger's file: no control characters into a message.
        let text = format!("{}/{}{}", self.os, self.architecture, variant.map(|v| format!("/{v}")).unwrap_or_default());
        write!(out, "{}", text.escape_default())
    }
}

/// An index (several images) or a manifest (one): the fields tell.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    #[serde(default)]
    pub manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub config: Option<Descriptor>,
    #[serde(default)]
    pub layers: Option<Vec<Descriptor>>,
}

/// What an image's config says.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(flatten)]
    pub platform: Platform,
    #[serde(default)]
    pub config: Option<Runtime>,
    pub rootfs: Rootfs,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Runtime {
    #[serde(default, rename = "Env")]
    pub env: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rootfs {
    #[serde(default)]
    pub diff_ids: Vec<String>,
}

impl Config {
    /// # Errors
    /// It is for another kind of machine, or says so of none.
    pub fn check_platform(&self, machine: &Platform) -> Result<(), Fault> {
        match self.platform.fits(machine) {
            Some(_) => Ok(()),
            None => Err(Fault::Platform { wanted: machine.to_string(), found: self.platform.to_string() }),
        }
    }

    /// Digests of the unpacked layers, lowest first.
    pub fn diff_ids(&self, most: usize) -> Result<Vec<Digest>, Fault> {
        let ids = &self.rootfs.diff_ids;
        if ids.len() > most {
            return Err(Fault::Invalid(format!("it has {} layers, more than {most}", ids.len())));
        }
        if ids.is_empty() {
            return Err(Fault::invalid("it has no layers"));
        }
        ids.iter().map(|id| Digest::parse(id)).collect()
    }

    /// The environment it sets; what is no `NAME=value` is left out.
    pub fn env(&self) -> Vec<(String, String)> {
        let lines = self.config.as_ref().and_then(|config| config.env.as_deref()).unwrap_or_default();
        let pairs = lines.iter().filter_map(|line| line.split_once('='));
        pairs
            .filter(|(name, value)| !name.is_empty() && !name.contains('\0') && !value.contains('\0'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// One image in `manifest.json`, the table of `docker save`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Saved {
    pub config: String,
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub layers: Vec<String>,
}

/// Reads JSON that a stranger wrote.
pub(super) fn json<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(bytes).map_err(|error| Fault::Invalid(format!("{what} cannot be understood: {error}")))
}

/// The entry of an index that fits this machine best; the first of equals. Entries that do not say what they are for fit
/// if nothing else does: their config tells.
///
/// # Errors
/// None fits; the error names what there is.
pub(super) fn choose<'a>(entries: &'a [Descriptor], machine: &Platform) -> Result<&'a Descriptor, Fault> {
    let mut best: Option<(u32, &Descriptor)> = None;
    for entry in entries {
        let fit = entry.platform.as_ref().map_or(Some(0), |platform| platform.fits(machine));
        if let Some(fit) = fit.filter(|fit| best.is_none_or(|(other, _)| *fit > other)) {
            best = Some((fit, entry));
        }
    }
    best.map(|(_, entry)| entry).ok_or_else(|| {
        let mut found: Vec<String> =
            entries.iter().filter_map(|entry| entry.platform.as_ref()).map(ToString::to_string).collect();
        // Notes about other entries (who built them) call themselves unknown.
        found.retain(|name| !name.starts_with("unknown/"));
        found.sort();
        found.dedup();
        // Twenty are more than any index has; a hostile one must not fill the screen.
        found.truncate(20);
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        Fault::Platform { wanted: machine.to_string(), found }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn index(platforms: &[(&str, &str, Option<&str>)]) -> Vec<Descriptor> {
        let entry = |(at, (os, architecture, variant)): (usize, &(&str, &str, Option<&str>))| {
            serde_json::from_value(json!({"digest": at.to_string(), "size": 1,
                "platform": {"os": os, "architecture": architecture, "variant": variant}}))
            .expect("an entry")
        };
        platforms.iter().enumerate().map(entry).collect()
    }

    fn machine(architecture: &str, variant: Option<&str>) -> Platform {
        Platform { os: "linux".into(), architecture: architecture.into(), variant: variant.map(Into::into) }
    }

    #[test]
    fn the_best_fit_is_chosen() {
        let all = index(&[
            ("unknown", "unknown", None),
            ("windows", "amd64", None),
            ("linux", "arm", Some("v5")),
            ("linux", "arm", Some("v7")),
            ("linux", "amd64", Some("v3")),
            ("linux", "amd64", None),
            ("linux", "arm64", Some("v8")),
        ]);
        for (machine, expected) in [
            (machine("amd64", None), "5"),
            (machine("arm", Some("v7")), "3"),
            (machine("arm", Some("v6")), "2"),
            (machine("arm64", Some("v8")), "6"),
        ] {
            assert_eq!(choose(&all, &machine).expect("one").digest, expected, "{machine}");
        }
    }

    #[test]
    fn when_none_fits_the_error_names_what_there_is() {
        let all = index(&[
            ("linux", "s390x", None),
            ("unknown", "unknown", None),
            ("linux", "arm64", Some("v8")),
            ("linux", "\u{1b}[2J", None),
        ]);
        let Err(Fault::Platform { wanted, found }) = choose(&all, &machine("amd64", None)) else { panic!("one fits") };
        assert_eq!((wanted.as_str(), found.as_str()), ("linux/amd64", "linux/\\u{1b}[2J, linux/arm64/v8, linux/s390x"));
    }

    #[test]
    fn an_entry_without_a_platform_is_the_last_resort() {
        let mut all = index(&[("linux", "s390x", None), ("linux", "amd64", None)]);
        all[0].platform = None;
        assert_eq!(choose(&all, &machine("amd64", None)).expect("one").digest, "1");
        assert_eq!(choose(&all, &machine("riscv64", None)).expect("one").digest, "0");
    }

    #[test]
    fn the_environment_is_read_and_nonsense_left_out() {
        let config: Config = json(
            "the config",
            json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers"},
            "config": {"Env": ["PATH=/bin", "A=b=c", "E=", "nonsense", "=x", "Z=a\u{0}b"]}})
            .to_string()
            .as_bytes(),
        )
        .expect("a config");
        let pairs =
            [("PATH", "/bin"), ("A", "b=c"), ("E", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(config.env(), pairs);
        assert!(matches!(config.diff_ids(1), Err(Fault::Invalid(_))));
    }
}
