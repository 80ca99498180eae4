//! What a caller may be told of a failure. Who sees all of a server hears all. To others is not repeated what the server or its process
//! said other than in answer to them, nor how a use by somebody else failed: it could name what is not there for them.

use super::{GatewayError, LastError, ServerSummary};
use crate::access::View;
use crate::upstream::{ServerState, UpstreamError};

/// In place of what is not repeated.
const KEPT: &str = "(told to those who see all of the server)";

impl GatewayError {
    /// The error of a use of `server`, as the caller with this view may be told it. Its code stays.
    pub fn told(mut self, server: &str, view: &View) -> Self {
        match &mut self {
            Self::Upstream(error) => veil(error, server, view),
            Self::BreakerOpen { last: Some(last), .. } => last.veil(server, view),
            Self::Repeated { cause, .. } => **cause = cause.as_ref().clone().told(server, view),
            // They name what the caller itself asked for.
            Self::BreakerOpen { last: None, .. }
            | Self::Busy { .. }
            | Self::RateLimited { .. }
            | Self::ResultTooLarge { .. } => {}
        }
        self
    }
}

impl ServerSummary {
    /// The same, as the caller with this view may be told it.
    pub fn told(mut self, view: &View) -> Self {
        if let ServerState::Failed { error, .. } = &mut self.state {
            veil(error, &self.name, view);
        }
        self.last_error.iter_mut().for_each(|last| last.veil(&self.name, view));
        self
    }
}

impl LastError {
    /// It may be that of any caller's use: the code alone.
    fn veil(&mut self, server: &str, view: &View) {
        if !view.shows_all(server) {
            self.message = self.code.to_owned();
        }
    }
}

fn veil(error: &mut UpstreamError, server: &str, view: &View) {
    use UpstreamError as E;
    let all = view.shows_all(server);
    let keep = |text: &mut String| {
        // Nothing said is nothing to keep.
        if !all && !text.is_empty() {
            *text = KEPT.to_owned();
        }
    };
    match error {
        E::UnknownServer { known, .. } => known.retain(|server| view.shows_server(server)),
        E::BackingOff { cause, .. } => veil(cause, server, view),
        E::StartTimeout { stderr, .. } | E::Exited { stderr, .. } => stderr.iter_mut().for_each(keep),
        E::Handshake { reason: text, .. }
        | E::Interrupted { reason: text, .. }
        | E::HttpStatus { body: text, .. }
        | E::NotMcp { found: text, .. } => keep(text),
        E::Unauthorized { challenge, .. } if !all => *challenge = None,
        E::Protocol { method, message, data, .. } if !all && is_of_all(method) => {
            keep(message);
            *data = None;
        }
        E::BadAnswer { method, found, .. } if is_of_all(method) => keep(found),
        // Our own words, or the answer to what the caller itself asked for.
        E::CommandNotFound { .. }
        | E::SpawnFailed { .. }
        | E::UnknownVersion { .. }
        | E::CallTimeout { .. }
        | E::ListTimeout { .. }
        | E::PingTimeout { .. }
        | E::Protocol { .. }
        | E::TooLarge { .. }
        | E::BadAnswer { .. }
        | E::NotReading { .. }
        | E::Unreachable { .. }
        | E::Unauthorized { .. }
        | E::LoginUnusable { .. }
        | E::HelperFailed { .. }
        | E::UnusableAddress { .. }
        | E::Circle { .. }
        | E::Unanswered { .. }
        | E::ShuttingDown { .. } => {}
    }
}

/// Whether the answer to a method is about everything that the server has: `tools/list` and its like.
fn is_of_all(method: &str) -> bool {
    method.ends_with("/list")
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::upstream::Proof;

    fn view(entry: serde_json::Value) -> View {
        let rules = json!({"access_rules": {"a": entry}}).to_string();
        View::of(&crate::access::read(&rules, Path::new("r")).expect("rules"), "a")
    }

    #[test]
    fn only_who_sees_all_hears_what_may_be_about_others() {
        let (server, word) = (|| "s".to_owned(), || "vault".to_owned());
        let ended = UpstreamError::Exited {
            server: server(),
            how: "ended".into(),
            ready: true,
            called: false,
            stderr: Some(word()),
        };
        let protocol = |method: &str| UpstreamError::Protocol {
            server: server(),
            method: method.into(),
            error_code: 1,
            message: word(),
            data: Some(Box::new(json!("vault"))),
        };
        let last = LastError { code: "upstream.call_timeout", message: word(), at: std::time::UNIX_EPOCH };
        let open =
            GatewayError::BreakerOpen { server: server(), failures: 1, last: Some(last), next_try: Duration::ZERO };
        let foreign = [
            UpstreamError::BackingOff { cause: Box::new(ended.clone()), next_try: Duration::ZERO }.into(),
            ended.into(),
            UpstreamError::StartTimeout { server: server(), limit: Duration::ZERO, stderr: Some(word()) }.into(),
            UpstreamError::Handshake { server: server(), reason: word() }.into(),
            UpstreamError::Interrupted { server: server(), reason: word(), called: true }.into(),
            UpstreamError::NotMcp { server: server(), found: word(), called: true }.into(),
            UpstreamError::HttpStatus { server: server(), status: 500, body: word(), retry_after: None, called: true }
                .into(),
            UpstreamError::Unauthorized { server: server(), status: 403, challenge: Some(word()), proof: Proof::Login }
                .into(),
            UpstreamError::UnknownServer { server: server(), known: vec![word(), server()] }.into(),
            UpstreamError::BadAnswer { server: server(), method: "tools/list".into(), found: word() }.into(),
            protocol("tools/list").into(),
            GatewayError::Repeated { cause: Box::new(open.clone()), attempts: 2, may_have_happened: false },
            open,
        ];
        let part = view(json!({"servers": ["s"], "tools": ["x"]}));
        let all = view(json!({"servers": ["s", "vault"], "tools": "*"}));
        for error in foreign {
            let told = error.clone().told("s", &part);
            assert!(!format!("{told:?} {told} {}", told.hint()).contains("vault"), "{told:?}");
            assert_eq!(told.code(), error.code());
            assert_eq!(error.clone().told("s", &all).to_string(), error.to_string());
        }
        let own = GatewayError::from(protocol("tools/call"));
        assert_eq!(own.clone().told("s", &part).to_string(), own.to_string(), "the answer to its own call");
        let silent =
            UpstreamError::StartTimeout { server: server(), limit: Duration::ZERO, stderr: Some(String::new()) };
        assert!(GatewayError::from(silent).told("s", &part).to_string().ends_with("it wrote nothing to stderr"));
    }
}
