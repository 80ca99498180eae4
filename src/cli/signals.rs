//! The signals that ask this process to end.

use futures::FutureExt;
use futures::future::BoxFuture;

/// Runs one future; tells apart an end and an interrupt (SIGINT, SIGTERM, SIGHUP).
pub(super) async fn until_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        result = work => Some(result),
        () = interrupted() => None,
    }
}

/// Resolves at the first signal that asks the process to end.
pub(super) fn interrupted() -> BoxFuture<'static, ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::SignalKind;
        first_of(vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()])
    }
    #[cfg(not(unix))]
    interrupt()
}

/// The same for a process that keeps running on SIGHUP.
pub(super) fn terminated() -> BoxFuture<'static, ()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::SignalKind;
        first_of(vec![SignalKind::interrupt(), SignalKind::terminate()])
    }
    #[cfg(not(unix))]
    interrupt()
}

#[cfg(unix)]
fn first_of(kinds: Vec<tokio::signal::unix::SignalKind>) -> BoxFuture<'static, ()> {
    async {
        let mut signals: Vec<_> = kinds.into_iter().filter_map(|kind| tokio::signal::unix::signal(kind).ok()).collect();
        let waits = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures::future::select_all(waits).await;
    }
    .boxed()
}

#[cfg(not(unix))]
fn interrupt() -> BoxFuture<'static, ()> {
    async {
        let _ = tokio::signal::ctrl_c().await;
    }
    .boxed()
}
