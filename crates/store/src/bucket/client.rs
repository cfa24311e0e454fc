//! What is done with objects. Each call says what it found, or why it could not, in our own errors; none repeats what the
//! server said.

use std::{
    fmt,
    fs::File,
    io::Read as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{
    BackoffConfig, ObjectStore as _, ObjectStoreExt as _, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    multipart::MultipartStore as _,
    path::Path,
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{
    BucketSettings, Listed,
    digests::Digests,
    exchange::{BRISK, Exchange, Trouble},
};
use crate::Error;

/// What is sent of a large file at once; S3 takes no smaller parts than 5 MiB but the last.
const PART_BYTES: usize = 8 << 20;

/// Files that are sent at once.
const FILES_AT_ONCE: usize = 4;

/// The most objects of a listing that are looked at, so that one that never ends does.
const MOST_LISTED: usize = 5_000_000;

/// How often an exchange is repeated at most.
const TURNS: usize = 10;

/// How long it is tried to read: whoever reads can come back, and whoever writes would have to do the work again.
const PATIENCE_OF_READERS: Duration = Duration::from_secs(5);

/// How long nothing is fetched after it could not be: a page of many proofs does not wait for each of them.
const PAUSE: Duration = Duration::from_secs(5);

/// Objects below one prefix of one bucket.
pub(crate) struct Bucket {
    /// Tries again for long.
    patient: AmazonS3,
    /// Tries again for a moment.
    reader: AmazonS3,
    /// Tries once, and not for long: for questions while others wait.
    brisk: AmazonS3,
    /// When it was last found unreachable by a reader, and why.
    away: Mutex<Option<(Instant, &'static str)>>,
    /// Places of files that are sent: each takes memory for a part.
    sending: Semaphore,
    prefix: String,
    location: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.location)
    }
}

impl Bucket {
    /// Makes ready to speak to the server, which is not asked anything yet.
    ///
    /// # Errors
    /// [`Error::NoBucketSupport`] if it is reached over https and this build has no TLS; [`Error::BucketSetting`].
    pub(crate) fn open(settings: &BucketSettings) -> Result<Bucket, Error> {
        let address = &settings.address;
        let is_plain = address.endpoint().is_some_and(|endpoint| endpoint.starts_with("http://"));
        if !is_plain && !cfg!(feature = "tls") {
            return Err(Error::NoBucketSupport { bucket: address.location().to_owned(), feature: "tls" });
        }
        let patience = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(10),
                base: 2.0,
            },
            max_retries: TURNS,
            retry_timeout: settings.patience,
        };
        let once = RetryConfig { max_retries: 0, ..patience.clone() };
        let shortly =
            RetryConfig { retry_timeout: settings.patience.min(PATIENCE_OF_READERS), ..patience.clone() };
        Ok(Bucket {
            patient: client(settings, None, patience)?,
            reader: client(settings, None, shortly)?,
            away: Mutex::new(None),
            sending: Semaphore::new(FILES_AT_ONCE),
            brisk: client(settings, Some(BRISK), once)?,
            prefix: address.prefix().to_owned(),
            location: address.location().to_owned(),
        })
    }

    /// For people.
    pub(crate) fn location(&self) -> &str {
        &self.location
    }

    /// Writes an object, over what has its name.
    pub(crate) async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let content = PutPayload::from(Bytes::copy_from_slice(bytes));
        match self.patient.put(&self.path(name)?, content).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.told(&error)),
        }
    }

    /// Writes a file as an object, over what has its name: in parts if it is large, so that a part of it is in memory at a
    /// time, and of few files at once. Parts of one that did not come to its end are removed as far as the server can be
    /// reached; they are no object.
    pub(crate) async fn put_file(&self, name: &str, file: &std::path::Path) -> Result<(), Error> {
        // The semaphore is never closed.
        let _place = self.sending.acquire().await;
        let mut parts = Parts::of(file).await?;
        let first = parts.next().await?;
        if first.len() < PART_BYTES {
            return self.put(name, &first).await;
        }
        let (path, mut next) = (self.path(name)?, Some(first));
        let upload = self.patient.create_multipart(&path).await.map_err(|error| self.told(&error))?;
        let sent = async {
            let mut ids = Vec::new();
            while let Some(part) = next.take().filter(|part| !part.is_empty()) {
                let content = PutPayload::from(part);
                let id = self.patient.put_part(&path, &upload, ids.len(), content).await;
                ids.push(id.map_err(|error| self.told(&error))?);
                next = Some(parts.next().await?);
            }
            let done = self.patient.complete_multipart(&path, &upload, ids).await;
            done.map(drop).map_err(|error| self.told(&error))
        };
        let sent = sent.await;
        if sent.is_err() {
            // A server that cannot be reached keeps them, until a rule of its own removes them.
            let _ = self.brisk.abort_multipart(&path, &upload).await;
        }
        sent
    }

    /// Reads an object piece by piece, until `take` refuses one; `false` if there is no such object.
    pub(crate) async fn fetch(
        &self,
        name: &str,
        mut take: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        if let Some(reason) = self.is_away() {
            return Err(Error::BucketUnreachable { bucket: self.location.clone(), reason });
        }
        let found = match self.reader.get(&self.path(name)?).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            found => found.map_err(|error| self.missed(&error))?,
        };
        let mut pieces = found.into_stream();
        while let Some(piece) = pieces.try_next().await.map_err(|error| self.missed(&error))? {
            take(&piece)?;
        }
        Ok(true)
    }

    /// Why it could not be reached a moment ago.
    fn is_away(&self) -> Option<&'static str> {
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.filter(|(since, _)| since.elapsed() < PAUSE).map(|(_, reason)| reason)
    }

    /// [`Bucket::told`], remembered if it is that the server cannot be reached.
    fn missed(&self, error: &object_store::Error) -> Error {
        let told = self.told(error);
        if let Error::BucketUnreachable { reason, .. } = told {
            *self.away.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), reason));
        }
        told
    }

    /// The size of an object, in bytes; `None` if there is no such object. Answers within seconds or fails.
    pub(crate) async fn size(&self, name: &str) -> Result<Option<u64>, Error> {
        match self.brisk.head(&self.path(name)?).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.told(&error)),
        }
    }

    /// Objects of a folder that were written at least `age` ago, by the server's clock, and are wanted: `most` of them
    /// at most.
    pub(crate) async fn old(
        &self,
        folder: &str,
        age: Duration,
        most: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<Listed>, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let youngest = i64::try_from(now.saturating_sub(age).as_secs()).unwrap_or(i64::MAX);
        let mut listed = self.patient.list(Some(&self.path(folder)?)).take(MOST_LISTED);
        let mut found = Vec::new();
        while found.len() < most
            && let Some(object) = listed.try_next().await.map_err(|error| self.told(&error))?
        {
            let location: &str = object.location.as_ref();
            let name = match self.prefix.as_str() {
                "" => Some(location),
                prefix => location.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')),
            };
            if let Some(name) = name
                && object.last_modified.timestamp() <= youngest
                && wanted(name)
            {
                found.push(Listed { name: name.to_owned(), size: object.size });
            }
        }
        Ok(found)
    }

    /// Removes objects. Ends within seconds or fails; then some may be gone.
    pub(crate) async fn remove(&self, names: &[String]) -> Result<(), Error> {
        let paths = names.iter().map(|name| self.path(name)).collect::<Result<Vec<_>, Error>>()?;
        let paths = futures_util::stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut removed = self.brisk.delete_stream(paths);
        loop {
            match removed.try_next().await {
                Ok(Some(_)) | Err(object_store::Error::NotFound { .. }) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.told(&error)),
            }
        }
    }

    fn path(&self, name: &str) -> Result<Path, Error> {
        let whole = if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) };
        // Prefix and names are of letters, digits, dots, hyphens and slashes, and stay what they are.
        Path::parse(whole).map_err(|_| Error::BucketSetting { expected: "a prefix that names a folder" })
    }

    /// What went wrong, as the exchange judged it.
    fn told(&self, error: &object_store::Error) -> Error {
        let bucket = self.location.clone();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = cause {
            match error.downcast_ref::<Trouble>().copied() {
                Some(Trouble::Unreachable(reason)) => return Error::BucketUnreachable { bucket, reason },
                Some(Trouble::Refused(reason)) => return Error::BucketRefused { bucket, reason },
                None => cause = error.source(),
            }
        }
        let reason = match error {
            object_store::Error::NotFound { .. } => "there is no such bucket",
            _ => "its answer is not one of S3",
        };
        Error::BucketRefused { bucket, reason }
    }
}

