//! Compares the table of what policies see (`policy_store::bundle::filled`) with the questions that are
//! really put: the table lists everything that is there, and nothing else.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use cedar_policy::{EntityUid, EvalResult};
use policy_store::bundle::filled::{BREAK_GLASS, CONTEXT, HOLDERS, REST, Thing};
use policy_store::bundle::{File, Loader, Sources};
use policy_store::facts::{OrganizationFacts, OwnedFacts, UserFacts};
use policy_store::source::FixedFacts;
use policy_store::watch::BundleStore;

use super::{Moment, Put, Witness};
use crate::config::Tenancy;
use crate::judge::workbench::{Ask, TTL, Workbench};

fn names(text: &str) -> Vec<Arc<str>> {
    text.split_whitespace().map(Arc::from).collect()
}

/// An organisation with users and objects in which every attribute is set.
fn facts() -> FixedFacts {
    let organization = OrganizationFacts {
        id: Arc::from("o"),
        slug: Arc::from("o"),
        status: Arc::from("ACTIVE"),
        deleted: false,
        features: names("ai_notes codes"),
        workflows: names("calls"),
        group: Some(Arc::from("g")),
    };
    let user = |id: &str| UserFacts {
        id: Arc::from(id),
        organization: Some(Arc::from("o")),
        roles: names("DOCTOR ORG_ADMIN"),
        features: names("ai_notes codes"),
        status: Arc::from("ACTIVE"),
        tokens_valid_after: None,
        revoked_tokens: Vec::new(),
    };
    let owned = OwnedFacts {
        owner: Some(Arc::from("o")),
        workflow: Some(Arc::from("calls")),
        roles: Some(names("NURSE")),
    };
    FixedFacts {
        users: ["d", "e"].map(|id| (Arc::from(id), user(id))).into(),
        organizations: vec![organization],
        objects: HashMap::from([(("Patient".to_owned(), "p".to_owned()), owned)]),
    }
}

/// The default bundle, with a policy that reads the token's age and a schema that declares the client's address.
fn bundle() -> policy_store::bundle::Bundle {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut sources = Sources::read(&folder).unwrap();
    let schema = &sources.schema.text;
    let declared = "  token_age?: Long,\n  client_address?: ipaddr,\n";
    sources.schema.text = Arc::from(schema.replacen("  token_age?: Long,\n", declared, 1));
    let text = "@id(\"old\") @layer(\"authentication\") @reason(\"old\") @message(\"Old\")
        forbid (principal is User, action in Action::\"request\", resource)
        when { context has token_age && context.token_age > 900 };";
    sources.policies.push(File { name: "z.cedar".to_owned(), text: Arc::from(text) });
    Loader::default().load(sources).unwrap_or_else(|findings| panic!("{findings}"))
}

/// The questions put for requests of every kind.
async fn questions() -> Vec<Put> {
    let store = BundleStore::fixed(bundle());
    let witness = Some(Arc::new(Witness::default()));
    let bench =
        Workbench::over(store, Arc::new(facts()), Tenancy::default(), witness, TTL).unwrap();
    let ask = |method: &str, target: &str, body: Option<&str>| Ask {
        user: Some(Arc::from("d")),
        method: method.to_owned(),
        target: target.to_owned(),
        tenant: Some("o".to_owned()),
        break_glass: Some("a patient in need".to_owned()),
        body: body.map(str::to_owned),
        token_age: Some(1),
        ..Ask::default()
    };
    let mut all = Vec::new();
    for ask in [
        ask("GET", "/api/patients/p", None),
        ask("POST", "/api/workflows/calls/patients/p/calls", Some("{\"a\": 1}")),
        ask("PATCH", "/api/admin/users/e/roles", Some("{\"roles\": [\"NURSE\"]}")),
        ask("GET", "/api/organizations/o", None),
        ask("GET", "/api/codes/icd10/search", None),
        ask("GET", "/api/nothing", None),
        Ask { tenant: None, ..ask("GET", "/healthz", None) },
    ] {
        all.extend(bench.judge(&ask).await.unwrap().questions);
    }
    all
}

fn is_public(put: &Put) -> bool {
    put.question.request.principal().is_some_and(|it| it.type_name().to_string() == "Guest")
}

/// The names of the circumstances that are set; an empty set does not count as set.
fn circumstances<'a>(puts: impl Iterator<Item = &'a Put>) -> BTreeSet<String> {
    let told = |context: &cedar_policy::Context, name: &str| !matches!(context.get(name), Some(EvalResult::Set(set)) if set.iter().next().is_none());
    let contexts = puts.filter_map(|put| put.question.request.context().cloned());
    let all = contexts.flat_map(|context| {
        let names = context.clone().into_iter().map(|(name, _)| name);
        names.filter(move |name| told(&context, name))
    });
    all.collect()
}

