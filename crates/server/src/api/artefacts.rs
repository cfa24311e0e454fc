//! Artefacts by their content, streamed: a proof is never in memory as a whole.

use ashlar_store::{Artefact, ContentHash, Error};
use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
};
use futures_util::stream;
use tokio::{
    fs::File,
    io::{AsyncReadExt, Take},
};

use crate::{
    ServerError,
    app::App,
    call::{Answer, Call, answer, shortened},
};

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

pub(super) async fn download(call: Call) -> Answer {
    let given = call.parameter("sha256");
    let unknown = || ServerError::NoSuchArtefact { given: shortened(given) };
    let hash = ContentHash::parse(given).ok_or_else(unknown)?;
    let artefact = call.app.store().artefact(hash, call.reach()).await?.ok_or_else(unknown)?;
    let tag = format!("\"{hash}\"");
    if call.header("if-none-match").is_some_and(|given| matches(given, &tag)) {
        let mut response = answer(StatusCode::NOT_MODIFIED, "application/octet-stream", Body::empty());
        response.headers_mut().remove(header::CONTENT_TYPE);
        add(&mut response, header::ETAG, &tag);
        return Ok(response);
    }
    let mut response = sent(&call.app, &artefact, "application/octet-stream").await?;
    add(&mut response, header::ETAG, &tag);
    let name = format!("attachment; filename=\"{}-{hash}\"", artefact.kind);
    add(&mut response, header::CONTENT_DISPOSITION, &name);
    // Content under its own hash never changes; whether a caller may have it does.
    add(&mut response, header::CACHE_CONTROL, "private, no-cache");
    Ok(response)
}

/// An artefact's bytes as an answer.
pub(crate) async fn sent(app: &App, artefact: &Artefact, media_type: &'static str) -> Answer {
    let path = app.store().artefacts().bring_near(artefact).await?;
    let missing = |_| Error::MissingArtefact { sha256: artefact.sha256.to_string(), path: path.clone() };
    let file = File::open(&path).await.map_err(missing)?;
    // No more than was recorded, whatever the file has become: the length is promised in the head.
    let body = Body::from_stream(stream::unfold(file.take(artefact.size), next_chunk));
    let mut response = answer(StatusCode::OK, media_type, body);
    add(&mut response, header::CONTENT_LENGTH, &artefact.size.to_string());
    Ok(response)
}

async fn next_chunk(mut file: Take<File>) -> Option<(std::io::Result<Bytes>, Take<File>)> {
    let mut chunk = vec![0; CHUNK];
    match file.read(&mut chunk).await {
        Ok(0) => None,
        Ok(read) => {
            chunk.truncate(read);
            Some((Ok(Bytes::from(chunk)), file))
        }
        Err(error) => Some((Err(error), file)),
    }
}

fn matches(given: &str, tag: &str) -> bool {
    given.trim() == "*" || given.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
}

fn add(response: &mut axum::http::Response<Body>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_matches_alone_in_a_list_or_weakly() {
        for given in ["\"a\"", "*", "\"b\", \"a\"", "W/\"a\""] {
            assert!(matches(given, "\"a\""), "{given}");
        }
        for given in ["a", "\"b\"", ""] {
            assert!(!matches(given, "\"a\""), "{given}");
        }
    }
}
