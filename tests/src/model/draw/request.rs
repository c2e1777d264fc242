//! A made-up request.

use super::{WORKFLOWS, body::body};
use crate::{
    model::{Dice, Organization, Request, User, World},
    people::{FIELDS, ROUTES, Route},
};

/// Paths that no route declares, or none for every method.
const STRAYS: [&str; 22] = [
    "/",
    "/admin",
    "/api",
    "/api/codes",
    "/api/codes/",
    "/api/codes/lists/search",
    "/api/codes/unheard-of",
    "/api/codes/icd11/search",
    "/api/codes/search",
    "/api/CODES/lists",
    "/api/codesx/lists",
    "/api/auth",
    "/api/auth/unheard-of",
    "/api/users",
    "/api/users/me/",
    "/api/users/me/avatar",
    "/api/users/members",
    "/api/users/mex",
    "/api/patients/",
    "/api/sessions/start",
    "/api/authorizations/expiring/",
    "/healthz/",
];

/// What no canonical path holds, and what a canonical one hides.
const PATH_TAILS: [&str; 16] = [
    "/..", "/.", "//x", "/%2e%2e", "/%2F", "/a%5cb", "/%252e", "/%25252f", ";a=b", "/a;b", "/%zz",
    "/%4", "/%c3%28", "/%00", "/%20x", "/%c3%a9",
];

const JUSTIFICATIONS: [&str; 14] = [
    "emergency admission, unconscious",
    "ten chars!",
    "nine char",
    "  nine char  ",
    "  ten chars!  ",
    "",
    "short",
    "notfall: bewußtlos",
    "ééééééééé",
    "éééééééééé",
    "a tab\tis a control character",
    "so is \u{81}, which takes two bytes",
    "no control: \u{200b} nor \u{a0} nor this",
    "急患搬送中意識不明です",
];

/// A request that somebody might send in this world.
#[must_use]
pub fn request(dice: &mut Dice, world: &World) -> Request {
    let routes = if dice.likely(15) { escalating() } else { ROUTES.iter().collect() };
    let route = *dice.pick(&routes);
    let user = caller(dice, world, route);
    let known = user.as_ref().and_then(|id| world.user(id));
    let mut request = Request { user, ..Request::default() };
    request.method = method(dice, route);
    let (path, owner) = path(dice, world, route, known);
    request.path = disguised(dice, path);
    let percent = if route.phi == "view" { 45 } else { 8 };
    request.break_glass = dice.likely(percent).then(|| justification(dice));
    request.body = body(dice, world, route, known);
    let names = dice.weighted(&[(55, 0), (33, 1), (10, 2), (2, 3)]);
    for _ in 0..names {
        name_a_tenant(dice, world, &mut request, known, owner.as_deref());
    }
    if dice.likely(6) {
        request.query.push(dice.word(&["page=2", "q=%zz", "Organization_Id=x", "q=a=b"]).into());
    }
    request
}

/// The routes that somebody might misuse to hand out or to get more than they hold.
fn escalating() -> Vec<&'static Route> {
    let limited = |route: &Route| FIELDS.iter().any(|row| row.action == route.action);
    let misused = |route: &&Route| limited(route) || route.action == "invitations.delete";
    ROUTES.iter().filter(misused).collect()
}

/// Mostly somebody whom the route is for, so that later layers are reached.
fn caller(dice: &mut Dice, world: &World, route: &Route) -> Option<String> {
    let allowlist = route.allowlist();
    let fit = |user: &&User| user.is_any(&allowlist) && user.active;
    let breaking = |user: &&User| !user.is_any(&allowlist) && !user.is_only_other();
    let glass = if route.phi == "view" { 50 } else { 3 };
    let ways = [
        (4, "nobody"),
        (3, "unknown"),
        (60, "fit"),
        (8, "staff"),
        (25, "any"),
        (glass, "breaking"),
    ];
    let chosen = match dice.weighted(&ways) {
        "nobody" => return None,
        "fit" => dice.any(world.users.iter().filter(fit)),
        "staff" => dice.any(world.users.iter().filter(|user| user.is("PLATFORM_ADMIN"))),
        "any" => dice.any(world.users.iter()),
        "breaking" => dice.any(world.users.iter().filter(breaking)),
        _ => None,
    };
    Some(chosen.map_or_else(|| "nobody-knows-me".to_owned(), |user| user.id.clone()))
}

