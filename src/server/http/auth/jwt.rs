//! JWTs of an authorization server: the bridge as an OAuth resource server.
//!
//! A key decides which algorithms may be used with it, never the token: so neither `none` nor a public key taken for a secret lets
//! anybody in. Issuer, audience, subject and expiry are demanded.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::access::is_subject;
use crate::regular;
use crate::server::http::options::JwtOptions;

/// Clocks of two machines may differ by so much, in seconds.
const LEEWAY: u64 = 30;
/// How long keys from a URL are used before they are asked for again.
const FRESH: Duration = Duration::from_secs(3600);
/// Between two requests for keys: a token with an unknown key id must not make us ask each time.
const PAUSE: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a set of keys; real ones have a few thousand.
const LONGEST: usize = 1 << 20;
/// Bytes of a secret that is no easier to guess than the signature.
const SECRET: usize = 32;

const RSA: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
const ED: [Algorithm; 1] = [Algorithm::EdDSA];

/// Why no JWT could be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    #[error("the keys for JWTs cannot be read from {place}: {reason}")]
    Keys { place: String, reason: String },
}

impl JwtError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Keys { .. } => "http.jwt_keys",
        }
    }

    /// One thing to do.
    pub fn hint(&self) -> String {
        format!(
            "set MCP_BRIDGE_HTTP_JWT_KEYS to the https URL of a JWKS, or to a file with a JWKS, a public key in PEM form, or a secret of {SECRET} bytes or more"
        )
    }
}

/// What a token says that is of use.
pub(super) struct Claims {
    pub sub: String,
    pub until: SystemTime,
}

#[derive(Deserialize)]
struct Said {
    sub: String,
    /// A NumericDate, which may have a fraction (RFC 7519, section 2).
    exp: f64,
}

/// A token that is good but for its subject, which cannot be a caller's name: it would stand in logs, in rules and in the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoName;

pub(super) struct Jwts {
    issuer: String,
    audience: String,
    keys: Keys,
}

enum Keys {
    Fixed(Vec<Key>),
    Fetched { url: String, client: reqwest::Client, last: Mutex<Fetched> },
}

#[derive(Default)]
struct Fetched {
    keys: Vec<Key>,
    at: Option<Instant>,
    tried: Option<Instant>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    key: DecodingKey,
    algorithms: Vec<Algorithm>,
}

impl Jwts {
    /// # Errors
    /// The keys are in a file, and it cannot be used.
    pub fn new(options: &JwtOptions) -> Result<Self, JwtError> {
        let place = &options.keys;
        let keys = if place.starts_with("https://") || place.starts_with("http://") {
            let failed = |error: reqwest::Error| JwtError::Keys { place: place.clone(), reason: error.to_string() };
            let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(failed)?;
            Keys::Fetched { url: place.clone(), client, last: Mutex::default() }
        } else {
            let failed = |reason: String| JwtError::Keys { place: place.clone(), reason };
            let bytes = regular::read(Path::new(place), LONGEST as u64).map_err(|error| failed(error.to_string()))?;
            Keys::Fixed(from_file(&bytes).map_err(failed)?)
        };
        Ok(Self { issuer: options.issuer.clone(), audience: options.audience.clone(), keys })
    }

    /// What a token says, if it is good.
    ///
    /// # Errors
    /// It is, and names nobody.
    pub async fn read(&self, token: &str) -> Result<Option<Claims>, NoName> {
        let Ok(header) = decode_header(token) else { return Ok(None) };
        let id = header.kid.as_deref();
        let keys = match &self.keys {
            Keys::Fixed(keys) => fitting(keys, id, header.alg),
            Keys::Fetched { url, client, last } => {
                let mut last = last.lock().await;
                let mut keys = fitting(&last.keys, id, header.alg);
                let stale = last.at.is_none_or(|at| at.elapsed() > FRESH);
                let may_ask = last.tried.is_none_or(|tried| tried.elapsed() > PAUSE);
                if (keys.is_empty() || stale) && may_ask {
                    last.tried = Some(Instant::now());
                    match fetch(client, url).await {
                        Ok(fetched) => (last.keys, last.at) = (fetched, Some(Instant::now())),
                        Err(error) => tracing::warn!(code = error.code(), "{error}"),
                    }
                    keys = fitting(&last.keys, id, header.alg);
                }
                keys
            }
        };
        match keys.iter().find_map(|key| self.check(token, key, header.alg)) {
            Some(claims) if !is_subject(&claims.sub) => Err(NoName),
            checked => Ok(checked),
        }
    }

