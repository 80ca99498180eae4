//! Keys that JWTs are checked with, from a file or from a published set. A key decides which algorithms may be used with it.

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// Bytes of a secret that is no easier to guess than the signature.
pub(super) const SECRET: usize = 32;

const RSA: [Algorithm; 6] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
const EC: [Algorithm; 2] = [Algorithm::ES256, Algorithm::ES384];
const ED: [Algorithm; 1] = [Algorithm::EdDSA];
const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

#[derive(Clone)]
pub(super) struct Key {
    id: Option<String>,
    pub key: DecodingKey,
    algorithms: Vec<Algorithm>,
}

/// The keys that a token with this key id and algorithm may have been signed with.
pub(super) fn fitting(keys: &[Key], id: Option<&str>, algorithm: Algorithm) -> Vec<Key> {
    let same = |key: &Key| id.is_none() || key.id.is_none() || key.id.as_deref() == id;
    keys.iter().filter(|key| same(key) && key.algorithms.contains(&algorithm)).cloned().collect()
}

/// A set of keys, a public key in PEM form, or a secret.
pub(super) fn from_file(bytes: &[u8]) -> Result<Vec<Key>, String> {
    let trimmed = bytes.trim_ascii();
    if trimmed.starts_with(b"{") {
        return from_jwks(trimmed, true);
    }
    let one = |key: DecodingKey, algorithms: &[Algorithm]| vec![Key { id: None, key, algorithms: algorithms.to_vec() }];
    if trimmed.starts_with(b"-----BEGIN") {
        return DecodingKey::from_rsa_pem(trimmed)
            .map(|key| one(key, &RSA))
            .or_else(|_| DecodingKey::from_ec_pem(trimmed).map(|key| one(key, &EC)))
            .or_else(|_| DecodingKey::from_ed_pem(trimmed).map(|key| one(key, &ED)))
            .map_err(|_| "it is no public key of RSA, EC or Ed25519".to_owned());
    }
    if trimmed.len() < SECRET {
        return Err(format!("a secret of {} bytes is easily guessed", trimmed.len()));
    }
    Ok(one(DecodingKey::from_secret(trimmed), &HMAC))
}

/// `secrets`: a set may hold symmetric keys; one that is published never does. A key of another kind costs only itself.
pub(super) fn from_jwks(bytes: &[u8], secrets: bool) -> Result<Vec<Key>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(bytes).map_err(|error| format!("it is no JWKS: {error}"))?;
    let keys: Vec<Key> = set.keys.into_iter().filter_map(|key| from_jwk(key, secrets)).collect();
    if keys.is_empty() { Err("it holds no key that can be used".into()) } else { Ok(keys) }
}

fn from_jwk(key: Value, secrets: bool) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|of| *of != PublicKeyUse::Signature) {
        return None;
    }
    let family: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &RSA,
        AlgorithmParameters::EllipticCurve(_) => &EC,
        AlgorithmParameters::OctetKeyPair(_) => &ED,
        AlgorithmParameters::OctetKey(_) if secrets => &HMAC,
        AlgorithmParameters::OctetKey(_) => return None,
    };
    // One that says what it is for is for nothing else.
    let named = jwk.common.key_algorithm.map(|named| format!("{named:?}"));
    let is_for = |algorithm: &Algorithm| named.as_ref().is_none_or(|named| *named == format!("{algorithm:?}"));
    let algorithms: Vec<Algorithm> = family.iter().copied().filter(is_for).collect();
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then_some(Key { id: jwk.common.key_id, key, algorithms })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_that_cannot_be_used_are_said_to_be() {
        let why = |bytes: &[u8]| from_file(bytes).err().expect("an error");
        assert!(why(b"short").contains("guessed"));
        assert!(why(b"{\"keys\": []}").contains("no key"));
        from_file(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----").err().expect("no key");
        let oct = br#"{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY","kid":"a"}]}"#;
        assert_eq!(from_jwks(oct, true).map(|keys| keys.len()), Ok(1));
        assert!(from_jwks(oct, false).is_err());
    }

    #[test]
    fn a_key_is_for_what_it_says_and_a_strange_one_costs_only_itself() {
        let ed = |more: Value| {
            let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
            key.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            key
        };
        let of = |keys: Value| {
            let keys = from_jwks(json!({ "keys": keys }).to_string().as_bytes(), false);
            keys.map(|keys| keys.into_iter().map(|key| (key.id, key.algorithms)).collect::<Vec<_>>())
        };
        let strange = json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "s"});
        let good = ed(json!({"kid": "g", "alg": "EdDSA", "use": "sig"}));
        let known = Ok(vec![(Some("g".to_owned()), ED.to_vec())]);
        assert_eq!(
            of(json!([strange, 7, good, {"kty": "RSA", "n": "!", "e": "AQAB"}, ed(json!({"use": "enc"}))])),
            known
        );
        assert!(of(json!([ed(json!({"alg": "RS256"}))])).is_err());
    }
}
