//! Files by their content: `artefacts/ab/abcd…` holds the bytes whose SHA-256 is `abcd…`.
//!
//! A file is written under a temporary name, synced, renamed, and its folder synced; only then may a row of the
//! records name it. A crash therefore leaves at worst a file that no row names, an orphan, which a sweep removes.
//! A manifest per job, `manifests/job_….json`, written the same way, says the same as the rows: the folder can be
//! read without the database.
//!
//! With a bucket, everything is there too, under the same names, before a row names it, and the folder is the near copy
//! of what this machine has made or read. What is not near, or is not near any more what it was, is fetched, and gets its
//! name in the folder once its size and its hash are the recorded ones: a bucket is no more believed than a disk.

use std::{
    collections::HashSet,
    fmt,
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{
    ArtefactKind, Error, JobId, Moment,
    bucket::Bucket,
    durable::{Draft, write_durably},
};

/// The SHA-256 of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> ContentHash {
        ContentHash(Sha256::digest(bytes).into())
    }

    /// Of what a digest has seen.
    pub(crate) fn from_digest(digest: Sha256) -> ContentHash {
        ContentHash(digest.finalize().into())
    }

    /// Whether two hashes are equal, in a time that does not tell how many digits are.
    pub fn equals_in_constant_time(self, other: ContentHash) -> bool {
        let difference = self.0.iter().zip(other.0).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(difference) == 0
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<ContentHash> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return None;
        }
        let mut hash = [0; 32];
        for (index, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(ContentHash(hash))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Content among the artefacts, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoredContent {
    /// Its SHA-256.
    pub sha256: ContentHash,
    /// Its size in bytes.
    pub size: u64,
}

/// An artefact as rows and manifests name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Artefact {
    /// What it is.
    pub kind: ArtefactKind,
    /// Its content.
    pub sha256: ContentHash,
    /// Its size in bytes.
    pub size: u64,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Files, or objects of a bucket, that no row named; temporary files included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What the records name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// Contents of artefacts and inputs.
    pub(crate) contents: HashSet<ContentHash>,
    /// Their jobs.
    pub(crate) jobs: HashSet<JobId>,
}

/// The folder of artefacts, and the bucket that they are in besides, if there is one.
#[derive(Clone, Debug)]
pub struct Artefacts {
    contents: PathBuf,
    manifests: PathBuf,
    bucket: Option<Arc<Bucket>>,
}

/// The form of a manifest.
#[derive(Serialize)]
struct Manifest<'a> {
    schema: &'static str,
    job: JobId,
    written_at: Moment,
    artefacts: &'a [Artefact],
}

impl Artefacts {
    /// The artefacts below a data folder, whose sub-folders are made if they are missing.
    ///
    /// # Errors
    /// [`Error::Unwritable`] or [`Error::DiskFull`].
    pub(crate) fn open(data: &Path, bucket: Option<Bucket>) -> Result<Artefacts, Error> {
        let artefacts = Artefacts {
            contents: data.join("artefacts"),
            manifests: data.join("manifests"),
            bucket: bucket.map(Arc::new),
        };
        for folder in [&artefacts.contents, &artefacts.manifests] {
            fs::create_dir_all(folder).map_err(|source| Error::writing(folder, source))?;
        }
        Ok(artefacts)
    }

    /// The folder of contents.
    pub(crate) fn contents(&self) -> &Path {
        &self.contents
    }

    /// The bucket, if there is one.
    pub(crate) fn bucket(&self) -> Option<&Bucket> {
        self.bucket.as_deref()
    }

    /// Where the content with this hash lies on this machine, if it does: [`Artefacts::bring_near`] sees to that.
    pub fn path(&self, hash: ContentHash) -> PathBuf {
        let digits = hash.to_string();
        self.contents.join(&digits[..2]).join(digits)
    }

