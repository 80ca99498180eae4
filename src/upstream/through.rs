//! The bridges that a request goes through, which it says in `_meta`.

use rmcp::model::RequestMetaObject;

use crate::chain::Chain;

tokio::task_local! {
    /// Beside a call, not among its arguments: no layer on the way acts on it.
    static CHAIN: Chain;
}

/// What `work` asks of servers has come through these bridges, the last of which is this one.
pub async fn through<T>(chain: Chain, work: impl Future<Output = T>) -> T {
    CHAIN.scope(chain, work).await
}

/// For a request made now; `own`: the chain of what this bridge asks by itself.
pub(super) fn meta(own: &Chain) -> Option<RequestMetaObject> {
    let chain = CHAIN.try_with(Chain::clone).unwrap_or_else(|_| own.clone());
    (!chain.is_empty()).then(|| chain.meta().into())
}
