//! The prover: the flow of the protocol, in the order of the proof.
//!
//! | module | what it computes |
//! |---|---|
//! | [`trace`] | extensions and commitments of traces |
//! | [`tables`] | known columns on a coset |
//! | [`composition`] | the constraints as one polynomial |
//! | [`quotient`] | out-of-domain values and the quotient that ties them to the columns |
//! | [`barycentric`] | values out of the domain, from those on a coset |
//! | [`rows`] | a few rows of a coset that is not kept |
//! | [`layers`] | the layers of the low-degree test |
//! | [`diagnosis`] | which constraint a trace violates |
//! | [`progress`] | progress and cancellation |
//! | [`error`] | the ways to fail |

mod barycentric;
mod combination;
pub(crate) mod composition;
mod diagnosis;
pub(crate) mod error;
mod layers;
mod low_degree;
mod poles;
pub(crate) mod progress;
pub(crate) mod quotient;
mod rows;
mod tables;
pub(crate) mod trace;

use ashlar_field::{Column, Felt, Kernels, Recycling};
use ashlar_hash::find_nonce;
use ashlar_ntt::{bit_reverse_group_order, interpolate, interpolate_coset};

use crate::{
    StarkParameters,
    air::{Air, Cell, Witness},
    channel::{
        prover::ProverChannel,
        randomness::Randomness,
        record::{Printed, ProofStatistics, Record},
        scope::Scope,
    },
    commitment::{plan::DecommitmentPlan, printed_in_full, tree::OpeningError},
    domain::EvaluationDomain,
    fri::FriLayers,
    verifier::constraints_at_point,
};
use composition::Composition;
use error::ProveError;
use layers::{CommittedLayer, fold};
use progress::{Observer, Phase, Progress};
use quotient::Quotient;
use trace::{CommitError, CommittedTrace, Known, StoragePolicy, coset_offset, row_of};

/// How to prove; none of it but `annotate` changes the result.
#[derive(Clone, Debug)]
pub struct ProveOptions<'a> {
    /// The kernels of all heavy work.
    pub kernels: Kernels,
    /// The protocol's name in annotations (Stone: `cpu air`), or `None` for no annotations.
    pub annotate: Option<&'a str>,
    /// What to keep in memory.
    pub storage: StoragePolicy,
    /// Finish the proof even if the trace violates the constraints; a verifier rejects it. For tests of verifiers.
    pub skip_consistency_check: bool,
}

impl Default for ProveOptions<'_> {
    fn default() -> Self {
        ProveOptions {
            kernels: Kernels::current(),
            annotate: None,
            storage: StoragePolicy::default(),
            skip_consistency_check: false,
        }
    }
}

/// A finished proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The bytes that a verifier reads.
    pub bytes: Vec<u8>,
    /// What they are made of.
    pub statistics: ProofStatistics,
    /// Stone's annotations, if asked for.
    pub annotations: Option<Vec<String>>,
}

/// Proves that the witness satisfies the AIR instance. The same bytes on every machine and any number of threads.
///
/// `seed` is the statement's seed, as for [`verify`](crate::verify()). Work runs on the current rayon pool.
///
/// # Errors
/// Parameters that admit no proof, a witness that cannot make its trace, a trace that violates a constraint, or
/// cancellation.
pub fn prove<W: Witness>(
    air: &dyn Air,
    witness: &mut W,
    seed: &[u8],
    parameters: &StarkParameters,
    options: &ProveOptions<'_>,
    observer: &dyn Observer,
) -> Result<Proof, ProveError<W::Error>> {
    // Dropped last, after every column.
    let _recycling = Recycling::start();
    let log_trace_length = air.log_trace_length();
    parameters.validate(log_trace_length)?;
    if log_trace_length < 3 {
        return Err(ProveError::TraceTooShort { log_trace_length });
    }
    let domain = EvaluationDomain::new(log_trace_length, parameters.log_n_cosets)
        .ok_or(ProveError::Air("the evaluation domain is too large"))?;
    let digest = parameters.seed_hash().hash_bytes(seed)?;
    let randomness = Randomness::new(parameters.channel_hash, digest)?;
    let channel = ProverChannel::new(randomness, Record::new(options.annotate));
    Prover { air, parameters, options, observer, domain, channel }.run(witness)
}

