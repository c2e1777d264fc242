//! What happens in the life of a gate, one thing after the other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::sql::execute;
use tests::tokens::{FOREIGN, TRUSTED};

use crate::usage::{signal, spent};
use crate::world::World;

const PAUSE: Duration = Duration::from_millis(400);
/// How often one looks whether the journal has a new segment.
const LOOK: Duration = Duration::from_millis(100);

/// How long a time it is of which one asks what others used.
const SPELL: Duration = Duration::from_millis(500);

/// Something that happened.
#[derive(Debug, Clone)]
pub(super) struct Happening {
    /// Seconds after the beginning.
    pub(super) at: f64,
    /// In a table, and in a picture.
    pub(super) told: String,
    pub(super) mark: &'static str,
}

/// What an event does, when, and what it is called.
type Event = (f64, &'static str, &'static str, fn(&World, &Path));

const EVENTS: [Event; 4] = [
    (6.0, "a policy is edited, and the bundle read again", "policies", edit_policy),
    (14.0, "the issuer's keys are another set (seen within 2 s)", "keys", rotate_keys),
    (
        38.0,
        "all facts in memory count no more: the connection that tells of changes is cut",
        "cache",
        cut,
    ),
    (46.0, "the database is stopped for 400 ms", "database", pause),
];

/// What was seen beside the load.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    pub(super) happenings: Vec<Happening>,
    /// How much of a core others used, up to these seconds after the beginning.
    others: Vec<(f64, f64)>,
}

impl Watched {
    /// The most that others used of a core in this time.
    pub(super) fn others(&self, from: f64, to: f64) -> f64 {
        let within = self.others.iter().filter(|(at, _)| (from..to).contains(at));
        within.map(|(_, used)| *used).fold(0.0, f64::max)
    }
}

/// Keeps an eye on the journal of the gate in that folder and on others; lets everything happen at its time, if
/// anything is to.
pub(super) fn watch(world: &World, gate: &str, length: Duration, eventful: bool) -> Watched {
    let began = Instant::now();
    let folder = world.setting.folder.join(gate);
    let mut segments = journal(world, gate).segments;
    let mut watched = Watched::default();
    let mut events = EVENTS.iter().filter(|_| eventful).peekable();
    let (mut before, mut since) = (spent(None), began);
    while began.elapsed() < length {
        let at = began.elapsed().as_secs_f64();
        if let Some((_, told, mark, happen)) = events.next_if(|it| it.0 <= at) {
            happen(world, &folder);
            watched.happenings.push(Happening { at, told: (*told).to_owned(), mark });
        }
        let now = journal(world, gate).segments;
        if now.last() > segments.last() {
            let told = "a segment of the journal ends, is synced, signed and compressed";
            watched.happenings.push(Happening { at, told: told.to_owned(), mark: "segment" });
            segments = now;
        }
        if since.elapsed() > SPELL {
            let now = spent(None);
            let used = (now - before).by_others();
            watched.others.push((began.elapsed().as_secs_f64(), used));
            (before, since) = (now, Instant::now());
        }
        thread::sleep(LOOK);
    }
    watched
}

/// What is in a gate's journal.
pub(super) struct Journal {
    /// Names of its segments, without their ends.
    segments: BTreeSet<String>,
    pub(super) bytes: f64,
}

pub(super) fn journal(world: &World, gate: &str) -> Journal {
    let folder = world.setting.folder.join(gate).join("audit");
    let mut journal = Journal { segments: BTreeSet::new(), bytes: 0.0 };
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let Some((segment, _)) = name.split_once(".jsonl") else { continue };
        journal.segments.insert(segment.to_owned());
        // A segment that was compressed meanwhile is gone.
        let length = entry.metadata().map_or(0, |it| it.len());
        journal.bytes += f64::from(u32::try_from(length).unwrap());
    }
    journal
}

/// Replaces a file as an editor does.
fn replace(file: &Path, text: &str) {
    let fresh = file.with_extension("fresh");
    fs::write(&fresh, text).unwrap();
    fs::rename(&fresh, file).unwrap();
}

fn edit_policy(_: &World, folder: &Path) {
    let file = folder.join("policies/boundary.cedar");
    let text = fs::read_to_string(&file).unwrap();
    let changed = text.replace("for the tools portal only", "for the portal of tools only");
    assert!(changed != text, "there is nothing to change in {}", file.display());
    replace(&file, &changed);
}

/// The old key stays, beside a new one: tokens hold.
fn rotate_keys(_: &World, folder: &Path) {
    let key = |set: &Value, id: &str| {
        set["keys"].as_array().unwrap().iter().find(|it| it["kid"] == id).unwrap().clone()
    };
    let mut fresh = key(&FOREIGN.key_set(), "rs-1");
    fresh["kid"] = "rs-2".into();
    let keys = serde_json::json!({"keys": [fresh, key(&TRUSTED.key_set(), "rs-1")]});
    replace(&folder.join("jwks.json"), &keys.to_string());
}

fn cut(world: &World, _: &Path) {
    let sql = "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(execute(&world.database, sql));
}

fn pause(_: &World, _: &Path) {
    signal("postgres", "STOP");
    thread::sleep(PAUSE);
    signal("postgres", "CONT");
}
