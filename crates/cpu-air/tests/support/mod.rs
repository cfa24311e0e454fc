//! Reading annotated proofs of Stone, and evaluating constraints at one point the plain way.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use ashlar_cpu_air::{
    air::CpuAir,
    input::{MemorySegment, PublicInput, PublicMemoryCell},
    layout,
};
use ashlar_field::Felt;
use ashlar_stark::air::{Air, Cell, Domain, Expression, Node, PeriodicColumn, Rows};
use serde_json::Value;

/// A proof with the values that its annotations state.
pub struct AnnotatedProof {
    pub name: String,
    pub public_input: PublicInput,
    pub interaction_elements: Vec<Felt>,
    pub alpha: Felt,
    pub point: Felt,
    pub mask_values: Vec<Felt>,
    pub composition_values: [Felt; 2],
}

impl AnnotatedProof {
    pub fn air(&self) -> CpuAir {
        let public = &self.public_input;
        let layout = layout::for_public_input(&public.layout, &public.dynamic_params).unwrap();
        CpuAir::new(&layout, public).unwrap()
    }
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/stone")
}

/// The folder with reference vectors that are too large for the repository.
pub fn shared_vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASHLAR_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// All proofs with annotations two folders below.
pub fn annotated_proofs(folder: &Path) -> Vec<AnnotatedProof> {
    let subfolders = |folder: &Path| -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir() && !path.ends_with("bad"))
            .collect();
        found.sort();
        found
    };
    let mut proofs = Vec::new();
    for case in subfolders(folder) {
        for variant in subfolders(&case) {
            let file = variant.join("proof.json");
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let json: Value = serde_json::from_str(&text).unwrap();
            if let Some(annotations) = json["annotations"].as_array() {
                proofs.push(read_proof(file.display().to_string(), &json, annotations));
            }
        }
    }
    proofs
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn read_public_input(json: &Value) -> PublicInput {
    let segments = json["memory_segments"].as_object().unwrap().iter().map(|(name, segment)| {
        let segment = MemorySegment {
            begin_addr: number(&segment["begin_addr"]),
            stop_ptr: number(&segment["stop_ptr"]),
        };
        (name.clone(), segment)
    });
    let cells = json["public_memory"].as_array().unwrap().iter().map(|cell| PublicMemoryCell {
        address: number(&cell["address"]),
        value: cell["value"].as_str().unwrap().parse().unwrap(),
        page: number(&cell["page"]) as u32,
    });
    let parameters: BTreeMap<String, u64> = match json["dynamic_params"].as_object() {
        Some(parameters) => parameters.iter().map(|(name, value)| (name.clone(), number(value))).collect(),
        None => BTreeMap::new(),
    };
    PublicInput {
        layout: json["layout"].as_str().unwrap().to_owned(),
        n_steps: number(&json["n_steps"]),
        rc_min: number(&json["rc_min"]),
        rc_max: number(&json["rc_max"]),
        memory_segments: segments.collect(),
        public_memory: cells.collect(),
        dynamic_params: parameters,
    }
}

/// The field elements of `Field Element(…)` or `Field Elements(…, …)`.
fn elements(line: &str) -> Vec<Felt> {
    let (_, list) = line.split_once("Field Element").unwrap();
    let list = list.trim_start_matches('s').trim_start_matches('(').trim_end_matches(')');
    list.split(", ").map(|element| element.parse().unwrap()).collect()
}

fn read_proof(name: String, json: &Value, annotations: &[Value]) -> AnnotatedProof {
    let lines = || annotations.iter().filter_map(Value::as_str);
    let stated = |scope: &str| -> Vec<Felt> {
        lines().filter(|line| line.contains(scope)).flat_map(elements).collect()
    };
    let one = |scope: &str| -> Felt {
        let values = stated(scope);
        assert_eq!(values.len(), 1, "{scope}");
        values[0]
    };
    let oods: Vec<Felt> = lines()
        .filter(|line| line.starts_with("P->V") && line.contains("/Out Of Domain Sampling/OODS values: "))
        .flat_map(elements)
        .collect();
    let (mask_values, composition_values) = oods.split_at(oods.len() - 2);
    AnnotatedProof {
        name,
        public_input: read_public_input(&json["public_input"]),
        interaction_elements: stated("/STARK/Interaction: Interaction element"),
        alpha: one("/STARK/Original: Constraint polynomial random element"),
        point: one("/Out Of Domain Sampling/OODS values: Evaluation point"),
        mask_values: mask_values.to_vec(),
        composition_values: composition_values.try_into().unwrap(),
    }
}