/// The cosets on which the composition is evaluated, in the order of work: it ends with that of the quotient, so that
/// whoever holds one coset at a time evaluates each once.
const COMPOSITION_COSETS: [usize; 2] = [1, QUOTIENT_COSET];

/// The coset on which the quotient is evaluated: 3·⟨g⟩.
const QUOTIENT_COSET: usize = 0;

struct Prover<'a> {
    air: &'a dyn Air,
    parameters: &'a StarkParameters,
    options: &'a ProveOptions<'a>,
    observer: &'a dyn Observer,
    domain: EvaluationDomain,
    channel: ProverChannel,
}

type Outcome<T, W> = Result<T, ProveError<<W as Witness>::Error>>;

impl Prover<'_> {
    fn run<W: Witness>(mut self, witness: &mut W) -> Outcome<Proof, W> {
        let [first_width, interaction_width] = self.air.trace_widths();
        self.report::<W>(Phase::FirstTrace, 0, 1)?;
        let columns = witness.first_trace().map_err(ProveError::Witness)?;
        let mut first =
            self.commit_trace::<W>(columns, first_width, Phase::FirstCommitment, Scope::TraceCommitment)?;
        let elements: Vec<Felt> = (0..self.air.interaction_element_count())
            .map(|k| self.channel.draw_felt(Scope::Interaction, format_args!("Interaction element #{k}")))
            .collect();
        self.report::<W>(Phase::InteractionTrace, 0, 1)?;
        // The second copies of its columns.
        self.make_room(&mut [&mut first], interaction_width, COMPOSITION_COSETS[0]);
        let columns = witness.interaction_trace(&elements).map_err(ProveError::Witness)?;
        let mut interaction = self.commit_trace::<W>(
            columns,
            interaction_width,
            Phase::InteractionCommitment,
            Scope::InteractionCommitment,
        )?;
        let label = "Constraint polynomial random element";
        let alpha = self.channel.draw_felt(Scope::Original, format_args!("{label}"));
        let values = self.air.parameters(&elements).ok_or(ProveError::DegenerateRandomness)?;
        let composition = self.compose::<W>(&mut first, &mut interaction, alpha, &values)?;
        let point = self.channel.draw_felt(Scope::OutOfDomainValues, format_args!("Evaluation point"));

        self.report::<W>(Phase::OutOfDomain, 0, 1)?;
        let mut traces = [first, interaction, composition];
        let out_of_domain = self.out_of_domain(&mut traces, point);
        self.send_out_of_domain(&out_of_domain)?;
        if !self.options.skip_consistency_check {
            self.check_consistency::<W>(&mut traces, &elements, alpha, point, &out_of_domain, &values)?;
        }
        let beta = self.channel.draw_felt(Scope::OutOfDomain, format_args!("{label}"));
        let quotient = self.quotient::<W>(&mut traces, &out_of_domain, point, beta)?;
        traces.iter_mut().for_each(CommittedTrace::release_cosets);
        self.low_degree_test::<W>(&mut traces, quotient)?;
        let (bytes, record) = self.channel.finish();
        let (statistics, annotations) = record.finish();
        self.observer.finished();
        Ok(Proof { bytes, statistics, annotations })
    }

    /// Reports progress; an error if the observer cancels.
    fn report<W: Witness>(&self, phase: Phase, done: u64, total: u64) -> Outcome<(), W> {
        let proof_bytes = self.channel.proof_length() as u64;
        self.observer.progress(Progress { phase, done, total, proof_bytes });
        if self.observer.is_cancelled() { Err(ProveError::Cancelled { phase }) } else { Ok(()) }
    }

    /// Interpolates, extends and commits to columns of values, and sends the root.
    fn commit_trace<W: Witness>(
        &mut self,
        mut columns: Vec<Column>,
        width: usize,
        phase: Phase,
        scope: Scope,
    ) -> Outcome<CommittedTrace, W> {
        let length = self.domain.trace_length() as usize;
        if columns.len() != width || columns.iter().any(|column| column.len() != length) {
            return Err(ProveError::Air("the witness made a trace of another shape"));
        }
        self.report::<W>(phase, 0, 1)?;
        interpolate(&mut columns, self.options.kernels);
        self.commit::<W>(columns, COMPOSITION_COSETS[0], phase, scope)
    }

    /// Extends and commits to columns of coefficients, and sends the root. The coset that is read next is the one to
    /// hold.
    fn commit<W: Witness>(
        &mut self,
        coefficients: Vec<Column>,
        next: usize,
        phase: Phase,
        scope: Scope,
    ) -> Outcome<CommittedTrace, W> {
        let options = self.options;
        let committed = CommittedTrace::commit(
            coefficients,
            &self.domain,
            self.parameters,
            options.storage,
            next,
            options.kernels,
            &mut |done, total| self.report::<W>(phase, done, total).is_ok(),
        );
        let committed = committed.map_err(|error| match error {
            CommitError::Hash(error) => ProveError::Hash(error),
            CommitError::Interrupted => ProveError::Cancelled { phase },
        })?;
        let printed = Printed { digest: committed.root, in_full: printed_in_full(self.parameters, 0) };
        self.channel.send_commitment(scope, printed)?;
        Ok(committed)
    }

    /// Evaluates the composition on two cosets, splits it and commits to the parts.
    fn compose<W: Witness>(
        &mut self,
        first: &mut CommittedTrace,
        interaction: &mut CommittedTrace,
        alpha: Felt,
        values: &[Felt],
    ) -> Outcome<CommittedTrace, W> {
        let (kernels, phase) = (self.options.kernels, Phase::Constraints);
        let width = first.width() + interaction.width();
        let system = self.air.constraint_system();
        let compiled = Composition::compile(system, &self.domain, width, alpha, values)
            .ok_or(ProveError::Air("a constraint uses a parameter that does not exist"))?;
        let mut cosets = [Column::zeros(0), Column::zeros(0)];
        // The second copies of the interaction, the tables of the known columns and the inverses, for either coset.
        let length = self.domain.trace_length();
        let tables = interaction.width() + 1 + system.table_cells(length).div_ceil(length) as usize;
        for (done, position) in COMPOSITION_COSETS.into_iter().enumerate() {
            self.report::<W>(phase, done as u64, 2)?;
            // And the composition on this coset and those before.
            self.make_room(&mut [&mut *first, &mut *interaction], tables + done + 1, position);
            let columns = [&mut *first, &mut *interaction]
                .map(|trace| trace.hold_coset(position, &self.domain, kernels));
            let columns = columns.concat();
            let shift = coset_offset(&self.domain, position);
            cosets[position] = compiled
                .evaluate(&columns, &self.domain, shift, kernels, &|| !self.observer.is_cancelled())
                .ok_or(ProveError::Cancelled { phase })?;
        }
        // The composition on two cosets and its two parts, which are extended by two columns then.
        let beside = interaction.width() + 4;
        self.make_room(&mut [first, interaction], beside, QUOTIENT_COSET);
        let parts = composition::split(cosets, &self.domain, kernels);
        let (phase, scope) = (Phase::CompositionCommitment, Scope::CompositionCommitment);
        let mut composition = self.commit::<W>(parts.into(), QUOTIENT_COSET, phase, scope)?;
        // From here on the coset of the quotient is all that is read.
        let width = composition.width();
        self.make_room(&mut [&mut composition], width, QUOTIENT_COSET);
        Ok(composition)
    }

    /// Where the extension is kept alone, gives up the second copies of so many columns as there are beside the first
    /// trace, so that no step takes much more memory than the first commitment took. The coset at `position` is kept.
    fn make_room(&self, traces: &mut [&mut CommittedTrace], mut beside: usize, position: usize) {
        if !self.options.storage.keeps_extension_alone(1 << self.domain.log_n_cosets) {
            return;
        }
        for trace in traces.iter_mut() {
            let given_up = trace.keep_once(beside, position, &self.domain, self.options.kernels);
            beside = beside.saturating_sub(given_up);
        }
    }

    /// The values of the mask at z, then those of the parts of the composition at z².
    fn out_of_domain(&self, traces: &mut [CommittedTrace; 3], point: Felt) -> Vec<Felt> {
        let (domain, kernels) = (&self.domain, self.options.kernels);
        for trace in traces.iter_mut() {
            trace.hold_coset(QUOTIENT_COSET, domain, kernels);
        }
        let shift = coset_offset(domain, QUOTIENT_COSET);
        let [first, interaction, composition] = traces.each_ref().map(|trace| trace.known(QUOTIENT_COSET));
        let columns: Vec<Known<'_>> = first.into_iter().chain(interaction).collect();
        let mask = &self.air.constraint_system().mask;
        let mut values = quotient::mask_values(&columns, mask, domain, shift, point, kernels);
        let parts = [0, 1].map(|column| Cell { column, row: 0 });
        values.extend(quotient::mask_values(&composition, &parts, domain, shift, point.square(), kernels));
        values
    }

    fn send_out_of_domain(&mut self, values: &[Felt]) -> Result<(), ashlar_field::NotCanonical> {
        let scope = Scope::OutOfDomainValues;
        if self.parameters.verifier_friendly_channel_updates {
            return self.channel.send_felts(scope, format_args!(""), values);
        }
        for (k, &value) in values.iter().enumerate() {
            self.channel.send_felt(scope, format_args!("{k}"), value)?;
        }
        Ok(())
    }

    /// The verifier's own check, before any more work: a trace that fails it violates a constraint.
    fn check_consistency<W: Witness>(
        &self,
        traces: &mut [CommittedTrace; 3],
        elements: &[Felt],
        alpha: Felt,
        point: Felt,
        values: &[Felt],
        parameters: &[Felt],
    ) -> Outcome<(), W> {
        let expected = constraints_at_point(self.air, &self.domain, elements, alpha, point, values)
            .map_err(|_| ProveError::DegenerateRandomness)?;
        let Some(&[even, odd]) = values.last_chunk() else {
            return Err(ProveError::Air("the composition has two values"));
        };
        if even + point * odd == expected {
            return Ok(());
        }
        let (system, kernels) = (self.air.constraint_system(), self.options.kernels);
        let [first, interaction, _] = traces;
        let coefficients = [first, interaction]
            .map(|trace| trace.coefficients(QUOTIENT_COSET, &self.domain, kernels))
            .concat();
        Err(match diagnosis::first_violation(system, &coefficients, &self.domain, parameters, kernels) {
            Some((constraint, row)) => ProveError::ConstraintsViolated { constraint, row },
            None => ProveError::Air("every row satisfies the constraints, but their composition does not"),
        })
    }

    /// The coefficients of f(X) = F(3X), F the quotient.
    fn quotient<W: Witness>(
        &mut self,
        traces: &mut [CommittedTrace; 3],
        values: &[Felt],
        point: Felt,
        beta: Felt,
    ) -> Outcome<Column, W> {
        let phase = Phase::Quotient;
        self.report::<W>(phase, 0, 1)?;
        let [first, interaction, composition] = traces;
        // The parts of the composition, what is made of them first, inverses and the quotient; or it, poles and a sum of
        // them.
        let (domain, kernels) = (&self.domain, self.options.kernels);
        let beside = interaction.width() + composition.width() + 3;
        self.make_room(&mut [&mut *first, &mut *interaction], beside, QUOTIENT_COSET);
        if self.options.storage == StoragePolicy::OneCoset {
            // Where coefficients are kept, those of one column make room for the quotient.
            first.keep_once(1, QUOTIENT_COSET, domain, kernels);
        }
        let shift = coset_offset(domain, QUOTIENT_COSET);
        let quotient = Quotient { domain, shift, point, beta, kernels };
        let of_composition =
            quotient.of_composition(&composition.hold_coset(QUOTIENT_COSET, domain, kernels), values);
        composition.release_cosets();
        let columns = [first, interaction].map(|trace| trace.hold_coset(QUOTIENT_COSET, domain, kernels));
        let mask = &self.air.constraint_system().mask;
        let before_task = || !self.observer.is_cancelled();
        let mut values = quotient
            .evaluate(&columns.concat(), of_composition, mask, values, &before_task)
            .ok_or(ProveError::Cancelled { phase })?;
        bit_reverse_group_order(values.groups_mut());
        // F on 3·⟨g⟩ is f on ⟨g⟩.
        let mut quotient = [values];
        interpolate_coset(&mut quotient, Felt::ONE, kernels);
        let [quotient] = quotient;
        Ok(quotient)
    }

    /// Layers, last layer, proof of work, queries and openings.
    fn low_degree_test<W: Witness>(
        &mut self,
        traces: &mut [CommittedTrace; 3],
        quotient: Column,
    ) -> Outcome<(), W> {
        let layers = FriLayers::new(self.parameters, self.domain.log_trace_length);
        let phase = Phase::LowDegreeTest;
        let total = layers.committed.len() as u64 + 1;
        self.report::<W>(phase, 0, total)?;
        let mut coefficients = quotient;
        if layers.first_step > 0 {
            let zeta = self.channel.draw_felt(Scope::FriLayer(1), format_args!("Evaluation point"));
            coefficients = fold(coefficients, layers.first_step, zeta, self.options.kernels);
        }
        let mut committed = Vec::with_capacity(layers.committed.len());
        for layer in &layers.committed {
            let values =
                CommittedLayer::commit(*layer, &coefficients, self.parameters, self.options.kernels)?;
            let in_full = printed_in_full(self.parameters, 0);
            let scope = Scope::FriLayer(layer.number);
            self.channel.send_commitment(scope, Printed { digest: values.root, in_full })?;
            committed.push(values);
            let scope = Scope::FriLayer(layer.number + 1);
            let zeta = self.channel.draw_felt(scope, format_args!("Evaluation point"));
            coefficients = fold(coefficients, layer.step, zeta, self.options.kernels);
            self.report::<W>(phase, layer.number as u64, total)?;
        }
        self.channel.send_felts(
            Scope::FriLastLayer,
            format_args!("Coefficients"),
            &coefficients.to_felts(),
        )?;
        self.prove_work::<W>()?;
        let queries = self.channel.draw_queries(self.parameters.fri.n_queries, layers.log_query_domain());
        self.channel.begin_query_phase();
        self.open_traces::<W>(traces, &layers, &queries)?;
        self.open_layers(&committed, &queries)?;
        Ok(())
    }

    fn prove_work<W: Witness>(&mut self) -> Outcome<(), W> {
        let bits = self.parameters.fri.proof_of_work_bits;
        if bits == 0 {
            return Ok(());
        }
        let phase = Phase::ProofOfWork;
        let total = 1u64.checked_shl(bits).unwrap_or(u64::MAX);
        self.report::<W>(phase, 0, total)?;
        let proof_bytes = self.channel.proof_length() as u64;
        let nonce = find_nonce(
            self.parameters.proof_of_work_hash(),
            &self.channel.state_bytes(),
            bits,
            self.options.kernels,
            &|| self.observer.is_cancelled(),
            &|done| self.observer.progress(Progress { phase, done, total, proof_bytes }),
        );
        self.channel.send_nonce(nonce.ok_or(ProveError::Cancelled { phase })?)?;
        Ok(())
    }

    fn open_traces<W: Witness>(
        &mut self,
        traces: &mut [CommittedTrace; 3],
        layers: &FriLayers,
        queries: &[u64],
    ) -> Outcome<(), W> {
        let step = layers.first_step;
        for (index, trace) in traces.iter_mut().enumerate() {
            self.report::<W>(Phase::Openings, index as u64, 4)?;
            let rows = queries.iter().flat_map(|&query| (query << step)..((query + 1) << step));
            let plan = DecommitmentPlan::new(trace.tree.shape, rows);
            let opened = trace.open(&plan.rows, &self.domain, self.options.kernels);
            let scope = Scope::TraceDecommitment(index);
            let cells = |row| row_of(&opened, row);
            trace.tree.send_opening(
                &mut self.channel,
                scope,
                self.parameters,
                &plan,
                &|_, _| false,
                &cells,
            )?;
        }
        self.report::<W>(Phase::Openings, 3, 4)
    }

    fn open_layers(&mut self, committed: &[CommittedLayer], queries: &[u64]) -> Result<(), OpeningError> {
        let mut indices: Vec<u64> = queries.to_vec();
        indices.dedup();
        for layer in committed {
            let step = layer.layer.step;
            let rows: Vec<u64> = indices.iter().map(|index| index >> step).collect();
            let plan = DecommitmentPlan::new(layer.tree.shape, rows.iter().copied());
            // The verifier computes these cells by folding.
            let skip =
                |row: u64, column: usize| indices.binary_search(&((row << step) + column as u64)).is_ok();
            let scope = Scope::FriDecommitment(layer.layer.number);
            let cells = |row| layer.row(row);
            layer.tree.send_opening(&mut self.channel, scope, self.parameters, &plan, &skip, &cells)?;
            indices = rows;
            indices.dedup();
        }
        Ok(())
    }
}
