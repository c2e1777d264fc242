use std::fs;
use std::path::Path;

use super::Archive;
use crate::bundle::Sources;

fn sources() -> Sources {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    Sources::read(&directory).unwrap()
}

fn in_force(archive: &Archive, sources: &Sources) {
    archive.keep(&sources.digest(), sources).unwrap();
    archive.confirm(&sources.digest()).unwrap();
}

/// A kept bundle is the last good one only once it is confirmed. The order is that in which the bundles were in
/// force, not that in which their files were written.
#[test]
fn bundles_are_found_by_when_they_were_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::new(folder.path().to_owned());
    let mut all = Vec::new();
    for number in 0..4 {
        let mut sources = sources();
        sources.routes.text = format!("{}# {number}\n", sources.routes.text).into();
        archive.keep(&sources.digest(), &sources).unwrap();
        all.push(sources.digest());
    }
    assert!(archive.last_good().unwrap().is_none(), "none of them is confirmed");
    for index in [0, 1, 2, 0, 0] {
        archive.confirm(&all[index]).unwrap();
        assert_eq!(archive.last_digest().unwrap().as_ref(), Some(&all[index]));
    }
    let expected = [0, 2, 1, 3].map(|index: usize| all[index].clone());
    assert_eq!(archive.newest_first(), expected);
    // Lines of an edited history that are not digests are skipped, and the bundle files are found all the same.
    fs::write(folder.path().join("history"), format!("../x\n{}\n", all[2])).unwrap();
    let found = archive.newest_first();
    assert_eq!((&found[..2], found.len()), (&[all[0].clone(), all[2].clone()][..], 4));
}

#[test]
fn what_was_kept_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::new(folder.path().join("a"));
    assert!(archive.last_good().unwrap().is_none());
    let mut sources = sources();
    in_force(&archive, &sources);
    let first = sources.digest();
    sources.routes.text = format!("{}\n", sources.routes.text).into();
    in_force(&archive, &sources);
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
    in_force(&archive, &sources);
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
