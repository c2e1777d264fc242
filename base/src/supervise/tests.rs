use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn of(supervisor: &Supervisor, name: &str) -> Health {
    supervisor.health().into_iter().find(|it| it.name == name).unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_mins(1), "it never came");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Fails in every possible way, one after the other, and then has nothing left to do.
fn step(number: usize) -> Result<(), io::Error> {
    match number {
        0 => panic!("a literal"),
        1 => panic!("text {number}"),
        2 => Err(io::Error::other("an error")),
        3 => std::panic::panic_any(7),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn a_task_that_falls_is_started_again_until_it_is_done() {
    let (supervisor, begun) = (Supervisor::default(), Arc::<AtomicUsize>::default());
    let counted = Arc::clone(&begun);
    let task = supervisor.task("worker", move || {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            step(number)
        }
    });
    let start = Instant::now();
    task.await;
    assert_eq!(begun.load(Ordering::SeqCst), 5);
    assert_eq!(of(&supervisor, "worker"), Health { name: "worker", up: None, restarts: 4 });
    // 100, 200, 400 and 800 ms.
    assert!(start.elapsed() >= Duration::from_millis(1500));
    assert_eq!(supervisor.warning(), None, "it is done");
}

#[tokio::test]
async fn work_that_panics_before_it_is_a_task_or_when_it_is_dropped_is_no_end() {
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            std::panic::panic_any("when it is dropped");
        }
    }
    let (supervisor, mut number) = (Supervisor::default(), 0);
    let task = supervisor.task("worker", move || {
        number += 1;
        assert!(number != 1, "at once");
        let late = if number == 2 { Some(Late) } else { None };
        async move { drop(late) }
    });
    task.await;
    assert_eq!(of(&supervisor, "worker").restarts, 2);
}

#[test]
fn what_always_falls_is_told_of_and_does_not_spin() {
    let supervisor = Supervisor::default();
    let watched = supervisor.watch("worker");
    let pauses: Vec<u128> = (0..9).map(|_| watched.fell("a reason").as_millis()).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    assert_eq!(of(&supervisor, "worker").up, Some(false));
    let warning = supervisor.warning().unwrap();
    assert!(warning.contains("`worker` is down") && warning.contains("a reason"), "{warning}");
    watched.again();
    assert_eq!(of(&supervisor, "worker").up, Some(true));
    assert!(supervisor.warning().unwrap().contains("was started again"));
}

#[test]
fn a_thread_that_falls_is_started_again_until_it_is_done() {
    let (supervisor, mut number) = (Supervisor::default(), 0);
    let thread = supervisor.thread("worker", move || {
        number += 1;
        step(number - 1)
    });
    thread.unwrap().join().unwrap();
    assert_eq!(of(&supervisor, "worker"), Health { name: "worker", up: None, restarts: 4 });
}

#[tokio::test]
async fn those_of_one_name_are_up_together() {
    let supervisor = Supervisor::default();
    let waiting = |fine: bool| {
        supervisor.task("worker", move || async move {
            assert!(fine, "not fine");
            std::future::pending::<()>().await;
        })
    };
    let tasks = [tokio::spawn(waiting(true)), tokio::spawn(waiting(false))];
    until(|| of(&supervisor, "worker").up == Some(false)).await;
    for task in tasks {
        task.abort();
    }
}

#[tokio::test]
async fn a_drill_makes_a_task_fall_where_it_waits() {
    let supervisor = Supervisor::default();
    let waiting = tokio::spawn(supervisor.task("worker", std::future::pending::<()>));
    until(|| supervisor.drill("worker") == 1).await;
    assert_eq!(supervisor.drill("nobody"), 0);
    let again = Health { name: "worker", up: Some(true), restarts: 1 };
    until(|| of(&supervisor, "worker") == again).await;
    assert!(supervisor.warning().unwrap().contains("this is a drill"));
    waiting.abort();
}
