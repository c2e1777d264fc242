//! `cedargate explain`.

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use audit::past;
use base::chain;
use clap::ArgGroup;
use policy_lab::explain::{Explainer, PastError, Reach, ReachError, archived, text};
use policy_store::archive::Archive;
use policy_store::bundle::Bundle;
use policy_store::source::{FactSource, FixedFacts};
use policy_store::sql::SqlFacts;
use proxy::config::{Config, DEFAULT_FILE, Tenancy};
use proxy::judge::workbench::{Ask, WorkbenchError};
use serde::Serialize;
use uuid::Uuid;

use super::printing::print;
use super::{Done, Failure, Format, environment, runtime};

/// The timeout of a statement. It is long because no request waits behind it.
const STATEMENT: Duration = Duration::from_secs(10);

/// Explain a decision: each layer, the facts, the deciding policy, and what would change the decision
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("question").required(true).args(["path", "record", "who_can", "what_can"])))]
pub(super) struct Explain {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Explain with this policy bundle; without a configuration, with no facts at all
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// The user who makes the request; without it, the request is anonymous
    #[arg(long, value_name = "ID", requires = "path")]
    user: Option<String>,
    /// The method of the request
    #[arg(long, value_name = "M", default_value = "GET")]
    method: String,
    /// The path of the request, with its query
    #[arg(long, value_name = "P")]
    path: Option<String>,
    /// The host of the request
    #[arg(long, value_name = "HOST", requires = "path")]
    host: Option<String>,
    /// The tenant that the request names, as the header X-Tenant does
    #[arg(long, value_name = "SLUG", conflicts_with = "record")]
    tenant: Option<String>,
    /// The break-glass justification of the request
    #[arg(long, value_name = "TEXT", requires = "path")]
    break_glass: Option<String>,
    /// The body of the request, JSON; `-` reads standard input. Records contain no body
    #[arg(long, value_name = "FILE", conflicts_with_all = ["who_can", "what_can"])]
    body: Option<PathBuf>,
    /// The age of the token, in seconds
    #[arg(long, value_name = "SECONDS", requires = "path")]
    token_age: Option<u32>,
    /// Explain a past request, by the id of its record
    #[arg(long, value_name = "ID")]
    record: Option<Uuid>,
    /// Show who can do this
    #[arg(long, value_names = ["ACTION", "OBJECT"], num_args = 1..=2)]
    who_can: Option<Vec<String>>,
    /// Show what this user can do
    #[arg(long, value_name = "USER")]
    what_can: Option<String>,
    /// The format of the explanation
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What explanations are based on.
struct Ground {
    config: Option<Config>,
    explainer: Explainer,
}

impl Explain {
    pub(super) fn run(self) -> Result<Done, Failure> {
        runtime(Some(2))?.block_on(self.explain())
    }

    async fn explain(self) -> Result<Done, Failure> {
        let ground = self.ground()?;
        let explainer = &ground.explainer;
        if let Some(path) = &self.path {
            let report = explainer.request(&self.ask(path)?).await?;
            return self.print(&report, text::report);
        }
        if let Some(id) = self.record {
            return self.past(&ground, id).await;
        }
        let object = self.who_can.as_ref().and_then(|it| it.get(1)).cloned();
        let reach = Reach { object, tenant: self.tenant.clone() };
        if let Some(action) = self.who_can.as_ref().and_then(|it| it.first()) {
            let answer = explainer.who_can(action, &reach).await?;
            return self.print(&answer, text::who_can);
        }
        let user = self.what_can.as_deref().unwrap_or_default();
        let answer = explainer.what_can(user, &reach).await?;
        self.print(&answer, text::what_can)
    }

