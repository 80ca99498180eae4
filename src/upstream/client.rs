//! The client on whose behalf servers are called, as far as a server, or the bridge itself, may speak to it meanwhile.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use serde_json::value::RawValue;

/// What can be asked of the client at the other end while a call of its own is under way.
pub trait Client: Send + Sync {
    /// The capabilities that the client declared, as in its `initialize` or its request's `_meta`.
    fn capabilities(&self) -> Value;

    /// Sends a request (`elicitation/create`, `sampling/createMessage`, `roots/list`) and waits for its answer; dropped, the question
    /// is withdrawn.
    fn request<'a>(
        &'a self,
        method: &'a str,
        params: Option<Box<RawValue>>,
    ) -> BoxFuture<'a, Result<Box<RawValue>, ClientError>>;

    /// Tells clients apart: the same for all requests of one, and different for those of another.
    fn party(&self) -> Party {
        Party::Session(std::ptr::from_ref(self).cast::<()>().addr())
    }

    /// Sends a notification (`notifications/message`, `notifications/progress`, ...). A client that is gone misses it.
    fn notify(&self, method: &str, params: Option<Box<RawValue>>);
}

/// Whose requests belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// The address of a session, as long as that lives.
    Session(usize),
    /// The newer era has no sessions: all requests of one caller.
    Caller(Arc<str>),
    /// One request of nobody in particular, by the address of what it is served by.
    Request(usize),
}

/// Why the client gave no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// It said an error of its own.
    #[error("the client answered with error {code}: {message}")]
    Answered { code: i64, message: String, data: Option<Value> },
    /// It cannot be asked this: it did not declare that it can, or its transport has no way.
    #[error("the client cannot be asked {method}")]
    Unable { method: String },
    #[error("the client is gone")]
    Gone,
}

/// A [`Client`] that can be handed around; two are equal when they are the same one.
#[derive(Clone)]
pub struct ClientHandle(pub Arc<dyn Client>);

impl ClientHandle {
    /// The same client, which is not told what a server logs.
    pub fn without_logs(self) -> Self {
        Self(Arc::new(WithoutLogs(self)))
    }
}

struct WithoutLogs(ClientHandle);

impl Client for WithoutLogs {
    fn capabilities(&self) -> Value {
        self.0.0.capabilities()
    }

    fn request<'a>(
        &'a self,
        method: &'a str,
        params: Option<Box<RawValue>>,
    ) -> BoxFuture<'a, Result<Box<RawValue>, ClientError>> {
        self.0.0.request(method, params)
    }

    fn party(&self) -> Party {
        self.0.0.party()
    }

    fn notify(&self, method: &str, params: Option<Box<RawValue>>) {
        if method != "notifications/message" {
            self.0.0.notify(method, params);
        }
    }
}

impl PartialEq for ClientHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for ClientHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientHandle")
    }
}
