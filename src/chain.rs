//! The bridges that a request has come through, so that bridges in a circle do not call each other without end.
//!
//! Each bridge makes itself an id when it starts. It is in the environment of the servers that the bridge starts ([`VARIABLE`]), and,
//! under [`KEY`], in `_meta` of every request that the bridge sends, behind the ids of those it works for. A bridge that finds its
//! own id in a request refuses it. Programs that stand between two bridges need not pass on `_meta` of requests; what they pass on is
//! what a server says of itself and of its tools, so a bridge's id is there too, and a bridge knows its own tools when they come
//! back to it.
//!
//! One notation everywhere: ids from the outermost bridge to the innermost, with commas between.

use std::fmt;

use serde_json::{Map, Value};

/// Of a server's environment. An entry cannot change it.
pub const VARIABLE: &str = "MCP_BRIDGE_CHAIN";

/// In `_meta` of a request: the bridges it has come through. In `_meta` of a tool or of a server's greeting: those behind it.
pub const KEY: &str = "mcp-bridge/chain";

/// Bridges in a row. Two or three can be meant; eight that are all different build themselves.
pub const DEEPEST: usize = 8;

/// Letters of an id; ours have 32.
const LONGEST_ID: usize = 64;
/// Ids that are read of a text that others wrote. A circle is found by the last of them, so the last ones are read.
const MOST_READ: usize = 4 * DEEPEST;

/// Ids of bridges, the outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain(Vec<String>);

/// Why a request is refused, or a bridge looks for no servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error("this request comes from this bridge itself: bridges call each other in a circle")]
    Circle,
    #[error("{DEEPEST} bridges in a row are the most; this one would be number {place}")]
    TooDeep { place: usize },
}

impl ChainError {
    /// Stable code for GUIDE's error chapter.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Circle => "chain.circle",
            Self::TooDeep { .. } => "chain.too_deep",
        }
    }

    /// The one thing to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Circle => "take the server that leads back to the bridge out of its config files",
            Self::TooDeep { .. } => "take the bridge out of the config files of the bridges that it starts",
        }
    }
}

impl Chain {
    /// Reads the notation; what cannot be an id is left out.
    pub fn read(text: &str) -> Self {
        let is_id = |id: &&str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !id.is_empty() && id.len() <= LONGEST_ID && id.chars().all(fits)
        };
        let mut ids: Vec<String> =
            text.rsplit(',').map(str::trim).filter(is_id).take(MOST_READ).map(str::to_owned).collect();
        ids.reverse();
        Self(ids)
    }

    /// What `_meta` says; empty where it says nothing.
    pub fn in_meta(meta: Option<&Map<String, Value>>) -> Self {
        meta.and_then(|meta| meta.get(KEY)).and_then(Value::as_str).map(Self::read).unwrap_or_default()
    }

    /// The chain of a new bridge with this id that was started by the last of these.
    pub fn begun(self, id: &str) -> Self {
        Self(self.0.into_iter().chain([id.to_owned()]).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bridges there are in a row.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// The innermost bridge alone: for a bridge's own chain, itself.
    pub fn last(&self) -> Self {
        Self(self.0.last().cloned().into_iter().collect())
    }

    /// Whether the innermost bridge of this chain is among those of the other.
    pub fn ends_in(&self, other: &Self) -> bool {
        self.0.last().is_some_and(|own| other.0.contains(own))
    }

    /// This bridge's chain for a request that has come through those `above`.
    ///
    /// # Errors
    /// This bridge is one of them, or there are too many.
    pub fn under(&self, above: &Self) -> Result<Self, ChainError> {
        if self.ends_in(above) {
            return Err(ChainError::Circle);
        }
        let further = self.0.iter().filter(|id| !above.0.contains(id));
        let all: Vec<String> = above.0.iter().chain(further).cloned().collect();
        if all.len() > DEEPEST {
            return Err(ChainError::TooDeep { place: all.len() });
        }
        Ok(Self(all))
    }

    /// As a member of `_meta`.
    pub fn meta(&self) -> Map<String, Value> {
        [(KEY.to_owned(), Value::from(self.to_string()))].into_iter().collect()
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(text: &str) -> Chain {
        let chain = Chain::read(text);
        assert_eq!(chain.to_string(), text);
        chain
    }

    #[test]
    fn a_request_that_comes_back_is_a_circle() {
        let own = chain("a,b");
        assert_eq!(own.under(&Chain::default()), Ok(own.clone()));
        assert_eq!(own.under(&chain("a")), Ok(own.clone()), "started by the bridge that asks");
        assert_eq!(own.under(&chain("x,y")), Ok(chain("x,y,a,b")));
        for above in ["b", "x,b", "b,x", "a,b,c"] {
            assert_eq!(own.under(&chain(above)), Err(ChainError::Circle), "{above}");
        }
        assert!(own.ends_in(&chain("c,b")) && !own.ends_in(&chain("a")), "the bridge above is no circle");
        assert!(!Chain::default().ends_in(&Chain::default()));
    }

    #[test]
    fn a_row_of_bridges_has_an_end() {
        let mut row = Chain::default();
        for place in 1..=DEEPEST {
            row = chain(&format!("n{place}")).under(&row).expect("not too deep");
        }
        assert_eq!((row.depth(), row.last()), (DEEPEST, chain("n8")));
        assert_eq!(chain("one-more").under(&row), Err(ChainError::TooDeep { place: DEEPEST + 1 }));
    }

    #[test]
    fn what_others_wrote_is_read_within_bounds() {
        assert_eq!(Chain::read(" a , ,b\n,,c d,\u{e9},e\0f,g").to_string(), "a,b,g");
        assert!(Chain::read("").is_empty() && Chain::read(&"x".repeat(LONGEST_ID + 1)).is_empty());
        let long = Chain::read(&(0..1000).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
        assert_eq!((long.depth(), long.last()), (MOST_READ, chain("999")));
    }

    #[test]
    fn meta_is_read_as_it_is_written() {
        let own = chain("a,b");
        assert_eq!(Chain::in_meta(Some(&own.meta())), own);
        for other in [serde_json::json!({}), serde_json::json!({KEY: 5}), serde_json::json!({KEY: ["a"]})] {
            assert!(Chain::in_meta(other.as_object()).is_empty(), "{other}");
        }
        assert!(Chain::in_meta(None).is_empty());
    }
}