    /// Stores some bytes; on return they are on the disk under their name, and in the bucket if there is one. Storing the
    /// same bytes twice is one file.
    ///
    /// # Errors
    /// [`Error::Unwritable`] or [`Error::DiskFull`], and then no file has the name; [`Error::BucketUnreachable`] or
    /// [`Error::BucketRefused`], and then the file is an orphan.
    pub async fn keep(&self, bytes: &[u8]) -> Result<ContentHash, Error> {
        let sha256 = ContentHash::of(bytes);
        let path = self.path(sha256);
        // What lies there already may be an old orphan: from now on it is as young as what is written.
        let renewed = || -> std::io::Result<()> { File::open(&path)?.set_modified(SystemTime::now()) };
        if self.read_near(sha256, bytes.len() as u64).is_err() || renewed().is_err() {
            write_durably(&path, bytes)?;
        }
        if let Some(bucket) = self.bucket() {
            // The same holds of an object, so that it is written whether or not it is there.
            bucket.put(&object_of(sha256), bytes).await?;
        }
        Ok(sha256)
    }

    /// Puts content that lies near into the bucket, if there is one, a part at a time.
    pub(crate) async fn put_near_copy(&self, content: StoredContent) -> Result<(), Error> {
        match self.bucket() {
            Some(bucket) => bucket.put_file(&object_of(content.sha256), &self.path(content.sha256)).await,
            None => Ok(()),
        }
    }

    /// [`Artefacts::keep`], as an artefact of some kind.
    ///
    /// # Errors
    /// As [`Artefacts::keep`].
    pub async fn put(&self, kind: ArtefactKind, bytes: &[u8]) -> Result<Artefact, Error> {
        Ok(Artefact { kind, sha256: self.keep(bytes).await?, size: bytes.len() as u64 })
    }

    /// Writes the manifest of a job.
    ///
    /// # Errors
    /// As [`Artefacts::keep`].
    pub async fn write_manifest(&self, job: JobId, artefacts: &[Artefact]) -> Result<(), Error> {
        let manifest = Manifest { schema: "ashlar.manifest/1", job, written_at: Moment::now(), artefacts };
        let path = self.manifest_path(job);
        let mut text = serde_json::to_vec_pretty(&manifest)
            .map_err(|source| Error::writing(&path, std::io::Error::from(source)))?;
        text.push(b'\n');
        write_durably(&path, &text)?;
        match self.bucket() {
            Some(bucket) => bucket.put(&format!("manifests/{job}.json"), &text).await,
            None => Ok(()),
        }
    }

    /// Where a job's manifest lies.
    pub fn manifest_path(&self, job: JobId) -> PathBuf {
        self.manifests.join(format!("{job}.json"))
    }

    /// The bytes of an artefact, whose size and hash are checked.
    ///
    /// # Errors
    /// As [`Artefacts::read_content`].
    pub async fn read(&self, artefact: &Artefact) -> Result<Vec<u8>, Error> {
        self.read_content(artefact.sha256, artefact.size).await
    }

    /// The content with this hash and size, both of which are checked: the near copy, or what is fetched in its place.
    ///
    /// # Errors
    /// Without a bucket [`Error::MissingArtefact`], [`Error::AlteredArtefact`], [`Error::Unreadable`]. With one, as
    /// [`Artefacts::bring_near`].
    pub async fn read_content(&self, sha256: ContentHash, size: u64) -> Result<Vec<u8>, Error> {
        match (self.read_near(sha256, size), self.bucket()) {
            (Ok(bytes), _) => Ok(bytes),
            (Err(error), None) => Err(error),
            (Err(_), Some(bucket)) => {
                self.fetch(bucket, sha256, size).await?;
                self.read_near(sha256, size)
            }
        }
    }

    /// Sees to it that an artefact is on this machine, and says where. What is near already is not read again: whoever
    /// reads it checks it.
    ///
    /// # Errors
    /// Without a bucket [`Error::MissingArtefact`]. With one [`Error::MissingObject`], [`Error::AlteredObject`],
    /// [`Error::BucketUnreachable`], [`Error::BucketRefused`], or of writing; then nothing near has changed.
    pub async fn bring_near(&self, artefact: &Artefact) -> Result<PathBuf, Error> {
        let path = self.path(artefact.sha256);
        match (path.is_file(), self.bucket()) {
            (true, _) => {}
            (false, Some(bucket)) => self.fetch(bucket, artefact.sha256, artefact.size).await?,
            (false, None) => return Err(self.missing(artefact.sha256)),
        }
        Ok(path)
    }

