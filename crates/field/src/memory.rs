//! Allocation of the groups of a column: large ones are aligned to huge pages and zeroed by the system on first use.
//!
//! Strided passes over a large column touch a new page at every step; with pages of 2 MiB the address translation
//! stays in the processor's tables. Linux gives them to those who ask, region by region.
//!
//! The system clears every page that it gives, and on a virtual machine may have to find it first: that has cost more
//! than the transforms of a column. So while a proof is made ([`Recycling`]) the pages of dropped columns are kept for
//! the next ones.
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
        Groups::allocate(count, true)
    }

    /// Groups that are all to be written: some of them may hold what a dropped column held.
    pub(crate) fn unspecified(count: usize) -> Groups {
        Groups::allocate(count, false)
    }

    #[cfg_attr(not(target_os = "linux"), allow(unused_variables))]
    fn allocate(count: usize, zeroed: bool) -> Groups {
        #[cfg(target_os = "linux")]
        if count.saturating_mul(size_of::<Group>()) >= MIN_PAGES_BYTES
            && let Some(pages) = pages::Pages::allocate(count, zeroed)
        {
            return Groups::Pages(pages);
        }
        Groups::Vector(vec![Group::ZERO; count])
    }
}

/// While one of these lives, the pages of large columns that are dropped are kept for the columns that come next; when
/// the last is dropped, they go back to the system.
///
/// No more memory is used than without it: whatever new pages are asked for, as many kept ones are given back first.
#[derive(Debug)]
pub struct Recycling(());

impl Recycling {
    /// Keeps pages from now on.
    #[must_use]
    pub fn start() -> Recycling {
        #[cfg(target_os = "linux")]
        pages::start_keeping();
        Recycling(())
    }
}

impl Drop for Recycling {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        pages::stop_keeping();
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
        let mut copy = Groups::unspecified(self.len());
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
    use std::{
        ptr::NonNull,
        slice,
        sync::{Mutex, MutexGuard, PoisonError},
    };

    use crate::Group;

    const HUGE_PAGE: usize = 2 << 20;

    /// Groups in a mapping of their own, from its first huge-page boundary on.
    pub(crate) struct Pages {
        /// `None` only while the pages are dropped.
        mapping: Option<Mapping>,
        count: usize,
    }

    impl Pages {
        /// Kept pages if there are any that fit, cleared if zeros are asked for, or new ones. `None` if the system
        /// refuses: the caller falls back to the ordinary allocator.
        pub(super) fn allocate(count: usize, zeroed: bool) -> Option<Pages> {
            let taken = kept().take(count);
            let (mapping, clear) = match taken {
                Some(mapping) => (mapping, zeroed),
                None => (Mapping::new(count)?, false),
            };
            let mut pages = Pages { mapping: Some(mapping), count };
            if clear {
                pages.as_mut_slice().fill(Group::ZERO);
            }
            Some(pages)
        }

        /// Where the groups are, and how many.
        #[inline(always)]
        fn extent(&self) -> (*mut Group, usize) {
            match &self.mapping {
                Some(mapping) => (mapping.first.as_ptr(), self.count),
                None => (NonNull::dangling().as_ptr(), 0),
            }
        }

        #[inline(always)]
        pub(super) fn as_slice(&self) -> &[Group] {
            let (first, count) = self.extent();
            // SAFETY: `count` groups fit behind `first`, aligned to 2 MiB; the system zeroed them or they hold what a
            // column held, and every bit pattern is a group. `&self` keeps the mapping alive and unchanged.
            unsafe { slice::from_raw_parts(first, count) }
        }

        #[inline(always)]
        pub(super) fn as_mut_slice(&mut self) -> &mut [Group] {
            let (first, count) = self.extent();
            // SAFETY: as in `as_slice`; `&mut self` makes the borrow exclusive.
            unsafe { slice::from_raw_parts_mut(first, count) }
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            if let Some(mapping) = self.mapping.take() {
                kept().put(mapping);
            }
        }
    }

    /// An anonymous mapping.
    struct Mapping {
        address: NonNull<libc::c_void>,
        bytes: usize,
        /// The first huge-page boundary.
        first: NonNull<Group>,
        /// How many groups fit behind it.
        capacity: usize,
    }

    // SAFETY: the mapping belongs to this value alone, and groups are plain integers.
    unsafe impl Send for Mapping {}
    // SAFETY: as above; a shared reference only reads.
    unsafe impl Sync for Mapping {}

