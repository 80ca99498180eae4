//! Why a call did not survive; each with a stable code and one thing to do.

use std::time::Duration;

use super::LastError;
use crate::upstream::{Kind, UpstreamError};

/// What the upstream said, or what a layer refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),

    /// The deadline passed in the queue: the call was never sent.
    #[error("server `{server}` is busy: {concurrency} calls were running, and `{tool}` waited until its deadline")]
    Busy { server: String, tool: String, concurrency: usize },

    /// The call's turn comes after its deadline: it was never sent.
    #[error("server `{server}` may get {limit} calls a second; the turn of `{tool}` would come in {} s, after its deadline", whole_seconds(*.wait))]
    RateLimited { server: String, tool: String, limit: f64, wait: Duration },

    /// The server is left alone: the call was never sent.
    #[error("server `{server}` failed {failures} times in a row, so it is left alone for now (next try in {} s); the last failure: {}", whole_seconds(*.next_try), words(.last))]
    BreakerOpen { server: String, failures: u32, last: Option<LastError>, next_try: Duration },

    /// The last of several attempts.
    #[error("{cause} (attempt {attempts} of {attempts})")]
    Repeated { cause: Box<GatewayError>, attempts: u32, may_have_happened: bool },

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
            Self::RateLimited { .. } => "gateway.rate_limited",
            Self::BreakerOpen { .. } => "gateway.breaker_open",
            Self::Repeated { cause, .. } => cause.code(),
            Self::ResultTooLarge { .. } => "gateway.result_too_large",
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Upstream(error) => error.hint(),
            Self::Busy { server, .. } => format!("call `{server}` less often at a time, or allow more time"),
            Self::RateLimited { server, .. } => {
                format!("call `{server}` less often, allow more time, or raise `rate_limit` in its entry")
            }
            Self::BreakerOpen { server, .. } => {
                format!("do without `{server}` until then; the last failure says what to repair")
            }
            Self::Repeated { cause, .. } => cause.hint(),
            Self::ResultTooLarge { tool, .. } => format!("ask `{tool}` for less: a filter, a page, a range"),
        }
    }

    /// Which of the five kinds it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Upstream(error) => error.kind(),
            Self::Busy { .. } | Self::RateLimited { .. } => Kind::Timeout,
            Self::BreakerOpen { .. } => Kind::BreakerOpen,
            Self::Repeated { cause, .. } => cause.kind(),
            Self::ResultTooLarge { .. } => Kind::Backend,
        }
    }

    /// Whether the call may have taken effect. `false` is a promise.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Upstream(error) => error.may_have_happened(),
            Self::Busy { .. } | Self::RateLimited { .. } | Self::BreakerOpen { .. } => false,
            Self::Repeated { may_have_happened, .. } => *may_have_happened,
            Self::ResultTooLarge { .. } => true,
        }
    }
}

fn words(last: &Option<LastError>) -> &str {
    last.as_ref().map_or("not known", |last| &last.message)
}

/// Rounded up, so that waiting as long as the text says is always enough.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
