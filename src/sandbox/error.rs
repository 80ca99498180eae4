//! What can go wrong with a sandbox; each with a stable code and one thing to do.

/// Why a sandbox could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("no container runtime found: {tried}")]
    EngineMissing { tried: String },
}
