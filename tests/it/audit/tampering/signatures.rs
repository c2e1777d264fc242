//! Checkpoints, `head` and keys.

use tests::forger::{Author, Key};

use super::copy::{Copy, flip};
use super::{check, told, verified};

#[test]
fn a_changed_checkpoint_is_found() {
    let seq = |line: &mut String| *line = line.replace("\"seq\":65000", "\"seq\":65001");
    check("its number", |it| it.signed(6, |all| seq(&mut all[4])), &["65001 checkpoint_changed"]);
    check(
        "its signature",
        |it| {
            it.signed(6, |all| {
                let at = all[4].len() - 20;
                flip(&mut all[4], at);
            });
        },
        &["65000 checkpoint_changed"],
    );
    check(
        "the closing one",
        |it| {
            it.signed(6, |all| all[9] = all[9].replace("\"count\":10000", "\"count\":10001"));
        },
        &["70000 checkpoint_changed"],
    );
    let stem = |it: &Copy| it.stems[6].clone();
    let garbage = |it: &Copy| it.signed(6, |all| all[4] = "garbage".into());
    let expected = format!("{} checkpoint_changed", stem(&super::copy()));
    check("garbage", garbage, &[&expected]);
    check(
        "compressed",
        |it| it.signed(2, |all| flip(&mut all[4], 150)),
        &["25000 checkpoint_changed"],
    );
    check(
        "the last",
        |it| it.signed(9, |all| flip(&mut all[9], 150)),
        &["99600 checkpoint_changed"],
    );
}

#[test]
fn a_moved_checkpoint_is_found() {
    check("within", |it| it.signed(6, |all| all.swap(3, 6)), &["65000 checkpoint_misplaced"]);
    let elsewhere = |it: &Copy| {
        let mut line = String::new();
        it.signed(5, |all| line.clone_from(&all[4]));
        it.signed(6, |all| all.insert(4, line));
    };
    check("elsewhere", elsewhere, &["55000 checkpoint_misplaced"]);
}

#[test]
fn a_missing_checkpoint_is_found_where_nothing_else_vouches() {
    check("the newest", |it| it.signed(9, |all| drop(all.pop())), &["99600 checkpoint_missing"]);
    check("the closing one", |it| it.signed(6, |all| drop(all.pop())), &["70000 closing_missing"]);
    check("all of a segment", |it| it.remove(&it.checkpoints(6)), &["60001 checkpoints_missing"]);
    let stripped = |it: &Copy| {
        (0..10).for_each(|index| it.remove(&it.checkpoints(index)));
        it.remove(&it.path().join("head"));
        it.remove(&it.path().join("signing.pub"));
    };
    check("everything that was signed", stripped, &["1 checkpoints_missing"]);
    check("emptied", |it| it.signed(2, Vec::clear), &["20001 checkpoints_missing"]);
    check("all of the last", |it| it.remove(&it.checkpoints(9)), &["99600 checkpoints_missing"]);
}

#[test]
fn a_changed_head_is_found() {
    let back = |it: &Copy| it.signed(9, |all| it.head(&all[4]));
    check("rolled back", back, &["95000 head_rolled_back"]);
    let far = |it: &Copy| it.signed(6, |all| it.head(&all[4]));
    check("rolled back by segments", far, &["65000 head_rolled_back"]);
    check("removed", |it| it.remove(&it.path().join("head")), &["head head_missing"]);
    check("garbage", |it| it.head("garbage"), &["head head_changed"]);
    let number = |it: &Copy| it.signed(9, |all| it.head(&all[9].replace("99600", "99601")));
    check("its number", number, &["head head_changed"]);
}

#[test]
fn public_keys_that_were_replaced_are_found() {
    let beside = |it: &Copy| it.path().join("signing.pub");
    let other = |it: &Copy| it.put(&beside(it), Key::generate().pem().as_bytes());
    check("by others", other, &["signing.pub keys_replaced"]);
    check("by nothing", |it| it.remove(&beside(it)), &["signing.pub keys_replaced"]);
    check("by garbage", |it| it.put(&beside(it), b"garbage"), &["signing.pub keys_replaced"]);
}

/// A key that is trusted vouches for the next one, as long as both sign for a while.
#[test]
fn keys_change_with_an_overlap_and_not_without() {
    let faults = |overlap: bool| {
        let place = tempfile::tempdir().unwrap();
        let (directory, kept) = (place.path().join("journal"), place.path().join("kept.pub"));
        let (old, new) = (Key::generate(), Key::generate());
        let both = old.pem() + &new.pem();
        std::fs::write(&kept, old.pem()).unwrap();
        let mut author = Author::new(&directory, "gate-1", old);
        author.segment(50, 10);
        author.checkpoint(true);
        author.keys.insert(0, new);
        if overlap {
            author.segment(50, 10);
            author.checkpoint(true);
        }
        author.keys.truncate(1);
        author.segment(50, 10);
        author.checkpoint(false);
        std::fs::write(directory.join("signing.pub"), both).unwrap();
        let found = verified(&directory, &kept);
        found.faults.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(faults(true), [""; 0]);
    assert_eq!(faults(false), ["60-100 checkpoint_untrusted"]);
}
