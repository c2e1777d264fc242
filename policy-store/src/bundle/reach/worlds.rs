//! Unusual properties of a caller and its organisation besides the roles: one property at a time, then two,
//! then more.

use std::fmt;
use std::net::IpAddr;

use super::callers::{ACTIVE, SAMPLE};

/// The maximum number of sets of unusual properties.
const MOST: usize = 512;

/// The properties of a caller besides the roles.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a thing by itself that may be odd, whatever the others are"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bundle) struct World<'a> {
    /// Whether the caller belongs to an organisation.
    pub(super) organized: bool,
    /// Whether the caller's organisation is the tenant in which the request acts.
    pub(super) at_home: bool,
    /// Whether the caller asks for its own account, on a route about accounts.
    pub(super) itself: bool,
    pub(super) user: &'a str,
    pub(super) user_status: &'a str,
    /// The features, of all features, that the administrator has ticked for the user.
    pub(super) ticked: Holding<'a>,
    pub(super) organization: &'a str,
    pub(super) organization_status: &'a str,
    pub(super) deleted: bool,
    pub(super) slug: &'a str,
    /// The group of the organisation, if there is one.
    pub(super) group: Option<&'a str>,
    /// The features, of all features, that the organisation has bought.
    pub(super) bought: Holding<'a>,
    /// The workflows that the organisation has enabled; usually the one in the path.
    pub(super) enabled: Holding<'a>,
    /// The workflow in the path.
    pub(super) workflow: &'a str,
    /// The object that the path names.
    pub(super) object: &'a str,
    pub(super) client: IpAddr,
    /// The age of the token in seconds, or `None` if the token does not tell it.
    pub(super) age: Option<i64>,
}

