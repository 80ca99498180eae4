//! How far a pull or a build has come.

/// One step of a pull or a build, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Layer or part, where the engine names one.
    pub part: Option<String>,
    /// What happens, in the engine's words.
    pub status: String,
    /// Bytes (or layers) done and to be done, where somebody counts.
    pub bytes: Option<(u64, u64)>,
}
