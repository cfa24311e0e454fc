//! Files by their content: `artefacts/ab/abcd…` holds the bytes whose SHA-256 is `abcd…`.
//!
//! A file is written under a temporary name, synced, renamed, and its folder synced; only then may a row of the
//! records name it. A crash therefore leaves at worst a file that no row names, an orphan, which a sweep removes.
//! A manifest per job, `manifests/job_….json`, written the same way, says the same as the rows: the folder can be
//! read without the database.

use std::{
    collections::HashSet,
    fmt,
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{ArtefactKind, Error, JobId, Moment};

/// The SHA-256 of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> ContentHash {
        ContentHash(Sha256::digest(bytes).into())
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
    /// Files that no row named, temporary ones included.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The folder of artefacts.
#[derive(Clone, Debug)]
pub struct Artefacts {
    contents: PathBuf,
    manifests: PathBuf,
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
    pub fn open(data: &Path) -> Result<Artefacts, Error> {
        let artefacts = Artefacts { contents: data.join("artefacts"), manifests: data.join("manifests") };
        for folder in [&artefacts.contents, &artefacts.manifests] {
            fs::create_dir_all(folder).map_err(|source| Error::writing(folder, source))?;
        }
        Ok(artefacts)
    }

    /// Where the content with this hash lies.
    pub fn path(&self, hash: ContentHash) -> PathBuf {
        let digits = hash.to_string();
        self.contents.join(&digits[..2]).join(digits)
    }

    /// Stores some bytes; on return they are on the disk under their name. Storing the same bytes twice is one file.
    ///
    /// # Errors
    /// [`Error::Unwritable`] or [`Error::DiskFull`]; then no file has the name.
    pub fn keep(&self, bytes: &[u8]) -> Result<ContentHash, Error> {
        let sha256 = ContentHash::of(bytes);
        let path = self.path(sha256);
        // What lies there already may be an old orphan: from now on it is as young as what is written.
        let renewed = || -> std::io::Result<()> { File::open(&path)?.set_modified(SystemTime::now()) };
        if self.read_content(sha256, bytes.len() as u64).is_err() || renewed().is_err() {
            write_durably(&path, bytes)?;
        }
        Ok(sha256)
    }

    /// [`Artefacts::keep`], as an artefact of some kind.
    ///
    /// # Errors
    /// As [`Artefacts::keep`].
    pub fn put(&self, kind: ArtefactKind, bytes: &[u8]) -> Result<Artefact, Error> {
        Ok(Artefact { kind, sha256: self.keep(bytes)?, size: bytes.len() as u64 })
    }

    /// Writes the manifest of a job.
    ///
    /// # Errors
    /// [`Error::Unwritable`] or [`Error::DiskFull`].
    pub fn write_manifest(&self, job: JobId, artefacts: &[Artefact]) -> Result<(), Error> {
        let manifest = Manifest { schema: "ashlar.manifest/1", job, written_at: Moment::now(), artefacts };
        let path = self.manifest_path(job);
        let mut text = serde_json::to_vec_pretty(&manifest)
            .map_err(|source| Error::writing(&path, std::io::Error::from(source)))?;
        text.push(b'\n');
        write_durably(&path, &text)
    }

    /// Where a job's manifest lies.
    pub fn manifest_path(&self, job: JobId) -> PathBuf {
        self.manifests.join(format!("{job}.json"))
    }

    /// The bytes of an artefact, whose size and hash are checked.
    ///
    /// # Errors
    /// [`Error::MissingArtefact`], [`Error::AlteredArtefact`], [`Error::Unreadable`].
    pub fn read(&self, artefact: &Artefact) -> Result<Vec<u8>, Error> {
        self.read_content(artefact.sha256, artefact.size)
    }

    /// The content with this hash and size, both of which are checked.
    ///
    /// # Errors
    /// As [`Artefacts::read`].
    pub fn read_content(&self, sha256: ContentHash, size: u64) -> Result<Vec<u8>, Error> {
        let path = self.path(sha256);
        let file = File::open(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => {
                Error::MissingArtefact { sha256: sha256.to_string(), path: self.contents.clone() }
            }
            _ => Error::Unreadable { path: path.clone(), source },
        })?;
        // One byte more than recorded shows that the file has grown, without reading whatever it has become.
        let mut bytes = Vec::new();
        file.take(size.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| Error::Unreadable { path: path.clone(), source })?;
        let got = ContentHash::of(&bytes);
        if got != sha256 {
            let expected = sha256.to_string();
            return Err(Error::AlteredArtefact { path, expected, got: got.to_string() });
        }
        Ok(bytes)
    }

    /// Whether a file with this content's name exists.
    pub(crate) fn is_there(&self, hash: ContentHash) -> bool {
        self.path(hash).is_file()
    }

    /// Removes files that are older than `grace` and that nobody names: contents outside `contents`, manifests of
    /// jobs outside `jobs`, and what an interrupted writer left. The caller holds the records' write lock.
    pub(crate) fn sweep(
        &self,
        contents: &HashSet<ContentHash>,
        jobs: &HashSet<JobId>,
        grace: Duration,
    ) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for folder in list(&self.contents)? {
            if folder.is_dir() {
                for file in list(&folder)? {
                    let named =
                        name(&file).and_then(ContentHash::parse).is_some_and(|hash| contents.contains(&hash));
                    if !named {
                        remove_old(&file, grace, &mut swept)?;
                    }
                }
            }
        }
        for file in list(&self.manifests)? {
            let job = name(&file).and_then(|name| name.strip_suffix(".json")).and_then(JobId::parse);
            if !job.is_some_and(|job| jobs.contains(&job)) {
                remove_old(&file, grace, &mut swept)?;
            }
        }
        Ok(swept)
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

/// Writes a file so that, whenever the machine stops, its name holds the whole content or nothing: a temporary file
/// beside it is written and synced, then renamed, then the folder is synced.
///
/// # Errors
/// [`Error::Unwritable`] or [`Error::DiskFull`]; then the name is untouched and the temporary file removed.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_durably(folder).map_err(|source| Error::writing(folder, source))?;
    let temporary = folder.join(format!(".{}.tmp", ulid::Ulid::new()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    })();
    written.map_err(|source| {
        // The first error is what matters; a temporary file that stays is swept later.
        let _ = fs::remove_file(&temporary);
        Error::writing(path, source)
    })
}

