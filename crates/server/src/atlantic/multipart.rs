//! A form as `multipart/form-data` (RFC 7578), taken apart while it arrives: no more is kept than what is wanted of it, large
//! files go to the disk, and names of files are never looked at.

use std::collections::BTreeMap;

use ashlar_store::Artefacts;
use axum::body::Body;

use crate::{
    ServerError,
    body::{self, BodyMemory, Share, Upload},
    problem::Refused,
};

/// The most parts of a form.
const MOST_PARTS: usize = 40;

/// The longest head of a part, in bytes.
const LONGEST_HEAD: usize = 4 << 10;

/// The longest text field, in bytes.
const LONGEST_FIELD: usize = 2 << 10;

/// The longest boundary, by RFC 2046.
const LONGEST_BOUNDARY: usize = 70;

/// How many bytes at the beginning of a file are kept in memory, where no more are.
pub(super) const BEGINNING: usize = 4;

/// What of a file is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// All of it in memory, up to so many bytes; a longer one is refused.
    Whole(usize),
    /// All of it on the disk, up to so many bytes, and its beginning in memory; a longer one is refused.
    Stored(usize),
    /// Its beginning in memory; the rest passes by.
    Beginning,
}

/// A file of a form.
#[derive(Debug)]
pub(super) struct File {
    pub(super) media_type: String,
    /// What is in memory of it.
    pub(super) bytes: Vec<u8>,
    /// What is on the disk of it, without a name as yet.
    pub(super) upload: Option<Upload>,
}

/// Where what is kept goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room<'a> {
    /// What bodies may take in memory.
    pub(super) memory: &'a BodyMemory,
    /// What is on the disk.
    pub(super) artefacts: &'a Artefacts,
}

/// A form's text fields and files by name.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) fields: BTreeMap<String, String>,
    pub(super) files: BTreeMap<String, File>,
    /// What they take in memory.
    pub(super) share: Option<Share>,
}

/// The boundary that a content type names.
pub(super) fn boundary(content_type: Option<&str>) -> Option<String> {
    let (kind, parameters) = content_type?.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let fits =
        (1..=LONGEST_BOUNDARY).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| value.to_owned())
}

/// Reads a form of at most `most` bytes. `keep` says what to keep of a file, by the name of its field; `None` refuses
/// the field.
pub(super) async fn read(
    body: Body,
    boundary: &str,
    most: u64,
    room: Room<'_>,
    keep: impl Fn(&str) -> Option<Keep>,
) -> Result<Parts, Refused> {
    let share = room.memory.share();
    let mut arriving = Arriving { body, buffer: Vec::new(), left: most, most, share };
    // The first line has no line break before it; giving it one makes all delimiters alike.
    arriving.buffer.extend_from_slice(b"\r\n");
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    arriving.pass_to(&delimiter, Sink::of(Keep::Beginning, room)?, "the form").await?;
    let mut parts = Parts::default();
    for _ in 0..MOST_PARTS {
        if arriving.line_end_or_close().await? {
            parts.share = Some(arriving.share);
            return Ok(parts);
        }
        let head = arriving.head().await?;
        let Head { name, is_file, media_type } = Head::read(&head)?;
        let wanted = if is_file { keep(&name) } else { Some(Keep::Whole(LONGEST_FIELD)) };
        let keep = wanted.ok_or_else(|| malformed(&name, "no file is expected here"))?;
        let sink = arriving.pass_to(&delimiter, Sink::of(keep, room)?, &name).await?;
        let doubled = if is_file {
            let media_type = media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
            let upload = match sink.place {
                Place::Disk(upload) => Some(*upload),
                Place::Memory(_) | Place::Nowhere => None,
            };
            let file = File { media_type, bytes: sink.bytes, upload };
            parts.files.insert(name.clone(), file).is_some()
        } else {
            let text = String::from_utf8(sink.bytes).map_err(|_| malformed(&name, "expected text"))?;
            parts.fields.insert(name.clone(), text).is_some()
        };
        if doubled {
            return Err(malformed(&name, "given twice").into());
        }
    }
    Err(malformed("the form", &format!("expected at most {MOST_PARTS} parts")).into())
}

fn malformed(place: &str, message: &str) -> ServerError {
    let place = format!("form, {}", crate::call::shortened(place));
    ServerError::Invalid { place, message: message.to_owned() }
}

/// Where the bytes of a part go.
struct Sink {
    place: Place,
    /// What is in memory.
    bytes: Vec<u8>,
}

/// Where they go besides the beginning.
enum Place {
    /// To memory, up to so many.
    Memory(usize),
    Disk(Box<Upload>),
    Nowhere,
}

impl Sink {
    fn of(keep: Keep, room: Room<'_>) -> Result<Sink, ServerError> {
        let place = match keep {
            Keep::Whole(most) => Place::Memory(most),
            Keep::Stored(most) => {
                Place::Disk(Box::new(Upload::begin(room.artefacts, most, room.memory.share())?))
            }
            Keep::Beginning => Place::Nowhere,
        };
        Ok(Sink { place, bytes: Vec::new() })
    }

