use std::fs;
use std::path::Path;

use super::Archive;
use crate::bundle::Sources;

fn sources() -> Sources {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    Sources::read(&directory).unwrap()
}

#[test]
fn what_was_kept_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::new(folder.path().join("a"));
    assert!(archive.last_good().unwrap().is_none());
    let mut sources = sources();
    archive.keep(&sources.digest(), &sources).unwrap();
    let first = sources.digest();
    sources.routes.text = format!("{}\n", sources.routes.text).into();
    archive.keep(&sources.digest(), &sources).unwrap();
    assert_ne!(first, sources.digest());
    let newest = archive.last_good().unwrap().unwrap();
    assert_eq!(newest.digest(), sources.digest());
    assert_eq!(newest.policies, sources.policies);
    assert_eq!(archive.bundle(&first).unwrap().unwrap().digest(), first);
    let elsewhere = format!("../a/{first}");
    for odd in ["0", "", "../a/last-good", &elsewhere] {
        assert!(archive.bundle(odd).unwrap().is_none(), "{odd}");
    }
}

#[test]
fn what_was_changed_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::new(folder.path().to_owned());
    let sources = sources();
    archive.keep(&sources.digest(), &sources).unwrap();
    let file = folder.path().join(format!("{}.json", sources.digest()));
    let text = fs::read_to_string(&file).unwrap();
    let check = |text: &str, expected: &str| {
        fs::write(&file, text).unwrap();
        let error = archive.last_good().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&text.replacen("permit", "forbid", 1), "it holds");
    check("{", "EOF");
    check("{\"digest\": \"\", \"files\": {}}", "schema or routes are missing");
    fs::write(folder.path().join("last-good"), "../../etc/passwd").unwrap();
    assert!(archive.last_good().unwrap_err().to_string().contains("names no digest"));
}
