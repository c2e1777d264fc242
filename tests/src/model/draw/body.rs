//! A made-up body.

use super::{FEATURES, ROLES};
use crate::{
    model::{Body, Content, Dice, Json, Request, User, World},
    people::{FIELDS, Route},
};

const NO_OBJECTS: [&str; 12] = [
    "[]",
    "null",
    "\"x\"",
    "{",
    "{\"a\":1,}",
    "{'a':1}",
    "{\"a\":1} x",
    "{\"a\":01}",
    "{a:1}",
    " ",
    "{\"a\":NaN}",
    "[{}]",
];

const KINDS: [&str; 15] = [
    "application/json; charset=\"UTF-8\"",
    "application/json; charset=utf-7",
    "application/json; charset=utf-16",
    "application/json; charset=utf-8; charset=utf-8",
    "application/json; charset*=utf-8''utf-7",
    "application/json; x=\"; charset=utf-8\"",
    "application/json; charset=utf-8",
    "application/merge-patch+json",
    "Application/JSON",
    "application/json ;v=1",
    "text/plain",
    "text/json",
    "application/jsonx",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=json",
];

/// Names that some reader takes for that of a tenant.
const ALIASES: [&str; 6] = [
    "Organization_Id",
    "organizationid",
    "organization_id[]",
    "organizationId[0]",
    "organization.id",
    " organization_id",
];

const ANY_FIELDS: [&str; 8] =
    ["note", "role", "is_super_admin", "tier", "status", "organization", "features", "roles "];

/// What a request of this route might carry, if it carries anything.
pub(super) fn body(
    dice: &mut Dice,
    world: &World,
    route: &Route,
    known: Option<&User>,
) -> Option<Body> {
    let percent = if route.body == "none" { 4 } else { 80 };
    if !dice.likely(percent) {
        return None;
    }
    let mut body = Body::of(members(dice, world, route, known));
    match dice.below(100) {
        0..4 => body.content = Content::NoObject(dice.word(&NO_OBJECTS).to_owned()),
        4..6 => repeat_one(dice, &mut body),
        6 if dice.likely(30) => body.padding = 64 << 10,
        7 => body.padding = dice.below(10),
        8..11 => body.escaped = true,
        _ => {}
    }
    if dice.likely(9) {
        body.kind = dice.word(&KINDS).to_owned();
    }
    Some(body)
}

/// What the table of fields allows, and now and then what it does not.
fn members(
    dice: &mut Dice,
    world: &World,
    route: &Route,
    known: Option<&User>,
) -> Vec<(String, Json)> {
    let row = FIELDS.iter().find(|row| row.action == route.action);
    let fields = row.map_or("name", |row| row.fields.as_str()).split_whitespace();
    let privileged = row.map_or("", |row| row.platform_fields.as_str()).split_whitespace();
    let staff = known.is_some_and(|user| user.is("PLATFORM_ADMIN"));
    let more = if staff { 35 } else { 5 };
    let mut names: Vec<&str> = fields.filter(|_| dice.likely(55)).collect();
    names.extend(privileged.filter(|_| dice.likely(more)));
    if dice.likely(8) {
        names.push(dice.word(&ANY_FIELDS));
    }
    if dice.likely(4) {
        names.push("roles");
    }
    names.dedup();
    names.into_iter().map(|name| (name.to_owned(), value(dice, world, name))).collect()
}

fn value(dice: &mut Dice, world: &World, name: &str) -> Json {
    let text = |text: &str| Json::Text(text.to_owned());
    match name {
        "roles" => roles(dice),
        "enabled_features" => Json::List(vec![text(dice.word(&FEATURES))]),
        "features" => Json::Object(vec![("codes".to_owned(), Json::Plain("true"))]),
        "status" => text(dice.word(&["ACTIVE", "INACTIVE"])),
        "slug" => text(&dice.pick(&world.organizations).slug),
        "deleted_at" => Json::Plain("null"),
        _ => match dice.below(4) {
            0 => Json::Plain(dice.word(&["true", "0", "-1.5e3", "null", "false"])),
            // A name of a tenant below the top names none.
            1 => Json::Object(vec![("organization_id".to_owned(), text("org-0"))]),
            _ => text("x"),
        },
    }
}

/// Mostly a list of known roles, often of those that not everybody may give.
fn roles(dice: &mut Dice) -> Json {
    let text = |role: &str| Json::Text(role.to_owned());
    let count = dice.below(4);
    let mut items: Vec<Json> = (0..count).map(|_| text(dice.word(&ROLES))).collect();
    if dice.likely(30) {
        items = vec![text(dice.word(&["GROUP_ADMIN", "GROUP_ADMIN", "PLATFORM_ADMIN"]))];
    }
    match dice.below(20) {
        0 => items.push(text(dice.word(&["doctor", "SUPER_ADMIN", "", "DOCTOR "]))),
        1 => items.push(Json::Plain(dice.word(&["null", "1", "true"]))),
        2 => items.push(Json::List(vec![text("DOCTOR")])),
        3 => return text(dice.word(&ROLES)),
        4 => return Json::Plain("null"),
        5 => return Json::Object(Vec::new()),
        _ => {}
    }
    Json::List(items)
}

/// A member twice: at the top, or further down.
fn repeat_one(dice: &mut Dice, body: &mut Body) {
    let Content::Members(members) = &mut body.content else { return };
    let twice = ("a".to_owned(), Json::Plain("1"));
    if let Some(first) = members.first().cloned().filter(|_| dice.likely(50)) {
        members.push(first);
    } else {
        let inner = Json::Object(vec![twice.clone(), twice]);
        members.push(("name".to_owned(), Json::List(vec![inner])));
    }
}

/// Names a tenant in the body, where there is an object or nothing yet.
pub(super) fn name_a_tenant(dice: &mut Dice, request: &mut Request, id: String) {
    let body = request.body.get_or_insert_with(|| Body::of(Vec::new()));
    let Content::Members(members) = &mut body.content else { return };
    let mut name = dice.word(&["organization_id", "organizationId"]);
    if dice.likely(4) {
        name = dice.word(&ALIASES);
    }
    let value = match dice.below(20) {
        0 => Json::Plain(dice.word(&["null", "1", "false"])),
        1 => Json::List(vec![Json::Text(id)]),
        _ => Json::Text(id),
    };
    if members.iter().all(|(other, _)| other != name) {
        members.push((name.to_owned(), value));
    }
}
