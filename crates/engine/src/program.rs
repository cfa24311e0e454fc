//! A program that somebody sent: its bytes, or the name under which they are stored, so that nobody who only passes a
//! request on has to hold them.

use ashlar_store::{Artefacts, ContentHash, Error, StoredContent};

/// A compiled program: an executable of Scarb's or Cairo 0 JSON. Bytes and the name of the same bytes are the same
/// program, with the same digest.
#[derive(Clone, Debug)]
pub enum CompiledProgram {
    /// Its bytes, which are stored when it is submitted.
    Bytes(Vec<u8>),
    /// Content among the artefacts. Its bytes are read, and compared with their hash, by whoever runs it.
    Stored(StoredContent),
}

impl From<Vec<u8>> for CompiledProgram {
    fn from(bytes: Vec<u8>) -> CompiledProgram {
        CompiledProgram::Bytes(bytes)
    }
}

impl From<StoredContent> for CompiledProgram {
    fn from(content: StoredContent) -> CompiledProgram {
        CompiledProgram::Stored(content)
    }
}

impl CompiledProgram {
    /// The SHA-256 of its bytes.
    pub fn sha256(&self) -> ContentHash {
        match self {
            CompiledProgram::Bytes(bytes) => ContentHash::of(bytes),
            CompiledProgram::Stored(content) => content.sha256,
        }
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            CompiledProgram::Bytes(bytes) => bytes.len() as u64,
            CompiledProgram::Stored(content) => content.size,
        }
    }

    /// Its bytes; stored ones are compared with their hash.
    ///
    /// # Errors
    /// As [`Artefacts::read_content`].
    pub async fn read(&self, artefacts: &Artefacts) -> Result<Vec<u8>, Error> {
        match self {
            CompiledProgram::Bytes(bytes) => Ok(bytes.clone()),
            CompiledProgram::Stored(content) => artefacts.read_content(content.sha256, content.size).await,
        }
    }

    /// Where its bytes are stored, which they are from now on.
    ///
    /// # Errors
    /// As [`Artefacts::keep`].
    pub(crate) async fn store(&self, artefacts: &Artefacts) -> Result<StoredContent, Error> {
        match self {
            CompiledProgram::Bytes(bytes) => {
                Ok(StoredContent { sha256: artefacts.keep(bytes).await?, size: bytes.len() as u64 })
            }
            CompiledProgram::Stored(content) => Ok(*content),
        }
    }
}
