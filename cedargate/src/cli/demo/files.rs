//! The files of a demo: written once, and never overwritten.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use aws_lc_rs::rand;
use base::chain;
use base::private;
use proxy::mint;

use super::super::Failure;
use super::unusable;

/// The default bundle, so that the binary alone can write it.
const POLICIES: [(&str, &str); 24] = [
    ("schema.cedarschema", include_str!("../../../../policies/schema.cedarschema")),
    ("routes.yaml", include_str!("../../../../policies/routes.yaml")),
    ("authentication.cedar", include_str!("../../../../policies/authentication.cedar")),
    ("boundary.cedar", include_str!("../../../../policies/boundary.cedar")),
    ("break-glass.cedar", include_str!("../../../../policies/break-glass.cedar")),
    ("escalation.cedar", include_str!("../../../../policies/escalation.cedar")),
    ("paywall.cedar", include_str!("../../../../policies/paywall.cedar")),
    ("public.cedar", include_str!("../../../../policies/public.cedar")),
    ("roles.cedar", include_str!("../../../../policies/roles.cedar")),
    ("tenancy.cedar", include_str!("../../../../policies/tenancy.cedar")),
    ("workflows.cedar", include_str!("../../../../policies/workflows.cedar")),
    ("tests/authentication.yaml", include_str!("../../../../policies/tests/authentication.yaml")),
    ("tests/boundary.yaml", include_str!("../../../../policies/tests/boundary.yaml")),
    ("tests/break-glass.yaml", include_str!("../../../../policies/tests/break-glass.yaml")),
    ("tests/escalation.yaml", include_str!("../../../../policies/tests/escalation.yaml")),
    ("tests/facts.yaml", include_str!("../../../../policies/tests/facts.yaml")),
    ("tests/fields.yaml", include_str!("../../../../policies/tests/fields.yaml")),
    ("tests/objects.yaml", include_str!("../../../../policies/tests/objects.yaml")),
    ("tests/paywall.yaml", include_str!("../../../../policies/tests/paywall.yaml")),
    ("tests/requests.yaml", include_str!("../../../../policies/tests/requests.yaml")),
    (
        "tests/roles-administration.yaml",
        include_str!("../../../../policies/tests/roles-administration.yaml"),
    ),
    ("tests/roles-clinic.yaml", include_str!("../../../../policies/tests/roles-clinic.yaml")),
    ("tests/tenancy.yaml", include_str!("../../../../policies/tests/tenancy.yaml")),
    ("tests/workflows.yaml", include_str!("../../../../policies/tests/workflows.yaml")),
];

/// The demo's configuration.
const CONFIG: &str = include_str!("cedargate.yaml");
/// The file with the password of the demo users.
const PASSWORD: &str = "keys/demo-password";

/// The values from the command line for the configuration of a new demo.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) listen: Option<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
    pub(super) upstream: Option<String>,
    pub(super) database: Option<String>,
}

impl Values {
    /// The configuration of the demo, with these values in place of its defaults.
    fn configuration(&self) -> String {
        let listen = self.listen.map(|it| it.to_string());
        let admin = self.admin.map(|it| it.to_string());
        let values = [
            ("  proxy: 127.0.0.1:8080\n", "  proxy", listen.as_ref()),
            ("  admin: 127.0.0.1:9901\n", "  admin", admin.as_ref()),
            ("  address: 127.0.0.1:8081\n", "  address", self.upstream.as_ref()),
            ("  database: sqlite://var/cedargate.db\n", "  database", self.database.as_ref()),
        ];
        let given = values.into_iter().filter_map(|(own, key, value)| Some((own, key, value?)));
        given.fold(CONFIG.to_owned(), |text, (own, key, value)| {
            text.replace(own, &format!("{key}: {}\n", quoted(value)))
        })
    }
}

/// A text as a quoted string of YAML.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Writes the missing files in `dir`, the configuration with `values`. Returns the password of the demo users.
pub(super) fn write(dir: &Path, values: &Values) -> Result<String, Failure> {
    for folder in ["keys", "policies/tests", "var"] {
        let path = dir.join(folder);
        private::directory(&path).map_err(|error| unusable(&path, &error))?;
    }
    private::warn_if_open("the demo's directory", dir);
    once(&dir.join("cedargate.yaml"), &values.configuration())?;
    // The bundle is written as a whole: a file that was removed from it does not come back.
    if !dir.join("policies/schema.cedarschema").exists() {
        for (name, text) in POLICIES {
            once(&dir.join("policies").join(name), text)?;
        }
    }
    if !dir.join("keys/issuer.pem").exists() {
        let made = mint::generate_issuer(&dir.join("keys"));
        made.map_err(|error| Failure::NotFine(chain(&error)))?;
    }
    let file = dir.join(PASSWORD);
    once(&file, &new_password()?)?;
    fs::read_to_string(&file)
        .map_err(|error| unusable(&file, &error))
        .map(|it| it.trim().to_owned())
}

/// Writes a file unless it exists.
fn once(path: &Path, text: &str) -> Result<(), Failure> {
    let opened = private::file().write(true).create_new(true).open(path);
    match opened {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(|error| unusable(path, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unusable(path, &error)),
    }
}

/// A password of 16 letters and digits that are not mistaken for one another.
pub(crate) fn new_password() -> Result<String, Failure> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes)
        .map_err(|_| Failure::NotFine("the system has no randomness".to_owned()))?;
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte & 31)).copied().map(char::from);
    Ok(bytes.iter().filter_map(letter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If a line of the template changes, its value would silently not be replaced.
    #[test]
    fn each_value_that_is_given_is_written() {
        let values = Values {
            listen: "127.0.0.1:1".parse().ok(),
            admin: "127.0.0.1:2".parse().ok(),
            upstream: Some("app:3".to_owned()),
            database: Some("postgres://it's/4".to_owned()),
        };
        let text = values.configuration();
        for line in [
            "  proxy: '127.0.0.1:1'",
            "  admin: '127.0.0.1:2'",
            "  address: 'app:3'",
            "  database: 'postgres://it''s/4'",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert_eq!(text.lines().count(), CONFIG.lines().count());
        assert_eq!(Values::default().configuration(), CONFIG);
    }

    #[test]
    fn the_bundle_is_whole() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
        let sources = policy_store::bundle::Sources::read(&folder).unwrap();
        let mut there: Vec<String> = sources.all().map(|file| file.name.clone()).collect();
        there.sort();
        let mut written = POLICIES.map(|(name, _)| name.to_owned());
        written.sort();
        assert_eq!(there, written);
    }
}