fn method(dice: &mut Dice, route: &Route) -> String {
    let other = dice.word(&["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
    match dice.below(100) {
        0..3 => other.to_owned(),
        3..15 if route.method == "GET" => "HEAD".to_owned(),
        _ => route.method.clone(),
    }
}

/// A path of the route, and who owns what it names.
fn path(
    dice: &mut Dice,
    world: &World,
    route: &Route,
    known: Option<&User>,
) -> (String, Option<String>) {
    if dice.likely(4) {
        return (dice.word(&STRAYS).to_owned(), None);
    }
    let (id, owner) = object(dice, world, route, known);
    let segments: Vec<String> = route
        .path
        .split('/')
        .map(|segment| match segment {
            "{id}" => id.clone(),
            "{workflow}" => workflow(dice, world, known),
            "{system}" => dice.word(&["icd10", "loinc", "snomed"]).to_owned(),
            literal => literal.to_owned(),
        })
        .collect();
    (segments.join("/"), owner)
}

/// The id of something of the route's type, and its owner: often the caller's own, else anybody's
/// or nobody's; now and then an id of another type, or of nothing.
fn object(
    dice: &mut Dice,
    world: &World,
    route: &Route,
    known: Option<&User>,
) -> (String, Option<String>) {
    let all: Vec<(&str, Option<&str>)> = match route.resource.as_str() {
        "User" => {
            world.users.iter().map(|it| (it.id.as_str(), it.organization.as_deref())).collect()
        }
        "Organization" => world.organizations.iter().map(|it| (&*it.id, Some(&*it.id))).collect(),
        kind => {
            let of_kind = world.objects.iter().filter(|it| it.kind == kind);
            of_kind.map(|it| (it.id.as_str(), it.owner.as_deref())).collect()
        }
    };
    let home = known.and_then(|user| user.organization.as_deref());
    let own = all.iter().filter(|(_, owner)| home.is_some() && *owner == home);
    let found = match dice.weighted(&[(55, "own"), (29, "any"), (8, "of nobody"), (8, "none")]) {
        "own" => dice.any(own),
        "any" => dice.any(all.iter()),
        "of nobody" => dice.any(all.iter().filter(|(_, owner)| owner.is_none())),
        _ => None,
    };
    let stranger = ["thing-1", "thing-none", "user-1", "org-1", "me", "start"];
    match found {
        Some((id, owner)) => ((*id).to_owned(), owner.map(str::to_owned)),
        None => (dice.word(&stranger).to_owned(), None),
    }
}

fn workflow(dice: &mut Dice, world: &World, known: Option<&User>) -> String {
    let home = known.and_then(|user| world.home(user));
    let enabled = home.into_iter().flat_map(|home| &home.workflows);
    let chosen = if dice.likely(50) { dice.any(enabled).cloned() } else { None };
    let any = dice.word(&[WORKFLOWS[0], WORKFLOWS[1], WORKFLOWS[2], "unheard_of"]);
    chosen.unwrap_or_else(|| any.to_owned())
}

/// The same path in another spelling, or one that has no canonical form.
fn disguised(dice: &mut Dice, mut path: String) -> String {
    match dice.below(100) {
        0..2 => path + dice.word(&PATH_TAILS),
        2 => path + "/",
        3..5 => {
            let at = dice.below(path.len());
            let byte = path.as_bytes()[at];
            if byte != b'/' {
                let escape =
                    if dice.likely(50) { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
                path.replace_range(at..=at, &escape);
            }
            path
        }
        _ => path,
    }
}

fn justification(dice: &mut Dice) -> String {
    match dice.below(100) {
        0..50 => JUSTIFICATIONS[0].to_owned(),
        50..54 => "x".repeat(dice.between(499, 501)),
        54..58 => "é".repeat(dice.between(499, 501)),
        _ => dice.word(&JUSTIFICATIONS).to_owned(),
    }
}

/// Names one more tenant somewhere: by slug in a host or a header, by id in a query or a body.
fn name_a_tenant(
    dice: &mut Dice,
    world: &World,
    request: &mut Request,
    known: Option<&User>,
    owner: Option<&str>,
) {
    let home = known.and_then(|user| world.home(user));
    let owner = owner.and_then(|id| world.organization(id));
    let sister = home.and_then(|home| {
        let group = home.group.as_ref()?;
        dice.any(world.organizations.iter().filter(|it| it.group.as_ref() == Some(group)))
    });
    let any = dice.pick(&world.organizations);
    let named = match dice.weighted(&[
        (45, "home"),
        (20, "owner"),
        (12, "sister"),
        (14, "any"),
        (5, "unknown"),
        (4, "empty"),
    ]) {
        "home" => Ok(home.unwrap_or(any)),
        "owner" => Ok(owner.or(home).unwrap_or(any)),
        "sister" => Ok(sister.unwrap_or(any)),
        "any" => Ok(any),
        "unknown" => Err("unheard_of"),
        _ => Err(""),
    };
    let mut slug = named.map_or_else(str::to_owned, |it: &Organization| it.slug.clone());
    let mut id = named.map_or_else(str::to_owned, |it| it.id.clone());
    // An id where a slug belongs names nobody, nor the other way round.
    if dice.likely(3) {
        std::mem::swap(&mut slug, &mut id);
    }
    match dice.weighted(&[(22, "host"), (28, "header"), (30, "query"), (20, "body")]) {
        "host" => request.host = Some(host(dice, world, slug)),
        "header" => request.tenant = Some(slug),
        "query" => request.query.push(pair(dice, &id)),
        _ => super::body::name_a_tenant(dice, request, id),
    }
}

/// A host that names this slug in one of the ways in which it can be spelled, or another host.
fn host(dice: &mut Dice, world: &World, slug: String) -> String {
    let suffix = ".clinics.example";
    let named = world.hosts.iter().find(|(_, it)| **it == slug).map(|(host, _)| host.clone());
    let listed: Vec<&String> = world.hosts.keys().collect();
    match dice.below(20) {
        0 => format!("{}{suffix}", slug.to_uppercase()),
        1 => format!("{slug}{suffix}:8443"),
        2 => format!("{slug}{suffix}."),
        3 => format!("{slug}.Clinics.Example.:80"),
        4 => format!("a.{slug}{suffix}"),
        5 => "elsewhere.example".to_owned(),
        6..9 => (*dice.pick(&listed)).clone(),
        9..12 => named.unwrap_or_else(|| slug + suffix),
        _ => slug + suffix,
    }
}

fn pair(dice: &mut Dice, id: &str) -> String {
    match dice.below(20) {
        0 => format!("organization%5Fid={id}"),
        1 => format!("%6frganizationId={}", id.replace('-', "%2d")),
        2 => format!("organization_id={id}+"),
        3 => "organizationId".to_owned(),
        4 => format!("organization_id={id}%zz"),
        5 => format!("Organization_id={id}"),
        6 => format!("organization_id[]={id}"),
        7..13 => format!("organizationId={id}"),
        _ => format!("organization_id={id}"),
    }
}