    /// Fetches content, and gives it its name in the folder if it is what it should be.
    async fn fetch(&self, bucket: &Bucket, sha256: ContentHash, size: u64) -> Result<(), Error> {
        let object = object_of(sha256);
        let altered = |got: String| Error::AlteredObject {
            object: object.clone(),
            bucket: bucket.location().to_owned(),
            expected: sha256.to_string(),
            got,
        };
        let mut draft = Draft::of(&self.path(sha256))?;
        let (mut digest, mut left) = (Sha256::new(), size);
        let found = bucket.fetch(&object, |piece| {
            // What is longer than recorded is not read to its end, whatever it has become.
            left = left
                .checked_sub(piece.len() as u64)
                .ok_or_else(|| altered(format!("more than {size} bytes")))?;
            digest.update(piece);
            draft.write(piece)
        });
        if !found.await? {
            let bucket = bucket.location().to_owned();
            return Err(Error::MissingObject { sha256: sha256.to_string(), bucket });
        }
        let got = ContentHash::from_digest(digest);
        if got != sha256 || left > 0 {
            return Err(altered(got.to_string()));
        }
        // Syncing a large file takes a while.
        let finished = tokio::task::spawn_blocking(move || draft.finish()).await;
        finished.unwrap_or_else(|broken| Err(Error::writing(&self.path(sha256), broken.into())))
    }

    /// The near copy, whose size and hash are checked.
    fn read_near(&self, sha256: ContentHash, size: u64) -> Result<Vec<u8>, Error> {
        let (path, mut file) = self.open_near(sha256, size)?;
        let mut bytes = Vec::new();
        if let Err(source) = file.read_to_end(&mut bytes) {
            return Err(Error::Unreadable { path, source });
        }
        judge(path, StoredContent { sha256, size }, ContentHash::of(&bytes), bytes.len() as u64)?;
        Ok(bytes)
    }

    /// [`Artefacts::read_near`] without holding more than a little of it.
    fn check_near(&self, sha256: ContentHash, size: u64) -> Result<(), Error> {
        let (path, mut file) = self.open_near(sha256, size)?;
        let mut digest = Sha256::new();
        match std::io::copy(&mut file, &mut digest) {
            Ok(read) => judge(path, StoredContent { sha256, size }, ContentHash::from_digest(digest), read),
            Err(source) => Err(Error::Unreadable { path, source }),
        }
    }

    /// The near copy, as far as one byte more than recorded: that shows that the file has grown, without reading whatever
    /// it has become.
    fn open_near(&self, sha256: ContentHash, size: u64) -> Result<(PathBuf, std::io::Take<File>), Error> {
        let path = self.path(sha256);
        match File::open(&path) {
            Ok(file) => Ok((path, file.take(size.saturating_add(1)))),
            Err(source) if source.kind() == ErrorKind::NotFound => Err(self.missing(sha256)),
            Err(source) => Err(Error::Unreadable { path, source }),
        }
    }

    /// [`Artefacts::check_near`] on a thread that may wait for the disk.
    async fn checked_near(&self, sha256: ContentHash, size: u64) -> Result<(), Error> {
        let artefacts = self.clone();
        let checked = tokio::task::spawn_blocking(move || artefacts.check_near(sha256, size)).await;
        checked.unwrap_or_else(|_| Err(self.missing(sha256)))
    }

    /// That content is near and what it was, as [`Artefacts::read_content`] finds out, without holding it in memory.
    ///
    /// # Errors
    /// As [`Artefacts::read_content`].
    pub async fn must_be_sound(&self, content: StoredContent) -> Result<(), Error> {
        let StoredContent { sha256, size } = content;
        match (self.checked_near(sha256, size).await, self.bucket()) {
            (Ok(()), _) => Ok(()),
            (Err(error), None) => Err(error),
            (Err(_), Some(bucket)) => self.fetch(bucket, sha256, size).await,
        }
    }

    fn missing(&self, sha256: ContentHash) -> Error {
        Error::MissingArtefact { sha256: sha256.to_string(), path: self.contents.clone() }
    }

    /// That content is where every machine finds it: in the bucket if there is one, else in the folder. Under the lock
    /// that a sweep takes, it stays there once it is named.
    pub(crate) async fn must_be_there(&self, sha256: ContentHash, size: u64) -> Result<(), Error> {
        let Some(bucket) = self.bucket() else {
            return if self.path(sha256).is_file() { Ok(()) } else { Err(self.missing(sha256)) };
        };
        match bucket.size(&object_of(sha256)).await? {
            Some(found) if found == size => Ok(()),
            _ => {
                let bucket = bucket.location().to_owned();
                Err(Error::MissingObject { sha256: sha256.to_string(), bucket })
            }
        }
    }

