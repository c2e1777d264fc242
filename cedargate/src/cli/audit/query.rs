//! `cedargate audit query`.

use std::io::Write as _;
use std::ops::ControlFlow;

use audit::text::printable;

use super::super::printing::{finish, standard_output, written};
use super::super::{Done, Failure, Format};
use super::filter::Filter;
use super::output::tame;
use super::source::{Found, Origin, ended};
use super::tail::told;

/// The maximum printed length of a justification: 500 characters, all of them escaped.
const LONGEST: usize = 5_000;

/// Find records by user, tenant, object, action, decision, event and time
///
/// Prints one line per record, oldest first. A record has to match all filters. A journal and the database to which
/// it is delivered give the same answer; a database may lag behind by moments, and may contain records of other
/// gates, too.
///
/// Exit status: 0, success, whether or not any record matches; 1, some lines are not records, or the source failed
/// verification; 2, the source cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: what was refused to Ann in the last week

  cedargate audit query --user ann --decision deny --since 7d")]
pub(super) struct Query {
    #[command(flatten)]
    filter: Filter,
    /// Print at most N records
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    origin: Origin,
    /// The format of the records
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Query {
    pub(super) fn run(self) -> Result<Done, Failure> {
        let source = self.origin.open()?;
        let mut left = self.limit.unwrap_or(u64::MAX);
        if left == 0 {
            return Ok(Done::Fine);
        }
        let vouch = source.vouch()?;
        let mut out = standard_output();
        let strange = source.each(&self.filter, |found| {
            written(writeln!(out, "{}", self.line(&found)))?;
            left = left.saturating_sub(1);
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        finish(out)?;
        vouch.complain();
        ended(&source, strange, &vouch)
    }

    fn line(&self, found: &Found) -> String {
        match self.format {
            Format::Json => tame(&found.line),
            Format::Text => text(found),
        }
    }
}

fn text(found: &Found) -> String {
    let mut line = told(&found.record, found.seq);
    if let Some(ip) = found.record.ip_address {
        line = format!("{line} from={ip}");
    }
    if let Some(justification) = &found.record.break_glass {
        line = format!("{line} break-glass: {}", printable(justification, LONGEST));
    }
    line
}
