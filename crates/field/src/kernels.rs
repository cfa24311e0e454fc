//! Which whole-kernel back end runs: chosen once from the machine, overridden by `ASHLAR_KERNELS`.
//!
//! Every back end gives the same bytes; only the time differs. The scalar one is the reference in tests.

use std::{fmt, str::FromStr, sync::OnceLock};

/// A family of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kernels {
    /// One element at a time, in plain Rust: the reference.
    Scalar,
    /// The vector algorithms on emulated eight-lane registers: runs everywhere, used to test them.
    Portable,
    /// 256-bit vectors for hash functions on words; the rest as [`Kernels::Scalar`].
    Avx2,
    /// 512-bit vectors without integer multiply-add: products by exact double-precision multiply-add.
    Avx512,
    /// 512-bit vectors with the 52-bit integer multiply-add.
    Avx512Ifma,
}

/// A name that is no family of kernels, or one that this machine cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownKernels {
    /// Not a name we know.
    #[error("expected one of scalar, portable, avx2, avx512, avx512ifma, got {0:?}")]
    Name(String),
    /// Known, but the processor lacks the instructions.
    #[error("expected kernels that this processor can run, got {0}")]
    Unsupported(Kernels),
}

impl Kernels {
    /// All families: the reference, its check, then the production families, slowest first.
    pub const ALL: [Kernels; 5] =
        [Kernels::Scalar, Kernels::Portable, Kernels::Avx2, Kernels::Avx512, Kernels::Avx512Ifma];

    /// Whether this processor has the instructions.
    pub fn is_supported(self) -> bool {
        match self {
            Kernels::Scalar | Kernels::Portable => true,
            Kernels::Avx2 => avx2(),
            Kernels::Avx512 => avx512(),
            Kernels::Avx512Ifma => avx512() && avx512_ifma(),
        }
    }

    /// Whether field arithmetic runs on vectors, that is, whether [`crate::lanes::dispatch`] runs tasks.
    pub fn has_field_vectors(self) -> bool {
        match self {
            Kernels::Scalar | Kernels::Avx2 => false,
            Kernels::Portable => true,
            Kernels::Avx512 | Kernels::Avx512Ifma => self.is_supported(),
        }
    }

    /// The families that this processor can run, in the order of [`Kernels::ALL`].
    pub fn supported() -> Vec<Kernels> {
        Kernels::ALL.into_iter().filter(|kernels| kernels.is_supported()).collect()
    }

    /// The fastest production family of this processor.
    pub fn fastest() -> Kernels {
        [Kernels::Avx512Ifma, Kernels::Avx512, Kernels::Avx2]
            .into_iter()
            .find(|kernels| kernels.is_supported())
            .unwrap_or(Kernels::Scalar)
    }

    /// The family that this process uses: `ASHLAR_KERNELS` if it names a supported one, else the fastest.
    ///
    /// Read once; programs call [`Kernels::from_environment`] at start to report a wrong value.
    pub fn current() -> Kernels {
        static CURRENT: OnceLock<Kernels> = OnceLock::new();
        *CURRENT.get_or_init(|| Kernels::from_environment().unwrap_or_else(|_| Kernels::fastest()))
    }

    /// The family named by `ASHLAR_KERNELS`, or the fastest where it is unset.
    ///
    /// # Errors
    /// If the variable names no family, or one that this processor cannot run.
    pub fn from_environment() -> Result<Kernels, UnknownKernels> {
        match std::env::var("ASHLAR_KERNELS") {
            Err(_) => Ok(Kernels::fastest()),
            Ok(name) => {
                let kernels: Kernels = name.parse()?;
                if kernels.is_supported() { Ok(kernels) } else { Err(UnknownKernels::Unsupported(kernels)) }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn avx2() -> bool {
    is_x86_feature_detected!("avx2")
}

#[cfg(target_arch = "x86_64")]
fn avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
}

#[cfg(target_arch = "x86_64")]
fn avx512_ifma() -> bool {
    is_x86_feature_detected!("avx512ifma")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vbmi2")
}

#[cfg(not(target_arch = "x86_64"))]
fn avx2() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn avx512() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn avx512_ifma() -> bool {
    false
}

impl fmt::Display for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kernels::Scalar => "scalar",
            Kernels::Portable => "portable",
            Kernels::Avx2 => "avx2",
            Kernels::Avx512 => "avx512",
            Kernels::Avx512Ifma => "avx512ifma",
        })
    }
}

impl FromStr for Kernels {
    type Err = UnknownKernels;

    fn from_str(name: &str) -> Result<Kernels, UnknownKernels> {
        Kernels::ALL
            .into_iter()
            .find(|kernels| kernels.to_string() == name)
            .ok_or_else(|| UnknownKernels::Name(name.into()))
    }
}