    /// Whether content is what it was: the near copy by its bytes, the object by its size, so that not every machine
    /// reads the whole bucket. A near copy that is not what it was is replaced by what the bucket has.
    ///
    /// # Errors
    /// [`Error::BucketUnreachable`] or [`Error::BucketRefused`]: then nobody knows.
    pub(crate) async fn is_sound(&self, sha256: ContentHash, size: u64) -> Result<bool, Error> {
        let near = self.checked_near(sha256, size).await;
        let Some(bucket) = self.bucket() else { return Ok(near.is_ok()) };
        let there = match near {
            Ok(()) | Err(Error::MissingArtefact { .. }) => self.must_be_there(sha256, size).await,
            Err(_) => self.fetch(bucket, sha256, size).await,
        };
        match there {
            Err(error) if error.is_of_bucket() => Err(error),
            there => Ok(there.is_ok()),
        }
    }

    /// Removes files that are older than `grace` and that nobody names, and what an interrupted writer left. The caller
    /// holds the records' write lock.
    pub(crate) fn sweep(&self, named: &Named, grace: Duration) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for folder in list(&self.contents)? {
            if folder.is_dir() {
                for file in list(&folder)? {
                    let content = name(&file).and_then(ContentHash::parse);
                    if !content.is_some_and(|hash| named.contents.contains(&hash)) {
                        remove_old(&file, grace, &mut swept)?;
                    }
                }
            }
        }
        for file in list(&self.manifests)? {
            let job = name(&file).and_then(|name| name.strip_suffix(".json")).and_then(JobId::parse);
            if !job.is_some_and(|job| named.jobs.contains(&job)) {
                remove_old(&file, grace, &mut swept)?;
            }
        }
        Ok(swept)
    }
}

/// Whether what was read of a near copy is the content that it should be.
fn judge(path: PathBuf, expected: StoredContent, got: ContentHash, read: u64) -> Result<(), Error> {
    let altered = |expected: String, got: String| Err(Error::AlteredArtefact { path, expected, got });
    if got != expected.sha256 {
        return altered(expected.sha256.to_string(), got.to_string());
    }
    if read != expected.size {
        return altered(format!("{} bytes", expected.size), format!("{read} bytes or more"));
    }
    Ok(())
}

/// The name of content in a bucket.
fn object_of(sha256: ContentHash) -> String {
    let digits = sha256.to_string();
    format!("artefacts/{}/{digits}", &digits[..2])
}

impl Named {
    /// Whether an object of a bucket is one of ours that nobody names. What this program does not write is nobody's
    /// orphan.
    pub(crate) fn orphans(&self, object: &str) -> bool {
        if let Some(digits) = object.strip_prefix("artefacts/").and_then(|rest| rest.get(3..)) {
            return ContentHash::parse(digits)
                .is_some_and(|hash| object_of(hash) == object && !self.contents.contains(&hash));
        }
        let job = object.strip_prefix("manifests/").and_then(|rest| rest.strip_suffix(".json"));
        job.and_then(JobId::parse)
            .is_some_and(|id| format!("manifests/{id}.json") == object && !self.jobs.contains(&id))
    }
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Unreadable { path: folder.to_owned(), source };
    let mut paths = fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(unreadable))
        .collect::<Result<Vec<_>, Error>>()?;
    paths.sort();
    Ok(paths)
}

