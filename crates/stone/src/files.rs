//! Files in and out: bounded reading, and output that appears whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
};

use ashlar_fault::{Code, Exit, Fault};

/// The most bytes of a parameter or prover-config file.
pub const MOST_SETTINGS_BYTES: u64 = 1 << 20;
/// The most bytes of a public or private input file, or of a proof file.
pub const MOST_INPUT_BYTES: u64 = 1 << 29;

/// A file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("expected a file at {path:?} ({role}), got nothing there")]
    Missing {
        /// What the file is for.
        role: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// It is there, but reading it fails.
    #[error("expected a readable file at {path:?} ({role}), got: {source}")]
    Unreadable {
        /// What the file is for.
        role: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Larger than anything sensible. Nothing of it was read.
    #[error("expected at most {limit} bytes in {path:?} ({role}), got {got}")]
    TooLarge {
        /// What the file is for.
        role: &'static str,
        /// Where it is.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
        /// Its size in bytes, as far as known.
        got: u64,
    },
    /// The output cannot be written: no such folder, no permission, a full disk.
    #[error("expected to be able to write {path:?} ({role}), got: {source}")]
    Unwritable {
        /// What the file is for.
        role: &'static str,
        /// Where it should go.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Fault for FileError {
    fn code(&self) -> Code {
        Code(match self {
            FileError::Missing { .. } => 1010,
            FileError::Unreadable { .. } => 1011,
            FileError::TooLarge { .. } => 1012,
            FileError::Unwritable { .. } => 1013,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            FileError::TooLarge { .. } => Exit::Capacity,
            _ => Exit::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            FileError::Missing { path, .. } if path.is_relative() => {
                let here = std::env::current_dir().ok()?;
                Some(format!("relative paths are resolved against the working directory, {}", here.display()))
            }
            _ => None,
        }
    }
}

/// Opens a file for reading and says how large it is. A folder is refused.
pub(crate) fn open(path: &Path, role: &'static str) -> Result<(File, u64), FileError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { role, path: path.into() },
        _ => FileError::Unreadable { role, path: path.into(), source },
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    Ok((file, metadata.len()))
}

/// Reads a whole file of at most `limit` bytes. The size is looked at before a byte is read, and again while
/// reading, for pipes and for files that grow.
///
/// # Errors
/// If the file is missing, cannot be read, or is larger than `limit`.
pub fn read_bounded(path: &Path, role: &'static str, limit: u64) -> Result<Vec<u8>, FileError> {
    let (file, size) = open(path, role)?;
    let too_large = |got| FileError::TooLarge { role, path: path.into(), limit, got };
    if size > limit {
        return Err(too_large(size));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|source| FileError::Unreadable {
        role,
        path: path.into(),
        source,
    })?;
    if bytes.len() as u64 > limit { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

/// The place of an output file, checked before the work starts, written when it is done.
///
/// The bytes go to a file without a name, which the system drops should the process end, however it ends; they are
/// synced, and take the name in one step, so that whoever looks sees the old file or the new one, never a half. Where
/// the file system has no files without a name, a hidden neighbour, `.NAME.PROCESS.partial`, stands in. A name that is a
/// device or a pipe is written to directly.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    role: &'static str,
    /// The hidden neighbour, whether it is needed or not; `None` for devices and pipes.
    partial: Option<PathBuf>,
}

impl OutputFile {
    /// Checks that a file can be written at `path`, and leaves nothing behind.
    ///
    /// # Errors
    /// If the folder is missing or read-only, or the path is a folder.
    pub fn prepare(path: &Path, role: &'static str) -> Result<OutputFile, FileError> {
        let unwritable = |source| FileError::Unwritable { role, path: path.into(), source };
        let partial = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(unwritable(io::Error::from(io::ErrorKind::IsADirectory)));
            }
            Ok(metadata) if !metadata.is_file() => None,
            _ => {
                let name = path
                    .file_name()
                    .ok_or_else(|| unwritable(io::Error::from(io::ErrorKind::InvalidInput)))?;
                let name = format!(".{}.{}.partial", name.to_string_lossy(), process::id());
                Some(path.with_file_name(name))
            }
        };
        if let Some(partial) = &partial
            && create_unnamed(folder_of(path)).is_err()
        {
            create_new(partial).map_err(unwritable)?;
            fs::remove_file(partial).map_err(unwritable)?;
        }
        Ok(OutputFile { path: path.into(), role, partial })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// If writing fails, say on a full disk; then nothing new is left behind.
    pub fn write(self, bytes: &[u8]) -> Result<(), FileError> {
        let outcome = match &self.partial {
            None => {
                OpenOptions::new().write(true).open(&self.path).and_then(|mut file| file.write_all(bytes))
            }
            Some(partial) => {
                let outcome = write_and_name(partial, &self.path, bytes);
                if outcome.is_err() {
                    // Best effort: the first error is the one to report.
                    let _ = fs::remove_file(partial);
                }
                outcome
            }
        };
        outcome.map_err(|source| FileError::Unwritable { role: self.role, path: self.path.clone(), source })
    }

    /// The name under which the file will appear.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The hidden neighbour that may exist while [`OutputFile::write`] runs: what an interrupted process must remove.
    pub fn partial_path(&self) -> Option<&Path> {
        self.partial.as_deref()
    }
}

fn create_new(path: &Path) -> io::Result<File> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        // Left over by a killed process with our number.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            OpenOptions::new().write(true).create_new(true).open(path)
        }
        outcome => outcome,
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A new file in a folder that no name leads to: it is gone when it is closed.
#[cfg(target_os = "linux")]
fn create_unnamed(folder: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666))?))
}

