//! The command line of the lab.

use std::path::PathBuf;

use ashlar_field::Kernels;

use crate::LabError;

/// What the command line looks like.
pub(crate) const USAGE: &str = "`proofs --prover PATH --vectors DIR [--runs N] [--threads N] [--only CASE/VARIANT]…`, \
    `references --prover PATH --verifier PATH --vectors DIR [--matrix] [--layout NAME]… [--case CASE[/VARIANT]]… \
    [--kernels NAME[,NAME]…] [--threads N[,N]…] [--memory MEGABYTES]`";

/// Every family of kernels; the emulated one, which takes a hundred times as long as the fastest, last.
const FASTEST_FIRST: [Kernels; 5] =
    [Kernels::Avx512Ifma, Kernels::Avx512, Kernels::Avx2, Kernels::Scalar, Kernels::Portable];

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Measure some cases, each some times.
    Proofs,
    /// Make every reference proof again and compare.
    References,
}

/// What to do with which cases.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) task: Task,
    pub(crate) prover: PathBuf,
    /// Needed where proofs are verified in a process of their own.
    pub(crate) verifier: Option<PathBuf>,
    pub(crate) vectors: PathBuf,
    /// Runs of each case.
    pub(crate) runs: usize,
    /// Numbers of threads to run with, one after the other.
    pub(crate) threads: Vec<usize>,
    /// Families of kernels to run with; the machine's choice (or `ASHLAR_KERNELS`) where it is empty.
    pub(crate) kernels: Vec<Kernels>,
    /// Cases (`case` or `case/variant`); all where it is empty.
    pub(crate) only: Vec<String>,
    /// Layouts; all where it is empty.
    pub(crate) layouts: Vec<String>,
    /// The most memory that a case may need, in MB (10⁶ bytes), by what Stone needed for it.
    pub(crate) most_megabytes: Option<f64>,
}

impl Options {
    /// Reads the words after the program's name. Programs must exist: they are run from other folders.
    pub(crate) fn parse(arguments: &[String]) -> Result<Options, LabError> {
        let mut options =
            Options::read(arguments).ok_or_else(|| LabError::Usage { got: arguments.to_vec() })?;
        for program in std::iter::once(&mut options.prover).chain(&mut options.verifier) {
            *program = program.canonicalize().map_err(LabError::file(program))?;
        }
        Ok(options)
    }

    fn read(arguments: &[String]) -> Option<Options> {
        let mut words = arguments.iter();
        let task = match words.next()?.as_str() {
            "proofs" => Task::Proofs,
            "references" => Task::References,
            _ => return None,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Options {
            task,
            prover: PathBuf::new(),
            verifier: None,
            vectors: PathBuf::new(),
            runs: 3,
            threads: Vec::new(),
            kernels: Vec::new(),
            only: Vec::new(),
            layouts: Vec::new(),
            most_megabytes: None,
        };
        let mut matrix = false;
        while let Some(flag) = words.next() {
            if (task, flag.as_str()) == (Task::References, "--matrix") {
                matrix = true;
                continue;
            }
            let value = words.next()?;
            match (task, flag.as_str()) {
                (_, "--prover") => options.prover = value.into(),
                (_, "--vectors") => options.vectors = value.into(),
                (_, "--threads") => options.threads = list(value)?,
                (Task::Proofs, "--runs") => options.runs = value.parse().ok()?,
                (Task::Proofs, "--only") | (Task::References, "--case") => options.only.push(value.clone()),
                (Task::References, "--verifier") => options.verifier = Some(value.into()),
                (Task::References, "--layout") => options.layouts.push(value.clone()),
                (Task::References, "--kernels") => options.kernels = list(value)?,
                (Task::References, "--memory") => options.most_megabytes = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        if matrix {
            fill(&mut options.layouts, ["plain", "small"].map(String::from));
            fill(&mut options.kernels, FASTEST_FIRST);
            fill(&mut options.threads, [1, 2, 5]);
        }
        fill(&mut options.threads, [cores]);
        let programs =
            options.prover.as_os_str().is_empty() || (task == Task::References && options.verifier.is_none());
        let numbers = options.runs == 0 || options.threads.contains(&0);
        let single = task == Task::References || options.threads.len() == 1;
        let refused = programs || numbers || !single || options.vectors.as_os_str().is_empty();
        (!refused).then_some(options)
    }
}

/// What a list holds where the command line says nothing.
fn fill<T>(list: &mut Vec<T>, values: impl IntoIterator<Item = T>) {
    if list.is_empty() {
        list.extend(values);
    }
}

/// Values with commas between them.
fn list<T: std::str::FromStr>(text: &str) -> Option<Vec<T>> {
    text.split(',').map(|value| value.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Options> {
        Options::read(&line.split(' ').map(String::from).collect::<Vec<_>>())
    }

    const REFERENCES: &str = "references --prover p --verifier v --vectors d";

    #[test]
    fn the_matrix_is_every_family_of_kernels_with_one_two_and_five_threads() {
        let options = read(&format!("{REFERENCES} --matrix")).expect("a matrix");
        assert!(Kernels::ALL.iter().all(|kernels| options.kernels.contains(kernels)));
        assert_eq!(options.threads, [1, 2, 5]);
        assert_eq!(options.layouts, ["plain", "small"]);
    }

    #[test]
    fn the_matrix_leaves_what_the_caller_chose() {
        let options =
            read(&format!("{REFERENCES} --kernels portable,scalar --matrix --layout dex --threads 3"))
                .expect("a matrix");
        assert_eq!(options.kernels, [Kernels::Portable, Kernels::Scalar]);
        assert_eq!((options.threads, options.layouts), (vec![3], vec!["dex".to_owned()]));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in [
            "references --prover p --vectors d",
            "proofs --prover p --vectors d --threads 1,2",
            "proofs --prover p --vectors d --runs 0",
            "proofs --prover p --vectors d --matrix x",
            "references --prover p --verifier v --vectors d --threads 0",
            "references --prover p --verifier v --vectors d --kernels quantum",
            "references --prover p --verifier v --vectors d --layout",
            "other",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
