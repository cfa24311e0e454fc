//! Bodies of requests: what is held in memory of all of them together has a bound, and what is larger than that can bear
//! goes to the disk while it arrives.

use std::{ops::Deref, sync::Arc};

use ashlar_store::{Arriving, Artefacts, PIECE_BYTES};
use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{ServerError, problem::Refused};

/// The share of a body grows by so many bytes at once.
const UNIT: usize = 64 << 10;

/// What all bodies together may take in memory.
#[derive(Clone, Debug)]
pub(crate) struct BodyMemory {
    /// Units that nobody has.
    free: Arc<Semaphore>,
    bytes: usize,
}

/// What one body takes of it, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: BodyMemory,
    bytes: usize,
    units: usize,
    permit: Option<OwnedSemaphorePermit>,
}

impl BodyMemory {
    /// At least so many bytes, in whole units.
    pub(crate) fn new(bytes: usize) -> BodyMemory {
        let units = bytes.div_ceil(UNIT).clamp(1, Semaphore::MAX_PERMITS);
        BodyMemory { free: Arc::new(Semaphore::new(units)), bytes }
    }

    /// A share of nothing as yet.
    pub(crate) fn share(&self) -> Share {
        Share { of: self.clone(), bytes: 0, units: 0, permit: None }
    }
}

impl Share {
    /// Takes so many bytes more. Nobody waits for memory: whoever waited would keep what it has from others.
    ///
    /// # Errors
    /// [`ServerError::BodiesHeld`]; then the share is what it was.
    pub(crate) fn grow_by(&mut self, bytes: usize) -> Result<(), ServerError> {
        let wanted = self.bytes.saturating_add(bytes);
        let more = wanted.div_ceil(UNIT).saturating_sub(self.units);
        if more == 0 {
            self.bytes = wanted;
            return Ok(());
        }
        let full = ServerError::BodiesHeld { bytes: self.of.bytes };
        let Ok(count) = u32::try_from(more) else { return Err(full) };
        let Ok(permit) = Arc::clone(&self.of.free).try_acquire_many_owned(count) else { return Err(full) };
        match &mut self.permit {
            Some(own) => own.merge(permit),
            none => *none = Some(permit),
        }
        (self.bytes, self.units) = (wanted, self.units + more);
        Ok(())
    }

    /// Adds bytes to those that are held, `most` of them at most; what is set aside for further ones counts too.
    ///
    /// # Errors
    /// [`ServerError::BodyTooLong`], [`ServerError::BodiesHeld`].
    pub(crate) fn hold(&mut self, held: &mut Vec<u8>, more: &[u8], most: usize) -> Result<(), ServerError> {
        let length = held.len() + more.len();
        if length > most {
            return Err(ServerError::BodyTooLong { limit: most });
        }
        if length > held.capacity() {
            let capacity = length.max(2 * held.capacity()).min(most);
            self.grow_by(capacity - held.capacity())?;
            held.reserve_exact(capacity - held.len());
        }
        held.extend_from_slice(more);
        Ok(())
    }
}

/// A body in memory, with its share of what all bodies may take.
#[derive(Debug)]
pub(crate) struct HeldBody {
    bytes: Vec<u8>,
    _share: Share,
}

impl Deref for HeldBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The next bytes of a body; none at its end.
///
/// # Errors
/// [`ServerError::BodyBroke`].
pub(crate) async fn next(body: &mut Body) -> Result<Option<Bytes>, ServerError> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| ServerError::BodyBroke)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// A whole body of at most `limit` bytes, in memory.
pub(crate) async fn read(mut body: Body, limit: usize, mut share: Share) -> Result<HeldBody, ServerError> {
    let mut bytes = Vec::new();
    while let Some(data) = next(&mut body).await? {
        share.hold(&mut bytes, &data, limit)?;
    }
    Ok(HeldBody { bytes, _share: share })
}

/// A file that is taken in while it arrives: on the disk but for a piece, and without a name until it is finished.
#[derive(Debug)]
pub(crate) struct Upload {
    arriving: Arriving,
    limit: usize,
    _share: Share,
}

impl Upload {
    /// Begins to take in at most `limit` bytes.
    ///
    /// # Errors
    /// [`ServerError::BodiesHeld`].
    pub(crate) fn begin(
        artefacts: &Artefacts,
        limit: usize,
        mut share: Share,
    ) -> Result<Upload, ServerError> {
        share.grow_by(PIECE_BYTES)?;
        Ok(Upload { arriving: artefacts.receive(), limit, _share: share })
    }

    /// Takes more of it.
    ///
    /// # Errors
    /// [`ServerError::BodyTooLong`], or of writing; then nothing is left of it.
    pub(crate) async fn take(self, bytes: &[u8]) -> Result<Upload, Refused> {
        let Upload { arriving, limit, _share } = self;
        if arriving.size() + bytes.len() as u64 > limit as u64 {
            return Err(ServerError::BodyTooLong { limit }.into());
        }
        Ok(Upload { arriving: arriving.take(bytes).await?, limit, _share })
    }

    /// Takes a whole body.
    ///
    /// # Errors
    /// As [`Upload::take`], or [`ServerError::BodyBroke`].
    pub(crate) async fn take_all(self, mut body: Body) -> Result<Upload, Refused> {
        let mut upload = self;
        while let Some(data) = next(&mut body).await? {
            upload = upload.take(&data).await?;
        }
        Ok(upload)
    }

    /// Gives it the name of its content, durably.
    ///
    /// # Errors
    /// As [`Arriving::finish`].
    pub(crate) async fn finish(self) -> Result<ashlar_store::StoredContent, Refused> {
        Ok(self.arriving.finish().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_counted_as_it_is_allocated_and_has_a_bound() {
        let memory = BodyMemory::new(4 * UNIT);
        let (mut share, mut held) = (memory.share(), Vec::new());
        for _ in 0..3 {
            share.hold(&mut held, &[7; UNIT], 4 * UNIT).unwrap();
            assert!(held.capacity() <= share.bytes, "{} of {}", held.capacity(), share.bytes);
        }
        assert!(memory.share().grow_by(1).is_err(), "the room for a fourth is set aside");
        share.hold(&mut held, &[7; UNIT], 4 * UNIT).unwrap();
        let long = share.hold(&mut held, b"7", 4 * UNIT).unwrap_err();
        assert!(matches!(long, ServerError::BodyTooLong { .. }), "{long}");
        assert_eq!(held, [7; 4 * UNIT]);
        let full = memory.share().hold(&mut Vec::new(), b"7", 1).unwrap_err();
        assert!(matches!(full, ServerError::BodiesHeld { .. }), "{full}");
    }

    #[test]
    fn shares_are_given_out_until_nothing_is_left_and_come_back() {
        let memory = BodyMemory::new(3 * UNIT - 1);
        let (mut first, mut second) = (memory.share(), memory.share());
        first.grow_by(0).unwrap();
        first.grow_by(UNIT + 1).unwrap();
        first.grow_by(UNIT - 1).unwrap();
        second.grow_by(UNIT).unwrap();
        for more in [1, UNIT, usize::MAX] {
            let full = second.grow_by(more).unwrap_err();
            assert!(matches!(full, ServerError::BodiesHeld { .. }), "{full}");
        }
        // What was refused took nothing, and what is given back is for others.
        drop(first);
        second.grow_by(2 * UNIT).unwrap();
        assert!(memory.share().grow_by(1).is_err());
        drop(second);
        memory.share().grow_by(3 * UNIT).unwrap();
    }
}
