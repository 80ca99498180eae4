//! On whose behalf a run is.

use std::sync::Arc;

/// Who asks for runs, as the transport tells: never by an argument that a model wrote. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller(Arc<str>);

impl Caller {
    /// The one client at the other end of stdin and stdout, or the person at the terminal.
    pub fn stdio() -> Self {
        Self::named("stdio")
    }

    /// A caller that a transport tells apart from others by this name.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    pub fn name(&self) -> &str {
        &self.0
    }
}
