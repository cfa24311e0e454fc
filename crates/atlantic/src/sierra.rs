//! Whether the service's runner can call a program: a Cairo 1 entry point takes one array of field elements and returns one.

use serde::Deserialize;

use crate::{
    error::Error,
    form::{Attachment, FormFault, read},
    vocabulary::{CairoVersion, ErrorCode},
};

/// Sierra JSON, as far as it matters here. Unknown fields are skipped without being held in memory.
#[derive(Deserialize)]
struct Versioned {
    program: Option<Program>,
}

#[derive(Deserialize)]
struct Program {
    #[serde(default)]
    funcs: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    id: Name,
    signature: Signature,
}

#[derive(Deserialize)]
struct Signature {
    #[serde(default)]
    param_types: Vec<Name>,
    #[serde(default)]
    ret_types: Vec<Name>,
}

#[derive(Deserialize)]
struct Name {
    debug_name: Option<String>,
}

impl Name {
    fn is_array(&self) -> bool {
        self.debug_name.as_deref().is_some_and(|name| ARRAYS.contains(&name))
    }

    /// An array by itself, or inside the type that says whether the function panicked.
    fn holds_array(&self) -> bool {
        self.debug_name.as_deref().is_some_and(|name| ARRAYS.iter().any(|array| name.contains(array)))
    }
}

/// Implicit parameters: builtins, gas and the system, which the runner supplies.
const IMPLICIT: [&str; 12] = [
    "RangeCheck",
    "RangeCheck96",
    "GasBuiltin",
    "System",
    "Pedersen",
    "Poseidon",
    "Bitwise",
    "EcOp",
    "SegmentArena",
    "AddMod",
    "MulMod",
    "BuiltinCosts",
];

/// How the array of field elements is called: by Sierra itself, and inside the names of types of the core library.
const ARRAYS: [&str; 2] = ["Array<felt252>", "core::array::Array::<core::felt252>"];

/// Checks that a program is JSON, and the entry point of a Cairo 1 program whose functions have names. Without names
/// nothing can be said, and nothing is.
pub(crate) fn check(program: &Attachment, version: Option<&CairoVersion>) -> Result<(), Error> {
    let fault = |expected, got: String| {
        Err(FormFault { field: "programFile", expected, got, code: ErrorCode::ProgramFileShouldBeJson }
            .into())
    };
    let reader = std::io::BufReader::new(read(program, Attachment::open)?);
    if version != Some(&CairoVersion::Cairo1) {
        return match serde_json::from_reader::<_, serde::de::IgnoredAny>(reader) {
            Ok(_) => Ok(()),
            Err(error) => fault("JSON", error.to_string()),
        };
    }
    let sierra: Versioned = match serde_json::from_reader(reader) {
        Ok(sierra) => sierra,
        Err(error) => return fault("Sierra JSON for cairo1", error.to_string()),
    };
    let Some(Program { funcs }) = sierra.program else {
        return fault("Sierra JSON for cairo1", "JSON without a program".to_owned());
    };
    let main = funcs.iter().find(|function| {
        function.id.debug_name.as_deref().is_some_and(|name| name == "main" || name.ends_with("::main"))
    });
    let Some(main) = main else {
        // Stripped names, or a program that has no main at all: told apart by whether any function has a name.
        return match funcs.iter().any(|function| function.id.debug_name.is_some()) {
            true => fault("a function main", "a program without one".to_owned()),
            false => Ok(()),
        };
    };
    let Signature { param_types, ret_types } = &main.signature;
    let implicit = |name: &Name| name.debug_name.as_deref().is_some_and(|name| IMPLICIT.contains(&name));
    let explicit: Vec<&Name> = param_types.iter().filter(|name| !implicit(name)).collect();
    let takes = matches!(explicit.as_slice(), [one] if one.is_array());
    if takes && ret_types.iter().any(Name::holds_array) {
        return Ok(());
    }
    let named = |names: &[&Name]| {
        let names: Vec<&str> = names.iter().filter_map(|name| name.debug_name.as_deref()).collect();
        crate::quoted::quoted(&names.join(", "))
    };
    let returned: Vec<&Name> = ret_types.iter().filter(|name| !implicit(name)).collect();
    let got = format!("({}) -> {}", named(&explicit), named(&returned));
    fault("fn main(Array<felt252>) -> Array<felt252>", got)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(parameters: &[&str], returned: &[&str], name: &str) -> Result<(), Error> {
        let named = |names: &[&str]| {
            names.iter().map(|name| serde_json::json!({ "id": 1, "debug_name": name })).collect::<Vec<_>>()
        };
        let sierra = serde_json::json!({ "version": 1, "program": { "type_declarations": [], "funcs": [{
            "id": { "id": 0, "debug_name": name },
            "signature": { "param_types": named(parameters), "ret_types": named(returned) },
            "params": [], "entry_point": 0,
        }] } });
        let file = Attachment::from_bytes(sierra.to_string().into_bytes(), "a.json", crate::form::JSON);
        check(&file.unwrap(), Some(&CairoVersion::Cairo1))
    }

    #[test]
    fn an_entry_point_takes_and_returns_an_array() {
        let result = "core::panics::PanicResult::<(core::array::Array::<core::felt252>)>";
        checked(&["RangeCheck", "GasBuiltin", "Array<felt252>"], &["GasBuiltin", result], "a::main").unwrap();
        checked(&["Array<felt252>"], &["Array<felt252>"], "main").unwrap();
    }

    #[test]
    fn another_signature_is_named() {
        for (parameters, returned) in [
            (&["felt252"][..], &["Array<felt252>"][..]),
            (&[], &["Array<felt252>"]),
            (&["Array<felt252>", "felt252"], &["Array<felt252>"]),
            (&["Array<felt252>"], &["felt252"]),
        ] {
            let error = checked(parameters, returned, "a::main").unwrap_err().to_string();
            assert!(error.contains("fn main(Array<felt252>) -> Array<felt252>"), "{error}");
        }
        assert!(checked(&["Array<felt252>"], &["Array<felt252>"], "a::other").is_err());
    }

    #[test]
    fn what_is_no_sierra_is_refused_for_cairo_1_only() {
        let file = Attachment::from_bytes(b"{\"data\":[]}".to_vec(), "a.json", crate::form::JSON).unwrap();
        assert!(check(&file, Some(&CairoVersion::Cairo1)).is_err());
        check(&file, Some(&CairoVersion::Cairo0)).unwrap();
        let broken = Attachment::from_bytes(b"{".to_vec(), "a.json", crate::form::JSON).unwrap();
        assert!(check(&broken, Some(&CairoVersion::Cairo0)).is_err());
    }
}
