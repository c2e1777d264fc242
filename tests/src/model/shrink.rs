//! What two disagree about, as small as it gets: whatever can be left out without their agreeing
//! is left out.

use super::{Body, Content, Names, Request, World};

/// A world and a request in it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is true.
    pub world: World,
    /// What is asked.
    pub request: Request,
}

/// Makes `case` smaller for as long as `holds` does: what holds of the smallest is what held of
/// the case.
#[must_use]
pub fn smallest(mut case: Case, holds: impl Fn(&Case) -> bool) -> Case {
    loop {
        let before = case.clone();
        for step in STEPS {
            step(&mut case, &holds);
        }
        if before.world == case.world && before.request == case.request {
            return case;
        }
    }
}

type Holds<'a> = &'a dyn Fn(&Case) -> bool;

const STEPS: [fn(&mut Case, Holds<'_>); 6] = [
    |case, holds| shorten(case, holds, |case| &mut case.world.objects),
    |case, holds| shorten(case, holds, |case| &mut case.world.users),
    |case, holds| shorten(case, holds, |case| &mut case.world.organizations),
    |case, holds| shorten(case, holds, |case| &mut case.request.query),
    simplify_request,
    simplify_world,
];

/// Keeps a change if the world still holds together and what is to hold holds.
fn attempt(case: &mut Case, holds: Holds<'_>, change: impl FnOnce(&mut Case)) -> bool {
    let mut changed = case.clone();
    change(&mut changed);
    let kept = changed.world.holds_together() && holds(&changed);
    if kept {
        *case = changed;
    }
    kept
}

/// Leaves out of a list what can be left out: at first halves of it, in the end one by one.
fn shorten<T>(case: &mut Case, holds: Holds<'_>, list: impl Fn(&mut Case) -> &mut Vec<T>) {
    let mut size = list(case).len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < list(case).len() {
            let end = (start + size).min(list(case).len());
            let dropped = attempt(case, holds, |case| drop(list(case).drain(start..end)));
            start = if dropped { start } else { end };
        }
        size /= 2;
    }
}

fn simplify_request(case: &mut Case, holds: Holds<'_>) {
    let changes: [fn(&mut Request); 9] = [
        |request| request.body = None,
        |request| request.host = None,
        |request| request.tenant = None,
        |request| request.break_glass = None,
        |request| request.user = None,
        |request| with_body(request, |body| body.escaped = false),
        |request| with_body(request, |body| body.padding = 0),
        |request| with_body(request, |body| "application/json".clone_into(&mut body.kind)),
        |request| {
            if request.method == "HEAD" {
                "GET".clone_into(&mut request.method);
            }
        },
    ];
    for change in changes {
        attempt_other(case, holds, |case| change(&mut case.request));
    }
    let count = case.request.body.as_ref().map_or(0, |body| match &body.content {
        Content::Members(members) => members.len(),
        Content::NoObject(_) => 0,
    });
    for at in (0..count).rev() {
        attempt(case, holds, |case| {
            with_body(&mut case.request, |body| {
                if let Content::Members(members) = &mut body.content {
                    members.remove(at);
                }
            });
        });
    }
}

/// As [`attempt`], unless nothing would change.
fn attempt_other(case: &mut Case, holds: Holds<'_>, change: impl Fn(&mut Case)) {
    let mut changed = case.clone();
    change(&mut changed);
    if changed.request != case.request || changed.world != case.world {
        attempt(case, holds, change);
    }
}

fn with_body(request: &mut Request, change: impl FnOnce(&mut Body)) {
    if let Some(body) = &mut request.body {
        change(body);
    }
}

fn simplify_world(case: &mut Case, holds: Holds<'_>) {
    for host in case.world.hosts.clone().into_keys() {
        attempt(case, holds, |case| drop(case.world.hosts.remove(&host)));
    }
    for at in 0..case.world.organizations.len() {
        attempt_other(case, holds, |case| case.world.organizations[at].group = None);
        attempt_other(case, holds, |case| case.world.organizations[at].deleted = false);
        attempt_other(case, holds, |case| case.world.organizations[at].status = "ACTIVE".into());
        fewer(case, holds, |case| &mut case.world.organizations[at].features);
        fewer(case, holds, |case| &mut case.world.organizations[at].workflows);
    }
    for at in 0..case.world.users.len() {
        attempt_other(case, holds, |case| case.world.users[at].super_admin = false);
        attempt_other(case, holds, |case| case.world.users[at].signed_out = false);
        attempt_other(case, holds, |case| case.world.users[at].active = true);
        attempt_other(case, holds, |case| case.world.users[at].organization = None);
        fewer(case, holds, |case| &mut case.world.users[at].roles);
        fewer(case, holds, |case| &mut case.world.users[at].features);
    }
    for at in 0..case.world.objects.len() {
        attempt_other(case, holds, |case| case.world.objects[at].workflow = None);
        attempt_other(case, holds, |case| case.world.objects[at].owner = None);
        fewer(case, holds, |case| &mut case.world.objects[at].roles);
    }
}

/// Leaves out of a set what can be left out.
fn fewer(case: &mut Case, holds: Holds<'_>, set: impl Fn(&mut Case) -> &mut Names) {
    for name in set(case).clone() {
        attempt(case, holds, |case| {
            set(case).remove(&name);
        });
    }
}
