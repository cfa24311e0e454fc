//! Forms as RFC 7578 has them, taken apart strictly: what is not exactly a form is refused.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// A file of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFile {
    /// The name that the sender gave it.
    pub file_name: String,
    /// The media type.
    pub media_type: String,
    /// The content.
    pub bytes: Vec<u8>,
}

impl ReceivedFile {
    /// The SHA-256 of the content.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }
}

/// Text fields and files by name.
pub(crate) type Parts = (BTreeMap<String, String>, BTreeMap<String, ReceivedFile>);

/// Takes a body apart; `None` if it is no form, or has a field twice.
pub(crate) fn parse(content_type: &str, body: &[u8]) -> Option<Parts> {
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=")?.trim_matches('"');
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let (mut fields, mut files) = (BTreeMap::new(), BTreeMap::new());
    let mut rest = body.strip_prefix(format!("--{boundary}").as_bytes())?;
    let line = format!("\r\n--{boundary}");
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, line.as_bytes())?;
        let (part, after) = part.split_at_checked(end)?;
        rest = after.get(line.len()..)?;
        let head_end = find(part, b"\r\n\r\n")?;
        let head = std::str::from_utf8(part.get(..head_end)?).ok()?;
        let bytes = part.get(head_end + 4..)?.to_vec();
        let (mut name, mut file_name, mut media_type) = (None, None, None);
        for header in head.split("\r\n") {
            let (key, value) = header.split_once(": ")?;
            if key.eq_ignore_ascii_case("content-disposition") {
                let attributes = value.strip_prefix("form-data; ")?;
                for attribute in attributes.split("; ") {
                    let (attribute, value) = attribute.split_once('=')?;
                    let value = value.strip_prefix('"')?.strip_suffix('"')?.to_owned();
                    match attribute {
                        "name" => name = Some(value),
                        "filename" => file_name = Some(value),
                        _ => return None,
                    }
                }
            } else if key.eq_ignore_ascii_case("content-type") {
                media_type = Some(value.to_owned());
            }
        }
        let name = name?;
        if fields.contains_key(&name) || files.contains_key(&name) {
            return None;
        }
        match file_name {
            Some(file_name) => {
                files.insert(name, ReceivedFile { file_name, media_type: media_type?, bytes });
            }
            None => {
                fields.insert(name, String::from_utf8(bytes).ok()?);
            }
        }
    }
    (rest == b"--\r\n" || rest == b"--").then_some((fields, files))
}

/// Where a word begins. The first byte is looked for first: bodies are long.
fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    let first = word.first()?;
    let mut from = 0;
    loop {
        let place = from + text.get(from..)?.iter().position(|byte| byte == first)?;
        if text.get(place..)?.starts_with(word) {
            return Some(place);
        }
        from = place + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=XX";

    #[test]
    fn a_form_is_taken_apart() {
        let body = b"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--XX\r\nContent-Disposition: form-data; \
            name=\"f\"; filename=\"f.zip\"\r\nContent-Type: application/zip\r\n\r\nPK\r\n--X\r\n--XX--\r\n";
        let (fields, files) = parse(TYPE, body).unwrap();
        assert_eq!(fields.get("a").map(String::as_str), Some("1"));
        let file = files.get("f").unwrap();
        assert_eq!((file.media_type.as_str(), file.bytes.as_slice()), ("application/zip", &b"PK\r\n--X"[..]));
    }

    #[test]
    fn what_is_not_exactly_a_form_is_refused() {
        for body in [
            &b""[..],
            b"--XX",
            b"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n",
            b"--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--XX--",
            b"--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\nno type\r\n--XX--",
        ] {
            assert!(parse(TYPE, body).is_none(), "{}", String::from_utf8_lossy(body));
        }
        assert!(parse("application/json", b"--XX--").is_none());
    }
}
