//! Why a call did not survive; each with a stable code and one thing to do.

use crate::upstream::{Kind, UpstreamError};

/// What the upstream said, or what a layer refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),

    /// The deadline passed in the queue: the call was never sent.
    #[error("server `{server}` is busy: {concurrency} calls were running, and `{tool}` waited until its deadline")]
    Busy { server: String, tool: String, concurrency: usize },

    /// The call happened; its result is not passed on.
    #[error("server `{server}`: the result of `{tool}` is {bytes} bytes of JSON; the limit is {limit}")]
    ResultTooLarge { server: String, tool: String, bytes: usize, limit: usize },
}

impl GatewayError {
    /// The stable code, e.g. `gateway.busy`; the upstream's own where it is the upstream's error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Upstream(error) => error.code(),
            Self::Busy { .. } => "gateway.busy",
            Self::ResultTooLarge { .. } => "gateway.result_too_large",
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Upstream(error) => error.hint(),
            Self::Busy { server, .. } => format!("call `{server}` less often at a time, or allow more time"),
            Self::ResultTooLarge { tool, .. } => format!("ask `{tool}` for less: a filter, a page, a range"),
        }
    }

    /// Which of the four kinds it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Upstream(error) => error.kind(),
            Self::Busy { .. } => Kind::Timeout,
            Self::ResultTooLarge { .. } => Kind::Backend,
        }
    }

    /// Whether the call may have taken effect. `false` is a promise.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Upstream(error) => error.may_have_happened(),
            Self::Busy { .. } => false,
            Self::ResultTooLarge { .. } => true,
        }
    }
}
