//! JWTs of an authorization server: the bridge as an OAuth resource server.
//!
//! A key decides which algorithms may be used with it, never the token: so neither `none` nor a public key taken for a secret lets
//! anybody in. Issuer, audience, subject and expiry are demanded.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde::Deserialize;

use super::fetched::Fetched;
use super::keys::{Key, SECRET, fitting, from_file};
use crate::access::is_subject;
use crate::regular;
use crate::settings::Jwt;

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

/// Why a token does not let in, for the log: nothing of the token itself, which may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error("it is not known, or not any more")]
    Unknown,
    #[error("it is neither a JWT nor another that is known")]
    NotJwt,
    /// It wants something understood that is none of ours (RFC 7515, section 4.1.11).
    #[error("its `crit` demands what is not known here")]
    Critical,
    #[error("no key is known that goes with its `kid` and algorithm")]
    NoKey,
    #[error("it was not signed by a key that is known")]
    Signature,
    #[error("it has expired (`exp`)")]
    Expired,
    #[error("its time has not come (`nbf`)")]
    Early,
    #[error("its `iss` is not MCP_BRIDGE_HTTP_JWT_ISSUER")]
    Issuer,
    #[error("its `aud` is not MCP_BRIDGE_HTTP_JWT_AUDIENCE")]
    Audience,
    #[error("a claim is missing or cannot be read: `iss`, `aud`, `sub`, `exp` or `nbf`")]
    Claims,
    /// Good but for its subject, which would stand in logs, in rules and in the audit trail.
    #[error("its `sub` cannot be a caller's name: 1 to 255 characters are wanted, all of them visible")]
    NoName,
}

