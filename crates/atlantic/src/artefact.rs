//! Artefacts: fetched from configured hosts only, bounded, hashed while they are written, and whole.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::{
    address::ArtefactAddress,
    client::Client,
    clock::Attempts,
    error::Error,
    transport::{Stream, typed},
    wire::{Metadata, QueryAnswer},
};

const FETCH: &str = "GET artefact";

/// The end of a ZIP archive has this mark, and after it at most 64 KiB of comment.
const ZIP_END: &[u8] = b"PK\x05\x06";
const ZIP_TAIL: u64 = (64 << 10) + 22;

/// An artefact that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// Where it lies now.
    pub path: PathBuf,
    /// How many bytes it has.
    pub length: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// How many requests it took.
    pub attempts: u32,
}

impl Client {
    /// Where a query's artefact is: as the answer says, if that is below a configured address, or by convention.
    ///
    /// # Errors
    /// [`Error::ArtefactHost`].
    pub fn artefact(&self, answer: &QueryAnswer, name: &str) -> Result<ArtefactAddress, Error> {
        let hosts = &self.settings.artefacts;
        let named = answer.metadata_urls.iter().flatten().find(|url| {
            let path = url.split(['?', '#']).next().unwrap_or_default();
            path.rsplit('/').next() == Some(name)
        });
        let address = match (named, hosts.first()) {
            (Some(url), _) => ArtefactAddress::from_answer(url, hosts)?,
            (None, Some(host)) => ArtefactAddress::conventional(host, &answer.atlantic_query.id, name)?,
            (None, None) => return Err(Error::ArtefactHost { got: name.to_owned() }),
        };
        if address.needs_tls() && !cfg!(feature = "tls") {
            return Err(Error::NoTls { got: address.to_uri() });
        }
        Ok(address)
    }

    /// Fetches an artefact into a file, which appears under its name only when it is whole. One that is not there yet, or that
    /// breaks off, is asked for again.
    ///
    /// # Errors
    /// [`Error::ArtefactMissing`], [`Error::ArtefactTooLarge`], [`Error::ArtefactBroken`], [`Error::Unwritable`],
    /// [`Error::GaveUp`].
    pub fn download(&self, address: &ArtefactAddress, to: &Path) -> Result<Downloaded, Error> {
        let unwritable = |source| Error::Unwritable { path: to.to_owned(), source };
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut attempts = Attempts::new(&*self.clock, self.settings.backoff);
        let outcome = loop {
            attempts.count += 1;
            let mut file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&part)
                .map_err(unwritable)?;
            let failed = match self.fetch(address, &mut file, self.settings.limits.artefact, &unwritable) {
                Ok((length, sha256)) => {
                    break file.sync_all().map_err(unwritable).map(|()| (length, sha256));
                }
                Err(failed) => failed,
            };
            let again = failed.is_transient()
                || matches!(failed, Error::ArtefactMissing { .. } | Error::ArtefactBroken { .. });
            if again && attempts.pause() {
                continue;
            }
            break Err(match failed {
                Error::ArtefactMissing { name, .. } => {
                    Error::ArtefactMissing { name, attempts: attempts.count }
                }
                failed if failed.is_transient() => Error::GaveUp {
                    attempts: attempts.count,
                    waited: attempts.waited(),
                    source: Box::new(failed),
                },
                failed => failed,
            });
        };
        let renamed = outcome.and_then(|(length, sha256)| {
            fs::rename(&part, to).map_err(unwritable)?;
            Ok(Downloaded { path: to.to_owned(), length, sha256, attempts: attempts.count })
        });
        if renamed.is_err() {
            // Nothing half is left behind; that it cannot be removed is no worse than what is reported already.
            let _ = fs::remove_file(&part);
        }
        renamed
    }

    /// Fetches and reads `metadata.json`.
    ///
    /// # Errors
    /// As [`Client::download`]; [`Error::UnexpectedAnswer`].
    pub fn metadata(&self, address: &ArtefactAddress) -> Result<Metadata, Error> {
        let mut attempts = Attempts::new(&*self.clock, self.settings.backoff);
        loop {
            attempts.count += 1;
            let mut bytes = io::Cursor::new(Vec::new());
            let failed = match self.fetch(address, &mut bytes, self.settings.limits.metadata, &|source| {
                Error::Unwritable { path: address.name().into(), source }
            }) {
                Ok(_) => {
                    let value = serde_json::from_slice(bytes.get_ref()).map_err(|error| {
                        Error::UnexpectedAnswer { place: FETCH, reason: error.to_string() }
                    })?;
                    return typed(FETCH, &value);
                }
                Err(failed) => failed,
            };
            let again = failed.is_transient()
                || matches!(failed, Error::ArtefactMissing { .. } | Error::ArtefactBroken { .. });
            if !again || !attempts.pause() {
                return Err(failed);
            }
        }
    }

    /// One request, into a sink that can be read again to see whether the artefact is whole.
    fn fetch<S: Read + Write + Seek>(
        &self,
        address: &ArtefactAddress,
        sink: &mut S,
        limit: u64,
        unwritable: &dyn Fn(io::Error) -> Error,
    ) -> Result<(u64, [u8; 32]), Error> {
        let name = || address.name().to_owned();
        let Stream { status, length: announced, mut body } = self.transport.artefact(FETCH, address)?;
        match status {
            200 => {}
            // A bucket that may not be listed answers 403 for what is not there.
            403 | 404 => return Err(Error::ArtefactMissing { name: name(), attempts: 1 }),
            _ => {
                let got = crate::answer::Infrastructure::of_status(status);
                return Err(Error::Infrastructure { place: FETCH, status, got });
            }
        }
        if announced.is_some_and(|announced| announced > limit) {
            return Err(Error::ArtefactTooLarge { name: name(), limit });
        }
        let (mut hasher, mut length, mut buffer) = (Sha256::new(), 0u64, vec![0; 64 << 10]);
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    let got = format!("{length} bytes and then an end of the connection");
                    return Err(Error::ArtefactBroken {
                        name: name(),
                        expected: "the announced length",
                        got,
                    });
                }
            };
            length += read as u64;
            if length > limit {
                return Err(Error::ArtefactTooLarge { name: name(), limit });
            }
            let chunk = buffer.get(..read).unwrap_or_default();
            hasher.update(chunk);
            sink.write_all(chunk).map_err(unwritable)?;
        }
        is_whole(address.name(), sink, length)
            .map_err(unwritable)?
            .map_or(Ok((length, hasher.finalize().into())), |(expected, got)| {
                Err(Error::ArtefactBroken { name: name(), expected, got })
            })
    }
}

