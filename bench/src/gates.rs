//! The gate as a subject: as it is meant to run, and with less switched on, one stage after the other.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::stand::copy_tree;

use super::subject::{Judges, Peer, Setting, Subject};
use super::world::World;
use super::{gate_program, listening, on_cores, said};

/// A way to run the gate.
#[derive(Debug, Clone)]
struct Variant {
    name: &'static str,
    label: &'static str,
    judges: Judges,
    bundle: Bundle,
    ttl: &'static str,
    durability: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Bundle {
    /// Every route is public and leaves no record.
    Open,
    /// Whoever is signed in may everything: two policies.
    Permissive,
    /// The one that ships.
    Default,
}

/// What a gate is started with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) name: &'static str,
    pub(crate) database: String,
    pub(crate) policies: PathBuf,
    /// The binary `cedargate`.
    pub(crate) program: PathBuf,
    /// The cores that it may use.
    pub(crate) cores: &'static str,
    /// More of the configuration, at paths such as `/facts/ttl`.
    pub(crate) values: Vec<(&'static str, Value)>,
}

/// Name of the gate with everything switched on.
pub(crate) const FULL: &str = "cedargate";

const VARIANTS: [Variant; 5] = [
    Variant {
        name: "cedargate-open",
        label: "cedargate, every route public: reading, hygiene, routing, one policy",
        judges: Judges::Nothing,
        bundle: Bundle::Open,
        ttl: "60s",
        durability: "none",
    },
    Variant {
        name: "cedargate-signed-in",
        label: "+ token, facts (60 s old at most), records (`none`), identity headers",
        judges: Judges::Tokens,
        bundle: Bundle::Permissive,
        ttl: "60s",
        durability: "none",
    },
    Variant {
        name: "cedargate-policies",
        label: "+ the default bundle's policies",
        judges: Judges::TokensAndRoles,
        bundle: Bundle::Default,
        ttl: "60s",
        durability: "none",
    },
    Variant {
        name: "cedargate-fresh",
        label: "+ facts 2 s old at most (the default)",
        judges: Judges::TokensAndRoles,
        bundle: Bundle::Default,
        ttl: "2s",
        durability: "none",
    },
    Variant {
        name: FULL,
        label: "+ records that survive `kill -9` (`process`): the gate as it ships",
        judges: Judges::TokensAndRoles,
        bundle: Bundle::Default,
        ttl: "2s",
        durability: "process",
    },
];

/// The gate as it ships, of the build in the folder `BENCH_BEFORE`: a change is measured against it in one run.
fn before() -> Option<(Variant, PathBuf)> {
    let folder = PathBuf::from(std::env::var_os("BENCH_BEFORE")?);
    let [.., full] = VARIANTS;
    let (name, label) = ("cedargate-before", "the gate of the build in `BENCH_BEFORE`");
    Some((Variant { name, label, ..full }, folder.join("cedargate")))
}

/// All of them.
pub(crate) fn all(world: &World) -> Vec<Peer> {
    let ours = VARIANTS.into_iter().map(|variant| (variant, gate_program()));
    ours.chain(before())
        .map(|(variant, program)| {
            let (name, label) = (variant.name, variant.label);
            let (database, shipped) = (world.database.clone(), world.policies.clone());
            let start = move |setting: &Setting| {
                let policies = variant.bundle.make(&shipped, &setting.folder);
                let values = vec![
                    ("/facts/ttl", json!(variant.ttl)),
                    ("/audit/durability", json!(variant.durability)),
                ];
                let (database, program, cores) = (database.clone(), program.clone(), "0");
                let settings = Settings { name, database, policies, program, cores, values };
                let mut subject = start(setting, &settings)?;
                (subject.label, subject.judges) = (label, variant.judges);
                Ok(subject)
            };
            Peer { name, label, start: Box::new(start) }
        })
        .collect()
}

/// Starts a gate, with one worker where nothing else is said.
pub(crate) fn start(setting: &Setting, settings: &Settings) -> Result<Subject, String> {
    let folder = setting.folder.join(settings.name);
    fs::create_dir_all(&folder).unwrap();
    let config = folder.join("cedargate.yaml");
    fs::write(&config, format!("{:#}", configuration(setting, settings, &folder))).unwrap();
    let log = folder.join("stderr.log");
    let mut serve = on_cores(settings.cores, &settings.program);
    serve.arg("serve").arg("--config").arg(&config).stderr(fs::File::create(&log).unwrap());
    // The gate refuses variables that it does not know, and ours may be among them.
    serve.env_remove("CEDARGATE_SEED");
    let (child, addresses) = listening(&mut serve)
        .map_err(|error| format!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default()))?;
    Ok(Subject {
        name: settings.name,
        label: "cedargate",
        version: said(&settings.program, &["--version"]).replace("cedargate ", ""),
        judges: Judges::TokensAndRoles,
        exact: true,
        address: addresses[0],
        admin: addresses.get(1).copied(),
        processes: vec![child],
    })
}

