//! What proves to a server who we are: fixed headers, headers that a command of the user's prints, the token of a login.

use std::collections::BTreeMap;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::Mutex;

use super::Helper;
use crate::upstream::config::Secret;
use crate::upstream::error::Proof;
use crate::upstream::oauth::Tokens;
use crate::upstream::trouble::Trouble;

pub(in crate::upstream) struct Access {
    fixed: HeaderMap,
    helper: Option<Helper>,
    /// What the helper printed last.
    minted: Mutex<Option<HeaderMap>>,
    tokens: Option<Tokens>,
}

impl Access {
    pub(in crate::upstream) fn new(
        headers: &BTreeMap<String, Secret>,
        helper: Option<Helper>,
        tokens: Option<Tokens>,
    ) -> Result<Self, String> {
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.expose()));
        Ok(Self { fixed: header_map(pairs)?, helper, minted: Mutex::default(), tokens })
    }

    /// The headers of the next request.
    pub(in crate::upstream) async fn headers(&self) -> Result<HeaderMap, Trouble> {
        if let Some(tokens) = &self.tokens {
            return Ok(self.with_token(tokens.header().await?));
        }
        let Some(helper) = &self.helper else { return Ok(self.fixed.clone()) };
        let mut minted = self.minted.lock().await;
        if minted.is_none() {
            *minted = Some(mint(helper).await?);
        }
        Ok(self.joined(minted.as_ref()))
    }

    /// What a refused request had shown.
    pub(in crate::upstream) fn proof(&self, request: &HeaderMap) -> Proof {
        match (&self.helper, request.contains_key(AUTHORIZATION)) {
            (Some(_), _) => Proof::Helper,
            (None, false) => Proof::Nothing,
            (None, true) if self.fixed.contains_key(AUTHORIZATION) => Proof::Header,
            (None, true) => Proof::Login,
        }
    }

    /// After a refusal of `refused`: other headers, if there are any.
    pub(in crate::upstream) async fn renewed(&self, refused: &HeaderMap) -> Result<Option<HeaderMap>, Trouble> {
        if let Some(tokens) = &self.tokens {
            let token = tokens.renewed(refused.get(AUTHORIZATION)).await?;
            return Ok(token.map(|token| self.with_token(Some(token))));
        }
        let Some(helper) = &self.helper else { return Ok(None) };
        let mut minted = self.minted.lock().await;
        // Of several requests that were refused together, the first asks.
        if self.joined(minted.as_ref()) == *refused {
            *minted = Some(mint(helper).await?);
        }
        Ok(Some(self.joined(minted.as_ref())))
    }

    fn with_token(&self, token: Option<HeaderValue>) -> HeaderMap {
        let mut headers = self.fixed.clone();
        headers.extend(token.map(|token| (AUTHORIZATION, token)));
        headers
    }

    fn joined(&self, minted: Option<&HeaderMap>) -> HeaderMap {
        let mut headers = self.fixed.clone();
        headers.extend(minted.cloned().unwrap_or_default());
        headers
    }
}

async fn mint(helper: &Helper) -> Result<HeaderMap, Trouble> {
    let printed = helper.run().await.map_err(Trouble::Helper)?;
    let headers = header_map(printed.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    headers.map_err(|reason| Trouble::Helper(format!("printed what cannot be sent: {reason}")))
}

fn header_map<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is impossible".to_owned())?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of the header `{name}` is not text on one line"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(command: &str) -> Access {
        let env = BTreeMap::from([("PATH".into(), std::env::var("PATH").expect("PATH is set"))]);
        let fixed =
            BTreeMap::from([("X-Fixed".into(), Secret::new("1")), ("Authorization".into(), Secret::new("old"))]);
        let helper = Helper {
            command: command.into(),
            env,
            limit: std::time::Duration::from_secs(30),
            secrets: Default::default(),
        };
        Access::new(&fixed, Some(helper), None).expect("headers")
    }

    #[tokio::test]
    async fn a_helper_runs_once_and_again_after_a_refusal() {
        let folder = tempfile::tempdir().expect("a folder");
        let count = folder.path().join("count");
        let command =
            format!(r#"echo x >> {0}; printf '{{"authorization":"Bearer %s"}}' $(wc -l < {0})"#, count.display());
        let access = access(&command);
        let first = access.headers().await.expect("headers");
        assert_eq!(
            (&first["authorization"], &first["x-fixed"]),
            (&"Bearer 1".parse().expect("a value"), &"1".parse().expect("a value"))
        );
        assert_eq!(access.headers().await.expect("headers"), first);
        let second = access.renewed(&first).await.expect("headers").expect("fresh ones");
        assert_eq!(second["authorization"], "Bearer 2");
        let again = access.renewed(&first).await.expect("headers").expect("the same");
        assert_eq!(again, second, "who was refused with old ones gets those another one has fetched");
    }

    #[tokio::test]
    async fn what_a_helper_prints_is_never_in_an_error() {
        for command in
            ["echo secret", "echo '{\"a\": 1, \"b\": \"secret\"}'", "echo secret; exit 3", "echo '[\"secret\"]'"]
        {
            let error = access(command).headers().await.expect_err(command);
            assert!(matches!(&error, Trouble::Helper(reason) if !reason.contains("secret")), "{command}: {error:?}");
        }
    }
}
