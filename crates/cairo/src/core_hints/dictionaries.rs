//! Hints of dictionaries: their entries while the program runs, their accesses when they are squashed.

use std::collections::{BTreeMap, HashMap};

use cairo_vm::{
    Felt252,
    types::relocatable::{MaybeRelocatable, Relocatable},
};
use num_bigint::BigUint;

use super::{CoreHintRunner, HintFault, Outcome, hint::CoreHint, two_to_128};

/// A dictionary in the making.
pub(super) struct Dictionary {
    start: Relocatable,
    entries: HashMap<Felt252, MaybeRelocatable>,
}

/// The accesses of a dictionary that is being squashed.
#[derive(Default)]
pub(super) struct Squash {
    /// By key in ascending order, from the back: the indices of its accesses, last first.
    accesses: Vec<(BigUint, Vec<u64>)>,
}

impl CoreHintRunner<'_> {
    pub(super) fn dictionary(&mut self, hint: &CoreHint) -> Outcome<()> {
        match hint {
            CoreHint::AllocFelt252Dict { segment_arena_ptr } => {
                let arena = self.pointer(segment_arena_ptr)?;
                let count = self.vm.get_integer((arena - 2)?)?.into_owned();
                let infos = self.vm.get_relocatable((arena - 3)?)?;
                let count = usize::try_from(count)
                    .map_err(|_| HintFault::Detail("the segment arena has an impossible count".into()))?;
                // All but the first are moved behind one another at the end of the run.
                let start = if self.state.dictionaries.is_empty() {
                    self.vm.add_memory_segment()
                } else {
                    self.vm.add_temporary_segment()
                };
                self.state.dictionaries.push(Dictionary { start, entries: HashMap::new() });
                let offset = count.checked_mul(3).ok_or("the segment arena overflows")?;
                self.write((infos + offset)?, start)
            }
            CoreHint::Felt252DictEntryInit { dict_ptr, key } => {
                let (pointer, key) = (self.pointer(dict_ptr)?, self.felt(key)?);
                let index = self.dictionary_at(pointer)?;
                let previous = self.state.dictionaries[index].entries.get(&key).cloned();
                self.write((pointer + 1)?, previous.unwrap_or(MaybeRelocatable::Int(Felt252::ZERO)))
            }
            CoreHint::Felt252DictEntryUpdate { dict_ptr, value } => {
                let pointer = self.pointer(dict_ptr)?;
                let key = self.vm.get_integer((pointer - 3)?)?.into_owned();
                let value = self.operand(value)?;
                let index = self.dictionary_at(pointer)?;
                self.state.dictionaries[index].entries.insert(key, value);
                Ok(())
            }
            CoreHint::GetSegmentArenaIndex { dict_end_ptr, dict_index } => {
                let index = self.dictionary_at(self.pointer(dict_end_ptr)?)?;
                self.set(dict_index, Felt252::from(index))
            }
            _ => Err(HintFault::Detail("not a dictionary hint".into())),
        }
    }

    fn dictionary_at(&self, pointer: Relocatable) -> Outcome<usize> {
        self.state
            .dictionaries
            .iter()
            .position(|dictionary| dictionary.start.segment_index == pointer.segment_index)
            .ok_or_else(|| HintFault::Detail(format!("{pointer} is in no dictionary")))
    }

    pub(super) fn squash(&mut self, hint: &CoreHint) -> Outcome<()> {
        const ACCESS_LENGTH: usize = 3;
        let no_access = || HintFault::Detail("the dictionary has no access left".into());
        match hint {
            CoreHint::InitSquashData { dict_accesses, n_accesses, big_keys, first_key, .. } => {
                let (pointer, count) = (self.pointer(dict_accesses)?, self.size(n_accesses)?);
                let mut by_key: BTreeMap<BigUint, Vec<u64>> = BTreeMap::new();
                for index in 0..count {
                    let offset = index.checked_mul(ACCESS_LENGTH).ok_or("the dictionary overflows")?;
                    let key = self.vm.get_integer((pointer + offset)?)?.to_biguint();
                    by_key.entry(key).or_default().insert(0, index as u64);
                }
                self.state.squash.accesses = by_key.into_iter().rev().collect();
                let accesses = &self.state.squash.accesses;
                let (Some((largest, _)), Some((first, _))) = (accesses.first(), accesses.last()) else {
                    return Err(no_access());
                };
                let (is_big, first) = (*largest >= two_to_128(), Felt252::from(first));
                self.set_flag(big_keys, is_big)?;
                self.set(first_key, first)
            }
            CoreHint::GetCurrentAccessIndex { range_check_ptr } => {
                let index = *self.accesses().and_then(|indices| indices.last()).ok_or_else(no_access)?;
                let pointer = self.pointer(range_check_ptr)?;
                self.write(pointer, Felt252::from(index))
            }
            CoreHint::ShouldSkipSquashLoop { should_skip_loop } => {
                let is_last = self.accesses().ok_or_else(no_access)?.len() <= 1;
                self.set_flag(should_skip_loop, is_last)
            }
            CoreHint::ShouldContinueSquashLoop { should_continue } => {
                let more = self.accesses().ok_or_else(no_access)?.len() > 1;
                self.set_flag(should_continue, more)
            }
            CoreHint::GetCurrentAccessDelta { index_delta_minus1 } => {
                let indices = self.accesses().ok_or_else(no_access)?;
                let previous = indices.pop().ok_or_else(no_access)?;
                let current = *indices.last().ok_or_else(no_access)?;
                self.set(index_delta_minus1, Felt252::from(current - previous - 1))
            }
            CoreHint::GetNextDictKey { next_key } => {
                self.state.squash.accesses.pop();
                let key = self.state.squash.accesses.last().map(|(key, _)| Felt252::from(key));
                self.set(next_key, key.ok_or_else(no_access)?)
            }
            _ => Err(HintFault::Detail("not a squashing hint".into())),
        }
    }

    /// The accesses of the current key.
    fn accesses(&mut self) -> Option<&mut Vec<u64>> {
        self.state.squash.accesses.last_mut().map(|(_, indices)| indices)
    }
}
