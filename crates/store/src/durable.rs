//! Writing a file so that, whenever the machine stops, its name holds the whole content or nothing: a temporary file
//! beside it is written and synced, then renamed, then the folder is synced.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use crate::Error;

/// A file that has no name as yet. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    /// `None` once it has its name.
    temporary: Option<PathBuf>,
    path: PathBuf,
}

impl Draft {
    /// A draft of `path`, whose folder is made if it is missing.
    pub(crate) fn of(path: &Path) -> Result<Draft, Error> {
        Draft::begin(folder_of(path), path)
    }

    /// A draft in `folder` whose name is known at its end only: see [`Draft::finish_as`].
    pub(crate) fn nameless(folder: &Path) -> Result<Draft, Error> {
        Draft::begin(folder, folder)
    }

    /// `path` is what errors name.
    fn begin(folder: &Path, path: &Path) -> Result<Draft, Error> {
        create_durably(folder).map_err(|source| Error::writing(folder, source))?;
        let temporary = folder.join(format!(".{}.tmp", ulid::Ulid::new()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|source| Error::writing(path, source))?;
        Ok(Draft { file, temporary: Some(temporary), path: path.to_owned() })
    }

    /// Adds bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|source| Error::writing(&self.path, source))
    }

    /// Gives it its name, durably.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let named = (|| {
            self.file.sync_all()?;
            if let Some(temporary) = &self.temporary {
                fs::rename(temporary, &self.path)?;
            }
            File::open(folder_of(&self.path))?.sync_all()
        })();
        named.map_err(|source| Error::writing(&self.path, source))?;
        self.temporary = None;
        Ok(())
    }

    /// Gives it a name in another folder of the same disk, durably; the folder is made if it is missing.
    pub(crate) fn finish_as(mut self, path: &Path) -> Result<(), Error> {
        let folder = folder_of(path);
        create_durably(folder).map_err(|source| Error::writing(folder, source))?;
        path.clone_into(&mut self.path);
        self.finish()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // One that stays is swept later.
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Writes a file durably.
///
/// # Errors
/// [`Error::Unwritable`] or [`Error::DiskFull`]; then the name is untouched and the temporary file removed.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut draft = Draft::of(path)?;
    draft.write(bytes)?;
    draft.finish()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Creates a folder and its missing parents, each entered durably into the one above it.
fn create_durably(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let parent = folder_of(folder);
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
    fn a_draft_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut draft = Draft::of(&folder.path().join("never")).unwrap();
        draft.write(b"half of it").unwrap();
        drop(draft);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