/// A selection from the usual things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bundle) enum Holding<'a> {
    Usual,
    Nothing,
    /// Only this one.
    Only(&'a str),
    /// The usual things without this one.
    Without(&'a str),
    /// The usual things and this one.
    With(&'a str),
}

impl<'a> Holding<'a> {
    /// Returns the selection from `usual`.
    pub(super) fn of<'b>(self, usual: impl Iterator<Item = &'b str>) -> Vec<&'b str>
    where
        'a: 'b,
    {
        match self {
            Self::Usual => usual.collect(),
            Self::Nothing => Vec::new(),
            Self::Only(name) => vec![name],
            Self::Without(name) => usual.filter(|it| *it != name).collect(),
            Self::With(name) => usual.chain([name]).collect(),
        }
    }
}

/// One unusual property of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bundle) enum Odd<'a> {
    NoOrganization,
    Abroad,
    Itself,
    User(&'a str),
    UserStatus(&'a str),
    Ticked(Holding<'a>),
    Organization(&'a str),
    OrganizationStatus(&'a str),
    Deleted,
    Slug(&'a str),
    Group(Option<&'a str>),
    Bought(Holding<'a>),
    Enabled(Holding<'a>),
    Workflow(&'a str),
    Object(&'a str),
    Client(IpAddr),
    Age(Option<i64>),
}

impl<'a> World<'a> {
    pub(super) fn usual() -> Self {
        Self {
            organized: true,
            at_home: true,
            itself: false,
            user: SAMPLE,
            user_status: ACTIVE,
            ticked: Holding::Usual,
            organization: SAMPLE,
            organization_status: ACTIVE,
            deleted: false,
            slug: SAMPLE,
            group: Some(SAMPLE),
            bought: Holding::Usual,
            enabled: Holding::Usual,
            workflow: SAMPLE,
            object: SAMPLE,
            client: IpAddr::from([127, 0, 0, 1]),
            age: Some(0),
        }
    }

    /// Returns the usual world, changed by `odds`.
    pub(in crate::bundle) fn with(odds: &[Odd<'a>]) -> Self {
        odds.iter().fold(Self::usual(), |world, odd| odd.change(world))
    }
}

impl<'a> Odd<'a> {
    fn change(self, world: World<'a>) -> World<'a> {
        match self {
            Self::NoOrganization => World { organized: false, ..world },
            Self::Abroad => World { at_home: false, ..world },
            Self::Itself => World { itself: true, ..world },
            Self::User(user) => World { user, ..world },
            Self::UserStatus(user_status) => World { user_status, ..world },
            Self::Ticked(ticked) => World { ticked, ..world },
            Self::Organization(organization) => World { organization, ..world },
            Self::OrganizationStatus(organization_status) => World { organization_status, ..world },
            Self::Deleted => World { deleted: true, ..world },
            Self::Slug(slug) => World { slug, ..world },
            Self::Group(group) => World { group, ..world },
            Self::Bought(bought) => World { bought, ..world },
            Self::Enabled(enabled) => World { enabled, ..world },
            Self::Workflow(workflow) => World { workflow, ..world },
            Self::Object(object) => World { object, ..world },
            Self::Client(client) => World { client, ..world },
            Self::Age(age) => World { age, ..world },
        }
    }

    /// Whether both change the same property, so that only one of them can apply.
    fn excludes(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// Returns the sets of unusual properties, small sets first: the empty set, each property alone, each two that
/// can apply together, and more.
pub(in crate::bundle) fn combined<'a>(odds: &[Odd<'a>]) -> Vec<Vec<Odd<'a>>> {
    let mut all: Vec<Vec<Odd<'a>>> = vec![Vec::new()];
    // The sets of the last size, each with the place in `odds` from which the set can be extended.
    let mut last: Vec<(Vec<Odd<'a>>, usize)> = vec![(Vec::new(), 0)];
    while !last.is_empty() && all.len() < MOST {
        let mut next: Vec<(Vec<Odd<'a>>, usize)> = Vec::new();
        for (set, from) in &last {
            for (place, odd) in odds.iter().enumerate().skip(*from) {
                if all.len() + next.len() >= MOST {
                    break;
                }
                if !set.iter().any(|it| it.excludes(*odd)) {
                    let more = set.iter().copied().chain([*odd]).collect();
                    next.push((more, place + 1));
                }
            }
        }
        all.extend(next.iter().map(|(set, _)| set.clone()));
        last = next;
    }
    all
}

/// Describes a caller as a message does.
impl fmt::Display for Odd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOrganization => f.write_str("who belongs to no organisation"),
            Self::Abroad => f.write_str("of another organisation than the tenant"),
            Self::Itself => f.write_str("who asks for the own account"),
            Self::User(user) => write!(f, "who is `{user}`"),
            Self::UserStatus(status) => write!(f, "whose status is `{status}`"),
            Self::Ticked(holding) => write!(f, "who has {holding} the features"),
            Self::Organization(organization) => write!(f, "of the organisation `{organization}`"),
            Self::OrganizationStatus(status) => {
                write!(f, "whose organisation has the status `{status}`")
            }
            Self::Deleted => f.write_str("whose organisation was deleted"),
            Self::Slug(slug) => write!(f, "whose organisation has the slug `{slug}`"),
            Self::Group(None) => f.write_str("whose organisation is in no group"),
            Self::Group(Some(group)) => write!(f, "whose organisation is in the group `{group}`"),
            Self::Bought(holding) => write!(f, "whose organisation has {holding} the features"),
            Self::Enabled(holding) => write!(f, "whose organisation has {holding} the workflows"),
            Self::Workflow(workflow) => write!(f, "who names the workflow `{workflow}`"),
            Self::Object(object) => write!(f, "who names the object `{object}`"),
            Self::Client(client) => write!(f, "whose address is {client}"),
            Self::Age(None) => f.write_str("whose token does not say when it was issued"),
            Self::Age(Some(age)) => write!(f, "whose token is {age} s old"),
        }
    }
}

impl fmt::Display for Holding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => f.write_str("all"),
            Self::Nothing => f.write_str("none of"),
            Self::Only(name) => write!(f, "only `{name}` of"),
            Self::Without(name) => write!(f, "all but `{name}` of"),
            Self::With(name) => write!(f, "`{name}` beside"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Odd, combined};

    #[test]
    fn few_odd_things_come_before_many_and_no_two_of_a_kind_together() {
        let odds = [Odd::Deleted, Odd::Slug("a"), Odd::Slug("b"), Odd::NoOrganization];
        let sizes: Vec<usize> = combined(&odds).iter().map(Vec::len).collect();
        assert_eq!(sizes, [0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3]);
        let many: Vec<Odd<'_>> = (0..200).map(|it| Odd::Age(Some(it))).collect();
        assert_eq!(combined(&many).len(), 201);
        let many = [&many[..], &[Odd::Deleted; 1], &[Odd::Slug("a"); 300]].concat();
        assert_eq!(combined(&many).len(), 512);
    }
}