    async fn take(mut self, bytes: &[u8], share: &mut Share) -> Result<Sink, Refused> {
        if let Place::Memory(most) = self.place {
            share.hold(&mut self.bytes, bytes, most)?;
            return Ok(self);
        }
        let beginning = bytes.get(..BEGINNING.saturating_sub(self.bytes.len()).min(bytes.len()));
        share.hold(&mut self.bytes, beginning.unwrap_or_default(), BEGINNING)?;
        if let Place::Disk(upload) = self.place {
            self.place = Place::Disk(Box::new(upload.take(bytes).await?));
        }
        Ok(self)
    }
}

/// A body, as far as it has arrived and was not passed on.
struct Arriving {
    body: Body,
    buffer: Vec<u8>,
    left: u64,
    most: u64,
    /// What is kept in memory.
    share: Share,
}

impl Arriving {
    /// Waits for more; an end is an error, because a form says where it ends.
    async fn more(&mut self) -> Result<(), ServerError> {
        loop {
            let data = body::next(&mut self.body).await?.ok_or(ServerError::BodyBroke)?;
            self.left = self.left.checked_sub(data.len() as u64).ok_or(ServerError::BodyTooLong {
                limit: usize::try_from(self.most).unwrap_or(usize::MAX),
            })?;
            if !data.is_empty() {
                self.buffer.extend_from_slice(&data);
                return Ok(());
            }
        }
    }

    /// Passes everything up to a delimiter on, and drops the delimiter.
    async fn pass_to(&mut self, delimiter: &[u8], sink: Sink, name: &str) -> Result<Sink, Refused> {
        let mut sink = sink;
        loop {
            if let Some(at) = find(&self.buffer, delimiter) {
                sink = sink.take(self.buffer.get(..at).unwrap_or_default(), &mut self.share).await?;
                self.buffer.drain(..at + delimiter.len());
                return Ok(sink);
            }
            // What could be the beginning of a delimiter stays.
            let sure = self.buffer.len().saturating_sub(delimiter.len() - 1);
            sink = sink.take(self.buffer.get(..sure).unwrap_or_default(), &mut self.share).await?;
            self.buffer.drain(..sure);
            self.more().await.map_err(|error| match error {
                ServerError::BodyBroke => malformed(name, "it does not end"),
                other => other,
            })?;
        }
    }

    /// After a delimiter: whether the form is over.
    async fn line_end_or_close(&mut self) -> Result<bool, ServerError> {
        loop {
            match self.buffer.get(..2) {
                Some(b"--") => return Ok(true),
                Some(b"\r\n") => {
                    self.buffer.drain(..2);
                    return Ok(false);
                }
                Some(_) => return Err(malformed("the form", "expected a line break after the boundary")),
                None => self.more().await?,
            }
        }
    }

