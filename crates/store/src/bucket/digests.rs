//! The two digests that requests are signed with (AWS Signature Version 4): SHA-256, and HMAC over it. They are those of
//! the rest of the program, so that no second cryptographic library is linked for them.

use hmac::{Hmac, Mac as _};
use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm,
};
use sha2::{Digest as _, Sha256};

/// What the crate `object_store` asks for.
#[derive(Debug)]
pub(super) struct Digests;

fn unsupported(what: &'static str) -> object_store::Error {
    object_store::Error::NotSupported { source: what.into() }
}

impl CryptoProvider for Digests {
    fn digest(&self, algorithm: DigestAlgorithm) -> object_store::Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Content { state: Sha256::new(), done: [0; 32] })),
            _ => Err(unsupported("a digest other than SHA-256")),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> object_store::Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let state = Hmac::<Sha256>::new_from_slice(secret)
                    .map_err(|_| unsupported("a key of this length"))?;
                Ok(Box::new(Keyed { state, done: [0; 32] }))
            }
            _ => Err(unsupported("a digest other than SHA-256")),
        }
    }

    fn sign(&self, _algorithm: SigningAlgorithm, _pem: &[u8]) -> object_store::Result<Box<dyn Signer>> {
        Err(unsupported("signatures with a private key"))
    }
}

struct Content {
    state: Sha256,
    done: [u8; 32],
}

impl DigestContext for Content {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        self.done = self.state.finalize_reset().into();
        Ok(&self.done)
    }
}

struct Keyed {
    state: Hmac<Sha256>,
    done: [u8; 32],
}

impl HmacContext for Keyed {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        self.done = self.state.clone().finalize().into_bytes().into();
        Ok(&self.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn digests_are_those_of_the_standards() {
        let mut content = Digests.digest(DigestAlgorithm::Sha256).unwrap();
        content.update(b"a");
        content.update(b"bc");
        assert_eq!(
            hex(content.finish().unwrap()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        // RFC 4231, test case 2.
        let mut keyed = Digests.hmac(DigestAlgorithm::Sha256, b"Jefe").unwrap();
        keyed.update(b"what do ya want ");
        keyed.update(b"for nothing?");
        assert_eq!(
            hex(keyed.finish().unwrap()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(Digests.sign(SigningAlgorithm::RS256, b"").is_err());
    }
}
