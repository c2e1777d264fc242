use std::sync::atomic::AtomicUsize;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn seats(total: usize, client: usize) -> Arc<Seats> {
    Seats::new(Bounds { total, client }, |_| {})
}

/// The indices of the seats that were told to close.
fn told(seats: &[Seat]) -> Vec<usize> {
    let told = seats.iter().enumerate().filter(|(_, seat)| seat.mark.is_leaving());
    told.map(|(place, _)| place).collect()
}

#[test]
fn the_longest_idle_makes_room_and_nobody_who_is_busy() {
    let seats = seats(4, 4);
    let mut held: Vec<Seat> = (0..4).map(|_| seats.take(Some(ip("192.0.2.1"))).unwrap()).collect();
    for place in [2, 0, 1] {
        assert!(held[place].busy());
    }
    // They become idle again in this order; the fourth was never busy.
    for place in [2, 0, 1] {
        held[place].idle();
    }
    for expected in [vec![3], vec![2, 3], vec![0, 2, 3], vec![0, 1, 2, 3]] {
        held.push(seats.take(Some(ip("192.0.2.1"))).unwrap());
        assert_eq!(told(&held), expected);
    }
    assert!(!held[0].busy(), "whoever was told to close serves nobody any more");
    held[0].idle();
    assert!(held[0].mark.is_leaving());
}

#[test]
fn where_all_are_busy_the_next_is_refused_until_one_is_idle() {
    let seats = seats(3, 3);
    let held: Vec<Seat> = (0..3).map(|_| seats.take(None).unwrap()).collect();
    assert!(held.iter().all(Seat::busy));
    assert_eq!(seats.take(None).unwrap_err(), Beyond::Total);
    held[1].idle();
    let until = Instant::now() + Duration::from_mins(1);
    while seats.take(None).is_err() {
        assert!(Instant::now() < until, "nobody looks for idle connections any more");
    }
    assert_eq!(told(&held), [1]);
}

#[test]
fn a_client_makes_room_for_itself_and_nobody_else_does() {
    let seats = seats(100, 2);
    let others: Vec<Seat> =
        (0..9).map(|n| seats.take(Some(ip(&format!("192.0.2.{n}")))).unwrap()).collect();
    let mut held: Vec<Seat> =
        (1..3).map(|n| seats.take(Some(ip(&format!("2001:db8::{n}")))).unwrap()).collect();
    held.push(seats.take(Some(ip("2001:db8::ffff:3"))).unwrap());
    assert_eq!((told(&held), told(&others)), (vec![0], vec![]));
    assert!(held[1].busy() && held[2].busy());
    assert_eq!(seats.take(Some(ip("2001:db8::4"))).unwrap_err(), Beyond::Client);
    assert!(seats.take(Some(ip("2001:db8:0:1::1"))).is_ok(), "another network is another client");
    // Connections without an address count towards the total only.
    let free: Vec<Seat> = (0..50).map(|_| seats.take(None).unwrap()).collect();
    assert!(told(&free).is_empty());
}

#[test]
fn there_are_never_more_than_there_may_be_besides_those_that_close() {
    let (most, held_now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, last) = (Arc::clone(&most), Arc::clone(&held_now));
    let seats = Seats::new(Bounds { total: 50, client: 10 }, move |event| match event {
        Event::Taken => {
            seen.fetch_max(last.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        }
        Event::Free => {
            last.fetch_sub(1, Ordering::SeqCst);
        }
        Event::ClosedEarly(_) => {}
    });
    let mut held: Vec<Seat> = Vec::new();
    for number in 0..10_000_u32 {
        held.push(seats.take(Some(IpAddr::V4((number % 97).into()))).unwrap());
        held.retain(|seat| !seat.mark.is_leaving());
    }
    assert!(held.len() <= 50 && most.load(Ordering::SeqCst) <= 51);
    let state = seats.state();
    assert!(state.line.len() <= 2 * 51 + 17, "what has ended is forgotten");
    drop(state);
    drop(held);
    let state = seats.state();
    assert_eq!((state.taken.len(), state.leaving, state.clients.len()), (0, 0, 0));
    assert_eq!(held_now.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn whoever_is_told_hears_it_even_if_he_listens_later() {
    let seats = seats(1, 1);
    let first = seats.take(None).unwrap();
    let _second = seats.take(None).unwrap();
    first.told_to_close().await;
}

/// Compares with a search over all seats, for random sequences of idle and busy marks.
#[test]
fn it_is_the_same_as_looking_at_all_of_them() {
    let seed = std::env::var("CEDARGATE_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(7_u64);
    let mut dice = seed;
    let mut throw = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).unwrap() % sides
    };
    let seats = seats(20, 20);
    let mut held: Vec<Seat> = Vec::new();
    for _ in 0..20_000 {
        let now = seats.now();
        while seats.now() == now {}
        match throw(4) {
            0 if !held.is_empty() => drop(held.swap_remove(throw(held.len()))),
            1 if !held.is_empty() => assert!(held[throw(held.len())].busy()),
            2 if !held.is_empty() => held[throw(held.len())].idle(),
            _ => {
                let states = held.iter().map(|it| it.mark.state.load(Ordering::SeqCst));
                let longest =
                    states.enumerate().filter(|(_, it)| *it != BUSY).min_by_key(|it| it.1);
                seats.state().line.unpause();
                let full = held.len() == 20;
                match (seats.take(None), longest) {
                    (Ok(seat), _) if !full => held.push(seat),
                    (Ok(seat), Some((place, _))) => {
                        assert_eq!(told(&held), [place], "seed {seed}");
                        held[place] = seat;
                    }
                    (Err(Beyond::Total), None) => assert!(full, "seed {seed}"),
                    (taken, longest) => panic!("{taken:?} {longest:?}, seed {seed}"),
                }
            }
        }
    }
}
