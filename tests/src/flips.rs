//! Facts that change under load: who is judged by what, and since when.
//!
//! For each subject somebody flips a row back and forth, and clients ask without a pause. A flip is
//! over when every gate has judged by it; from then on no request that began later may be judged by
//! what was true before.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::client::{Connection, Request};
use crate::tokens::token;
use crate::wait::eventually;

/// Each flip is looked at for so many more requests once it has been seen.
const WATCHED: usize = 10;

/// A fact that decides one request, with the SQL that makes it so, and the reason that the request then
/// gets (empty: it is allowed).
struct Subject {
    user: &'static str,
    target: &'static str,
    states: [(&'static str, &'static str); 2],
}

const SEARCH: &str = "/api/codes/icd10/search?q=a";

const SUBJECTS: [Subject; 6] = [
    Subject {
        user: "alpha-coder",
        target: SEARCH,
        states: [
            ("update users set enabled_features = '{codes}' where id = 'alpha-coder'", ""),
            (
                "update users set enabled_features = '{}' where id = 'alpha-coder'",
                "user_feature_disabled",
            ),
        ],
    },
    Subject {
        user: "beta-nurse",
        target: "/api/patients",
        states: [
            ("update users set roles = '{NURSE}' where id = 'beta-nurse'", ""),
            ("update users set roles = '{OTHER}' where id = 'beta-nurse'", "outside_boundary"),
        ],
    },
    Subject {
        user: "alpha-doctor",
        target: "/api/patients",
        states: [
            ("update users set status = 'ACTIVE' where id = 'alpha-doctor'", ""),
            ("update users set status = 'INACTIVE' where id = 'alpha-doctor'", "user_inactive"),
        ],
    },
    Subject {
        user: "omni-nurse",
        target: "/api/patients/patient-omni-1",
        states: [
            ("update users set organization_id = 'org-omni' where id = 'omni-nurse'", ""),
            ("update users set organization_id = 'org-beta' where id = 'omni-nurse'", "not_found"),
        ],
    },
    Subject {
        user: "kauvery-coder",
        target: SEARCH,
        states: [
            (
                "update organizations set features = '{\"codes\": true}' where id = 'org-kauvery'",
                "",
            ),
            (
                "update organizations set features = '{}' where id = 'org-kauvery'",
                "org_feature_disabled",
            ),
        ],
    },
    Subject {
        user: "kauvery-doctor",
        target: "/api/patients/patient-that-moves",
        states: [
            (
                "update patients set organization_id = 'org-kauvery' where id = 'patient-that-moves'",
                "",
            ),
            (
                "update patients set organization_id = 'org-beta' where id = 'patient-that-moves'",
                "not_found",
            ),
        ],
    },
];

const MOVES: &str = "insert into patients (id, organization_id, first_name, last_name) \
                     values ('patient-that-moves', 'org-kauvery', 'A', 'Patient')";

/// What was seen.
#[derive(Debug, Default)]
pub struct Report {
    /// From the commit of each flip to the end of the first request that was judged by it, for each
    /// gate; sorted.
    pub times: Vec<Duration>,
    /// Requests that were judged.
    pub requests: usize,
    /// Requests that were judged by old facts though they began after the flip had been seen.
    pub went_back: usize,
    /// Requests that were judged by old facts though they began later than the bound.
    pub late: usize,
    /// Requests that could not be judged.
    pub unavailable: usize,
}

impl Report {
    /// The time below which so many of a thousand are.
    #[must_use]
    pub fn time(&self, part: usize) -> Duration {
        let last = self.times.len().saturating_sub(1);
        self.times.get((self.times.len() * part / 1_000).min(last)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} flips seen in {} requests; from commit to the end of the first request that was judged by it: \
             p50 {:.1?}, p99 {:.1?}, at most {:.1?}; {} requests that began after the bound were judged by old facts; {} could not be judged",
            self.times.len(),
            self.requests,
            self.time(500),
            self.time(990),
            self.time(1_000),
            self.late,
            self.unavailable
        )
    }
}

