//! `chasqui admin projections`.

use std::fmt::Write as _;

use chasqui_bus::{BusRole, Log};
use chasqui_projector::admin::{self, VersionReport};
use chasqui_read_model::{ReadModel, Store, Version};
use chasqui_runtime::config::Config;
use clap::Subcommand;

use super::operator::record;
use crate::{output, serve::connect, serve::model_settings};

/// Versions of the views, each a fold of the whole log.
#[derive(Debug, Subcommand)]
pub(crate) enum Projections {
    /// Shows every version: which one is read, how far each has come, what is parked.
    List,
    /// Begins to fold the log into a new version beside the one that is read.
    Rebuild {
        /// Why; it is recorded.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Makes a version the one that is read.
    Switch {
        /// The version, as `list` shows it.
        version: Version,
        /// Also when it is behind the one that is read now; answers then go back in time.
        #[arg(long)]
        force: bool,
        /// Why; it is recorded.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Removes a version that is not read, with all that it holds.
    Drop {
        /// The version, as `list` shows it.
        version: Version,
        /// Why; it is recorded.
        #[arg(long)]
        reason: Option<String>,
    },
}

pub(super) async fn run(config: &Config, projections: Projections) -> anyhow::Result<()> {
    let store = Store::connect(&model_settings(config)).await?;
    let said = match projections {
        Projections::List => {
            let log = Log::new(connect(config, BusRole::Admin).await?);
            let reports = admin::list(&store, &log, config.chat.partitions).await?;
            if reports.is_empty() { "nothing has been projected yet".to_owned() } else { table(&reports) }
        }
        Projections::Rebuild { reason } => {
            let bus = connect(config, BusRole::Admin).await?;
            record(&bus, "projections rebuild", vec![], reason).await?;
            let version = admin::rebuild(&store).await?;
            format!(
                "{version} is being built; `list` shows how far it is, `switch {version}` makes it the one that is read"
            )
        }
        Projections::Switch { version, force, reason } => {
            let bus = connect(config, BusRole::Admin).await?;
            record(&bus, "projections switch", vec![version.to_string()], reason).await?;
            admin::switch(&store, version, force).await?;
            format!("{version} is the version that is read")
        }
        Projections::Drop { version, reason } => {
            let bus = connect(config, BusRole::Admin).await?;
            record(&bus, "projections drop", vec![version.to_string()], reason).await?;
            let model = ReadModel::connect(&model_settings(config)).await?;
            admin::drop(&store, model.hot(), &bus, version).await?;
            format!("{version} is gone")
        }
    };
    output::say(&said)?;
    Ok(())
}

fn table(reports: &[VersionReport]) -> String {
    let mut text = String::new();
    for report in reports {
        let read = if report.active { "  (is read)" } else { "" };
        let _ = writeln!(text, "{}{read}", report.version);
        for stream in &report.streams {
            let (position, head, lag) = (stream.position, stream.head, stream.lag());
            let name = stream.stream.to_string();
            let _ = writeln!(text, "  {name:<10} {position:>10} of {head:>10}  {lag:>8} to go");
            for parked in &stream.parked {
                let _ = writeln!(text, "    parked: {parked:?}");
            }
        }
        for (collection, documents) in &report.documents {
            let _ = writeln!(text, "  {collection:<10} {documents:>10} documents");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use chasqui_projector::admin::StreamReport;
    use chasqui_read_model::Stream;

    use super::*;

    #[test]
    fn the_table_tells_what_is_read_and_how_far_it_is() {
        let stream = StreamReport { stream: Stream::Ident, position: 7, head: 9, parked: vec![] };
        let report = VersionReport {
            version: Version(2),
            active: true,
            streams: vec![stream],
            documents: vec![("rooms", 3)],
        };
        let text = table(&[report]);
        let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["v2", "(is", "read)"]);
        assert_eq!(lines[1], ["IDENT", "7", "of", "9", "2", "to", "go"]);
        assert_eq!(lines[2], ["rooms", "3", "documents"]);
    }
}