/// A file, a part at a time.
struct Parts {
    file: Arc<File>,
    path: PathBuf,
}

impl Parts {
    async fn of(path: &std::path::Path) -> Result<Parts, Error> {
        let path = path.to_owned();
        let opened = path.clone();
        match spawn_blocking(move || File::open(opened)).await {
            Ok(Ok(file)) => Ok(Parts { file: Arc::new(file), path }),
            Ok(Err(source)) => Err(Error::Unreadable { path, source }),
            Err(broken) => Err(Error::Unreadable { path, source: broken.into() }),
        }
    }

    /// The next part: shorter than [`PART_BYTES`] at the end only.
    async fn next(&mut self) -> Result<Bytes, Error> {
        let file = Arc::clone(&self.file);
        let read = spawn_blocking(move || -> std::io::Result<Bytes> {
            let mut part = BytesMut::zeroed(PART_BYTES);
            let mut length = 0;
            while let Some(room) = part.get_mut(length..).filter(|room| !room.is_empty()) {
                match (&*file).read(room) {
                    Ok(0) => break,
                    Ok(more) => length += more,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            part.truncate(length);
            Ok(part.freeze())
        });
        let unreadable = |source| Error::Unreadable { path: self.path.clone(), source };
        read.await.unwrap_or_else(|broken| Err(broken.into())).map_err(unreadable)
    }
}

fn client(settings: &BucketSettings, whole: Option<Duration>, retry: RetryConfig) -> Result<AmazonS3, Error> {
    let (address, keys) = (&settings.address, &settings.keys);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(address.bucket())
        .with_region(address.region())
        .with_access_key_id(keys.id())
        .with_secret_access_key(keys.secret())
        .with_crypto_provider(Arc::new(Digests))
        .with_http_connector(Exchange::with(address.endpoint(), whole))
        .with_retry(retry)
        // The answer to many removals in one request is read less carefully than it should be.
        .with_disable_bulk_delete(true);
    if let Some(endpoint) = address.endpoint() {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(token) = keys.token() {
        builder = builder.with_token(token);
    }
    // The builder's own words may hold what it was given.
    builder.build().map_err(|_| Error::BucketSetting { expected: "an address that the client of S3 can use" })
}