    impl Mapping {
        /// Room for so many zeroed groups; `None` if the system refuses.
        fn new(count: usize) -> Option<Mapping> {
            let capacity = count.checked_mul(size_of::<Group>())?.checked_next_multiple_of(HUGE_PAGE)?;
            let bytes = capacity.checked_add(HUGE_PAGE)?;
            isize::try_from(bytes).ok()?;
            kept().release(bytes);
            // SAFETY: a private anonymous mapping at an address of the system's choice touches nothing of ours.
            let address = unsafe {
                libc::mmap(
                    std::ptr::null_mut(),
                    bytes,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                )
            };
            if address == libc::MAP_FAILED {
                return None;
            }
            let padding = address.addr().next_multiple_of(HUGE_PAGE) - address.addr();
            // SAFETY: padding < HUGE_PAGE, and the mapping is that much longer than `capacity`.
            let first = unsafe { address.byte_add(padding) };
            // SAFETY: the range is inside the mapping. Advice that fails leaves ordinary pages.
            unsafe { libc::madvise(first, capacity, libc::MADV_HUGEPAGE) };
            Some(Mapping {
                address: NonNull::new(address)?,
                bytes,
                first: NonNull::new(first.cast::<Group>())?,
                capacity: capacity / size_of::<Group>(),
            })
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: this is exactly the mapping made in `new`, and nothing borrows from it any more.
            unsafe { libc::munmap(self.address.as_ptr(), self.bytes) };
        }
    }

    /// The mappings of dropped columns, and how many [`Recycling`](super::Recycling) live.
    struct Kept {
        keepers: usize,
        mappings: Vec<Mapping>,
    }

    static KEPT: Mutex<Kept> = Mutex::new(Kept { keepers: 0, mappings: Vec::new() });

    fn kept() -> MutexGuard<'static, Kept> {
        // Every change of the list is whole: one that was cut short left it as it was.
        KEPT.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn start_keeping() {
        kept().keepers += 1;
    }

    pub(super) fn stop_keeping() {
        let mut kept = kept();
        kept.keepers -= 1;
        if kept.keepers == 0 {
            kept.mappings.clear();
        }
    }

    impl Kept {
        /// The smallest mapping for so many groups that is not more than twice as large.
        fn take(&mut self, count: usize) -> Option<Mapping> {
            let fits = |mapping: &Mapping| (count..=2 * count).contains(&mapping.capacity);
            let (index, _) = self
                .mappings
                .iter()
                .enumerate()
                .filter(|(_, mapping)| fits(mapping))
                .min_by_key(|(_, mapping)| mapping.capacity)?;
            Some(self.mappings.swap_remove(index))
        }

        fn put(&mut self, mapping: Mapping) {
            if self.keepers > 0 {
                self.mappings.push(mapping);
            }
        }

        /// Gives back so many bytes, as far as there are.
        fn release(&mut self, bytes: usize) {
            let mut released = 0;
            while released < bytes
                && let Some(mapping) = self.mappings.pop()
            {
                released += mapping.bytes;
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const COUNT: usize = (8 << 20) / size_of::<Group>();

        fn kept_with(sizes: &[usize]) -> Kept {
            let mappings =
                sizes.iter().map(|&count| Mapping::new(count).expect("memory for a test")).collect();
            Kept { keepers: 1, mappings }
        }

        #[test]
        fn the_smallest_kept_mapping_that_fits_is_taken_and_none_that_is_far_too_large() {
            let mut kept = kept_with(&[8 * COUNT, 2 * COUNT, COUNT, COUNT / 2]);
            assert_eq!(kept.take(COUNT).map(|mapping| mapping.capacity), Some(COUNT));
            assert_eq!(kept.take(COUNT).map(|mapping| mapping.capacity), Some(2 * COUNT));
            assert!(kept.take(COUNT).is_none());
            assert_eq!(kept.mappings.len(), 2);
        }

        #[test]
        fn new_pages_are_paid_for_with_kept_ones() {
            let mut kept = kept_with(&[COUNT; 4]);
            kept.release(COUNT * size_of::<Group>() + 1);
            assert_eq!(kept.mappings.len(), 3);
            kept.release(usize::MAX);
            assert!(kept.mappings.is_empty());
        }

        #[test]
        fn without_a_keeper_nothing_is_kept() {
            let mut kept = kept_with(&[]);
            kept.keepers = 0;
            kept.put(Mapping::new(COUNT).expect("memory for a test"));
            assert!(kept.mappings.is_empty());
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

    #[test]
    fn groups_that_follow_dropped_ones_are_zero_if_zeros_were_asked_for() {
        let _kept = Recycling::start();
        let count = (16 << 20) / size_of::<Group>();
        for _ in 0..3 {
            let mut groups = Groups::zeros(count);
            assert!(groups.iter().all(|group| *group == Group::ZERO));
            groups.fill(Group::splat(Felt::GENERATOR));
            drop(groups);
            let mut groups = Groups::unspecified(count - 3);
            assert_eq!(groups.len(), count - 3);
            groups.fill(Group::splat(Felt::ONE));
        }
    }
}
