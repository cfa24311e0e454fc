//! A form as `multipart/form-data` (RFC 7578), streamed: its length is known before, and files are read while they are sent.
//!
//! A file whose bytes are not those that were digested breaks the stream off before its end, so that the service never has a
//! complete request with a file that nobody looked at.

use std::{
    collections::VecDeque,
    io::{self, Read},
};

use sha2::{Digest as _, Sha256};

use crate::{
    error::Error,
    form::{Attachment, Content, Form},
};

/// A form, ready to be sent once.
pub(crate) struct Multipart {
    boundary: String,
    length: u64,
    parts: VecDeque<Part>,
}

enum Part {
    Text(io::Cursor<Vec<u8>>),
    File { attachment: Attachment, opened: Option<Box<dyn Read + Send>>, hasher: Box<Sha256>, sent: u64 },
}

/// What a stream that was broken off on purpose says; the error that people see is [`Error::UploadChanged`].
const CHANGED: &str = "the file changed while it was uploaded";

impl Multipart {
    pub(crate) fn new(form: &Form) -> Multipart {
        let boundary = boundary(form);
        let mut parts = VecDeque::new();
        let mut text = String::new();
        for (name, value) in form.fields() {
            text.push_str(&format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        for (name, file) in form.files() {
            text.push_str(&format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{}\"\r\n\
                 Content-Type: {}\r\n\r\n",
                plain(file.file_name()),
                plain(file.media_type()),
            ));
            parts.push_back(Part::Text(io::Cursor::new(std::mem::take(&mut text).into_bytes())));
            parts.push_back(Part::File {
                attachment: file.clone(),
                opened: None,
                hasher: Box::default(),
                sent: 0,
            });
            text.push_str("\r\n");
        }
        text.push_str(&format!("--{boundary}--\r\n"));
        parts.push_back(Part::Text(io::Cursor::new(text.into_bytes())));
        let length = parts.iter().map(|part| match part {
            Part::Text(text) => text.get_ref().len() as u64,
            Part::File { attachment, .. } => attachment.length(),
        });
        let length = length.sum();
        Multipart { boundary, length, parts }
    }

    pub(crate) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// How many bytes the whole body has.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The error of a form whose file is no longer what it was, if that is why sending it failed.
    pub(crate) fn changed_file(&self) -> Option<Error> {
        let Some(Part::File { attachment, .. }) = self.parts.front() else { return None };
        match attachment.content() {
            Content::File(path) => Some(Error::UploadChanged { path: path.clone() }),
            Content::Bytes(_) => None,
        }
    }

    /// Whether an error of sending is that of [`Multipart::changed_file`].
    pub(crate) fn is_change(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::InvalidData && error.to_string() == CHANGED
    }
}

impl Read for Multipart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(part) = self.parts.front_mut() else { return Ok(0) };
            let read = match part {
                Part::Text(text) => text.read(buffer)?,
                Part::File { attachment, opened, hasher, sent } => {
                    read_checked(attachment, opened, hasher, sent, buffer)?
                }
            };
            if read > 0 {
                return Ok(read);
            }
            self.parts.pop_front();
        }
    }
}

fn read_checked(
    attachment: &Attachment,
    opened: &mut Option<Box<dyn Read + Send>>,
    hasher: &mut Sha256,
    sent: &mut u64,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let changed = || io::Error::new(io::ErrorKind::InvalidData, CHANGED);
    let file = match opened {
        Some(file) => file,
        None => opened.insert(attachment.open()?),
    };
    let read = file.read(buffer)?;
    *sent += read as u64;
    hasher.update(buffer.get(..read).unwrap_or_default());
    let complete = *sent == attachment.length();
    // The last bytes are held back unless all of them are the right ones.
    if *sent > attachment.length()
        || (read == 0 && !complete)
        || (complete && read > 0 && <[u8; 32]>::from(hasher.clone().finalize()) != attachment.sha256())
    {
        return Err(changed());
    }
    Ok(read)
}

/// A line that stands between parts: it depends on the digests of the files, so that no file can have been made to hold it.
fn boundary(form: &Form) -> String {
    let mut digest = Sha256::new();
    digest.update(b"ashlar-atlantic-boundary-1");
    for (_, file) in form.files() {
        digest.update(file.sha256());
    }
    for (name, value) in form.fields() {
        digest.update(name);
        digest.update(value);
    }
    digest.finalize().iter().take(20).fold("ashlar".to_owned(), |line, byte| format!("{line}{byte:02x}"))
}

/// A name that cannot end the header that it stands in.
fn plain(name: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "._-/+".contains(character);
    name.chars().map(|character| if is_plain(character) { character } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{form::ZIP, vocabulary::JobSize};

    fn form(pie: Attachment) -> Form {
        Form { pie_file: Some(pie), declared_job_size: Some(JobSize::S), ..Form::default() }
    }

    #[test]
    fn the_length_is_what_is_sent() {
        let pie = Attachment::from_bytes(b"PK\x03\x04content".to_vec(), "a\"\r\nb.zip", ZIP).unwrap();
        let mut body = Multipart::new(&form(pie));
        let (boundary, length) = (body.boundary.clone(), body.length());
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, length);
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            text.contains(
                "name=\"pieFile\"; filename=\"a___b.zip\"\r\nContent-Type: application/zip\r\n\r\nPK"
            )
        );
        assert!(text.contains("name=\"declaredJobSize\"\r\n\r\nS\r\n"));
        assert!(text.ends_with(&format!("content\r\n--{boundary}--\r\n")), "{text}");
    }

    #[test]
    fn a_file_that_changed_breaks_the_stream_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        for other in ["PK\x03\x04other12", "PK\x03\x04short", "PK\x03\x04longer-than-before"] {
            std::fs::write(&path, "PK\x03\x04content").unwrap();
            let mut body = Multipart::new(&form(Attachment::from_file(&path, ZIP).unwrap()));
            std::fs::write(&path, other).unwrap();
            let mut bytes = Vec::new();
            let error = body.read_to_end(&mut bytes).unwrap_err();
            assert!(Multipart::is_change(&error), "{other}: {error}");
            assert!(matches!(body.changed_file(), Some(Error::UploadChanged { .. })));
            assert!((bytes.len() as u64) < body.length());
        }
    }
}