    fn ground(&self) -> Result<Ground, Failure> {
        let config = self.configuration()?;
        let directory = match (&self.policies, &config) {
            (Some(directory), _) => directory,
            (None, Some(config)) => &config.policies.directory,
            (None, None) => return Err(Failure::Usage("there is no configuration".to_owned())),
        };
        let bundle = Bundle::load(directory).map_err(|findings| {
            Failure::Usage(format!("the policies cannot be used:\n{findings}"))
        })?;
        let facts: Arc<dyn FactSource> = match &config {
            None => Arc::new(FixedFacts::default()),
            Some(config) => {
                let mapping = config.facts.mapping.clone();
                let facts = SqlFacts::open(config.facts.database.expose(), STATEMENT, mapping);
                Arc::new(facts.map_err(|error| Failure::Usage(chain(&error)))?)
            }
        };
        let tenancy = config.as_ref().map_or_else(Tenancy::default, |it| it.tenancy.clone());
        let explainer = Explainer::new(bundle, facts, tenancy)?;
        Ok(Ground { config, explainer })
    }

    /// The configuration; `None` if only policies are named and the default file does not exist.
    fn configuration(&self) -> Result<Option<Config>, Failure> {
        let file = self.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        if self.config.is_none() && self.policies.is_some() && !file.exists() {
            return Ok(None);
        }
        Ok(Some(Config::load(Some(&file), environment())?))
    }

    fn body(&self) -> Result<Option<String>, Failure> {
        Ok(match &self.body {
            None => None,
            Some(file) if file.as_os_str() == "-" => {
                let mut text = String::new();
                let read = std::io::stdin().read_to_string(&mut text);
                read.map_err(|error| Failure::Usage(format!("no body to read: {error}")))?;
                Some(text)
            }
            Some(file) => Some(std::fs::read_to_string(file).map_err(|error| {
                Failure::Usage(format!("`{}` cannot be read: {error}", file.display()))
            })?),
        })
    }

    fn ask(&self, path: &str) -> Result<Ask, Failure> {
        Ok(Ask {
            user: self.user.as_deref().map(Arc::from),
            method: self.method.to_ascii_uppercase(),
            target: path.to_owned(),
            host: self.host.clone(),
            tenant: self.tenant.clone(),
            break_glass: self.break_glass.clone(),
            body: self.body()?,
            content_type: None,
            token_age: self.token_age,
        })
    }

    async fn past(&self, ground: &Ground, id: Uuid) -> Result<Done, Failure> {
        let Some(config) = &ground.config else {
            let problem = "a record is looked for where a configuration says: add --config";
            return Err(Failure::Usage(problem.to_owned()));
        };
        let directory = &config.audit.directory;
        let unreadable = |error: std::io::Error| {
            Failure::Usage(format!("`{}` cannot be read: {error}", directory.display()))
        };
        let records = past::find(directory, id).map_err(unreadable)?;
        let digest = records.iter().find_map(|record| record.policy_digest.clone());
        let archive = Archive::new(config.policy_archive());
        let then = digest.and_then(|digest| archived(&archive, &digest));
        let past = ground.explainer.past(&records, then.as_ref(), self.body()?).await;
        let past = past.map_err(|error| match error {
            PastError::None => {
                let place = directory.display();
                Failure::NotFine(format!("no record in `{place}` has the id {id}"))
            }
            other => Failure::Usage(chain(&other)),
        })?;
        self.print(&past, text::past)
    }

    fn print<T: Serialize>(
        &self,
        explained: &T,
        told: impl Fn(&T) -> String,
    ) -> Result<Done, Failure> {
        match self.format {
            Format::Text => print(told(explained).trim_end())?,
            Format::Json => {
                let json = serde_json::to_string_pretty(explained);
                print(&json.map_err(|error| Failure::NotFine(error.to_string()))?)?;
            }
        }
        Ok(Done::Fine)
    }
}

impl From<WorkbenchError> for Failure {
    fn from(error: WorkbenchError) -> Self {
        Self::Usage(chain(&error))
    }
}

impl From<ReachError> for Failure {
    fn from(error: ReachError) -> Self {
        match error {
            ReachError::NoAction(_)
            | ReachError::NoUser(_)
            | ReachError::NoTenant(_)
            | ReachError::NoneToName(_)
            | ReachError::NoObject { .. } => Self::NotFine(chain(&error)),
            ReachError::Facts(_) | ReachError::Workbench(_) => Self::Usage(chain(&error)),
        }
    }
}
