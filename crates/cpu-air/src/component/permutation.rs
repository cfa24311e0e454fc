//! The running product by which one pool is a permutation of its sorted copy.
//!
//! Source: Stone v3, CPU AIR, permutation components with one column; *Cairo* whitepaper section 9.6.

use ashlar_stark::air::Expression;

use super::builder::{Builder, Cells};

/// product₀ = (z − pool₀)/(z − sorted₀), product_{k+1} = product_k·(z − pool_{k+1})/(z − sorted_{k+1}), and the last
/// product is 1.
pub(super) fn constrain(
    air: &Builder<'_>,
    name: &str,
    pool: Cells<'_>,
    sorted: Cells<'_>,
    product: Cells<'_>,
    point: &Expression,
) {
    let unit = pool.step();
    let init = (point - sorted.at(0)) * product.at(0) + pool.at(0) - point;
    air.constrain(format!("{name}/init0"), init, air.first());
    let step = (point - sorted.at(1)) * product.at(1) - (point - pool.at(1)) * product.at(0);
    air.constrain(format!("{name}/step0"), step, air.every_but_last(unit));
    air.constrain(format!("{name}/last"), product.at(0) - 1, air.last(unit));
}
