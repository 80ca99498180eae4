//! Size: a result that is larger than may be passed on is refused by name. The call happened.

use serde_json::value::RawValue;

use super::GatewayError;

pub(super) fn fits(
    server: &str,
    tool: &str,
    result: Box<RawValue>,
    limit: usize,
) -> Result<Box<RawValue>, GatewayError> {
    let bytes = result.get().len();
    if bytes <= limit {
        return Ok(result);
    }
    Err(GatewayError::ResultTooLarge { server: server.to_owned(), tool: tool.to_owned(), bytes, limit })
}
