//! Content that arrives piece by piece, whose name is known at its end only: hashed on the way, and on the disk as far as
//! it is more than one piece. Until its end it is a draft in a folder of its own, without the name of any content; given
//! up, it is gone, and what a process leaves that dies is swept like any other orphan.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::{Artefacts, ContentHash, Error, StoredContent, durable::Draft};

/// How much of content that arrives is in memory at most, in bytes; the rest of it is on the disk.
pub const PIECE_BYTES: usize = 128 << 10;

/// Content that arrives. Dropped before its end, it leaves nothing behind.
#[derive(Debug)]
pub struct Arriving {
    artefacts: Artefacts,
    /// What was written; none as long as all of it fits into one piece.
    draft: Option<Draft>,
    digest: Sha256,
    /// What has arrived and is not written.
    piece: Vec<u8>,
    written: u64,
}

impl Artefacts {
    /// Begins to take content in. Nothing is on the disk before its first piece is full.
    pub fn receive(&self) -> Arriving {
        Arriving {
            artefacts: self.clone(),
            draft: None,
            digest: Sha256::new(),
            piece: Vec::new(),
            written: 0,
        }
    }

    /// Where drafts lie: a sweep looks into every folder beside it.
    fn drafts(&self) -> PathBuf {
        self.contents().join("arriving")
    }
}

impl Arriving {
    /// How much has arrived, in bytes.
    pub fn size(&self) -> u64 {
        self.written + self.piece.len() as u64
    }

    /// Takes more of it. Full pieces are hashed and written on a thread that may wait for the disk.
    ///
    /// # Errors
    /// [`Error::Unwritable`] or [`Error::DiskFull`]; then nothing is left of it.
    pub async fn take(mut self, mut bytes: &[u8]) -> Result<Arriving, Error> {
        while !bytes.is_empty() {
            let room = PIECE_BYTES.saturating_sub(self.piece.len()).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() >= PIECE_BYTES {
                let place = self.artefacts.drafts();
                self = waiting(place, move || self.write_piece()).await?;
            }
        }
        Ok(self)
    }

    /// Gives it the name of its content; on return it is on the disk under it, and in the bucket if there is one. The same
    /// content twice is one file, which is from now on as young as what is written.
    ///
    /// # Errors
    /// [`Error::Unwritable`] or [`Error::DiskFull`], and then nothing is left of it; [`Error::BucketUnreachable`] or
    /// [`Error::BucketRefused`], and then the file is an orphan.
    pub async fn finish(self) -> Result<StoredContent, Error> {
        let (artefacts, place) = (self.artefacts.clone(), self.artefacts.drafts());
        let content = waiting(place, move || self.name_it()).await?;
        artefacts.put_near_copy(content).await?;
        Ok(content)
    }

    fn write_piece(mut self) -> Result<Arriving, Error> {
        self.draft = Some(self.written_draft()?);
        Ok(self)
    }

    fn name_it(mut self) -> Result<StoredContent, Error> {
        let draft = self.written_draft()?;
        let content = StoredContent { sha256: ContentHash::from_digest(self.digest), size: self.written };
        // What has the name already may have been altered, or be an old orphan: this takes its place.
        draft.finish_as(&self.artefacts.path(content.sha256))?;
        Ok(content)
    }

    /// The draft, with everything that has arrived in it.
    fn written_draft(&mut self) -> Result<Draft, Error> {
        let mut draft = match self.draft.take() {
            Some(draft) => draft,
            None => Draft::nameless(&self.artefacts.drafts())?,
        };
        draft.write(&self.piece)?;
        self.digest.update(&self.piece);
        self.written += self.piece.len() as u64;
        self.piece.clear();
        Ok(draft)
    }
}

/// Does something that waits for the disk, on a thread for that.
async fn waiting<T: Send + 'static>(
    place: PathBuf,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|broken| Err(Error::writing(&place, broken.into())))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use super::*;
    use crate::artefacts::Named;

    fn folder() -> (tempfile::TempDir, Artefacts) {
        let folder = tempfile::tempdir().unwrap();
        let artefacts = Artefacts::open(folder.path(), None).unwrap();
        (folder, artefacts)
    }

    /// Every file below a folder.
    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index % 251) as u8).collect()
    }

    #[tokio::test]
    async fn content_is_the_same_however_it_arrives() {
        let (folder, artefacts) = folder();
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7] {
            let whole = content(length);
            for step in [977, PIECE_BYTES, 10 * PIECE_BYTES] {
                let mut arriving = artefacts.receive();
                for bytes in whole.chunks(step) {
                    arriving = arriving.take(bytes).await.unwrap();
                    assert!(arriving.piece.len() < PIECE_BYTES, "no more than a piece is in memory");
                }
                assert_eq!(arriving.size(), length as u64);
                let stored = arriving.finish().await.unwrap();
                assert_eq!(stored, StoredContent { sha256: ContentHash::of(&whole), size: length as u64 });
                assert_eq!(artefacts.read_content(stored.sha256, stored.size).await.unwrap(), whole);
            }
        }
        assert_eq!(files(folder.path()).len(), 6, "each content is one file, and no draft is left");
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing_behind() {
        let (folder, artefacts) = folder();
        for length in [10, 2 * PIECE_BYTES + 1] {
            let arriving = artefacts.receive().take(&content(length)).await.unwrap();
            assert_eq!(files(folder.path()).len(), usize::from(length > PIECE_BYTES), "{length}");
            drop(arriving);
            assert_eq!(files(folder.path()), Vec::<PathBuf>::new(), "{length}");
        }
    }

    #[tokio::test]
    async fn what_arrives_takes_the_place_of_what_was_altered() {
        let (_folder, artefacts) = folder();
        let stored = artefacts.receive().take(b"abc").await.unwrap().finish().await.unwrap();
        fs::write(artefacts.path(stored.sha256), b"abd").unwrap();
        assert!(artefacts.read_content(stored.sha256, stored.size).await.is_err());
        assert_eq!(artefacts.receive().take(b"abc").await.unwrap().finish().await.unwrap(), stored);
        assert_eq!(artefacts.read_content(stored.sha256, stored.size).await.unwrap(), b"abc");
    }

    #[tokio::test]
    async fn a_draft_whose_writer_died_is_swept_once_it_is_old() {
        let (folder, artefacts) = folder();
        let arriving = artefacts.receive().take(&content(PIECE_BYTES)).await.unwrap();
        // What a dead process does not do either.
        std::mem::forget(arriving);
        assert_eq!(artefacts.sweep(&Named::default(), Duration::from_secs(3600)).unwrap().files, 0);
        assert_eq!(artefacts.sweep(&Named::default(), Duration::ZERO).unwrap().files, 1);
        assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_is_an_error_and_leaves_nothing() {
        let (folder, artefacts) = folder();
        fs::write(artefacts.drafts(), b"no folder").unwrap();
        let refused = artefacts.receive().take(&content(PIECE_BYTES)).await.map(drop);
        assert!(matches!(refused, Err(Error::Unwritable { .. })), "{refused:?}");
        let refused = artefacts.receive().take(b"abc").await.unwrap().finish().await;
        assert!(matches!(refused, Err(Error::Unwritable { .. })), "{refused:?}");
        assert_eq!(files(folder.path()), [artefacts.drafts()]);
    }
}