/// What is wrong with a file whose kind its name says, if its end is missing: what was expected and what is there.
fn is_whole<S: Read + Seek>(
    name: &str,
    file: &mut S,
    length: u64,
) -> io::Result<Option<(&'static str, String)>> {
    let extension = name.rsplit('.').next().unwrap_or_default();
    Ok(match extension {
        "json" => {
            file.seek(SeekFrom::Start(0))?;
            let parsed = serde_json::from_reader::<_, serde::de::IgnoredAny>(io::BufReader::new(file));
            parsed.err().map(|error| ("a JSON document", format!("{length} bytes: {error}")))
        }
        "zip" => {
            file.seek(SeekFrom::Start(length.saturating_sub(ZIP_TAIL)))?;
            let mut tail = Vec::new();
            file.take(ZIP_TAIL).read_to_end(&mut tail)?;
            let ended = tail.windows(ZIP_END.len()).any(|window| window == ZIP_END);
            (!ended).then(|| ("a ZIP archive with its directory", format!("{length} bytes without one")))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_cut_off_is_not_whole() {
        let whole = |name, bytes: &[u8]| {
            is_whole(name, &mut io::Cursor::new(bytes.to_vec()), bytes.len() as u64).unwrap().is_none()
        };
        assert!(whole("proof.json", b"{\"a\":[1,2]}\n"));
        assert!(!whole("proof.json", b"{\"a\":[1,2"));
        assert!(!whole("proof.json", b"<html>"));
        assert!(!whole("proof.json", b""));
        let mut archive = b"PK\x03\x04content".to_vec();
        assert!(!whole("pie.cairo0.zip", &archive));
        archive.extend_from_slice(b"PK\x05\x06");
        archive.extend_from_slice(&[0; 18]);
        assert!(whole("pie.cairo0.zip", &archive));
        assert!(whole("input.cairo1.txt", b"[1"));
    }
}
