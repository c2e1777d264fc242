//! The layers of `domain.md`, in order.

mod escalation;
mod tenant;

use std::{collections::BTreeSet, fmt};

use super::{
    body::Json,
    canonical::canonical,
    request::Request,
    routes::{self, Matched},
    tenancy::{self, Name},
    world::{Object, Organization, User, World},
};
use crate::people::{Route, role_set};

/// What becomes of a request, as far as it can be seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The status of the decision; 200 for allowed.
    pub status: u16,
    /// `allowed`, or the word of the refusal.
    pub reason: String,
    /// The action; none for a path that no route declares.
    pub action: Option<String>,
    /// The tenant in which an allowed request acts.
    pub tenant: Option<String>,
    /// Whether it was the justification that let it in.
    pub broke_glass: bool,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = self.action.as_deref().unwrap_or("unmapped");
        write!(f, "{} {} for {action}", self.status, self.reason)?;
        self.tenant.as_ref().map_or(Ok(()), |tenant| write!(f, " in {tenant}"))?;
        if self.broke_glass { write!(f, ", let in by its justification") } else { Ok(()) }
    }
}

/// What has to become of a request.
#[derive(Clone, Debug)]
pub struct Expected {
    /// What.
    pub outcome: Outcome,
    /// Why, in a sentence.
    pub why: String,
}

/// A layer that does not let the request pass.
struct Refusal {
    status: u16,
    reason: &'static str,
    why: String,
}

/// What is known of a request that passed.
#[derive(Default)]
struct Passed {
    tenant: Option<String>,
    broke_glass: bool,
}

type Layer<T> = Result<T, Refusal>;

fn refuse<T>(status: u16, reason: &'static str, why: impl Into<String>) -> Layer<T> {
    Err(Refusal { status, reason, why: why.into() })
}

/// What has to become of `request` in `world`.
#[must_use]
pub fn expected(world: &World, request: &Request) -> Expected {
    let path = canonical(&request.path);
    let matched = path.as_deref().and_then(|path| routes::find(&request.method, path));
    let action = matched.map(|matched| matched.route.action.clone());
    let judged = well_formed(request, path.as_deref()).and_then(|(path, in_query)| {
        if matched.is_some_and(|matched| matched.route.is_public()) {
            return Ok(Passed::default());
        }
        if let Some(alias) = tenancy::alias_in_query(request) {
            return refuse(400, "request_invalid", format!("`{alias}` is nearly a tenant's name"));
        }
        let judged = matched.is_some_and(|matched| matched.route.body == "json");
        let body = request.body.as_ref().filter(|body| !judged && !body.is_called_utf_8());
        if let Some(body) = body.filter(|_| !request.query.is_empty()) {
            let why = format!("the query might be read in another charset: {}", body.kind);
            return refuse(400, "request_invalid", why);
        }
        let caller = authentication(world, request)?;
        boundary(caller, path)?;
        signed_in(&Case { world, request, caller }, matched, in_query)
    });
    match judged {
        Ok(Passed { tenant, broke_glass }) => Expected {
            outcome: Outcome { status: 200, reason: "allowed".into(), action, tenant, broke_glass },
            why: "every layer lets it pass".to_owned(),
        },
        Err(Refusal { status, reason, why }) => {
            let action = action.filter(|_| !["request_invalid", "path_invalid"].contains(&reason));
            let reason = reason.to_owned();
            let outcome = Outcome { status, reason, action, tenant: None, broke_glass: false };
            Expected { outcome, why }
        }
    }
}

/// Layer 1: the request.
fn well_formed<'p>(request: &Request, path: Option<&'p str>) -> Layer<(&'p str, Vec<Name>)> {
    let Some(path) = path else {
        return refuse(400, "path_invalid", "the path has no canonical form");
    };
    let Some(names) = tenancy::in_query(request) else {
        return refuse(400, "request_invalid", "the query names a tenant with a bad escape");
    };
    Ok((path, names))
}

/// Layer 2: who asks.
fn authentication<'w>(world: &'w World, request: &Request) -> Layer<&'w User> {
    let Some(id) = &request.user else {
        return refuse(401, "token_missing", "no token was sent");
    };
    let Some(user) = world.user(id) else {
        return refuse(401, "user_unknown", format!("there is no user {id}"));
    };
    let home = world.home(user);
    if user.signed_out {
        refuse(401, "token_revoked", "all tokens of the caller were taken back")
    } else if !user.active {
        refuse(401, "user_inactive", "the caller is not active")
    } else if home.is_some_and(|home| !home.is_open()) {
        refuse(401, "org_inactive", "the caller's organisation is closed")
    } else if home.is_none() && !user.is("PLATFORM_ADMIN") {
        refuse(403, "org_missing", "the caller belongs nowhere and is no platform staff")
    } else {
        Ok(user)
    }
}

