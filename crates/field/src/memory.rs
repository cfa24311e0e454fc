//! Allocation of the groups of a column: large ones are aligned to huge pages and zeroed by the system on first use.
//!
//! Strided passes over a large column touch a new page at every step; with pages of 2 MiB the address translation
//! stays in the processor's tables. Linux gives them to those who ask, region by region.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};

use crate::Group;

/// A fixed number of groups.
pub(crate) enum Groups {
    Vector(Vec<Group>),
    #[cfg(target_os = "linux")]
    Pages(pages::Pages),
}

/// From this size on a column gets pages of its own.
#[cfg(target_os = "linux")]
const MIN_PAGES_BYTES: usize = 4 << 20;

impl Groups {
    /// All zeros.
    pub(crate) fn zeros(count: usize) -> Groups {
        #[cfg(target_os = "linux")]
        if count.saturating_mul(size_of::<Group>()) >= MIN_PAGES_BYTES
            && let Some(pages) = pages::Pages::zeros(count)
        {
            return Groups::Pages(pages);
        }
        Groups::Vector(vec![Group::ZERO; count])
    }
}

impl Deref for Groups {
    type Target = [Group];

    #[inline(always)]
    fn deref(&self) -> &[Group] {
        match self {
            Groups::Vector(groups) => groups,
            #[cfg(target_os = "linux")]
            Groups::Pages(pages) => pages.as_slice(),
        }
    }
}

impl DerefMut for Groups {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [Group] {
        match self {
            Groups::Vector(groups) => groups,
            #[cfg(target_os = "linux")]
            Groups::Pages(pages) => pages.as_mut_slice(),
        }
    }
}

impl Clone for Groups {
    fn clone(&self) -> Groups {
        let mut copy = Groups::zeros(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

impl PartialEq for Groups {
    fn eq(&self, other: &Groups) -> bool {
        **self == **other
    }
}

impl Eq for Groups {}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(target_os = "linux")]
mod pages {
    use std::{ptr::NonNull, slice};

    use crate::Group;

    const HUGE_PAGE: usize = 2 << 20;

    /// An anonymous mapping that holds zeroed groups from the first huge-page boundary on.
    pub(crate) struct Pages {
        mapping: NonNull<libc::c_void>,
        mapping_bytes: usize,
        first: NonNull<Group>,
        count: usize,
    }

    // SAFETY: the mapping belongs to this value alone, and groups are plain integers.
    unsafe impl Send for Pages {}
    // SAFETY: as above; a shared reference only reads.
    unsafe impl Sync for Pages {}

    impl Pages {
        /// `None` if the system refuses: the caller falls back to the ordinary allocator.
        pub(super) fn zeros(count: usize) -> Option<Pages> {
            let bytes = count.checked_mul(size_of::<Group>())?.checked_next_multiple_of(HUGE_PAGE)?;
            let mapping_bytes = bytes.checked_add(HUGE_PAGE)?;
            isize::try_from(mapping_bytes).ok()?;
            // SAFETY: a private anonymous mapping at an address of the system's choice touches nothing of ours.
            let mapping = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    mapping_bytes,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                )
            };
            if mapping == libc::MAP_FAILED {
                return None;
            }
            let padding = mapping.addr().next_multiple_of(HUGE_PAGE) - mapping.addr();
            // SAFETY: padding < HUGE_PAGE, and the mapping is that much longer than `bytes`.
            let first = unsafe { mapping.byte_add(padding) };
            // SAFETY: the range is inside the mapping. Advice that fails leaves ordinary pages.
            unsafe { libc::madvise(first, bytes, libc::MADV_HUGEPAGE) };
            Some(Pages {
                mapping: NonNull::new(mapping)?,
                mapping_bytes,
                first: NonNull::new(first.cast::<Group>())?,
                count,
            })
        }

        #[inline(always)]
        pub(super) fn as_slice(&self) -> &[Group] {
            // SAFETY: `count` groups fit behind `first`, aligned to 2 MiB; the system zeroed them, and every bit
            // pattern is a group. `&self` keeps the mapping alive and unchanged.
            unsafe { slice::from_raw_parts(self.first.as_ptr(), self.count) }
        }

        #[inline(always)]
        pub(super) fn as_mut_slice(&mut self) -> &mut [Group] {
            // SAFETY: as in `as_slice`; `&mut self` makes the borrow exclusive.
            unsafe { slice::from_raw_parts_mut(self.first.as_ptr(), self.count) }
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            // SAFETY: this is exactly the mapping made in `zeros`, and nothing borrows from it any more.
            unsafe { libc::munmap(self.mapping.as_ptr(), self.mapping_bytes) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Felt;

    #[test]
    fn large_groups_are_zero_aligned_writable_and_copied_by_value() {
        for count in [0, 1, 7, (4 << 20) / size_of::<Group>(), (9 << 20) / size_of::<Group>() + 3] {
            let mut groups = Groups::zeros(count);
            assert_eq!(groups.len(), count);
            assert!(groups.iter().all(|group| *group == Group::ZERO));
            if count * size_of::<Group>() >= 4 << 20 && cfg!(target_os = "linux") {
                assert_eq!(groups.as_ptr().addr() % (2 << 20), 0);
            }
            if let Some(last) = groups.last_mut() {
                last.set(3, Felt::ONE);
                let copy = groups.clone();
                assert!(copy == groups);
                groups[0].set(0, Felt::GENERATOR);
                assert!(copy != groups);
            }
        }
    }
}