fn expected(
    wanted: impl Fn(&policy_store::bundle::filled::Circumstance) -> bool,
) -> BTreeSet<String> {
    CONTEXT.iter().filter(|it| wanted(it)).map(|it| it.attribute.name.to_owned()).collect()
}

/// The attributes and the types of the parents of an entity; `None` if the question does not have the entity.
fn known(put: &Put, uid: &EntityUid) -> Option<(BTreeSet<String>, Vec<String>)> {
    let (_, attributes, parents) = put.question.entities.get(uid)?.clone().into_inner();
    let parents = parents.iter().map(|it| it.type_name().to_string()).collect();
    Some((attributes.into_keys().collect(), parents))
}

fn attributes(thing: Thing) -> BTreeSet<String> {
    thing.attributes().iter().map(|it| it.name.to_owned()).collect()
}

#[tokio::test]
async fn circumstances_are_there_from_the_layer_that_the_table_says() {
    let all = questions().await;
    let of = |moment: Moment, public: bool| {
        all.iter().filter(move |put| put.moment == moment && is_public(put) == public)
    };
    let mut early = circumstances(of(Moment::Early, false));
    // The justification is put to the permits alone, and only if nothing else permits the request.
    early.remove(BREAK_GLASS);
    assert_eq!(early, expected(|it| it.since < REST));
    assert_eq!(circumstances(of(Moment::Late, false)), expected(|_| true));
    assert_eq!(circumstances(of(Moment::Early, true)), expected(|it| it.guests));
    assert!(of(Moment::ActIn, false).count() > 0);
    assert_eq!(circumstances(of(Moment::ActIn, false)), BTreeSet::new());
}

#[tokio::test]
async fn attributes_are_there_from_the_layer_that_the_table_says() {
    let mut seen = BTreeSet::new();
    for put in questions().await.iter().filter(|put| !is_public(put)) {
        let request = &put.question.request;
        let (principal, resource) = (request.principal().unwrap(), request.resource().unwrap());
        let caller = known(put, principal).unwrap();
        assert_eq!(caller, (attributes(Thing::User), Vec::new()));
        let home = known(put, &"Organization::\"o\"".parse().unwrap()).unwrap();
        assert_eq!(home, (attributes(Thing::Organization), vec!["Group".to_owned()]));
        let kind = resource.type_name().to_string();
        let thing = Thing::of(&kind);
        // The caller's own organisation is known without a look-up.
        let own = thing == Thing::Organization;
        let looked_up = put.moment != Moment::Early || own;
        let found = known(put, resource).map(|(attributes, _)| attributes);
        let there = thing != Thing::Bare && looked_up;
        assert_eq!(found, there.then(|| attributes(thing)), "{kind} {:?}", put.moment);
        seen.insert(kind);
    }
    assert_eq!(Vec::from_iter(&seen), ["Endpoint", "Organization", "Patient", "User"]);
    let holders = HOLDERS.iter().filter(|it| it.written == "resource");
    assert!(holders.clone().count() == 3 && holders.clone().all(|it| it.since == REST));
}
