//! What keeps calls to servers alive, for every server whose entry says nothing else.

use std::time::Duration;

use super::environment::Environment;
use super::error::SettingsError;
use super::parse;

/// Retry, breaker, health checks and limits, as the variables say.
#[derive(Clone, Debug, PartialEq)]
pub struct Survival {
    /// The first one included.
    pub retry_attempts: u32,
    pub retry_wait_min: Duration,
    /// At least [`Survival::retry_wait_min`].
    pub retry_wait_max: Duration,
    pub retry_base: f64,
    /// 0: the breaker never opens.
    pub breaker_threshold: u32,
    pub breaker_recovery: Duration,
    pub breaker_trials: u32,
    /// `None`: servers are not looked at.
    pub health_interval: Option<Duration>,
    /// Calls a server works on at a time.
    pub concurrency: usize,
    /// Bytes of JSON.
    pub max_result: u64,
    /// Calls a second to one server.
    pub rate_limit: Option<f64>,
}

impl Survival {
    pub(super) fn read(env: &Environment) -> Result<Self, SettingsError> {
        let retry_wait_min = parse::duration(env, "MCP_BRIDGE_RETRY_WAIT_MIN")?;
        Ok(Self {
            retry_attempts: parse::number(env, "MCP_BRIDGE_RETRY_ATTEMPTS", 1..=100)?,
            retry_wait_min,
            retry_wait_max: parse::duration(env, "MCP_BRIDGE_RETRY_WAIT_MAX")?.max(retry_wait_min),
            retry_base: parse::decimal(env, "MCP_BRIDGE_RETRY_BASE", 1.0..=1000.0)?,
            breaker_threshold: parse::number(env, "MCP_BRIDGE_BREAKER_THRESHOLD", 0..=u32::MAX)?,
            breaker_recovery: parse::duration(env, "MCP_BRIDGE_BREAKER_RECOVERY")?,
            breaker_trials: parse::number(env, "MCP_BRIDGE_BREAKER_TRIALS", 1..=u32::MAX)?,
            health_interval: parse::duration_or_off(env, "MCP_BRIDGE_HEALTH_INTERVAL")?,
            // The most that a semaphore of tokio's holds on any machine is far above it.
            concurrency: parse::number(env, "MCP_BRIDGE_CONCURRENCY", 1..=100_000)?,
            max_result: parse::bytes_at_least(env, "MCP_BRIDGE_MAX_RESULT", 1024)?,
            rate_limit: parse::decimal_or_off(env, "MCP_BRIDGE_RATE_LIMIT", 0.001..=1e6)?,
        })
    }
}
