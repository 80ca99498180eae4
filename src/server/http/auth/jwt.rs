//! JWTs of an authorization server: the bridge as an OAuth resource server.
//!
//! A key decides which algorithms may be used with it, never the token: so neither `none` nor a public key taken for a secret lets
//! anybody in. Issuer, audience, subject and expiry are demanded.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde::Deserialize;

use super::fetched::Fetched;
use super::keys::{Key, SECRET, fitting, from_file};
use crate::access::is_subject;
use crate::regular;
use crate::server::http::options::JwtOptions;

/// Clocks of two machines may differ by so much, in seconds.
const LEEWAY: u64 = 30;

/// Bytes of a file of keys; real ones have a few thousand.
const LONGEST: u64 = 1 << 20;

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
    Fetched(Arc<Fetched>),
}

impl Jwts {
    /// # Errors
    /// The keys are in a file, and it cannot be used; or at a URL that is none.
    pub fn new(options: &JwtOptions) -> Result<Self, JwtError> {
        let place = &options.keys;
        let keys = if place.starts_with("https://") || place.starts_with("http://") {
            Keys::Fetched(Fetched::new(place)?)
        } else {
            let failed = |reason: String| JwtError::Keys { place: place.clone(), reason };
            let bytes = regular::read(Path::new(place), LONGEST).map_err(|error| failed(error.to_string()))?;
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
        if header.crit.is_some() {
            // It wants something understood that is none of ours (RFC 7515, section 4.1.11).
            return Ok(None);
        }
        let Header { alg, kid, .. } = header;
        let by = |keys: Vec<Key>| keys.iter().find_map(|key| self.check(token, key, alg));
        let claims = match &self.keys {
            Keys::Fixed(keys) => by(fitting(keys, kid.as_deref(), alg)),
            Keys::Fetched(fetched) => match by(fetched.keys(kid.as_deref(), alg).await) {
                // A key without a name may be another by now.
                None if kid.is_none() => by(fetched.renewed(None, alg).await),
                claims => claims,
            },
        };
        match claims {
            Some(claims) if !is_subject(&claims.sub) => Err(NoName),
            claims => Ok(claims),
        }
    }

    fn check(&self, token: &str, key: &Key, algorithm: Algorithm) -> Option<Claims> {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        let said = decode::<Said>(token, &key.key, &validation)
            // The kind of fault: nothing of the token.
            .inspect_err(|error| tracing::debug!(code = "http.unauthorized", "a JWT is not taken: {error}"))
            .ok()?
            .claims;
        let lives = Duration::try_from_secs_f64(said.exp).ok()?.checked_add(Duration::from_secs(LEEWAY))?;
        Some(Claims { sub: said.sub, until: UNIX_EPOCH.checked_add(lives)? })
    }
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

    fn good_claims() -> serde_json::Value {
        let now = get_current_timestamp();
        json!({"iss": "https://issuer", "aud": ["bridge", "x"], "sub": "ann", "exp": now + 600, "nbf": now - 5})
    }

    fn signed(algorithm: Algorithm, change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut claims = good_claims();
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
        // A public key is no secret, whoever signs with it.
        let pair = rcgen::KeyPair::generate().expect("a key");
        let public = pair.public_key_pem();
        let asymmetric = Jwts { keys: Keys::Fixed(from_file(public.as_bytes()).expect("a key")), ..jwts() };
        let claims = good_claims();
        let by = |algorithm, key: EncodingKey| encode(&Header::new(algorithm), &claims, &key).expect("a token");
        for secret in [public.as_bytes(), public.trim().as_bytes(), pair.public_key_raw(), SHARED] {
            assert!(asymmetric.read(&by(Algorithm::HS256, EncodingKey::from_secret(secret))).await.unwrap().is_none());
        }
        let own = EncodingKey::from_ec_der(&pair.serialize_der());
        assert_eq!(asymmetric.read(&by(Algorithm::ES256, own)).await.unwrap().expect("claims").sub, "ann");
    }

    #[tokio::test]
    async fn what_a_token_demands_to_be_understood_is_not_passed_over() {
        let header = Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &good_claims(), &EncodingKey::from_secret(SHARED)).expect("a token");
        assert!(jwts().read(&token).await.unwrap().is_none());
    }
}
