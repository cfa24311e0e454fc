//! HTTP/1.1 requests with a length, as the service takes them.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    net::TcpStream,
};

/// The longest head of a request.
const MOST_HEAD: usize = 64 << 10;

/// The longest body.
const MOST_BODY: usize = 1 << 30;

/// A request, whole.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) parameters: BTreeMap<String, String>,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// The head of a request whose body was not read yet.
pub(crate) struct Head {
    pub(crate) request: Received,
    length: usize,
}

fn broken(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Reads the head; `None` if the connection ended before it.
pub(crate) fn read_head(stream: &mut TcpStream) -> io::Result<Option<Head>> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
    let (head, start) = loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
        if bytes.len() > MOST_HEAD {
            return Err(broken("a head that is too long"));
        }
        if let Some(parsed) = parse(&bytes)? {
            break parsed;
        }
    };
    let mut request = head;
    let length = match request.headers.get("content-length") {
        Some(length) => length.parse().map_err(|_| broken("a length that is no number"))?,
        None if request.headers.contains_key("transfer-encoding") => {
            return Err(broken("a body without a length"));
        }
        None => 0,
    };
    if length > MOST_BODY {
        return Err(broken("a body that is too long"));
    }
    request.body = bytes.split_off(start);
    Ok(Some(Head { request, length }))
}

impl Head {
    /// Reads the rest.
    pub(crate) fn finish(self, stream: &mut TcpStream) -> io::Result<Received> {
        let Head { mut request, length } = self;
        let missing = length.saturating_sub(request.body.len());
        if stream.take(missing as u64).read_to_end(&mut request.body)? < missing {
            return Err(broken("a body that broke off"));
        }
        request.body.truncate(length);
        Ok(request)
    }
}

/// A head and where the body begins, once the head is complete.
fn parse(bytes: &[u8]) -> io::Result<Option<(Received, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let start = match request.parse(bytes) {
        Ok(httparse::Status::Complete(start)) => start,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(broken("a head that is no HTTP")),
    };
    let target = request.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parameters = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let headers = request
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let method = request.method.unwrap_or_default().to_owned();
    let received = Received { method, path: path.to_owned(), parameters, headers, body: Vec::new() };
    Ok(Some((received, start)))
}

/// Percent-decoded text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hexadecimal = (byte == b'%').then(|| {
            let digits = [rest.next(), rest.next()].map(Option::unwrap_or_default);
            u8::from_str_radix(std::str::from_utf8(&digits).unwrap_or_default(), 16).unwrap_or(b'?')
        });
        bytes.push(hexadecimal.unwrap_or(if byte == b'+' { b' ' } else { byte }));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let (request, start) =
            parse(b"GET /a?dedupId=x%2Dy&b=1+2 HTTP/1.1\r\nApi-Key: k\r\n\r\nbody").unwrap().unwrap();
        assert_eq!((request.path.as_str(), start), ("/a", 51));
        assert_eq!(request.parameters.get("dedupId").map(String::as_str), Some("x-y"));
        assert_eq!(request.parameters.get("b").map(String::as_str), Some("1 2"));
        assert_eq!(request.headers.get("api-key").map(String::as_str), Some("k"));
        assert!(parse(b"GET /a HTTP/1.1\r\n").unwrap().is_none());
        assert!(parse(b"\0\0\0\r\n\r\n").is_err());
    }
}