/// Layer 3: how far those get who are only OTHER.
fn boundary(caller: &User, path: &str) -> Layer<()> {
    let within = ["/api/codes/", "/api/auth/", "/api/users/me/"];
    let inside = path == "/api/users/me" || within.iter().any(|start| path.starts_with(start));
    if caller.is_only_other() && !inside {
        return refuse(403, "outside_boundary", "the caller is only OTHER");
    }
    Ok(())
}

/// Somebody who asks for something.
struct Case<'a> {
    world: &'a World,
    request: &'a Request,
    caller: &'a User,
}

/// Where a request acts, and what it touches.
struct Place<'a> {
    tenant: Option<&'a Organization>,
    object: Option<Object>,
}

/// Layers 4 to 8.
fn signed_in(case: &Case<'_>, matched: Option<Matched<'_>>, query: Vec<Name>) -> Layer<Passed> {
    let Some(matched) = matched else {
        return refuse(403, "route_unmapped", "no route has this method and path");
    };
    let broke_glass = case.role(matched.route)?;
    let members = case.body(matched.route)?;
    let named = case.named(query, members)?;
    let place = case.place(&matched, named)?;
    case.feature(matched.route, place.tenant)?;
    workflow(&matched, &place)?;
    case.escalation(matched.route, place.object.as_ref(), members)?;
    Ok(Passed { tenant: place.tenant.map(|tenant| tenant.id.clone()), broke_glass })
}

/// Layer 7: the workflow in the path.
fn workflow(matched: &Matched<'_>, place: &Place<'_>) -> Layer<()> {
    let Some(workflow) = matched.workflow else { return Ok(()) };
    if !place.tenant.is_some_and(|tenant| tenant.workflows.contains(workflow)) {
        return refuse(
            403,
            "workflow_disabled",
            format!("{workflow} is not enabled in the tenant"),
        );
    }
    let of_it = |object: &Object| object.workflow.as_deref() == Some(workflow);
    if !place.object.as_ref().is_none_or(of_it) {
        return refuse(404, "not_found", format!("the patient is not of {workflow}"));
    }
    Ok(())
}

impl<'a> Case<'a> {
    /// Layer 4: the route's allowlist, and what lifts it. Tells whether it was lifted.
    fn role(&self, route: &Route) -> Layer<bool> {
        let justification = self.request.break_glass.as_ref().map(|sent| sent.trim());
        if let Some(text) = justification {
            let length = text.chars().count();
            if !(10..=500).contains(&length) || text.contains(char::is_control) {
                return refuse(400, "justification_invalid", format!("it has {length} characters"));
            }
        }
        if self.caller.is_any(&route.allowlist()) {
            return Ok(false);
        }
        let sets = ["CLINICAL", "RECEPTIONIST", "BILLING", "ADMIN"].map(role_set);
        let may_break: BTreeSet<&str> = sets.concat().into_iter().collect();
        if route.phi == "view" && justification.is_some() && self.caller.is_any(&may_break) {
            return Ok(true);
        }
        refuse(403, "role_not_allowed", format!("the route is for {}", route.roles))
    }

    /// The end of layer 4: the members of the body, where it is read.
    fn body(&self, route: &Route) -> Layer<&'a [(String, Json)]> {
        let sent = self.request.body.as_ref();
        if route.body == "none" && sent.is_some_and(|body| !body.text().is_empty()) {
            return refuse(400, "body_unexpected", "the route takes no body");
        }
        let Some(body) = sent.filter(|_| route.body == "json") else { return Ok(&[]) };
        if body.text().len() > 64 << 10 {
            return refuse(413, "body_too_large", "the body is longer than 64 KiB");
        }
        if !body.is_called_json() || !body.is_called_utf_8() {
            return refuse(415, "body_unsupported", format!("the body is {}", body.kind));
        }
        let Some(members) = body.members() else {
            return refuse(400, "body_invalid", "the body is not one object without duplicates");
        };
        match members.iter().find(|(name, _)| tenancy::is_nearly_a_name(name)) {
            Some((name, _)) => {
                refuse(400, "body_invalid", format!("`{name}` is nearly a tenant's name"))
            }
            None => Ok(members),
        }
    }

    /// Layer 6: the paywall.
    fn feature(&self, route: &Route, tenant: Option<&Organization>) -> Layer<()> {
        let Some((feature, whom)) = route.feature.split_once(':') else { return Ok(()) };
        if whom == "other" && !self.caller.is_only_other() {
            return Ok(());
        }
        if !tenant.is_some_and(|tenant| tenant.features.contains(feature)) {
            return refuse(403, "org_feature_disabled", format!("{feature} has not been bought"));
        }
        if !self.caller.features.contains(feature) {
            return refuse(403, "user_feature_disabled", format!("{feature} has not been ticked"));
        }
        Ok(())
    }
}
