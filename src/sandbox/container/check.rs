//! What an engine and an image look like from outside, and whether the promises hold there: for `doctor`.

use bollard::models::SystemInfoCgroupVersionEnum as CgroupVersion;

use super::{Engine, Kind, refused, warnings};
use crate::sandbox::SandboxError;
use crate::sandbox::check::{self, Check, Level};

/// Half a processor is used up within the half second that the probe looks.
const CPUS: f64 = 0.5;

impl Engine {
    /// Looks at the engine, at `image`, and at every limit for a program that runs as `user`.
    pub async fn check(&self, image: &str, user: &str) -> Vec<Check> {
        let allowed = &self.inner.options.allow_degraded;
        let mut found = match self.status().await {
            Ok(found) => found,
            Err(error) => vec![Check::failure("engine", &error)],
        };
        match self.image(image).await {
            Ok(Some(facts)) => {
                found.push(Check::new("image", Level::Ok, format!("{image} ({})", short(&facts.id)), ""));
                found.extend(self.compiled_image(image).await);
                found.extend(check::probe(self, image, user, CPUS, allowed).await);
            }
            Ok(None) => {
                let image = image.to_owned();
                found.push(Check::failure("image", &SandboxError::ImageMissing { image, engine: self.kind().name() }));
            }
            Err(error) => found.push(Check::failure("image", &error)),
        }
        found
    }

    async fn status(&self) -> Result<Vec<Check>, SandboxError> {
        let info = self.inner.docker.info().await.map_err(refused("asking for its status"))?;
        let rootless = warnings::rootless(&info);
        let mut found = vec![Check::new("engine", Level::Ok, self.describe(), "")];
        found.push(match rootless {
            true => Check::new("rootless", Level::Ok, "the engine runs as an ordinary user", ""),
            false => Check::new("rootless", Level::Warn, "the engine runs as root", "rootless Podman is one wall more"),
        });
        found.push(match info.cgroup_version {
            Some(CgroupVersion::_2) => Check::new("cgroup", Level::Ok, "version 2", ""),
            Some(CgroupVersion::_1) => {
                let hint = "boot with systemd.unified_cgroup_hierarchy=1";
                let level = if rootless && self.kind() == Kind::Podman { Level::Fail } else { Level::Warn };
                Check::new("cgroup", level, "version 1", hint)
            }
            _ => Check::new("cgroup", Level::Warn, "unknown version", "the probes below tell which limits hold"),
        });
        for weakness in warnings::of_engine(self.kind(), &info) {
            let error = SandboxError::Weakened { what: weakness.what, warning: weakness.warning };
            found.push(
                Check::failure(&format!("engine: {}", weakness.what), &error)
                    .excused(weakness.what, &self.inner.options.allow_degraded),
            );
        }
        Ok(found)
    }

    async fn compiled_image(&self, image: &str) -> Option<Check> {
        match self.compiled(image).await {
            Ok(Some(twin)) => Some(Check::new("compiled image", Level::Ok, twin, "")),
            Ok(None) => Some(Check::new("compiled image", Level::Ok, "none yet; it is made in the background", "")),
            Err(error) => Some(Check::failure("compiled image", &error)),
        }
    }
}

fn short(id: &str) -> &str {
    id.get(..19).unwrap_or(id)
}
