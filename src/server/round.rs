//! A round of a request that needs input first (SEP-2322), as a client of the newer era makes it: the request again, with answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::ServerError;
use super::parked::WAITS;

const ANSWERS: &str = "inputResponses";
const STATE: &str = "requestState";

/// What a client adds to its request.
pub(super) struct Round {
    pub answers: Option<BTreeMap<String, Value>>,
    pub state: Option<String>,
}

impl Round {
    /// The parameters that it is made of.
    pub fn params(self) -> Map<String, Value> {
        let answers = self.answers.map(|answers| (ANSWERS.to_owned(), Map::from_iter(answers).into()));
        let state = self.state.map(|state| (STATE.to_owned(), state.into()));
        answers.into_iter().chain(state).collect()
    }

    /// # Errors
    /// The request goes on from somewhere, and nothing waits there.
    pub fn is_first(params: Option<Map<String, Value>>) -> Result<(), ServerError> {
        let goes_on = params.is_some_and(|params| params.contains_key(STATE));
        if goes_on { Err(ServerError::NotParked { waits: WAITS.as_secs() }) } else { Ok(()) }
    }
}