/// Everything an expression may refer to, at one point.
pub struct Point<'a> {
    pub cells: &'a HashMap<Cell, Felt>,
    pub periodic: &'a [Felt],
    pub parameters: &'a [Felt],
}

impl Point<'_> {
    pub fn evaluate(&self, expression: &Expression, known: &mut HashMap<usize, Felt>) -> Felt {
        if let Some(value) = known.get(&expression.identity()) {
            return *value;
        }
        let value = match expression.node() {
            Node::Constant(value) => *value,
            Node::Cell(cell) => self.cells[cell],
            Node::Periodic(index) => self.periodic[*index],
            Node::Parameter(index) => self.parameters[*index],
            Node::Sum(a, b) => self.evaluate(a, known) + self.evaluate(b, known),
            Node::Difference(a, b) => self.evaluate(a, known) - self.evaluate(b, known),
            Node::Product(a, b) => self.evaluate(a, known) * self.evaluate(b, known),
        };
        known.insert(expression.identity(), value);
        value
    }
}

/// P(x^(N/(len·step))) by the barycentric formula.
pub fn evaluate_periodic(column: &PeriodicColumn, log_length: u32, x: Felt) -> Felt {
    let count = column.values.len() as u64;
    let y = x.pow((1u64 << log_length) / (count * column.step));
    let root = Felt::subgroup_generator(count.ilog2()).unwrap();
    let mut power = Felt::ONE;
    let mut sum = Felt::ZERO;
    for value in &column.values {
        sum += *value * power * (y - power).inverse().unwrap();
        power *= root;
    }
    sum * (y.pow(count) - Felt::ONE) * Felt::from_u64(count).inverse().unwrap()
}

/// The monic polynomial that vanishes on a row set, at one point.
pub fn evaluate_vanishing(domain: &Domain, log_length: u32, x: Felt) -> Felt {
    let length = 1u64 << log_length;
    let generator = Felt::subgroup_generator(log_length).unwrap();
    let product = |rows: &[Rows]| -> Felt {
        rows.iter()
            .map(|rows| {
                let exponent = length / rows.period;
                x.pow(exponent) - generator.pow(rows.residue * exponent)
            })
            .product()
    };
    product(&domain.included) * product(&domain.excluded).inverse().unwrap()
}

/// Σ αⁱ·cᵢ(z)/Z_i(z) from the stated mask values, and h₀(z²) + z·h₁(z²).
pub fn evaluate_composition(air: &CpuAir, proof: &AnnotatedProof) -> (Felt, Felt) {
    let system = air.constraint_system();
    let log_length = air.log_trace_length();
    assert_eq!(system.mask.len(), proof.mask_values.len(), "mask size of {}", proof.name);
    let mut cells = HashMap::new();
    for (cell, value) in system.mask.iter().zip(&proof.mask_values) {
        let before = cells.insert(*cell, *value);
        assert!(before.is_none_or(|before| before == *value), "cell {cell:?} has two values");
    }
    let periodic: Vec<Felt> =
        system.periodic.iter().map(|column| evaluate_periodic(column, log_length, proof.point)).collect();
    let parameters = air.parameters(&proof.interaction_elements).unwrap();
    let point = Point { cells: &cells, periodic: &periodic, parameters: &parameters };
    let mut known = HashMap::new();
    let mut weight = Felt::ONE;
    let mut sum = Felt::ZERO;
    for constraint in &system.constraints {
        if let Some((expression, domain)) = &constraint.body {
            let numerator = point.evaluate(expression, &mut known);
            sum +=
                weight * numerator * evaluate_vanishing(domain, log_length, proof.point).inverse().unwrap();
        }
        weight *= proof.alpha;
    }
    let [even, odd] = proof.composition_values;
    (sum, even + proof.point * odd)
}