fn remove_old(file: &Path, grace: Duration, swept: &mut Swept) -> Result<(), Error> {
    let Ok(metadata) = fs::symlink_metadata(file) else {
        return Ok(()); // somebody else removed it
    };
    let age = metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
    if !metadata.is_file() || age.is_none_or(|age| age < grace) {
        return Ok(());
    }
    match fs::remove_file(file) {
        Ok(()) => {
            swept.files += 1;
            swept.bytes += metadata.len();
            Ok(())
        }
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::writing(file, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Artefacts) {
        let folder = tempfile::tempdir().unwrap();
        let artefacts = Artefacts::open(folder.path(), None).unwrap();
        (folder, artefacts)
    }

    #[tokio::test]
    async fn stored_bytes_are_read_back_and_lie_under_their_hash() {
        let (_folder, artefacts) = folder();
        let artefact = artefacts.put(ArtefactKind::Proof, b"abc").await.unwrap();
        assert_eq!(
            artefact.sha256.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(artefacts.read(&artefact).await.unwrap(), b"abc");
        assert_eq!(artefacts.put(ArtefactKind::Log, b"abc").await.unwrap().sha256, artefact.sha256);
    }

    #[tokio::test]
    async fn an_altered_grown_or_missing_artefact_is_refused() {
        let (_folder, artefacts) = folder();
        let artefact = artefacts.put(ArtefactKind::Proof, b"abc").await.unwrap();
        let path = artefacts.path(artefact.sha256);
        fs::write(&path, b"abd").unwrap();
        assert!(matches!(artefacts.read(&artefact).await, Err(Error::AlteredArtefact { .. })));
        fs::write(&path, b"abcabcabcabc").unwrap();
        assert!(matches!(artefacts.read(&artefact).await, Err(Error::AlteredArtefact { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(artefacts.read(&artefact).await, Err(Error::MissingArtefact { .. })));
    }

    #[tokio::test]
    async fn putting_again_repairs_an_altered_artefact() {
        let (_folder, artefacts) = folder();
        let artefact = artefacts.put(ArtefactKind::Proof, b"abc").await.unwrap();
        fs::write(artefacts.path(artefact.sha256), b"abd").unwrap();
        artefacts.put(ArtefactKind::Proof, b"abc").await.unwrap();
        assert_eq!(artefacts.read(&artefact).await.unwrap(), b"abc");
    }

    #[tokio::test]
    async fn a_sweep_removes_old_orphans_and_keeps_what_is_named_or_young() {
        let (_folder, artefacts) = folder();
        let kept = artefacts.put(ArtefactKind::Proof, b"kept").await.unwrap();
        let orphan = artefacts.put(ArtefactKind::Proof, b"orphan").await.unwrap();
        let (named, other) = (JobId::fresh(), JobId::fresh());
        artefacts.write_manifest(named, &[kept]).await.unwrap();
        artefacts.write_manifest(other, &[orphan]).await.unwrap();
        fs::write(artefacts.contents.join("ab.tmp"), b"not in a folder of two digits").unwrap();
        let names = Named { contents: HashSet::from([kept.sha256]), jobs: HashSet::from([named]) };

        let young = artefacts.sweep(&names, Duration::from_secs(3600)).unwrap();
        assert_eq!(young, Swept::default());
        let old = artefacts.sweep(&names, Duration::ZERO).unwrap();
        assert_eq!(old.files, 2);
        assert!(artefacts.path(kept.sha256).exists() && !artefacts.path(orphan.sha256).exists());
        assert!(artefacts.manifest_path(named).exists() && !artefacts.manifest_path(other).exists());
    }

    #[test]
    fn only_objects_of_our_own_names_can_be_orphans() {
        let (hash, job) = (ContentHash::of(b"abc"), JobId::fresh());
        let (content, manifest) = (object_of(hash), format!("manifests/{job}.json"));
        let nobody = Named::default();
        assert!(nobody.orphans(&content) && nobody.orphans(&manifest));
        let somebody = Named { contents: HashSet::from([hash]), jobs: HashSet::from([job]) };
        assert!(!somebody.orphans(&content) && !somebody.orphans(&manifest));
        let digits = hash.to_string();
        for foreign in [
            digits.clone(),
            format!("artefacts/{digits}"),
            format!("artefacts/00/{digits}"),
            format!("artefacts/ba/{}", digits.to_uppercase()),
            format!("artefacts/ba/x/{digits}"),
            format!("others/{content}"),
            manifest.to_lowercase(),
            format!("manifests/{job}"),
            "records.json".to_owned(),
            "artefacts/é/".to_owned(),
            String::new(),
        ] {
            assert!(!nobody.orphans(&foreign), "{foreign}");
        }
    }

    #[test]
    fn only_canonical_digests_are_read() {
        let digits = ContentHash::of(b"").to_string();
        assert!(ContentHash::parse(&digits).is_some());
        assert!(ContentHash::parse(&digits.to_uppercase()).is_none());
        assert!(ContentHash::parse(&digits[1..]).is_none());
        assert!(ContentHash::parse(&format!("+{}", &digits[1..])).is_none());
    }
}
