//! On whose behalf a run is.

use std::sync::Arc;

use crate::access::DEFAULT;

const STDIO: &str = "stdio";

/// Who asks for runs, as the transport tells: never by an argument that a model wrote. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller {
    name: Arc<str>,
    is_known: bool,
}

impl Caller {
    /// The one client at the other end of stdin and stdout, or the person at the terminal.
    pub fn stdio() -> Self {
        Self { name: STDIO.into(), is_known: false }
    }

    /// Somebody over HTTP where nobody has to say who they are.
    pub fn anonymous() -> Self {
        Self { name: "http".into(), is_known: false }
    }

    /// A caller that a transport tells apart from others by this name.
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), is_known: true }
    }

    /// The same client when it says by an argument who it is, where the operator allows that. Who is known by the transport stays who it
    /// is.
    pub fn saying(&self, name: Option<&str>) -> Self {
        match name {
            Some(name) if !self.is_known => Self::named(name),
            _ => self.clone(),
        }
    }

    /// Whether the transport tells this caller from others.
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whose rules count: the caller's own name, or `default` for one whom nothing names.
    pub fn who(&self) -> &str {
        if self.is_known { &self.name } else { DEFAULT }
    }

    /// Whose what is kept from run to run is; `None`: the machine's own user's, whom no name tells from others.
    pub fn owner(&self) -> Option<&str> {
        match (self.is_known, &*self.name) {
            (true, name) => Some(name),
            (false, STDIO) => None,
            // All that nobody knows share: no name of a caller is empty.
            (false, _) => Some(""),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}
