//! Signed JSON Web Tokens in compact form (RFC 7515, section 3.1; RFC 7519), as the providers ask
//! for them: ES256 for APNs and Web Push, RS256 for Google.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::json;

/// A private key that signs tokens.
pub(crate) enum SigningKey {
    /// ECDSA on P-256 with SHA-256; the signature is R‖S, not DER (RFC 7518, section 3.4).
    Es256(EcdsaKeyPair),
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3).
    Rs256(Box<RsaKeyPair>),
}

impl SigningKey {
    /// A P-256 key from PKCS#8 DER; `None` if it is something else.
    pub(crate) fn es256(pkcs8: &[u8]) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok().map(Self::Es256)
    }

    /// An RSA key from PKCS#8 DER; `None` if it is something else.
    pub(crate) fn rs256(pkcs8: &[u8]) -> Option<Self> {
        RsaKeyPair::from_pkcs8(pkcs8).ok().map(|key| Self::Rs256(Box::new(key)))
    }

    /// A token with these claims; `None` if the crypto library fails, which it does not with a
    /// key it has read.
    pub(crate) fn sign(&self, key_id: &str, claims: &impl Serialize) -> Option<String> {
        self.sign_with(&json!({ "alg": self.algorithm(), "kid": key_id, "typ": "JWT" }), claims)
    }

    /// A token whose header names no key, because the key goes beside it (RFC 8292, section 3.2);
    /// `None` if the crypto library fails.
    pub(crate) fn sign_unnamed(&self, claims: &impl Serialize) -> Option<String> {
        self.sign_with(&json!({ "alg": self.algorithm(), "typ": "JWT" }), claims)
    }

    /// A token with this header and these claims.
    fn sign_with(&self, header: &serde_json::Value, claims: &impl Serialize) -> Option<String> {
        let mut token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(header).ok()?);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims).ok()?, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    /// The name in the token's header (RFC 7518, section 3.1).
    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::Rs256(_) => "RS256",
        }
    }

    /// The signature of a text.
    fn signature(&self, text: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(key) => Some(key.sign(&random, text).ok()?.as_ref().to_vec()),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, KeyPair, UnparsedPublicKey};

    use super::*;

    #[test]
    fn an_es256_token_verifies_and_carries_its_claims() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let public = pair.public_key().as_ref().to_vec();
        let pkcs8 = pair.to_pkcs8v1().expect("PKCS#8");
        let key = SigningKey::es256(pkcs8.as_ref()).expect("reads its own form");
        let token =
            key.sign("KEYID12345", &json!({ "iss": "TEAMID1234", "iat": 1 })).expect("signs");

        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        assert_eq!(signature.len(), 64, "R and S, not DER");
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
            .verify(signed.as_bytes(), &signature)
            .expect("verifies");
        let (header, claims) = signed.split_once('.').expect("two parts");
        let json = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
        };
        assert_eq!(json(header), json!({ "alg": "ES256", "kid": "KEYID12345", "typ": "JWT" }));
        assert_eq!(json(claims), json!({ "iss": "TEAMID1234", "iat": 1 }));
        assert!(SigningKey::rs256(pkcs8.as_ref()).is_none());
    }
}
