//! `chasqui admin audit`: what was decided about accounts and what operators did, from the log, in order.

use chasqui_bus::{BusRole, Log, subject};
use chasqui_domain::audit::{ActorName, Entry};
use chasqui_events::{Timestamp, UserId, account::AccountEvent};
use chasqui_runtime::config::Config;
use clap::Args;
use comfy_table::{Table, presets::NOTHING};
use serde_json::json;

use super::moment;
use crate::{output, serve::connect};

/// Which acts.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only from this moment on: 2026-11-26T14:00:00Z, 2026-11-26, or how long ago (7d).
    #[arg(long, value_name = "MOMENT", value_parser = moment::moment)]
    since: Option<Timestamp>,
    /// Only before this moment.
    #[arg(long, value_name = "MOMENT", value_parser = moment::moment)]
    until: Option<Timestamp>,
    /// Only what this one did: a user's id, or an operator as the list shows them (quilla@cusco).
    #[arg(long)]
    actor: Option<String>,
    /// Only what concerns this user, by id.
    #[arg(long, value_name = "ID")]
    user: Option<UserId>,
    /// Only acts whose name begins so: user.suspended, topology.
    #[arg(long)]
    act: Option<String>,
    /// One JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, audit: Audit) -> anyhow::Result<()> {
    let log = Log::new(connect(config, BusRole::Admin).await?);
    let mut entries = Vec::new();
    for filter in subject::IDENT_AUDITED {
        let mut from = 1;
        while let Some(stored) = log.next(subject::IDENT, from, filter).await? {
            from = stored.seq + 1;
            entries.push(Entry::of(stored.seq, &stored.decode::<AccountEvent>()?));
        }
    }
    entries.retain(|entry| audit.selects(entry));
    entries.sort_by_key(|entry| entry.seq);
    let text = if audit.json { lines(&entries) } else { table(&entries) };
    output::say(&text)?;
    Ok(())
}

impl Audit {
    fn selects(&self, entry: &Entry) -> bool {
        self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at < until)
            && self.actor.as_ref().is_none_or(|actor| name(&entry.actor) == *actor)
            && self.user.is_none_or(|user| entry.about == Some(user))
            && self.act.as_ref().is_none_or(|act| entry.act.starts_with(act.as_str()))
    }
}

fn name(actor: &ActorName) -> String {
    match actor {
        ActorName::User(user) => user.to_string(),
        ActorName::Operator(operator) => format!("{}@{}", operator.user, operator.host),
    }
}

fn lines(entries: &[Entry]) -> String {
    let line = |entry: &Entry| {
        json!({
            "seq": entry.seq, "at": entry.at, "actor": name(&entry.actor),
            "operator": matches!(entry.actor, ActorName::Operator(_)), "act": entry.act,
            "user": entry.about, "details": entry.details, "reason": entry.reason,
        })
        .to_string()
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn table(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "nothing of that was recorded".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["when", "who", "did", "about", "how", "why"]);
    for entry in entries {
        table.add_row([
            moment::shown(entry.at),
            name(&entry.actor),
            entry.act.clone(),
            entry.about.map_or_else(String::new, |user| user.to_string()),
            entry.details.clone(),
            entry.reason.clone().unwrap_or_default(),
        ]);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use chasqui_events::account::Operator;

    use super::*;

    fn entry(act: &str, about: Option<UserId>, host: &str) -> Entry {
        Entry {
            seq: 1,
            at: Timestamp(1_732_290_000_000),
            actor: ActorName::Operator(Operator { user: "quilla".to_owned(), host: host.to_owned() }),
            act: act.to_owned(),
            about,
            details: "v2".to_owned(),
            reason: Some("because".to_owned()),
        }
    }

    #[test]
    fn the_table_lines_up() {
        let user = UserId::new(Timestamp(1), [3; 10]);
        let text = table(&[
            entry("topology apply", None, "cusco"),
            entry("user.suspended", Some(user), "a-longer-name"),
        ]);
        let column = |line: &str, word: &str| line.find(word).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(column(lines[1], "because"), column(lines[2], "because"));
        assert_eq!(column(lines[0], "why"), column(lines[1], "because"));
        assert!(lines.iter().all(|line| !line.ends_with(' ')));
    }

    #[test]
    fn what_is_asked_for_is_selected() {
        let user = UserId::new(Timestamp(1), [3; 10]);
        let all = Audit { since: None, until: None, actor: None, user: None, act: None, json: false };
        let one = entry("user.suspended", Some(user), "cusco");
        assert!(all.selects(&one));
        for other in [
            Audit { since: Some(Timestamp(1_732_290_000_001)), ..all_of() },
            Audit { until: Some(Timestamp(1_732_290_000_000)), ..all_of() },
            Audit { actor: Some("quilla@lima".to_owned()), ..all_of() },
            Audit { user: Some(UserId::new(Timestamp(1), [4; 10])), ..all_of() },
            Audit { act: Some("topology".to_owned()), ..all_of() },
        ] {
            assert!(!other.selects(&one), "{other:?}");
        }
        let same =
            Audit { actor: Some("quilla@cusco".to_owned()), act: Some("user.".to_owned()), ..all_of() };
        assert!(same.selects(&one));
    }

    fn all_of() -> Audit {
        Audit { since: None, until: None, actor: None, user: None, act: None, json: false }
    }
}
