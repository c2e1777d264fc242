use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// Copies the default policies to a folder of their own.
fn copied(to: &Path) {
    let from = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies"));
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(90), "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A listener may panic. The next edit is still read, and so is the one at which it panicked.
#[test]
fn a_watcher_that_falls_reads_on() {
    let place = tempfile::tempdir().unwrap();
    let policies = place.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    copied(&policies);
    let heard = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&heard);
    let listener = move |_: &Reload, _: &Published, _: &Remarks| {
        assert!(count.fetch_add(1, Ordering::SeqCst) != 0, "it panics at the first reload");
    };
    let archive = Archive::new(place.path().join("archive"));
    let store = BundleStore::open(&policies, archive, Box::new(listener)).unwrap();
    let supervisor = Supervisor::default();
    store.watch(&supervisor).unwrap();
    let edit = |name: &str| {
        let text = format!(
            "@id(\"{name}\")\npermit (principal is User, action == Action::\"visit_notes.list\", resource)\n\
             when {{ principal.roles.contains(Role::\"RECEPTIONIST\") }};"
        );
        std::fs::write(policies.join(format!("{name}.cedar")), text).unwrap();
    };
    edit("first");
    until("the watcher falls and is started again", || {
        supervisor.health().iter().any(|it| it.restarts == 1 && it.up == Some(true))
    });
    edit("second");
    until("both edits are in force", || {
        let current = store.current();
        let named = |name: &str| current.bundle.rules().any(|rule| &*rule.id == name);
        named("first") && named("second")
    });
    assert!(store.rejected().is_none());
    drop(store);
}

#[test]
fn an_emergency_that_nothing_records_is_rejected() {
    let place = tempfile::tempdir().unwrap();
    let policies = place.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    copied(&policies);
    let archive = Archive::new(place.path().join("archive"));
    let store = BundleStore::open(&policies, archive, Box::new(|_, _, _| {})).unwrap();
    let before = Arc::clone(store.current().bundle.digest());
    let open = "@id(\"open\")\npermit (principal is User, action == Action::\"visit_notes.list\", resource)\n\
                when { principal.roles.contains(Role::\"RECEPTIONIST\") };";
    std::fs::write(policies.join("open.cedar"), open).unwrap();
    assert!(matches!(store.reload_in_emergency(), Reload::Rejected(_)));
    assert_eq!(*store.current().bundle.digest(), before);
    store.record_emergencies_by(Arc::new(|_| Ok(())));
    assert!(matches!(store.reload_in_emergency(), Reload::Applied));
}
