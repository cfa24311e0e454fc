//! Embeds the pages of `docs/errors`, so that `ashlar explain` needs no file.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    // Asked at run time: a compiled build script may serve another checkout that shares its target folder.
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../docs/errors");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut codes = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("ASH-")?.strip_suffix(".md"));
        if let Some(code) = digits.and_then(|digits| digits.parse::<u16>().ok()) {
            codes.push(code);
        }
    }
    codes.sort_unstable();
    let mut table = String::from("[\n");
    for code in codes {
        let page = folder.join(format!("ASH-{code:04}.md"));
        println!("cargo::rerun-if-changed={}", page.display());
        writeln!(table, "    ({code}, include_str!({:?})),", page.display().to_string())?;
    }
    table.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("pages.rs"), table)?;
    Ok(())
}