/// Gives a file without a name a name that is free.
#[cfg(target_os = "linux")]
fn give_name(file: &File, path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{AtFlags, CWD};
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn create_unnamed(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn give_name(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Gives a whole file without a name its name, in the place of what is there.
fn give_name_or_replace(file: &File, partial: &Path, path: &Path) -> io::Result<()> {
    match give_name(file, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // A link cannot replace, but a renaming can: for a moment the whole file has the hidden name.
            let _ = fs::remove_file(partial);
            give_name(file, partial)?;
            fs::rename(partial, path)
        }
        outcome => outcome,
    }
}

fn write_and_name(partial: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let named = match create_unnamed(folder) {
        Ok(mut file) => {
            file.write_all(bytes)?;
            file.sync_all()?;
            // This fails where /proc is absent.
            give_name_or_replace(&file, partial, path).is_ok()
        }
        Err(_) => false,
    };
    if !named {
        let mut file = create_new(partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(partial, path)?;
    }
    // The new name itself must survive a power cut too. Some file systems cannot sync a folder; that is no failure.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ashlar-stone-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_over_the_limit_is_refused_by_its_size_alone() {
        let path = folder("limit").join("huge");
        // Sparse: ten gigabytes of nothing.
        File::create(&path).unwrap().set_len(10 << 30).unwrap();
        let error = read_bounded(&path, "public input", MOST_INPUT_BYTES).unwrap_err();
        assert!(matches!(error, FileError::TooLarge { got, .. } if got == 10 << 30), "{error}");
        assert_eq!(error.exit(), Exit::Capacity);
    }

    #[test]
    fn an_endless_device_is_refused_at_the_limit() {
        let error = read_bounded(Path::new("/dev/zero"), "public input", 1000).unwrap_err();
        assert!(matches!(error, FileError::TooLarge { limit: 1000, .. }), "{error}");
    }

    #[test]
    fn missing_files_and_folders_are_told_apart() {
        let folder = folder("missing");
        let missing = read_bounded(&folder.join("no"), "trace", 10).unwrap_err();
        assert!(matches!(missing, FileError::Missing { .. }), "{missing}");
        let is_folder = read_bounded(&folder, "trace", 10).unwrap_err();
        assert!(matches!(is_folder, FileError::Unreadable { .. }), "{is_folder}");
    }

    #[test]
    fn output_appears_whole_and_replaces_what_was_there() {
        let folder = folder("output");
        let path = folder.join("proof.json");
        let output = OutputFile::prepare(&path, "proof").unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "preparing leaves nothing behind");
        output.write(b"one").unwrap();
        OutputFile::prepare(&path, "proof").unwrap().write(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn an_unwritable_place_is_found_before_the_work() {
        let folder = folder("unwritable");
        for path in [folder.join("no/such/folder/proof.json"), folder.clone()] {
            let error = OutputFile::prepare(&path, "proof").unwrap_err();
            assert!(matches!(error, FileError::Unwritable { .. }), "{error}");
            assert_eq!(error.exit(), Exit::Environment);
        }
    }
}
