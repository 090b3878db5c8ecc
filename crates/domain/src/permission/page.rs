//! The page `docs/permissions.md`, from the table.

use std::fmt::Write as _;

use chasqui_events::{account::GlobalRole, room::Role};

use super::{Needs, Permission, Programs, Row, role_outside};

const HEAD: &str = "# Who may do what

<!-- Generated from crates/domain/src/permission.rs; a test compares. To write it again:
     CHASQUI_TEST_REWRITE=1 cargo test -p chasqui-domain the_page_is_what_the_table_says -->

A **room role** is given in a room by its owners: each may do what the ones before it may. A **global role** is given by
an admin, or by the operator. `service` is what programs have. They log in with a token that an admin issued, with scopes; what they do takes both: the
role in the room like everybody's, and the scope.
";

/// The page.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## In a room\n\n| what | command or query |");
    for role in Role::ALL {
        let _ = write!(page, " {} |", role.as_str());
    }
    page.push_str(" from outside, in a public room | scope of a program |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for row in Permission::TABLE {
        let Needs::InRoom { role: needed, from_outside } = row.needs else { continue };
        let _ = write!(page, "| {} | {} |", row.what, commands(row.commands));
        for role in Role::ALL {
            page.push_str(if role >= needed { " yes |" } else { " |" });
        }
        let outside = GlobalRole::ALL
            .into_iter()
            .filter(|global| from_outside && role_outside(*global).is_some_and(|role| role >= needed));
        let outside = outside.map(GlobalRole::as_str).collect::<Vec<_>>().join(", ");
        let _ = writeln!(page, " {outside} | {} |", scope(row));
    }
    page.push_str("\nNobody removes, bans or mutes somebody of the same or a higher role, but owners. An admin erases any room but a\ndirect \
         conversation, also a private one.\n");
    page.push_str("\n## In the installation\n\n| what | command or query |");
    for role in GlobalRole::ALL {
        let _ = write!(page, " {} |", role.as_str());
    }
    page.push_str(" scope of a program |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for row in Permission::TABLE {
        let may = |role: GlobalRole| match row.needs {
            _ if role == GlobalRole::Service && row.programs == Programs::None => "",
            Needs::Account => "yes",
            Needs::Globally(needed) if role.rank() >= needed.rank() => "yes",
            Needs::Globally(_) | Needs::InRoom { .. } => "",
            Needs::Grant => "if granted",
        };
        if matches!(row.needs, Needs::InRoom { .. }) {
            continue;
        }
        let _ = write!(page, "| {} | {} |", row.what, commands(row.commands));
        for role in GlobalRole::ALL {
            let may = may(role);
            let _ = write!(page, "{}{may} |", if may.is_empty() { "" } else { " " });
        }
        let _ = writeln!(page, " {} |", scope(row));
    }
    page.push_str(
        "\nNobody suspends an admin, somebody of their own rank, or themselves. The last admin whose account may act \
         cannot step\ndown. The right to import is given by `auth.importers`. The operator (whoever holds the NATS \
         credential `admin`) may\nwhat an admin may.\n",
    );
    page
}

fn scope(row: &Row) -> String {
    match row.programs {
        Programs::With(scope) => format!("`{}`", scope.as_str()),
        Programs::All => "any".to_owned(),
        Programs::None => String::new(),
    }
}

fn commands(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