/// Creates a folder and its missing parents, each entered durably into the one above it.
fn create_durably(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_durably(parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Artefacts) {
        let folder = tempfile::tempdir().unwrap();
        let artefacts = Artefacts::open(folder.path()).unwrap();
        (folder, artefacts)
    }

    #[test]
    fn stored_bytes_are_read_back_and_lie_under_their_hash() {
        let (_folder, artefacts) = folder();
        let artefact = artefacts.put(ArtefactKind::Proof, b"abc").unwrap();
        assert_eq!(
            artefact.sha256.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(artefacts.read(&artefact).unwrap(), b"abc");
        assert_eq!(artefacts.put(ArtefactKind::Log, b"abc").unwrap().sha256, artefact.sha256);
    }

    #[test]
    fn an_altered_grown_or_missing_artefact_is_refused() {
        let (_folder, artefacts) = folder();
        let artefact = artefacts.put(ArtefactKind::Proof, b"abc").unwrap();
        let path = artefacts.path(artefact.sha256);
        fs::write(&path, b"abd").unwrap();
        assert!(matches!(artefacts.read(&artefact), Err(Error::AlteredArtefact { .. })));
        fs::write(&path, b"abcabcabcabc").unwrap();
        assert!(matches!(artefacts.read(&artefact), Err(Error::AlteredArtefact { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(artefacts.read(&artefact), Err(Error::MissingArtefact { .. })));
    }

    #[test]
    fn putting_again_repairs_an_altered_artefact() {
        let (_folder, artefacts) = folder();
        let artefact = artefacts.put(ArtefactKind::Proof, b"abc").unwrap();
        fs::write(artefacts.path(artefact.sha256), b"abd").unwrap();
        artefacts.put(ArtefactKind::Proof, b"abc").unwrap();
        assert_eq!(artefacts.read(&artefact).unwrap(), b"abc");
    }

    #[test]
    fn a_write_that_fails_leaves_neither_file_nor_temporary() {
        let folder = tempfile::tempdir().unwrap();
        // A folder has the name that the file would get, so the rename fails after everything was written.
        let target = folder.path().join("taken");
        fs::create_dir(&target).unwrap();
        assert!(matches!(write_durably(&target, b"abc"), Err(Error::Unwritable { .. })));
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["taken"]);
    }

    #[test]
    fn a_sweep_removes_old_orphans_and_keeps_what_is_named_or_young() {
        let (_folder, artefacts) = folder();
        let kept = artefacts.put(ArtefactKind::Proof, b"kept").unwrap();
        let orphan = artefacts.put(ArtefactKind::Proof, b"orphan").unwrap();
        let (named, other) = (JobId::fresh(), JobId::fresh());
        artefacts.write_manifest(named, &[kept]).unwrap();
        artefacts.write_manifest(other, &[orphan]).unwrap();
        fs::write(artefacts.contents.join("ab.tmp"), b"not in a folder of two digits").unwrap();
        let (contents, jobs) = (HashSet::from([kept.sha256]), HashSet::from([named]));

        let young = artefacts.sweep(&contents, &jobs, Duration::from_secs(3600)).unwrap();
        assert_eq!(young, Swept::default());
        let old = artefacts.sweep(&contents, &jobs, Duration::ZERO).unwrap();
        assert_eq!(old.files, 2);
        assert!(artefacts.is_there(kept.sha256) && !artefacts.is_there(orphan.sha256));
        assert!(artefacts.manifest_path(named).exists() && !artefacts.manifest_path(other).exists());
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
