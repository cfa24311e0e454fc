//! The verifier before proofs and statements that were changed here and there.
//!
//! The bytes are a list of changes to a reference proof. Whatever they are, the verifier ends with a verdict, and it
//! accepts nothing but the reference: neither other proof bytes nor another statement.

use std::sync::OnceLock;

use ashlar_cpu_air::{input::PublicInput, statement::StoneVersion};
use ashlar_field::Felt;
use ashlar_stone::{Json, Policy, ProofFile, ProofParameters, public_input_from_json, verify_parts};

/// The reference proofs that are changed, with the generation of each.
const REFERENCES: [(&[u8], StoneVersion); 4] = [
    (include_bytes!("../../fixtures/stone/plain_512_fib/keccak_vf10_noann/proof.json"), StoneVersion::Stone6),
    (include_bytes!("../../fixtures/stone/plain_512_fib/default_params/proof.json"), StoneVersion::Stone6),
    (
        include_bytes!("../../fixtures/stone/plain_512_fib/stone5_keccak_vf10/proof.json"),
        StoneVersion::Stone5,
    ),
    (include_bytes!("../../fixtures/stone/small_512_fib/blake_vf10/proof.json"), StoneVersion::Stone6),
];

/// Bytes of one change: what to do, where (two bytes), with what (two bytes).
const CHANGE: usize = 5;
/// More changes than this say nothing new.
const MOST_CHANGES: usize = 16;
/// Bytes of a hash or a field element in a proof.
const WORD: usize = 32;

/// A proof with all that the verifier is told.
#[derive(Clone)]
struct Subject {
    public_input: PublicInput,
    parameters: ProofParameters,
    proof: Vec<u8>,
    version: StoneVersion,
}

impl Subject {
    /// A reference by its number; read once, because reading takes longer than verifying.
    fn reference(number: u8) -> &'static Subject {
        static READ: OnceLock<Vec<Subject>> = OnceLock::new();
        let all = READ.get_or_init(|| REFERENCES.into_iter().map(Subject::read).collect());
        &all[usize::from(number) % all.len()]
    }

    fn read((bytes, version): (&[u8], StoneVersion)) -> Subject {
        let json = Json::from_slice(bytes, "proof").expect("a fixture");
        let file = ProofFile::from_json(json, "proof").expect("a fixture");
        Subject {
            public_input: public_input_from_json(&file.public_input, "public input").expect("a fixture"),
            parameters: ProofParameters::from_json(&file.proof_parameters, "parameters").expect("a fixture"),
            proof: file.proof,
            version,
        }
    }

    /// Applies one change: 12 kinds for the proof, the statement and the parameters.
    fn change(&mut self, kind: u8, place: usize, value: u16) {
        let [high, low] = value.to_be_bytes();
        let proof = &mut self.proof;
        let length = proof.len().max(1);
        // Two bytes of place do not reach every byte of a proof; the value's high byte moves it on.
        let byte = (place + 251 * usize::from(high)) % length;
        match kind % 12 {
            0 => on(proof, byte, |byte| *byte ^= 1 << (low % 8)),
            1 => on(proof, byte, |byte| *byte = low),
            2 => proof.truncate(byte),
            3 => proof.extend(std::iter::repeat_n(high, usize::from(low))),
            4 => word(proof, place, |word| word.fill(low)),
            // The prime itself is zero to arithmetic that forgets to check.
            5 => word(proof, place, |word| word.copy_from_slice(&PRIME)),
            6 => swap_words(proof, place, usize::from(value)),
            7 => self.change_memory(low, place, high),
            8 => self.change_segment(low, place, high),
            9 => {
                let steps = &mut self.public_input.n_steps;
                *steps = if low % 2 == 0 { steps.rotate_left(u32::from(high) % 8) } else { u64::from(value) };
            }
            10 if low % 2 == 0 => self.public_input.rc_min = u64::from(value),
            10 => self.public_input.rc_max = u64::from(value),
            _ => self.change_parameter(low, place),
        }
    }

    fn change_memory(&mut self, what: u8, place: usize, value: u8) {
        let memory = &mut self.public_input.public_memory;
        if memory.is_empty() {
            return;
        }
        let index = place % memory.len();
        match what % 6 {
            0 => memory[index].address ^= 1 << (value % 64),
            1 => memory[index].value += Felt::from(u64::from(value)),
            2 => memory[index].page ^= u32::from(value),
            3 => drop(memory.remove(index)),
            4 => memory.insert(index, memory[index]),
            _ => {
                let other = usize::from(value) % memory.len();
                memory.swap(index, other);
            }
        }
    }

    fn change_segment(&mut self, what: u8, place: usize, value: u8) {
        let segments = &mut self.public_input.memory_segments;
        let count = segments.len().max(1);
        let Some(segment) = segments.values_mut().nth(place % count) else { return };
        match what % 3 {
            0 => segment.begin_addr ^= 1 << (value % 64),
            1 => segment.stop_ptr ^= 1 << (value % 64),
            _ => segment.stop_ptr = segment.begin_addr,
        }
    }

    fn change_parameter(&mut self, what: u8, value: usize) {
        let stark = &mut self.parameters.stark;
        match what % 6 {
            0 => stark.log_n_cosets = value as u32,
            1 => stark.fri.n_queries = value as u64,
            2 => stark.fri.proof_of_work_bits = value as u32,
            3 => stark.fri.last_layer_degree_bound = 1_u64.wrapping_shl(value as u32),
            4 => stark.fri.fri_step_list.push(value as u32),
            _ => stark.fri.fri_step_list = vec![value as u32 % 16; value / 16 % 16],
        }
    }
}

/// The field's prime as a word of a proof.
const PRIME: [u8; WORD] = {
    let mut word = [0; WORD];
    word[0] = 8;
    word[7] = 0x11;
    word[WORD - 1] = 1;
    word
};

fn on(proof: &mut [u8], index: usize, change: impl FnOnce(&mut u8)) {
    if let Some(byte) = proof.get_mut(index) {
        change(byte);
    }
}

fn word(proof: &mut [u8], place: usize, change: impl FnOnce(&mut [u8])) {
    let count = (proof.len() / WORD).max(1);
    if let Some(word) = proof.chunks_exact_mut(WORD).nth(place % count) {
        change(word);
    }
}

fn swap_words(proof: &mut [u8], first: usize, second: usize) {
    let count = (proof.len() / WORD).max(1);
    let (first, second) = (first % count * WORD, second % count * WORD);
    if proof.len() >= WORD {
        for byte in 0..WORD {
            proof.swap(first + byte, second + byte);
        }
    }
}

/// The verifier, with a reference proof chosen by the first byte and changed by the others.
pub fn verifier(data: &[u8]) {
    let Some((&number, changes)) = data.split_first() else { return };
    let reference = Subject::reference(number);
    let mut subject = reference.clone();
    for change in changes.chunks_exact(CHANGE).take(MOST_CHANGES) {
        let place = usize::from(u16::from_be_bytes([change[1], change[2]]));
        subject.change(change[0], place, u16::from_be_bytes([change[3], change[4]]));
    }
    let policy = Policy::stone(subject.version);
    let verdict = verify_parts(
        &subject.public_input,
        &subject.parameters,
        &subject.proof,
        &policy,
        data.len() % 2 == 1,
    );
    let same = subject.proof == reference.proof && subject.public_input == reference.public_input;
    match verdict {
        Ok(_) => assert!(same, "accepted although the proof or the statement is another one"),
        Err(error) => assert!(
            !same || subject.parameters != reference.parameters,
            "the reference proof is refused: {error}"
        ),
    }
}