    fn check(&self, token: &str, key: &Key, algorithm: Algorithm) -> Option<Claims> {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        let said = decode::<Said>(token, &key.key, &validation).ok()?.claims;
        let lives = Duration::try_from_secs_f64(said.exp).ok()?.checked_add(Duration::from_secs(LEEWAY))?;
        Some(Claims { sub: said.sub, until: UNIX_EPOCH.checked_add(lives)? })
    }
}

/// The keys that a token with this key id and algorithm may have been signed with.
fn fitting(keys: &[Key], id: Option<&str>, algorithm: Algorithm) -> Vec<Key> {
    let same = |key: &Key| id.is_none() || key.id.is_none() || key.id.as_deref() == id;
    keys.iter().filter(|key| same(key) && key.algorithms.contains(&algorithm)).cloned().collect()
}

fn from_file(bytes: &[u8]) -> Result<Vec<Key>, String> {
    let trimmed = bytes.trim_ascii();
    if trimmed.starts_with(b"{") {
        return from_jwks(trimmed, true);
    }
    let one = |key: DecodingKey, algorithms: &[Algorithm]| vec![Key { id: None, key, algorithms: algorithms.to_vec() }];
    if trimmed.starts_with(b"-----BEGIN") {
        return DecodingKey::from_rsa_pem(trimmed)
            .map(|key| one(key, &RSA))
            .or_else(|_| DecodingKey::from_ec_pem(trimmed).map(|key| one(key, &[Algorithm::ES256, Algorithm::ES384])))
            .or_else(|_| DecodingKey::from_ed_pem(trimmed).map(|key| one(key, &ED)))
            .map_err(|_| "it is no public key of RSA, EC or Ed25519".to_owned());
    }
    if trimmed.len() < SECRET {
        return Err(format!("a secret of {} bytes is easily guessed", trimmed.len()));
    }
    Ok(one(DecodingKey::from_secret(trimmed), &HMAC))
}

