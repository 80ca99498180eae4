//! Requests on their way to one server, and the clients they are made for: so that what a server says or asks meanwhile finds its way
//! back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use rmcp::model::{ProgressToken, RequestId};

use super::client::{ClientHandle, Party};

/// For whom a request is made; travels with it through rmcp, never over the wire.
#[derive(Clone, Debug)]
pub(super) struct OnBehalf {
    pub(super) client: ClientHandle,
    pub(super) task: Option<Weak<()>>,
}

struct Flight {
    /// The token that rmcp gave the request; the client's own is known to its [`ClientHandle`].
    token: Option<ProgressToken>,
    client: ClientHandle,
    /// Questions to the client that wait for an answer.
    asked: usize,
    number: u64,
}

/// Those of one connection.
#[derive(Default)]
pub(super) struct Flights {
    flights: Mutex<HashMap<RequestId, Flight>>,
    /// Tokens of calls that are to be tasks: they hold beyond the answer, as long as the task is waited for.
    tasks: Mutex<Vec<(ProgressToken, ClientHandle, Weak<()>)>>,
    count: AtomicU64,
}

impl Flights {
    pub(super) fn left(&self, id: RequestId, token: Option<ProgressToken>, behalf: OnBehalf) {
        let OnBehalf { client, task } = behalf;
        if let (Some(token), Some(task)) = (&token, task) {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.retain(|(_, _, task)| task.strong_count() > 0);
            tasks.push((token.clone(), client.clone(), task));
        }
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.flights().insert(id, Flight { token, client, asked: 0, number });
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
        let flights = self.flights();
        let flight = flights.values().find(|flight| flight.token.as_ref() == Some(token));
        flight.map(|flight| flight.client.clone()).or_else(|| self.of_task(token))
    }

    fn of_task(&self, token: &ProgressToken) -> Option<ClientHandle> {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let task = tasks.iter().find(|(known, _, task)| known == token && task.strong_count() > 0);
        task.map(|(_, client, _)| client.clone())
    }

    /// The client whose requests alone are on their way, by the newest of them that does not wait for its client already: `Err(true)`
    /// when there are several clients, `Err(false)` when there is none.
    pub(super) fn only(&self) -> Result<(RequestId, ClientHandle), bool> {
        let flights = self.flights();
        let (id, newest) = flights.iter().max_by_key(|(_, flight)| (flight.asked == 0, flight.number)).ok_or(false)?;
        let party = newest.client.0.party();
        // A request of nobody in particular that waits for its client is most likely not the one that asks: given up, it may wait long.
        let waits = |flight: &Flight, other: &Party| flight.asked > 0 && matches!(other, Party::Request(_));
        let belongs = |flight: &Flight, other: Party| other == party || waits(flight, &other);
        let one = flights.values().all(|flight| belongs(flight, flight.client.0.party()));
        if one { Ok((id.clone(), newest.client.clone())) } else { Err(true) }
    }

    /// The client of this request is being asked, until the value is dropped.
    pub(super) fn asks(&self, id: RequestId) -> Asks<'_> {
        self.count_asked(&id, |asked| asked + 1);
        Asks { flights: self, id }
    }

    fn count_asked(&self, id: &RequestId, change: fn(usize) -> usize) {
        if let Some(flight) = self.flights().get_mut(id) {
            flight.asked = change(flight.asked);
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<RequestId, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Asks<'a> {
    flights: &'a Flights,
    id: RequestId,
}

impl Drop for Asks<'_> {
    fn drop(&mut self) {
        self.flights.count_asked(&self.id, |asked| asked.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::BoxFuture;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;
    use crate::upstream::client::{Client, ClientError};

    struct Of(&'static str);

    impl Client for Of {
        fn capabilities(&self) -> Value {
            Value::Null
        }

        fn request<'a>(
            &'a self,
            _: &'a str,
            _: Option<Box<RawValue>>,
        ) -> BoxFuture<'a, Result<Box<RawValue>, ClientError>> {
            Box::pin(std::future::pending())
        }

        fn party(&self) -> Party {
            Party::Caller(self.0.into())
        }

        fn notify(&self, _: &str, _: Option<Box<RawValue>>) {}
    }

    #[test]
    fn a_question_is_that_of_the_newest_request_that_waits_for_nobody() {
        let flights = Flights::default();
        let left = |id, caller| {
            let behalf = OnBehalf { client: ClientHandle(Arc::new(Of(caller))), task: None };
            flights.left(RequestId::Number(id), None, behalf);
        };
        let only = || flights.only().map(|(id, _)| id);
        assert_eq!(only(), Err(false));
        left(1, "ann");
        left(2, "ann");
        assert_eq!(only(), Ok(RequestId::Number(2)));
        let asks = flights.asks(RequestId::Number(2));
        assert_eq!(only(), Ok(RequestId::Number(1)));
        drop(asks);
        assert_eq!(only(), Ok(RequestId::Number(2)));
        left(3, "ben");
        assert_eq!(only(), Err(true));
        flights.landed(&RequestId::Number(3));
        assert_eq!(only(), Ok(RequestId::Number(2)));
    }
}
