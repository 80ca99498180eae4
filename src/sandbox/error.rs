//! What can go wrong with a sandbox; each with a stable code and one thing to do.

/// Why a sandbox could not be had. The text of an engine is quoted, so it names paths and images, never environment values.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("no container engine found; looked for {tried}")]
    EngineMissing { tried: String },
    #[error("{engine} is installed but does not answer at {endpoint}: {reason}")]
    EngineNotRunning { engine: &'static str, endpoint: String, reason: String },
    #[error("no permission to use the {engine} socket {endpoint}")]
    NoPermission { engine: &'static str, endpoint: String },
    #[error("{source_name} is `{value}`, which is not supported: {reason}")]
    UnsupportedEndpoint { source_name: String, value: String, reason: &'static str },
    #[error("image `{image}` is not present in {engine}")]
    ImageMissing { image: String, engine: &'static str },
    #[error("image `{image}` could not be pulled: {reason}")]
    ImagePullFailed { image: String, reason: String },
    #[error("image `{image}` could not be built: {reason}")]
    ImageBuildFailed { image: String, reason: String },
    #[error("image `{image}` cannot be used: {reason}")]
    ImageInvalid { image: String, reason: String },
    #[error("image `{image}` is not for this machine: it needs to be for {wanted}, and there is: {found}")]
    ImagePlatform { image: String, wanted: String, found: String },
    #[error("the image store cannot be used: {path}: {reason}")]
    ImageStore { path: String, reason: String },
    #[error("the sandbox did not start ({step}): {reason}")]
    LaunchFailed { step: &'static str, reason: String },
    #[error("the engine would not enforce the `{what}` limit: {warning}")]
    Weakened { what: &'static str, warning: String },
    #[error("sandbox {id} is still there after {seconds} s: {reason}")]
    NotRemoved { id: String, seconds: u64, reason: String },
    #[error("the engine refused ({step}): {reason}")]
    Refused { step: &'static str, reason: String },
}

impl SandboxError {
    /// A name that never changes, for audit lines, the guide and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EngineMissing { .. } => "sandbox.engine_missing",
            Self::EngineNotRunning { .. } => "sandbox.engine_not_running",
            Self::NoPermission { .. } => "sandbox.no_permission",
            Self::UnsupportedEndpoint { .. } => "sandbox.unsupported_endpoint",
            Self::ImageMissing { .. } => "sandbox.image_missing",
            Self::ImagePullFailed { .. } => "sandbox.image_pull_failed",
            Self::ImageBuildFailed { .. } => "sandbox.image_build_failed",
            Self::ImageInvalid { .. } => "sandbox.image_invalid",
            Self::ImagePlatform { .. } => "sandbox.image_platform",
            Self::ImageStore { .. } => "sandbox.image_store",
            Self::LaunchFailed { .. } => "sandbox.launch_failed",
            Self::Weakened { .. } => "sandbox.weakened",
            Self::NotRemoved { .. } => "sandbox.not_removed",
            Self::Refused { .. } => "sandbox.refused",
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::EngineMissing { .. } => match std::env::consts::OS {
                "linux" => {
                    "install Podman (`apt install podman` or your distribution's equivalent); no service or setting \
                            is needed"
                        .into()
                }
                _ => "install Podman (podman.io) or Docker Desktop and start it once".into(),
            },
            Self::EngineNotRunning { engine: "podman", .. } => match std::env::consts::OS {
                "linux" => "run `systemctl --user enable --now podman.socket`".into(),
                _ => "run `podman machine start`".into(),
            },
            Self::EngineNotRunning { .. } => match std::env::consts::OS {
                "linux" => "run `sudo systemctl start docker`".into(),
                _ => "start Docker Desktop (or the program that provides this socket)".into(),
            },
            Self::NoPermission { engine: "podman", .. } => {
                "use rootless Podman: unset CONTAINER_HOST, run `systemctl --user enable --now podman.socket`".into()
            }
            Self::NoPermission { .. } => {
                "run `sudo usermod -aG docker $USER` and log in again, or install Podman, which needs \
                                          no group, and set MCP_BRIDGE_RUNTIME=podman"
                    .into()
            }
            Self::UnsupportedEndpoint { source_name, .. } => {
                format!("set {source_name} to unix:///path/to/engine.sock or tcp://host:port, or unset it")
            }
            Self::ImageMissing { image, .. } => {
                format!(
                    "run `mcp-bridge image pull {image}`; without a registry, make one with sandbox-image/build-debian.sh and `mcp-bridge image build`"
                )
            }
            Self::ImagePullFailed { .. } => {
                "check the name in MCP_BRIDGE_IMAGE and the network; without a registry, make one with sandbox-image/build-debian.sh and `mcp-bridge image build`".into()
            }
            Self::ImageBuildFailed { .. } => {
                "read the build's last lines above; `mcp-bridge doctor` checks the engine".into()
            }
            Self::ImageInvalid { .. } => {
                "pull or save it again; if it stays so, whoever made it has to correct it, or it is not what it seems".into()
            }
            Self::ImagePlatform { .. } => "name an image that was built for this machine's processor".into(),
            Self::ImageStore { .. } => {
                "make room or correct the permissions there, or set MCP_BRIDGE_STATE_DIR to a folder that can be written".into()
            }
            Self::LaunchFailed { step: "command", .. } => {
                "use an image with Python 3.9 or later (MCP_BRIDGE_IMAGE)".into()
            }
            Self::LaunchFailed { .. } | Self::Refused { .. } => {
                "run `mcp-bridge doctor`, which tries each limit alone".into()
            }
            Self::Weakened { what, .. } => {
                format!("use an engine with cgroup version 2, or accept it: MCP_BRIDGE_ALLOW_DEGRADED={what}")
            }
            Self::NotRemoved { id, .. } => format!("remove it by hand: `podman rm -f {id}` or `docker rm -f {id}`"),
        }
    }
}
