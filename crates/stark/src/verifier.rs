//! The verifier: every check of the protocol, in the order of the proof.
//!
//! Nothing in a proof or in validated parameters can make it panic or allocate more than a small multiple of the
//! proof's own length. Queries are drawn only as long as the rest of the proof can open them.

use std::collections::{BTreeMap, HashMap};

use ashlar_field::Felt;
use ashlar_hash::verify_nonce;

use crate::{
    StarkParameters, VerifyError,
    air::{Air, Cell, Domain},
    channel::{
        randomness::Randomness,
        record::{ProofStatistics, Record},
        scope::Scope,
        verifier::VerifierChannel,
    },
    commitment::{
        opening::Commitment,
        plan::{DecommitmentPlan, TableShape},
        printed_in_full,
    },
    domain::EvaluationDomain,
    fri::{FriLayers, fold_row, last_layer_value, layer_point},
    graph::{Graph, PointValues},
};

/// An accepted proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the proof was made of.
    pub statistics: ProofStatistics,
    /// Stone's annotations, if asked for.
    pub annotations: Option<Vec<String>>,
    /// Stone's extra annotations, if annotations were asked for: what the verifier computes and no message carries, for
    /// those who verify a proof in parts. By layer: the digest of every opened row (or pair of rows of one cell), the
    /// values of FRI's layers at the queries, and the inverses of the points there.
    pub extra_annotations: Option<Vec<String>>,
}

/// Verifies a proof that the AIR instance has a satisfying trace.
///
/// `seed` is the statement's seed, from which all randomness starts: it must bind everything that distinguishes the
/// instance. `annotate` is the protocol's name in annotations (Stone: `cpu air`), or `None` for no annotations.
///
/// # Errors
/// A [`VerifyError`] for the first thing that is wrong. No other outcome: the verifier does not panic.
pub fn verify(
    air: &dyn Air,
    seed: &[u8],
    parameters: &StarkParameters,
    proof: &[u8],
    annotate: Option<&str>,
) -> Result<Verified, VerifyError> {
    let log_trace_length = air.log_trace_length();
    parameters.validate(log_trace_length)?;
    let domain = EvaluationDomain::new(log_trace_length, parameters.log_n_cosets)
        .ok_or(VerifyError::Air("the evaluation domain is too large"))?;
    let digest = parameters.seed_hash().hash_bytes(seed).map_err(VerifyError::Seed)?;
    let randomness =
        Randomness::new(parameters.channel_hash, digest).map_err(VerifyError::SeedNotCanonical)?;
    let channel = VerifierChannel::new(randomness, Record::new(annotate), proof);
    Verifier { air, parameters, domain, channel }.run()
}

struct Verifier<'a> {
    air: &'a dyn Air,
    parameters: &'a StarkParameters,
    domain: EvaluationDomain,
    channel: VerifierChannel<'a>,
}

/// The out-of-domain quotient as a function of the opened cells.
struct Quotient<'a> {
    mask: &'a [Cell],
    first_width: usize,
    values: Vec<Felt>,
    point: Felt,
    beta: Felt,
}