/// What a request gets now, and what it got before.
#[derive(Debug, Clone, Copy)]
struct Flip {
    to: &'static str,
    from: &'static str,
}

/// One subject at one gate.
#[derive(Debug, Default)]
struct Watch {
    /// What is true, and since when; nothing while that changes.
    now: Option<(Flip, Instant)>,
    seen: Option<Instant>,
    judged: usize,
    report: Report,
}

impl Watch {
    fn judged(&mut self, began: Instant, reason: &str, bound: Duration) {
        self.report.requests += 1;
        let Some((flip, since)) = self.now else { return };
        if reason == flip.to {
            if self.seen.is_none() {
                self.report.times.push(since.elapsed());
                self.seen = Some(Instant::now());
            }
            self.judged += 1;
            return;
        }
        if reason != flip.from {
            self.report.unavailable += 1;
            return;
        }
        self.report.went_back += usize::from(self.seen.is_some_and(|seen| began > seen));
        self.report.late += usize::from(began > since + bound);
    }
}

/// Flips facts in the database at `url` so many times, while `connections` ask `gates`, which have
/// the demo's people.
///
/// # Panics
///
/// When something cannot be done, or a flip is never seen.
pub async fn run(
    gates: &[SocketAddr],
    url: &str,
    flips: usize,
    connections: usize,
    bound: Duration,
) -> Report {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(MOVES).execute(&mut connection).await.unwrap();
    let watches: Vec<Vec<Arc<Mutex<Watch>>>> =
        SUBJECTS.iter().map(|_| gates.iter().map(|_| Arc::default()).collect()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for number in 0..connections.max(SUBJECTS.len() * gates.len()) {
        let (subject, gate) = (number % SUBJECTS.len(), number / SUBJECTS.len() % gates.len());
        let watch = Arc::clone(&watches[subject][gate]);
        let (stop, gate) = (Arc::clone(&stop), gates[gate]);
        clients.push(tokio::spawn(async move {
            let Subject { user, target, .. } = SUBJECTS[subject];
            let request = Request::get(target).token(&token(user));
            let mut connection = Connection::open(gate).await;
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                let answer = connection.send(&request).await.unwrap();
                watch.lock().unwrap().judged(began, &answer.reason(), bound);
            }
        }));
    }
    let mut writers = Vec::new();
    for (subject, watches) in SUBJECTS.iter().zip(&watches) {
        let (url, watches) = (url.to_owned(), watches.clone());
        let flips = flips.div_ceil(SUBJECTS.len());
        writers.push(tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            for number in 0..flips {
                let [(_, from), (sql, to)] =
                    [0, 1].map(|it| subject.states[(number + it) % subject.states.len()]);
                flip(&mut connection, sql, Flip { to, from }, &watches).await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    gathered(&watches)
}

/// Makes something so, and waits until every gate has judged by it for a while.
async fn flip(connection: &mut PgConnection, sql: &str, flip: Flip, watches: &[Arc<Mutex<Watch>>]) {
    for watch in watches {
        watch.lock().unwrap().now = None;
    }
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{sql}");
    let committed = Instant::now();
    for watch in watches {
        let mut watch = watch.lock().unwrap();
        watch.now = Some((flip, committed));
        (watch.seen, watch.judged) = (None, 0);
    }
    eventually(&format!("`{}` after `{sql}`", flip.to), || async {
        let seen = |watch: &Arc<Mutex<Watch>>| watch.lock().unwrap().judged >= WATCHED;
        watches.iter().all(seen).then_some(())
    })
    .await;
}

fn gathered(watches: &[Vec<Arc<Mutex<Watch>>>]) -> Report {
    let mut whole = Report::default();
    for watch in watches.iter().flatten() {
        let report = std::mem::take(&mut watch.lock().unwrap().report);
        whole.times.extend(report.times);
        whole.requests += report.requests;
        whole.went_back += report.went_back;
        whole.late += report.late;
        whole.unavailable += report.unavailable;
    }
    whole.times.sort_unstable();
    whole
}
