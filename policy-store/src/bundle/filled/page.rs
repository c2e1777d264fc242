//! The page `docs/policies-see.md`, generated from the table of what the gate fills in.

use std::fmt::Write as _;

use super::{Attribute, BREAK_GLASS, CONTEXT, HOLDERS};
use crate::bundle::layer::Layer;
use crate::bundle::notes::ANNOTATIONS;

const HEAD: &str = "# What policies see, and from which layer on

<!-- Generated from `policy-store/src/bundle/filled.rs`. A test compares this page with the code; `UPDATE_EXPECTED=1` writes it anew. -->

A request is judged layer by layer: {layers}. A `permit` is asked in the
layer `role`. The body is read, the tenant is found and the object is looked up after the layer `role`, so whatever depends on them exists
only from the layer `tenant` on.

`cedargate check` refuses a policy that reads what does not exist yet in its own layer (`too-early`), and one that reads what nothing
ever fills (`never-filled`): such a guard would never apply, and nothing would say so.

A name with `?` may be absent: ask `has` before you read it.
";

const NAMES: &str = "
## Who, what and where

From the layer that stands here on, these can be compared (`==`), asked for their type (`is`) and looked for in a set.

| expression | type | exists from layer | what it is |
| --- | --- | --- | --- |
| `principal` | `User`; `Guest` on a public route | `authentication` | the caller |
| `principal in …` | | `authentication` | holds for the caller itself alone: a `User` is in nothing, its roles are in `principal.roles` |
| `principal.organization in …` | | `authentication` | holds for its `Group` |
| `action` | `Action` | `authentication` | the action of the route; `unmapped` where no route fits, `act_in` for each tenant that a request names or touches |
| `action in …` | | `authentication` | holds for the groups of actions that the schema declares |
| `resource` | the route's `resource` where the route looks the object up, else `Endpoint` | `authentication` | the object that `{id}` names, or `Endpoint::\"<action>\"` |
| `resource in …`, `resource.owner in …`, `context.tenant in …` | | `tenant` | holds for the `Group` of an `Organization`; nothing else is in anything |

No entity has tags. `Role` and `Feature` are enumerated types: a name that the schema does not list is refused when the bundle is loaded.
";

const COLUMNS: &str = "
| expression | type | exists from layer | what it is |
| --- | --- | --- | --- |
";

const ACT_IN: &str = "
## `act_in`

`Action::\"act_in\"` is asked after the layer `role`, for each tenant that a request names or touches. `principal` and
`principal.organization` are as above, `resource` is the `Organization` with all its attributes, and `context` is empty. The action needs
no guards: the caller has passed those of the request's own action up to the layer `role`.

";

const EXEMPTION: &str = "
## An action outside the guards of a layer

Guards that are written for a group of actions are to reach every action that is not public, as far as there is what they read.
`cedargate check` asks the policies, and refuses a bundle in which a guard would refuse a caller, tenant or object and nothing
refuses it at an action outside that group (`unguarded-action`). What counts are guards that pass by one, or a fifth, of the actions at
which everything that they read is there (an object that is looked up, a `feature`, `{workflow}`, roles that are handed out); for an
action that no guard of a group reaches, all those that reach half of them. So guards of single actions and of small groups ask nothing
of other actions. An action that is meant to do without guards names their layers in the
schema; written at a group, it holds for the members:

```cedarschema
@without(\"tenant\")
action \"catalogue.read\" in [catalogue] appliesTo { principal: [User], resource: [Item], context: RequestContext };
```

A layer that is unknown, or that the action does not have to do without, is a finding too (`odd-exemption`).
";

/// Returns the text of the page `docs/policies-see.md`.
pub fn page() -> String {
    let mut page = HEAD.replace("{layers}", &Layer::names());
    page += NAMES;
    page += "\n## Attributes\n";
    page += COLUMNS;
    for holder in HOLDERS {
        for attribute in holder.thing.attributes() {
            let comma = if holder.on.is_empty() { "" } else { ", " };
            let says = format!("{}{comma}{}", attribute.says, holder.on);
            line(&mut page, holder.written, attribute, holder.since, &says);
        }
    }
    page += "\n## Circumstances\n";
    page += COLUMNS;
    for circumstance in CONTEXT {
        let attribute = &circumstance.attribute;
        let public = if circumstance.guests { "; on public routes too" } else { "" };
        let says = format!("{}{public}", attribute.says);
        line(&mut page, "context", attribute, circumstance.since, &says);
        if attribute.name == BREAK_GLASS {
            let says = "in a `permit`, where nothing else lets the request in";
            line(&mut page, "context", attribute, Layer::Role, says);
        }
    }
    page += ACT_IN;
    page += "## Annotations of policies\n\n";
    page += &ANNOTATIONS.map(|name| format!("`@{name}`")).join(", ");
    page += ". They are no conditions: `@layer` says in which layer a `forbid` is judged,\n\
             `@reason`, `@status` and `@message` what the client of a refused request reads (`{feature}`, `{workflow}` and `{action}` are filled\n\
             in), `@break_glass` which `permit` needs the justification.\n";
    page += EXEMPTION;
    page
}

fn line(page: &mut String, of: &str, attribute: &Attribute, since: Layer, says: &str) {
    let Attribute { name, kind, optional, .. } = attribute;
    let mark = if *optional { "?" } else { "" };
    let layer = since.name();
    // Writing to a string cannot fail.
    let _ok = writeln!(page, "| `{of}.{name}{mark}` | `{kind}` | `{layer}` | {says} |");
}