impl Verifier<'_> {
    fn run(mut self) -> Result<Verified, VerifyError> {
        let system = self.air.constraint_system();
        let [first_width, interaction_width] = self.air.trace_widths();
        let first = self.receive_table(Scope::TraceCommitment, self.domain.log_size(), first_width)?;
        let elements: Vec<Felt> = (0..self.air.interaction_element_count())
            .map(|k| self.channel.draw_felt(Scope::Interaction, format_args!("Interaction element #{k}")))
            .collect();
        let interaction =
            self.receive_table(Scope::InteractionCommitment, self.domain.log_size(), interaction_width)?;
        let label = "Constraint polynomial random element";
        let alpha = self.channel.draw_felt(Scope::Original, format_args!("{label}"));
        let composition = self.receive_table(Scope::CompositionCommitment, self.domain.log_size(), 2)?;
        let point = self.channel.draw_felt(Scope::OutOfDomainValues, format_args!("Evaluation point"));
        let values = self.receive_out_of_domain_values(system.mask.len())?;
        self.check_out_of_domain(&elements, alpha, point, &values)?;
        let beta = self.channel.draw_felt(Scope::OutOfDomain, format_args!("{label}"));
        let quotient = Quotient { mask: &system.mask, first_width, values, point, beta };
        self.check_fri([first, interaction, composition], &quotient)?;
        let mut record = self.channel.finish()?;
        let extra_annotations = record.take_derived();
        let (statistics, annotations) = record.finish();
        Ok(Verified { statistics, annotations, extra_annotations })
    }

    fn receive_table(
        &mut self,
        scope: Scope,
        log_rows: u32,
        width: usize,
    ) -> Result<Commitment, VerifyError> {
        let root = self.channel.receive_commitment(scope, printed_in_full(self.parameters, 0))?;
        Ok(Commitment { shape: TableShape { log_rows, width }, root })
    }

    /// The mask values and the two of the composition.
    fn receive_out_of_domain_values(&mut self, mask_size: usize) -> Result<Vec<Felt>, VerifyError> {
        let (scope, count) = (Scope::OutOfDomainValues, mask_size as u64 + 2);
        if self.parameters.verifier_friendly_channel_updates {
            return self.channel.receive_felts(scope, format_args!(""), count);
        }
        self.channel.expect_words(scope, Some(count))?;
        (0..count).map(|k| self.channel.receive_felt(scope, format_args!("{k}"))).collect()
    }

    /// Σ αⁱ·cᵢ(mask values)/Zᵢ(z) = h₀(z²) + z·h₁(z²).
    fn check_out_of_domain(
        &self,
        elements: &[Felt],
        alpha: Felt,
        point: Felt,
        values: &[Felt],
    ) -> Result<(), VerifyError> {
        let expected = constraints_at_point(self.air, &self.domain, elements, alpha, point, values)?;
        let Some(&[even, odd]) = values.last_chunk() else {
            return Err(VerifyError::Air("the composition has two values"));
        };
        let got = even + point * odd;
        if got != expected { Err(VerifyError::OutOfDomain { expected, got }) } else { Ok(()) }
    }

    fn check_fri(&mut self, tables: [Commitment; 3], quotient: &Quotient<'_>) -> Result<(), VerifyError> {
        let layers = FriLayers::new(self.parameters, self.domain.log_trace_length);
        let draw = |channel: &mut VerifierChannel<'_>, layer: usize| {
            channel.draw_felt(Scope::FriLayer(layer), format_args!("Evaluation point"))
        };
        // ζ of layer 0, unless it is not folded, then root and ζ of every committed layer.
        let first_zeta = (layers.first_step > 0).then(|| draw(&mut self.channel, 1));
        let mut committed = Vec::with_capacity(layers.committed.len());
        for layer in &layers.committed {
            let shape = layer.shape();
            let commitment =
                self.receive_table(Scope::FriLayer(layer.number), shape.log_rows, shape.width)?;
            committed.push((*layer, commitment, draw(&mut self.channel, layer.number + 1)));
        }
        let bound = self.parameters.fri.last_layer_degree_bound;
        let last = self.channel.receive_felts(Scope::FriLastLayer, format_args!("Coefficients"), bound)?;
        self.check_proof_of_work()?;
        // Every query opens its rows of all three tables.
        let width: usize = tables.iter().map(|table| table.shape.width).sum();
        let words = 1u64.checked_shl(layers.first_step).and_then(|rows| rows.checked_mul(width as u64));
        let queries =
            self.channel.draw_queries(self.parameters.fri.n_queries, layers.log_query_domain(), words)?;
        self.channel.begin_query_phase();

        let mut values = self.open_quotient(&tables, quotient, &layers, first_zeta, &queries)?;
        for (layer, commitment, zeta) in committed {
            values = self.open_layer(&layer, &commitment, zeta, &values)?;
        }
        for (index, got) in values {
            let expected = last_layer_value(&last, index, layers.log_last)
                .ok_or(VerifyError::Air("the last layer is too large"))?;
            if got != expected {
                return Err(VerifyError::LastLayer { index, expected, got });
            }
            self.annotate_value(Scope::FriLastDecommitment, index, 0, layers.log_last, got)?;
        }
        Ok(())
    }

    /// Writes down the value of a layer that was folded from the one before, and where it is.
    fn annotate_value(
        &mut self,
        scope: Scope,
        index: u64,
        step: u32,
        log_size: u32,
        value: Felt,
    ) -> Result<(), VerifyError> {
        if !self.channel.is_annotated() {
            return Ok(());
        }
        let inverse = layer_point(index, log_size).and_then(Felt::inverse);
        let inverse = inverse.ok_or(VerifyError::Air("a layer is too large"))?;
        let (row, column) = (index >> step, index & ((1 << step) - 1));
        self.channel.annotate_felt(scope, format_args!("Row {row}, Column {column}"), value);
        self.channel.annotate_felt(scope, format_args!("xInv for index {index}"), inverse);
        Ok(())
    }

    fn check_proof_of_work(&mut self) -> Result<(), VerifyError> {
        let bits = self.parameters.fri.proof_of_work_bits;
        if bits == 0 {
            return Ok(());
        }
        let state = self.channel.state_bytes();
        let nonce = self.channel.receive_nonce()?;
        if verify_nonce(self.parameters.proof_of_work_hash(), &state, bits, nonce) {
            Ok(())
        } else {
            Err(VerifyError::ProofOfWork { bits, nonce })
        }
    }

    /// Opens the traces at the queries and returns the values of layer 1 there.
    fn open_quotient(
        &mut self,
        tables: &[Commitment; 3],
        quotient: &Quotient<'_>,
        layers: &FriLayers,
        zeta: Option<Felt>,
        queries: &[u64],
    ) -> Result<BTreeMap<u64, Felt>, VerifyError> {
        let step = layers.first_step;
        let rows = queries.iter().flat_map(|&query| (query << step)..((query + 1) << step));
        let plans = tables.each_ref().map(|table| DecommitmentPlan::new(table.shape, rows.clone()));
        let mut opened = Vec::with_capacity(3);
        for (trace, (table, plan)) in tables.iter().zip(&plans).enumerate() {
            let scope = Scope::TraceDecommitment(trace);
            opened.push(table.receive_opening(
                &mut self.channel,
                scope,
                self.parameters,
                plan,
                &BTreeMap::new(),
            )?);
        }
        let degenerate = VerifyError::DegenerateRandomness { scope: Scope::OutOfDomainValues };
        let mut values = BTreeMap::new();
        for &query in queries {
            let first = query << step;
            let mut row_values = Vec::with_capacity(1 << step);
            for row in first..first + (1 << step) {
                let cells: Vec<&[Felt]> =
                    opened.iter().filter_map(|table| table.get(&row)).map(Vec::as_slice).collect();
                let value = quotient.evaluate(&self.domain, row, &cells).ok_or(degenerate.clone())?;
                row_values.push(value);
            }
            let value = fold_row(&row_values, first, layers.log_domain, zeta.unwrap_or(Felt::ZERO))
                .ok_or(VerifyError::Air("the evaluation domain is too large"))?;
            values.insert(query, value);
        }
        Ok(values)
    }

    /// Opens a layer around the values that are known by folding and returns the values of the next layer.
    fn open_layer(
        &mut self,
        layer: &crate::fri::FriLayer,
        commitment: &Commitment,
        zeta: Felt,
        values: &BTreeMap<u64, Felt>,
    ) -> Result<BTreeMap<u64, Felt>, VerifyError> {
        let scope = Scope::FriDecommitment(layer.number);
        for (&index, &value) in values {
            self.annotate_value(scope, index, layer.step, layer.log_size, value)?;
        }
        let rows = values.keys().map(|&index| index >> layer.step);
        let plan = DecommitmentPlan::new(commitment.shape, rows);
        let known: BTreeMap<(u64, usize), Felt> = values
            .iter()
            .map(|(&index, &value)| {
                ((index >> layer.step, (index & ((1 << layer.step) - 1)) as usize), value)
            })
            .collect();
        let opened = commitment.receive_opening(&mut self.channel, scope, self.parameters, &plan, &known)?;
        opened
            .into_iter()
            .map(|(row, cells)| {
                fold_row(&cells, row << layer.step, layer.log_size, zeta)
                    .map(|value| (row, value))
                    .ok_or(VerifyError::Air("a layer is too large"))
            })
            .collect()
    }
}