    /// The head of a part, without the empty line after it.
    async fn head(&mut self) -> Result<String, ServerError> {
        const END: &[u8] = b"\r\n\r\n";
        loop {
            if let Some(at) =
                find(self.buffer.get(..self.buffer.len().min(LONGEST_HEAD)).unwrap_or_default(), END)
            {
                let head: Vec<u8> = self.buffer.drain(..at + END.len()).take(at).collect();
                return String::from_utf8(head).map_err(|_| malformed("the head of a part", "expected text"));
            }
            if self.buffer.len() >= LONGEST_HEAD {
                let message = format!("expected at most {LONGEST_HEAD} bytes");
                return Err(malformed("the head of a part", &message));
            }
            self.more().await?;
        }
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let first = word.first()?;
    let mut from = 0;
    // By the first byte: a window at every place would cost a comparison each.
    while let Some(next) = text.get(from..)?.iter().position(|byte| byte == first) {
        let at = from + next;
        match text.get(at..at + word.len()) {
            Some(window) if window == word => return Some(at),
            Some(_) => from = at + 1,
            None => return None,
        }
    }
    None
}

/// What the head of a part says.
struct Head {
    name: String,
    is_file: bool,
    media_type: Option<String>,
}

impl Head {
    fn read(text: &str) -> Result<Head, ServerError> {
        let (mut name, mut is_file, mut media_type) = (None, false, None);
        for line in text.split("\r\n") {
            let Some((header, value)) = line.split_once(':') else {
                return Err(malformed("the head of a part", "expected a header on every line"));
            };
            if header.eq_ignore_ascii_case("content-disposition") {
                let (kind, attributes) = value.split_once(';').unwrap_or((value, ""));
                if !kind.trim().eq_ignore_ascii_case("form-data") {
                    return Err(malformed("the head of a part", "expected form-data"));
                }
                name = attribute(attributes, "name");
                is_file = attribute(attributes, "filename").is_some();
            } else if header.eq_ignore_ascii_case("content-type") {
                let kind = value.split(';').next().unwrap_or_default().trim();
                media_type = Some(kind.chars().take(100).collect::<String>().to_ascii_lowercase());
            }
        }
        let name = name.filter(|name| (1..=64).contains(&name.len()));
        let name = name.ok_or_else(|| malformed("the head of a part", "expected a name of 1 to 64 bytes"))?;
        Ok(Head { name, is_file, media_type })
    }
}

/// An attribute's value, in quotes or bare. A semicolon within quotes is part of the value.
fn attribute(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ';']);
        let (name, after) = rest.split_once('=')?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(';').unwrap_or((after, "")),
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value.to_owned());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use futures_util::stream;

    use super::*;

    /// Artefacts in a folder of the test's own.
    async fn artefacts() -> (tempfile::TempDir, Artefacts) {
        let folder = tempfile::tempdir().unwrap();
        let artefacts = ashlar_store::Store::open(folder.path()).await.unwrap().artefacts().clone();
        (folder, artefacts)
    }

    /// Reads a form that arrives in pieces of so many bytes.
    async fn arrives(text: &[u8], piece: usize, artefacts: &Artefacts) -> Result<Parts, Refused> {
        let pieces: Vec<std::io::Result<Bytes>> =
            text.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let keep = |name: &str| match name {
            "whole" => Some(Keep::Whole(100)),
            "head" => Some(Keep::Beginning),
            "stored" => Some(Keep::Stored(100)),
            _ => None,
        };
        let room = Room { memory: &BodyMemory::new(1 << 20), artefacts };
        read(Body::from_stream(stream::iter(pieces)), "b", 10_000, room, keep).await
    }

    fn part(head: &str, content: &str) -> String {
        format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
    }

    #[tokio::test]
    async fn a_form_is_the_same_however_it_arrives() {
        let (_folder, artefacts) = artefacts().await;
        let form = format!(
            "{}{}{}{}--b--\r\n",
            part("name=\"a\"", "1\r\n--B"),
            part(
                "name=\"whole\"; filename=\"../../x;y\"\r\nContent-Type: Text/Plain; charset=utf-8",
                "\r\n--bb"[..4].into()
            ),
            part("filename=a; name=head", "PK\x03\x04 and much more"),
            part("filename=a; name=stored", "all of it"),
        );
        for piece in [1, 2, 3, 7, 64, 10_000] {
            let mut parts = arrives(form.as_bytes(), piece, &artefacts).await.unwrap();
            assert_eq!(parts.fields["a"], "1\r\n--B", "{piece}");
            assert_eq!(parts.files["whole"].media_type, "text/plain");
            assert_eq!(parts.files["whole"].bytes, b"\r\n--");
            assert_eq!(parts.files["head"].bytes, b"PK\x03\x04");
            let stored = parts.files.remove("stored").unwrap();
            assert_eq!(stored.bytes, b"all ");
            let content = stored.upload.unwrap().finish().await.unwrap();
            assert_eq!(content.sha256, ashlar_store::ContentHash::of(b"all of it"), "{piece}");
        }
    }

    #[tokio::test]
    async fn what_is_not_exactly_a_form_is_refused() {
        let (_folder, artefacts) = artefacts().await;
        let whole = |content: &str| part("name=\"whole\"; filename=\"f\"", content);
        let stored = |content: &str| part("name=\"stored\"; filename=\"f\"", content);
        for (form, why) in [
            (String::new(), "nothing"),
            (part("name=\"a\"", "1"), "no end"),
            (format!("{}{}--b--", part("name=\"a\"", "1"), part("name=\"a\"", "2")), "a field twice"),
            (format!("{}--b--", whole(&"x".repeat(101))), "a file that is too long"),
            (format!("{}--b--", stored(&"x".repeat(101))), "a stored file that is too long"),
            (
                format!("{}--b--", part("name=\"a\"", &"x".repeat(LONGEST_FIELD + 1))),
                "a field that is too long",
            ),
            (format!("{}--b--", part("name=\"other\"; filename=\"f\"", "1")), "a file that nobody expects"),
            (format!("{}--b--", part("filename=\"f\"", "1")), "no name"),
            (format!("{}--b--", part(&format!("name=\"{}\"", "x".repeat(LONGEST_HEAD)), "1")), "a long head"),
            ("--b\r\nno header\r\n\r\n1\r\n--b--".to_owned(), "no header"),
            ("--b and more\r\n".to_owned(), "a boundary that goes on"),
            (format!("{}--b--", part("name=\"a\"", "1").repeat(MOST_PARTS + 1)), "too many parts"),
        ] {
            assert!(arrives(form.as_bytes(), 10, &artefacts).await.is_err(), "{why}");
        }
        let endless = part("name=\"head\"; filename=\"f\"", &"x".repeat(20_000));
        let refused = arrives(endless.as_bytes(), 1000, &artefacts).await.unwrap_err();
        assert_eq!(refused.words(), ServerError::BodyTooLong { limit: 10_000 }.to_string());
    }

    #[test]
    fn a_boundary_is_read_in_quotes_and_bare() {
        for (text, expected) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"", None),
            ("multipart/form-data; boundary=\"a:b\"", Some("a:b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("application/json; boundary=a", None),
        ] {
            assert_eq!(boundary(Some(text)).as_deref(), expected, "{text}");
        }
        assert_eq!(boundary(Some(&format!("multipart/form-data; boundary={}", "x".repeat(71)))), None);
        assert_eq!(boundary(None), None);
    }
}
