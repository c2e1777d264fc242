//! Layer 8: nobody hands out more than they hold, or lays hands on those above them.

use super::{Case, Layer, refuse};
use crate::{
    model::{Json, Object, tenancy},
    people::{FIELDS, Route, role_set},
};

/// The actions whose body gives roles.
const GIVES: [&str; 3] = ["invitations.create", "invitations.update", "admin.users.roles.update"];

impl Case<'_> {
    pub(super) fn escalation(
        &self,
        route: &Route,
        object: Option<&Object>,
        members: &[(String, Json)],
    ) -> Layer<()> {
        let action = route.action.as_str();
        if GIVES.contains(&action) {
            self.gives(members)?;
        }
        let on_account = action.starts_with("admin.users.")
            || ["invitations.update", "invitations.delete"].contains(&action);
        let mut held = object.filter(|_| on_account).into_iter().flat_map(|object| &object.roles);
        if let Some(role) = held.find(|role| self.may_not_give(role)) {
            return refuse(403, "escalation", format!("the target holds {role}"));
        }
        let judged = members.iter().filter(|(name, _)| !tenancy::NAMES.contains(&name.as_str()));
        match judged.map(|(name, _)| name).find(|name| !self.may_send(action, name)) {
            Some(name) => refuse(403, "escalation", format!("the body holds `{name}`")),
            None => Ok(()),
        }
    }

    /// The roles in the body.
    fn gives(&self, members: &[(String, Json)]) -> Layer<()> {
        let sent = members.iter().find(|(name, _)| name == "roles");
        let Some(roles) = sent.map_or(Some(Vec::new()), |(_, roles)| known_roles(roles)) else {
            return refuse(400, "body_invalid", "`roles` is not an array of known role names");
        };
        match roles.iter().find(|role| self.may_not_give(role)) {
            Some(role) => refuse(403, "escalation", format!("the body gives {role}")),
            None => Ok(()),
        }
    }

    /// Whether a role is above the caller.
    fn may_not_give(&self, role: &str) -> bool {
        match role {
            "PLATFORM_ADMIN" => !self.caller.is("PLATFORM_ADMIN"),
            "GROUP_ADMIN" => !self.caller.is("GROUP_ADMIN") && !self.caller.is("PLATFORM_ADMIN"),
            _ => false,
        }
    }

    fn may_send(&self, action: &str, field: &str) -> bool {
        let Some(row) = FIELDS.iter().find(|row| row.action == action) else { return true };
        let listed = |fields: &str| fields.split_whitespace().any(|listed| listed == field);
        listed(&row.fields) || (self.caller.is("PLATFORM_ADMIN") && listed(&row.platform_fields))
    }
}

fn known_roles(value: &Json) -> Option<Vec<String>> {
    let Json::List(items) = value else { return None };
    let known = |item: &Json| {
        let role = item.text().filter(|role| role_set("EVERY").contains(role));
        role.map(str::to_owned)
    };
    items.iter().map(known).collect()
}
