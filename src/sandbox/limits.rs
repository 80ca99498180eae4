//! The limits of one sandbox, as numbers.

/// Limits of one sandbox. All of them are really enforced by the backend, or the launch fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of memory, swap included.
    pub memory: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Processors, e.g. `1.5`.
    pub cpus: f64,
    /// User and group inside, as the engine takes them (`65534:65534`).
    pub user: String,
    /// Bytes of the tmpfs on `/tmp`.
    pub tmp: u64,
    /// Bytes of the tmpfs on `/workspace`.
    pub workspace: u64,
    /// Open files per process.
    pub open_files: u64,
}