/// `secrets`: a set may hold symmetric keys; one that is published never does.
fn from_jwks(bytes: &[u8], secrets: bool) -> Result<Vec<Key>, String> {
    let set: JwkSet = serde_json::from_slice(bytes).map_err(|error| format!("it is no JWKS: {error}"))?;
    let keys: Vec<Key> = set
        .keys
        .iter()
        .filter_map(|jwk| {
            let algorithms = match &jwk.algorithm {
                AlgorithmParameters::RSA(_) => RSA.to_vec(),
                AlgorithmParameters::EllipticCurve(_) => vec![Algorithm::ES256, Algorithm::ES384],
                AlgorithmParameters::OctetKeyPair(_) => ED.to_vec(),
                AlgorithmParameters::OctetKey(_) if secrets => HMAC.to_vec(),
                AlgorithmParameters::OctetKey(_) => return None,
            };
            let key = DecodingKey::from_jwk(jwk).ok()?;
            Some(Key { id: jwk.common.key_id.clone(), key, algorithms })
        })
        .collect();
    if keys.is_empty() { Err("it holds no key that can be used".into()) } else { Ok(keys) }
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<Vec<Key>, JwtError> {
    let failed = |reason: String| JwtError::Keys { place: url.to_owned(), reason };
    let answered = client.get(url).send().await.and_then(reqwest::Response::error_for_status);
    let mut answer = answered.map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| failed(error.to_string()))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > LONGEST {
            return Err(failed(format!("it is longer than {LONGEST} bytes")));
        }
    }
    from_jwks(&bytes, false).map_err(failed)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    use serde_json::json;

    use super::*;

    const SHARED: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn jwts() -> Jwts {
        let keys = Keys::Fixed(from_file(SHARED).unwrap());
        Jwts { issuer: "https://issuer".into(), audience: "bridge".into(), keys }
    }

    fn signed(algorithm: Algorithm, change: impl FnOnce(&mut serde_json::Value)) -> String {
        let now = get_current_timestamp();
        let mut claims =
            json!({"iss": "https://issuer", "aud": ["bridge", "x"], "sub": "ann", "exp": now + 600, "nbf": now - 5});
        change(&mut claims);
        encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(SHARED)).unwrap()
    }

    #[tokio::test]
    async fn a_token_must_be_for_us_from_the_issuer_and_in_its_time() {
        let good = jwts().read(&signed(Algorithm::HS256, |_| {})).await.unwrap().unwrap();
        assert_eq!(good.sub, "ann");
        assert!(good.until > SystemTime::now());
        let past = get_current_timestamp() - 100;
        let changes: [(&str, serde_json::Value); 5] = [
            ("iss", json!("https://other")),
            ("aud", json!("other")),
            ("exp", json!(past)),
            ("nbf", json!(past + 10_000)),
            ("exp", json!(null)),
        ];
        for (name, value) in changes {
            let token = signed(Algorithm::HS256, |claims| claims[name] = value.clone());
            assert!(jwts().read(&token).await.unwrap().is_none(), "{name}: {value}");
        }
        for name in ["iss", "aud", "sub", "exp"] {
            let token = signed(Algorithm::HS256, |claims| drop(claims.as_object_mut().unwrap().remove(name)));
            assert!(jwts().read(&token).await.unwrap().is_none(), "without {name}");
        }
    }

    #[tokio::test]
    async fn a_date_may_have_a_fraction() {
        let now = get_current_timestamp() as f64;
        let token = signed(Algorithm::HS256, |claims| {
            (claims["exp"], claims["nbf"]) = (json!(now + 600.5), json!(now - 5.25));
        });
        assert!(jwts().read(&token).await.unwrap().unwrap().until > SystemTime::now());
        for (name, value) in [("exp", now - 100.5), ("nbf", now + 100.5), ("exp", 1e300), ("exp", -0.5)] {
            let token = signed(Algorithm::HS256, |claims| claims[name] = json!(value));
            assert!(jwts().read(&token).await.unwrap().is_none(), "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn a_subject_that_cannot_be_read_as_it_is_written_lets_nobody_in() {
        let long = "x".repeat(30_000);
        for sub in ["", " ", "ann\nroot", "a\u{7}", "nna\u{202e}", "ann\u{200b}", &long] {
            let token = signed(Algorithm::HS256, |claims| claims["sub"] = json!(sub));
            assert!(matches!(jwts().read(&token).await, Err(NoName)), "{:?}", &sub[..sub.len().min(20)]);
        }
        // A forged one is wrong, whatever it says.
        let forged = signed(Algorithm::HS256, |claims| claims["sub"] = json!("")) + "x";
        assert!(matches!(jwts().read(&forged).await, Ok(None)));
    }

    #[tokio::test]
    async fn the_key_decides_on_the_algorithm() {
        let token = signed(Algorithm::HS256, |_| {});
        let [_, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        // {"alg":"none"}
        for forged in [format!("eyJhbGciOiJub25lIn0.{claims}."), format!("eyJhbGciOiJub25lIn0.{claims}.{signature}")] {
            assert!(jwts().read(&forged).await.unwrap().is_none());
        }
        let mut asymmetric = jwts();
        asymmetric.keys =
            Keys::Fixed(vec![Key { id: None, key: DecodingKey::from_secret(SHARED), algorithms: RSA.to_vec() }]);
        assert!(asymmetric.read(&token).await.unwrap().is_none());
    }

    #[test]
    fn keys_that_cannot_be_used_are_said_to_be() {
        assert!(from_file(b"short").err().unwrap().contains("guessed"));
        assert!(from_file(b"{\"keys\": []}").err().unwrap().contains("no key"));
        assert!(from_file(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").is_err());
        let oct = br#"{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY","kid":"a"}]}"#;
        assert_eq!(from_jwks(oct, true).unwrap().len(), 1);
        assert!(from_jwks(oct, false).is_err());
    }
}