impl From<&ErrorKind> for Wrong {
    fn from(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::Early,
            ErrorKind::InvalidIssuer => Self::Issuer,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::MissingRequiredClaim(_)
            | ErrorKind::InvalidClaimFormat(_)
            | ErrorKind::InvalidSubject
            | ErrorKind::Json(_) => Self::Claims,
            _ => Self::Signature,
        }
    }
}

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
    pub fn new(settings: &Jwt) -> Result<Self, JwtError> {
        let place = &settings.keys;
        let keys = if place.starts_with("https://") || place.starts_with("http://") {
            Keys::Fetched(Fetched::new(place)?)
        } else {
            let failed = |reason: String| JwtError::Keys { place: place.clone(), reason };
            let bytes = regular::read(Path::new(place), LONGEST).map_err(|error| failed(error.to_string()))?;
            Keys::Fixed(from_file(&bytes).map_err(failed)?)
        };
        Ok(Self { issuer: settings.issuer.clone(), audience: settings.audience.clone(), keys })
    }

    /// What a token says.
    ///
    /// # Errors
    /// It does not let in.
    pub async fn read(&self, token: &str) -> Result<Claims, Wrong> {
        let header = decode_header(token).map_err(|_| Wrong::NotJwt)?;
        if header.crit.is_some() {
            return Err(Wrong::Critical);
        }
        let Header { alg, kid, .. } = header;
        let claims = match &self.keys {
            Keys::Fixed(keys) => self.by(&fitting(keys, kid.as_deref(), alg), token, alg),
            Keys::Fetched(fetched) => match self.by(&fetched.keys(kid.as_deref(), alg).await, token, alg) {
                // A key without a name may be another by now.
                Err(_) if kid.is_none() => self.by(&fetched.renewed(None, alg).await, token, alg),
                claims => claims,
            },
        }?;
        if is_subject(&claims.sub) { Ok(claims) } else { Err(Wrong::NoName) }
    }

    /// By the first of these keys that it goes with. Only the one that signed it can say what else is wrong with it.
    fn by(&self, keys: &[Key], token: &str, algorithm: Algorithm) -> Result<Claims, Wrong> {
        let mut wrong = Wrong::NoKey;
        for key in keys {
            match self.check(token, key, algorithm) {
                Ok(claims) => return Ok(claims),
                Err(Wrong::Signature) if wrong != Wrong::NoKey => {}
                Err(other) => wrong = other,
            }
        }
        Err(wrong)
    }

    fn check(&self, token: &str, key: &Key, algorithm: Algorithm) -> Result<Claims, Wrong> {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY;
        let said = decode::<Said>(token, &key.key, &validation).map_err(|error| Wrong::from(error.kind()))?.claims;
        let lives = Duration::try_from_secs_f64(said.exp).ok();
        let until = lives.and_then(|lives| UNIX_EPOCH.checked_add(lives.checked_add(Duration::from_secs(LEEWAY))?));
        Ok(Claims { sub: said.sub, until: until.ok_or(Wrong::Claims)? })
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
        let good = jwts().read(&signed(Algorithm::HS256, |_| {})).await.unwrap();
        assert_eq!(good.sub, "ann");
        assert!(good.until > SystemTime::now());
        let past = get_current_timestamp() - 100;
        let changes: [(&str, serde_json::Value, Wrong); 5] = [
            ("iss", json!("https://other"), Wrong::Issuer),
            ("aud", json!("other"), Wrong::Audience),
            ("exp", json!(past), Wrong::Expired),
            ("nbf", json!(past + 10_000), Wrong::Early),
            ("exp", json!(null), Wrong::Claims),
        ];
        for (name, value, why) in changes {
            let token = signed(Algorithm::HS256, |claims| claims[name] = value.clone());
            assert_eq!(jwts().read(&token).await.err(), Some(why), "{name}: {value}");
        }
        for name in ["iss", "aud", "sub", "exp"] {
            let token = signed(Algorithm::HS256, |claims| drop(claims.as_object_mut().unwrap().remove(name)));
            assert_eq!(jwts().read(&token).await.err(), Some(Wrong::Claims), "without {name}");
        }
    }

    #[tokio::test]
    async fn a_date_may_have_a_fraction() {
        let now = get_current_timestamp() as f64;
        let token = signed(Algorithm::HS256, |claims| {
            (claims["exp"], claims["nbf"]) = (json!(now + 600.5), json!(now - 5.25));
        });
        assert!(jwts().read(&token).await.unwrap().until > SystemTime::now());
        for (name, value) in [("exp", now - 100.5), ("nbf", now + 100.5), ("exp", 1e300), ("exp", -0.5)] {
            let token = signed(Algorithm::HS256, |claims| claims[name] = json!(value));
            assert!(jwts().read(&token).await.is_err(), "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn a_subject_that_cannot_be_read_as_it_is_written_lets_nobody_in() {
        let long = "x".repeat(30_000);
        for sub in ["", " ", "ann\nroot", "a\u{7}", "nna\u{202e}", "ann\u{200b}", &long] {
            let token = signed(Algorithm::HS256, |claims| claims["sub"] = json!(sub));
            assert_eq!(jwts().read(&token).await.err(), Some(Wrong::NoName), "{:?}", &sub[..sub.len().min(20)]);
        }
        // A forged one is wrong, whatever it says.
        let forged = signed(Algorithm::HS256, |claims| claims["sub"] = json!("")) + "x";
        assert_eq!(jwts().read(&forged).await.err(), Some(Wrong::Signature));
    }

    #[tokio::test]
    async fn the_key_decides_on_the_algorithm() {
        let token = signed(Algorithm::HS256, |_| {});
        let [_, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        // {"alg":"none"}
        for forged in [format!("eyJhbGciOiJub25lIn0.{claims}."), format!("eyJhbGciOiJub25lIn0.{claims}.{signature}")] {
            assert_eq!(jwts().read(&forged).await.err(), Some(Wrong::NotJwt));
        }
        // A public key is no secret, whoever signs with it.
        let pair = rcgen::KeyPair::generate().expect("a key");
        let public = pair.public_key_pem();
        let asymmetric = Jwts { keys: Keys::Fixed(from_file(public.as_bytes()).expect("a key")), ..jwts() };
        let claims = good_claims();
        let by = |algorithm, key: EncodingKey| encode(&Header::new(algorithm), &claims, &key).expect("a token");
        for secret in [public.as_bytes(), public.trim().as_bytes(), pair.public_key_raw(), SHARED] {
            let forged = by(Algorithm::HS256, EncodingKey::from_secret(secret));
            assert_eq!(asymmetric.read(&forged).await.err(), Some(Wrong::NoKey));
        }
        let own = EncodingKey::from_ec_der(&pair.serialize_der());
        assert_eq!(asymmetric.read(&by(Algorithm::ES256, own)).await.expect("claims").sub, "ann");
    }

    #[tokio::test]
    async fn what_a_token_demands_to_be_understood_is_not_passed_over() {
        let header = Header { crit: Some(vec!["exp".into()]), ..Header::new(Algorithm::HS256) };
        let token = encode(&header, &good_claims(), &EncodingKey::from_secret(SHARED)).expect("a token");
        assert_eq!(jwts().read(&token).await.err(), Some(Wrong::Critical));
    }

    #[tokio::test]
    async fn of_several_keys_the_one_that_signed_it_says_what_is_wrong() {
        let key = |secret: &[u8]| from_file(secret).unwrap().remove(0);
        let other = || key(b"another secret of thirty-two byte");
        let expired = signed(Algorithm::HS256, |claims| claims["exp"] = json!(7));
        for (keys, why) in [
            (vec![other(), key(SHARED), other()], Wrong::Expired),
            (vec![other()], Wrong::Signature),
            (vec![], Wrong::NoKey),
        ] {
            let jwts = Jwts { keys: Keys::Fixed(keys), ..jwts() };
            assert_eq!(jwts.read(&expired).await.err(), Some(why));
        }
    }
}
