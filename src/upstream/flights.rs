//! Requests on their way to one server, and the clients they are made for: so that what a server says or asks meanwhile finds its way
//! back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::model::{ProgressToken, RequestId};

use super::client::ClientHandle;

/// For whom a request is made; travels with it through rmcp, never over the wire.
#[derive(Clone, Debug)]
pub(super) struct OnBehalf(pub(super) ClientHandle);

struct Flight {
    /// The token that rmcp gave the request; the client's own is known to its [`ClientHandle`].
    token: Option<ProgressToken>,
    client: ClientHandle,
}

/// Those of one connection.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<RequestId, Flight>>);

impl Flights {
    pub(super) fn left(&self, id: RequestId, token: Option<ProgressToken>, client: ClientHandle) {
        self.flights().insert(id, Flight { token, client });
    }

    pub(super) fn landed(&self, id: &RequestId) {
        self.flights().remove(id);
    }

    /// The client of the request with this id.
    pub(super) fn of_request(&self, id: &RequestId) -> Option<ClientHandle> {
        self.flights().get(id).map(|flight| flight.client.clone())
    }

    /// The client of the request that got this token.
    pub(super) fn of_token(&self, token: &ProgressToken) -> Option<ClientHandle> {
        self.flights().values().find(|flight| flight.token.as_ref() == Some(token)).map(|flight| flight.client.clone())
    }

    /// The client whose requests alone are on their way: `Err(true)` when there are several clients, `Err(false)` when there is
    /// none.
    pub(super) fn only(&self) -> Result<ClientHandle, bool> {
        let flights = self.flights();
        let mut clients = flights.values().map(|flight| &flight.client);
        let first = clients.next().ok_or(false)?;
        let session = first.0.session();
        if clients.all(|client| client.0.session() == session) { Ok(first.clone()) } else { Err(true) }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<RequestId, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
