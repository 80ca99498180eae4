//! What can go wrong with a sandbox; each with a stable code and one thing to do.

use std::path::PathBuf;

/// Why a sandbox could not be had. The text of an engine is quoted, so it names paths and images, never environment values.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("no container engine found; looked for {tried}")]
    EngineMissing { tried: String },
    #[error("no sandbox works here: {engine}; and the embedded one: {embedded}")]
    Nothing { engine: Box<SandboxError>, embedded: Box<SandboxError> },
    #[error("the embedded sandbox needs Linux, and this is {}", std::env::consts::OS)]
    NotLinux,
    #[error("the embedded sandbox cannot keep its promise `{what}` here: {found}")]
    HostLacks { what: &'static str, found: String },
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
    #[error("`{name}` is no name of an image: {reason}")]
    ImageName { name: String, reason: String },
    #[error("no image can be read from {file}: {reason}")]
    ImageFile { file: String, reason: String },
    #[error("image `{image}` is not for this machine: it needs to be for {wanted}, and there is: {found}")]
    ImagePlatform { image: String, wanted: String, found: String },
    #[error("the image store cannot be used: {path}: {reason}")]
    ImageStore { path: String, reason: String },
    #[error("the sandbox did not start ({step}): {reason}")]
    LaunchFailed { step: &'static str, reason: String },
    #[error("the promise `{what}` would not be kept: {warning}")]
    Weakened { what: &'static str, warning: String },
    #[error("sandbox {id} is still there after {seconds} s: {reason}")]
    NotRemoved { id: String, seconds: u64, reason: String },
    #[error("the engine refused ({step}): {reason}")]
    Refused { step: &'static str, reason: String },
    #[error("a control group refused ({step}): {reason}")]
    CgroupRefused { step: String, reason: String },
    #[error("the host does not allow user namespaces: {found}")]
    NamespacesOff { found: String, remedy: &'static str },
    #[error("the kernel {found} is too old: {step} needs {needed}")]
    KernelTooOld { step: String, needed: &'static str, found: String },
    #[error("the kernel has no filter of system calls (CONFIG_SECCOMP_FILTER)")]
    SeccompMissing,
    #[error("a private /proc was refused: {found}")]
    ProcRefused { found: String },
    #[error("the sandbox did not start ({step}): a limit of the host is used up ({found})")]
    HostFull { step: String, found: String },
    #[error("a folder or file of the sandbox's root may not be read by uid {uid} ({step})")]
    RootUnreadable { step: String, uid: u32 },
    #[error("the sandbox did not start ({step}): {reason}")]
    StepFailed { step: String, reason: String },
    #[error("the embedded sandbox has no filter of system calls for this processor ({architecture})")]
    NoFilter { architecture: &'static str },
    #[error("no Python was found for the sandbox; looked for {looked}")]
    PythonMissing { looked: String },
    #[error("the Python at `{path}` cannot be used in a sandbox: it {reason}", path = path.display())]
    PythonUnusable { path: PathBuf, reason: String },
    #[error("the folder `{folder}` cannot be the root of a sandbox: it {reason}", folder = folder.display())]
    RootfsUnusable { folder: PathBuf, reason: String },
}

impl SandboxError {
    /// Where images are that no engine keeps: what [`Self::ImageMissing`] calls the engine then.
    pub const STORE: &'static str = "the bridge's own store";

    /// A name that never changes, for audit lines, the guide and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EngineMissing { .. } => "sandbox.engine_missing",
            Self::Nothing { .. } => "sandbox.nothing_works",
            Self::NotLinux => "sandbox.not_linux",
            Self::HostLacks { .. } => "sandbox.host_lacks",
            Self::EngineNotRunning { .. } => "sandbox.engine_not_running",
            Self::NoPermission { .. } => "sandbox.no_permission",
            Self::UnsupportedEndpoint { .. } => "sandbox.unsupported_endpoint",
            Self::ImageMissing { .. } => "sandbox.image_missing",
            Self::ImagePullFailed { .. } => "sandbox.image_pull_failed",
            Self::ImageBuildFailed { .. } => "sandbox.image_build_failed",
            Self::ImageInvalid { .. } => "sandbox.image_invalid",
            Self::ImageName { .. } => "sandbox.image_name",
            Self::ImageFile { .. } => "sandbox.image_file",
            Self::ImagePlatform { .. } => "sandbox.image_platform",
            Self::ImageStore { .. } => "sandbox.image_store",
            Self::LaunchFailed { .. } => "sandbox.launch_failed",
            Self::Weakened { .. } => "sandbox.weakened",
            Self::NotRemoved { .. } => "sandbox.not_removed",
            Self::Refused { .. } => "sandbox.refused",
            Self::CgroupRefused { .. } => "sandbox.cgroup_refused",
            Self::NamespacesOff { .. } => "sandbox.namespaces_off",
            Self::KernelTooOld { .. } => "sandbox.kernel_too_old",
            Self::SeccompMissing => "sandbox.seccomp_missing",
            Self::ProcRefused { .. } => "sandbox.proc_refused",
            Self::HostFull { .. } => "sandbox.host_full",
            Self::RootUnreadable { .. } => "sandbox.root_unreadable",
            Self::StepFailed { .. } => "sandbox.step_failed",
            Self::NoFilter { .. } => "sandbox.no_filter",
            Self::PythonMissing { .. } => "sandbox.python_missing",
            Self::PythonUnusable { .. } => "sandbox.python_unusable",
            Self::RootfsUnusable { .. } => "sandbox.rootfs_unusable",
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::EngineMissing { .. } => match std::env::consts::OS {
                "linux" => {
                    "install Podman (`apt install podman` or your distribution's equivalent; no service or setting is needed), \
                     or set MCP_BRIDGE_RUNTIME=embedded, which needs no engine"
                        .into()
                }
                _ => "install Podman (podman.io) or Docker Desktop and start it once".into(),
            },
            Self::Nothing { embedded, .. } => embedded.hint(),
            Self::HostLacks { .. } => "install Podman, or use another host; `mcp-bridge doctor` shows what holds which promise".into(),
            Self::NotLinux => "set MCP_BRIDGE_RUNTIME=podman or docker".into(),
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
            Self::ImageMissing { image, engine: Self::STORE } => {
                format!("run `mcp-bridge image pull {image}`, or `mcp-bridge image load FILE` without a registry")
            }
            Self::ImageMissing { image, .. } => {
                format!(
                    "run `mcp-bridge image pull {image}`; without a registry, make one with sandbox-image/build-debian.sh and `mcp-bridge image build`"
                )
            }
            Self::ImagePullFailed { .. } => {
                "check the image's name and the network; an image needs no registry where it comes from a file: \
                 `mcp-bridge image build` (Podman, Docker) and `image load` (embedded)"
                    .into()
            }
            Self::ImageBuildFailed { .. } => {
                "read the build's last lines above; `mcp-bridge doctor` checks the engine".into()
            }
            Self::ImageName { .. } => "write it as in `python:3.14-slim` or `registry.example/team/image:tag`".into(),
            Self::ImageFile { .. } => "name a .tar file that `docker save` or `podman save` wrote, or an OCI layout".into(),
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
                format!("use a host with cgroup version 2, or accept it: MCP_BRIDGE_ALLOW_DEGRADED={what}")
            }
            Self::CgroupRefused { .. } => "run `mcp-bridge doctor`, which tries each limit alone".into(),
            Self::NamespacesOff { remedy, .. } => (*remedy).into(),
            Self::KernelTooOld { .. } | Self::SeccompMissing => {
                "install Podman and set MCP_BRIDGE_RUNTIME=podman, or use a newer kernel".into()
            }
            Self::ProcRefused { .. } => {
                "run the bridge outside of this container, or start the container with `--security-opt systempaths=unconfined`"
                    .into()
            }
            Self::HostFull { .. } => {
                "end other programs, or raise the limit that the message names (`sysctl user` shows them)".into()
            }
            Self::RootUnreadable { .. } => {
                "install Python where every user may read it (`/usr`, `/opt`), or name a folder with MCP_BRIDGE_ROOTFS".into()
            }
            Self::StepFailed { .. } => "run `mcp-bridge doctor`, which says what this host allows".into(),
            Self::NoFilter { .. } => {
                "install Podman and set MCP_BRIDGE_RUNTIME=podman; the embedded sandbox runs on x86_64 and aarch64".into()
            }
            Self::NotRemoved { id, .. } => format!("remove it by hand: `podman rm -f {id}` or `docker rm -f {id}`"),
            Self::PythonMissing { .. } => {
                "install one (`apt install python3` or your distribution's equivalent), or name one with MCP_BRIDGE_PYTHON"
                    .into()
            }
            Self::PythonUnusable { .. } => {
                "name another with MCP_BRIDGE_PYTHON (a system's own, from `apt install python3`, always fits), or give a \
                 root with one: MCP_BRIDGE_ROOTFS"
                    .into()
            }
            Self::RootfsUnusable { .. } => {
                "set MCP_BRIDGE_ROOTFS to an unpacked Linux system with Python 3.9 or later, or unset it and run \
                 `mcp-bridge image pull python:3.14-slim`"
                    .into()
            }
        }
    }
}
