//! Files of one change that come one after the other, and folders that are swapped as a whole.
//!
//! What was in force is read from the archive: every bundle that was is there.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use tests::{
    stand::{Ground, Stand, copy_tree},
    wait::{DEADLINE, eventually},
};

use super::{policies, reload, status};

/// Nobody but the desk reads these, and the desk does not, either: for the guard comes with the allowlist.
const PERMIT: &str = "@id(\"x-permit\")
permit (principal is User, action == Action::\"visit_notes.list\", resource)
when { principal.roles.contains(Role::\"RECEPTIONIST\") };
";
const GUARD: &str = "@id(\"x-guard\")
@layer(\"role\")
@reason(\"not_yet\")
@message(\"Not yet\")
forbid (principal is User, action == Action::\"visit_notes.list\", resource)
when { principal.roles.contains(Role::\"RECEPTIONIST\") };
";

/// The texts of all bundles that were in force.
fn were_in_force(ground: &Ground) -> Vec<String> {
    let archive = ground.directory.path().join("var/audit/policies");
    let entries = fs::read_dir(archive).unwrap().flatten();
    let kept = entries.filter(|it| it.path().extension().is_some_and(|end| end == "json"));
    kept.map(|it| fs::read_to_string(it.path()).unwrap()).collect()
}

async fn rules(stand: &Stand, more: u64, before: u64) {
    eventually("all policies are in force", || async {
        (status(stand).await["policies"] == before + more).then_some(())
    })
    .await;
}

/// Writes each of these after a pause, as a copy over a slow mount does. Gives the longest pause that it became.
fn write_slowly(folder: &Path, files: &[(&str, &str)], pause: Duration) -> Duration {
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for (index, (name, text)) in files.iter().enumerate() {
        if index > 0 {
            std::thread::sleep(pause);
        }
        fs::write(folder.join(name), text).unwrap();
        if index > 0 {
            longest = longest.max(last.elapsed());
        }
        last = Instant::now();
    }
    longest
}

/// Pauses between files, shorter than those after which a folder is taken for quiet (250 ms). On a machine that is busy
/// pauses become longer than they were meant, and the test then shows nothing: shorter ones are tried, until the
/// deadline.
fn pauses() -> impl Iterator<Item = Duration> {
    let deadline = Instant::now() + DEADLINE;
    let pauses = [90, 90, 60, 30, 10].into_iter().cycle().map(Duration::from_millis);
    pauses.take_while(move |_| Instant::now() < deadline)
}

/// Nine files, 90 ms apart: the allowlist comes first and its guard last.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_come_one_after_the_other_are_one_change() {
    for pause in pauses() {
        let stand = Stand::sqlite().await;
        let folder = policies(&stand.ground);
        let before = status(&stand).await["policies"].as_u64().unwrap();
        let names: Vec<String> = (1..8).map(|it| format!("x-{it}.cedar")).collect();
        let mut files = vec![("x-0.cedar", PERMIT)];
        files.extend(names.iter().map(|name| (name.as_str(), "// Nothing.\n")));
        files.push(("x-8.cedar", GUARD));
        assert_eq!(files.len(), 9);
        let longest = write_slowly(&folder, &files, pause);
        rules(&stand, 2, before).await;
        // A machine that is busy makes other pauses than were meant: these say nothing.
        if longest > Duration::from_millis(180) {
            continue;
        }
        for text in were_in_force(&stand.ground) {
            assert_eq!(text.contains("x-permit"), text.contains("x-guard"), "half of a change");
        }
        assert_eq!(status(&stand).await["policy_generation"], 2, "it was one change");
        return;
    }
    panic!("this machine never was idle enough to write 9 files in time");
}

/// A guard moves from one file to another, with a pause between: its absence is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_moves_to_another_file_is_never_missed() {
    let deadline = Instant::now() + DEADLINE;
    while Instant::now() < deadline {
        let ground = Stand::builder().prepare().await;
        let folder = policies(&ground);
        fs::write(folder.join("x.cedar"), format!("{PERMIT}{GUARD}")).unwrap();
        let stand = ground.start().await;
        let pause = Duration::from_millis(700);
        let files = [("x.cedar", PERMIT), ("y.cedar", GUARD)];
        let longest = write_slowly(&folder, &files, pause);
        eventually("the change is in force", || async {
            (status(&stand).await["policy_generation"] == 2).then_some(())
        })
        .await;
        if longest > Duration::from_millis(1_500) {
            continue;
        }
        let all = were_in_force(&stand.ground);
        assert_eq!(all.len(), 2, "before and after");
        assert!(all.iter().all(|text| text.contains("x-guard")));
        // A guard that is taken away for good is missed for a moment only.
        fs::remove_file(folder.join("y.cedar")).unwrap();
        eventually("the guard is gone", || async {
            (status(&stand).await["policy_generation"] == 3).then_some(())
        })
        .await;
        return;
    }
    panic!("this machine never was idle enough to write 2 files in time");
}

/// A copy into a new folder in the place of the old one: the system tells of the folder, and not yet of its files.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_filled_slowly_is_not_read_half() {
    for pause in pauses() {
        let stand = Stand::sqlite().await;
        let (root, folder) = (stand.ground.directory.path(), policies(&stand.ground));
        let before = status(&stand).await["policies"].as_u64().unwrap();
        let old = root.join("old");
        fs::rename(&folder, &old).unwrap();
        fs::create_dir(&folder).unwrap();
        for entry in fs::read_dir(&old).unwrap().flatten().filter(|it| it.path().is_file()) {
            fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
        }
        // What is there is a bundle, at each moment from now on.
        let names: Vec<String> = (1..9).map(|it| format!("x-{it}.cedar")).collect();
        let mut files = vec![("x-0.cedar", PERMIT)];
        files.extend(names.iter().map(|name| (name.as_str(), "// Nothing.\n")));
        files.push(("x-9.cedar", GUARD));
        let longest = write_slowly(&folder, &files, pause);
        rules(&stand, 2, before).await;
        if longest > Duration::from_millis(180) {
            continue;
        }
        for text in were_in_force(&stand.ground) {
            assert_eq!(text.contains("x-permit"), text.contains("x-guard"), "half of a change");
        }
        return;
    }
    panic!("this machine never was idle enough to fill a folder in time");
}

/// The README's way to ship policies: a link to the folder, which is replaced in one step.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_swapped_as_a_whole_is_never_mixed() {
    let ground = Stand::builder().prepare().await;
    let root = ground.directory.path().to_owned();
    fs::rename(policies(&ground), root.join("policies-1")).unwrap();
    copy_tree(&root.join("policies-1"), &root.join("policies-2"));
    // Each file tells which folder it is of.
    for (folder, mark) in [("policies-1", "one"), ("policies-2", "two")] {
        for number in 0..20 {
            let file = root.join(folder).join(format!("mark-{number}.cedar"));
            fs::write(file, format!("// folder {mark}\n")).unwrap();
        }
    }
    symlink("policies-1", root.join("policies")).unwrap();
    let stand = ground.start().await;
    let swap = |to: &str| {
        let commands = format!("ln -sfn {to} policies.new && mv -T policies.new policies");
        let done = Command::new("sh").args(["-c", &commands]).current_dir(&root).status().unwrap();
        assert!(done.success());
    };
    // It is seen without anybody saying so.
    swap("policies-2");
    eventually("the other folder is in force", || async {
        (status(&stand).await["policy_generation"] == 2).then_some(())
    })
    .await;
    // However often it is swapped while it is read, nothing is in force that is of both.
    let swapping = std::thread::spawn({
        let root = root.clone();
        move || {
            let began = Instant::now();
            for number in 0_u32.. {
                let to = if number % 2 == 0 { "policies-1" } else { "policies-2" };
                let fresh = root.join("policies.new");
                symlink(to, &fresh).unwrap();
                fs::rename(&fresh, root.join("policies")).unwrap();
                std::thread::sleep(Duration::from_millis(u64::from(number % 7)));
                if began.elapsed() > Duration::from_secs(3) {
                    return;
                }
            }
        }
    });
    while !swapping.is_finished() {
        let answer = reload(&stand, "").await;
        assert!([200, 422].contains(&answer.status), "{}", answer.status);
    }
    swapping.join().unwrap();
    let all = were_in_force(&stand.ground);
    assert_eq!(all.len(), 2, "one bundle for each folder");
    for text in all {
        assert_eq!(
            text.matches("// folder one").count() + text.matches("// folder two").count(),
            20
        );
        assert!(!(text.contains("// folder one") && text.contains("// folder two")), "a mixture");
    }
}