/// YAML holds JSON.
fn configuration(setting: &Setting, settings: &Settings, folder: &Path) -> Value {
    let mut config = json!({
        "listen": {"proxy": "127.0.0.1:0", "admin": "127.0.0.1:0"},
        "upstream": {"address": setting.upstream.to_string()},
        "jwt": {"issuers": [{"issuer": setting.issuer, "audiences": [setting.audience],
            "algorithms": ["RS256"], "jwks": setting.jwks}]},
        "facts": {"database": settings.database},
        "policies": {"directory": settings.policies},
        "audit": {"directory": folder.join("audit")},
        "workers": 1,
    });
    for (pointer, value) in &settings.values {
        let (above, name) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(above).unwrap()[name] = value.clone();
    }
    config
}

impl Bundle {
    /// Gives a folder with the bundle; it is made beside the files of the gate.
    fn make(self, shipped: &Path, folder: &Path) -> PathBuf {
        let (name, policies) = match self {
            Self::Default => return shipped.to_owned(),
            Self::Open => ("policies-open", Vec::new()),
            Self::Permissive => ("policies-permissive", vec![PERMIT_ALL]),
        };
        let made = folder.join(name);
        copy_tree(shipped, &made);
        fs::remove_dir_all(made.join("tests")).unwrap();
        for entry in fs::read_dir(&made).unwrap() {
            let path = entry.unwrap().path();
            let kept = path.ends_with("public.cedar") || path.ends_with("tenancy.cedar");
            if path.extension().is_some_and(|it| it == "cedar") && !kept {
                fs::remove_file(path).unwrap();
            }
        }
        let tenancy = fs::read_to_string(made.join("tenancy.cedar")).unwrap();
        let (permits, _) = tenancy.split_once("// An object of another tenant").unwrap();
        fs::write(made.join("tenancy.cedar"), permits).unwrap();
        if matches!(self, Self::Open) {
            open(&made);
        } else {
            fs::write(made.join("all.cedar"), policies.concat()).unwrap();
        }
        made
    }
}

const PERMIT_ALL: &str = r#"@id("all")
permit (principal is User, action in Action::"request", resource);
"#;

fn is_empty_group(line: &str) -> bool {
    let name = line.strip_prefix("action ").and_then(|rest| rest.split([' ', ';']).next());
    name.is_some_and(|name| !["public", "request", "act_in", "unmapped"].contains(&name))
}

/// Makes every action a guest's, and every route public without a record.
fn open(bundle: &Path) {
    let schema = fs::read_to_string(bundle.join("schema.cedarschema")).unwrap();
    let mut fresh = String::new();
    for line in schema.lines() {
        let action = line.strip_prefix("action \"").and_then(|rest| rest.split('"').next());
        if let Some(action) = action {
            writeln!(fresh, "action \"{action}\" in [public] {GUESTS};").unwrap();
        } else if !line.starts_with("  appliesTo") && !is_empty_group(line) {
            writeln!(fresh, "{line}").unwrap();
        }
    }
    fs::write(bundle.join("schema.cedarschema"), fresh).unwrap();
    let routes = fs::read_to_string(bundle.join("routes.yaml")).unwrap();
    let told = ["action:", "method:", "path:", "values:"];
    let mut fresh = String::from("routes:\n");
    for line in routes.lines() {
        let field = line.trim_start_matches([' ', '-']);
        if line.starts_with("  ") && told.iter().any(|name| field.starts_with(name)) {
            writeln!(fresh, "{line}").unwrap();
        }
        if field.starts_with("action:") {
            fresh +=
                "    resource: Endpoint\n    operation: view\n    body: opaque\n    audit: none\n";
        }
    }
    fs::write(bundle.join("routes.yaml"), fresh).unwrap();
}

const GUESTS: &str =
    "appliesTo { principal: [Guest], resource: [Endpoint], context: RequestContext }";