impl Quotient<'_> {
    /// Σ β^k·(t(x) − y_k)/(x − z·g^row) + Σ β^(m+i)·(hᵢ(x) − eᵢ)/(x − z²) at a table row; `None` at a pole.
    ///
    /// `cells`: the opened cells of the three tables.
    fn evaluate(&self, domain: &EvaluationDomain, row: u64, cells: &[&[Felt]]) -> Option<Felt> {
        let [first, interaction, composition] = cells else { return None };
        let x = domain.point(row);
        let square = self.point.square();
        let mut poles: Vec<Felt> = Vec::with_capacity(self.values.len());
        let mut powers: HashMap<u64, Felt> = HashMap::new();
        for cell in self.mask {
            let shift = *powers
                .entry(cell.row)
                .or_insert_with(|| x - self.point * domain.trace_generator.pow(cell.row));
            poles.push(shift);
        }
        poles.extend([x - square, x - square]);
        if poles.iter().any(|pole| pole.is_zero()) {
            return None;
        }
        ashlar_field::batch_inverse(&mut poles);
        let columns = self.mask.iter().map(|cell| {
            if cell.column < self.first_width {
                first.get(cell.column)
            } else {
                interaction.get(cell.column - self.first_width)
            }
        });
        let columns = columns.chain([composition.first(), composition.get(1)]);
        let (mut sum, mut power) = (Felt::ZERO, Felt::ONE);
        for ((column, &value), &inverse) in columns.zip(&self.values).zip(&poles) {
            sum += power * (*column? - value) * inverse;
            power *= self.beta;
        }
        Some(sum)
    }
}

