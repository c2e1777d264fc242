//! `tests/bench write`: puts what was measured last into `BENCHMARKS.md`, between its markers, and the
//! pictures into `docs/bench`.

use std::fs;
use std::path::Path;

use super::report::folder;

/// Every page NAME of `target/bench` replaces what is between `<!-- NAME -->` and `<!-- /NAME -->`.
pub(crate) fn write() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let (page, pictures) = (root.join("BENCHMARKS.md"), root.join("docs/bench"));
    fs::create_dir_all(&pictures).unwrap();
    let mut text = fs::read_to_string(&page).unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let (Some(name), Some(kind)) = (path.file_stem(), path.extension()) else { continue };
        if kind == "svg" {
            fs::copy(&path, pictures.join(path.file_name().unwrap())).unwrap();
        } else if kind == "md" {
            let name = name.to_str().unwrap();
            let measured = fs::read_to_string(&path).unwrap();
            match put(&text, name, &measured) {
                Some(changed) => text = changed,
                None => println!("BENCHMARKS.md has no place for {name}"),
            }
        }
    }
    fs::write(&page, text).unwrap();
}

fn put(text: &str, name: &str, measured: &str) -> Option<String> {
    let (before, rest) = text.split_once(&format!("<!-- {name} -->\n"))?;
    let end = format!("<!-- /{name} -->");
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}<!-- {name} -->\n{measured}{end}{after}"))
}