struct MaskValues<'a> {
    cells: HashMap<Cell, Felt>,
    periodic: Vec<Felt>,
    parameters: &'a [Felt],
}

impl PointValues for MaskValues<'_> {
    fn cell(&self, cell: Cell) -> Option<Felt> {
        self.cells.get(&cell).copied()
    }
    fn periodic(&self, index: usize) -> Option<Felt> {
        self.periodic.get(index).copied()
    }
    fn parameter(&self, index: usize) -> Option<Felt> {
        self.parameters.get(index).copied()
    }
}

/// Σ αⁱ·cᵢ(mask values)/Zᵢ(z): what the composition must be at the out-of-domain point z.
///
/// `values` begins with the mask's values, in mask order.
pub(crate) fn constraints_at_point(
    air: &dyn Air,
    domain: &EvaluationDomain,
    elements: &[Felt],
    alpha: Felt,
    point: Felt,
    values: &[Felt],
) -> Result<Felt, VerifyError> {
    let system = air.constraint_system();
    let parameters =
        air.parameters(elements).ok_or(VerifyError::DegenerateRandomness { scope: Scope::Interaction })?;
    let periodic: Option<Vec<Felt>> =
        system.periodic.iter().map(|column| column.evaluate(domain, point)).collect();
    let cells = system.mask.iter().copied().zip(values.iter().copied()).collect();
    let mask = MaskValues {
        cells,
        periodic: periodic.ok_or(VerifyError::Air("a periodic column has no period"))?,
        parameters: &parameters,
    };
    let graph = Graph::new(system);
    let nodes = graph
        .evaluate(&mask)
        .ok_or(VerifyError::Air("a constraint uses a cell outside the mask, or a missing parameter"))?;
    let degenerate = VerifyError::DegenerateRandomness { scope: Scope::OutOfDomainValues };
    let mut inverses: HashMap<&Domain, Felt> = HashMap::new();
    let (mut sum, mut power) = (Felt::ZERO, Felt::ONE);
    for (constraint, root) in system.constraints.iter().zip(&graph.roots) {
        if let (Some((_, rows)), Some(root)) = (&constraint.body, root) {
            let inverse = match inverses.get(rows) {
                Some(&inverse) => inverse,
                None => {
                    let inverse = rows.inverse_vanishing(domain, point).ok_or(degenerate.clone())?;
                    inverses.insert(rows, inverse);
                    inverse
                }
            };
            sum += power * nodes.get(*root as usize).copied().unwrap_or_default() * inverse;
        }
        power *= alpha;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests;
