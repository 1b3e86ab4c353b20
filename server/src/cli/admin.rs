//! `tollgate admin`: who the node takes one for, and the tokens that it knows.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::client::Reach;
use super::table::{Table, cell, clean};
use crate::access::{Permission, Role};
use crate::admin::encode;
use crate::admin::view::{Revoked, TokenCreated, TokenRow, Tokens, Whoami};
use crate::config::Length;

const AFTER_HELP: &str = "\
Examples:
  tollgate admin whoami                                          what may I do?
  tollgate admin token create --name grafana --role viewer       prints the token, once
  tollgate admin token create --name billing --role caller --permission refund --expires 1d
  tollgate admin token list
  tollgate admin token revoke ID --dry-run                       which one would go?
  tollgate admin token revoke ID --yes                           refused from now on";

/// Arguments of `tollgate admin`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct AdminArgs {
    #[command(subcommand)]
    command: AdminCommand,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// Say who the node takes one for, and what one may do
    Whoami,
    /// Make, list and revoke tokens
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it; it is never shown again
    Create {
        /// What to call it in lists and audit events
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long)]
        role: TokenRole,
        /// What it may do on the decision API; operators and admins may all. Repeat it for several
        #[arg(long = "permission", value_name = "PERMISSION")]
        permissions: Vec<Permission>,
        /// How long it holds, such as 12h or 90d, or never to let it hold for ever
        #[arg(long, value_name = "TIME", default_value = "90d", value_parser = life)]
        expires: Life,
        /// Only print what would be made
        #[arg(long)]
        dry_run: bool,
    },
    /// List the tokens, without their secrets
    List,
    /// Revoke a token: it is refused from then on
    #[command(group = clap::ArgGroup::new("how").required(true).args(["yes", "dry_run"]))]
    Revoke {
        /// Its ID: the ten characters behind `tollgate_`
        id: String,
        /// Really do it
        #[arg(long)]
        yes: bool,
        /// Only print which would be revoked
        #[arg(long)]
        dry_run: bool,
    },
}

/// What a token may do, as the command line says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TokenRole {
    /// Look at everything on the admin API
    Viewer,
    /// Also reset counters; every permission
    Operator,
    /// Also make and revoke tokens
    Admin,
    /// Nothing on the admin API: for services that ask for decisions
    Caller,
}

impl TokenRole {
    const fn role(self) -> Option<Role> {
        match self {
            Self::Viewer => Some(Role::Viewer),
            Self::Operator => Some(Role::Operator),
            Self::Admin => Some(Role::Admin),
            Self::Caller => None,
        }
    }
}

/// How long a token holds; none: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life(Option<Duration>);

fn life(text: &str) -> Result<Life, String> {
    if text == "never" {
        return Ok(Life(None));
    }
    let length = Length::parse(text).filter(|Length(length)| *length >= Duration::from_secs(1));
    let length = length.ok_or_else(|| "a time such as 12h or 90d, or never".to_owned())?;
    Ok(Life(Some(length.0)))
}

impl AdminArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let reach = &self.reach;
        match &self.command {
            AdminCommand::Whoami => {
                reach.print(&reach.get("/v1/whoami")?, |whoami: Whoami| whoami_text(&whoami))?;
            }
            AdminCommand::Token(TokenCommand::List) => {
                reach.print(&reach.get("/v1/tokens")?, |tokens: Tokens| list(&tokens))?;
            }
            AdminCommand::Token(TokenCommand::Create {
                name,
                role,
                permissions,
                expires,
                dry_run,
            }) => {
                let asked = json!({
                    "name": name,
                    "role": role.role(),
                    "permissions": permissions,
                    "expires_seconds": expires.0.map(|life| life.as_secs()),
                });
                let target = format!("/v1/tokens?dry_run={dry_run}");
                let body = reach.post(&target, asked.to_string())?;
                reach.print(&body, |created: TokenCreated| created_text(&created))?;
            }
            AdminCommand::Token(TokenCommand::Revoke { id, dry_run, .. }) => {
                let target = format!("/v1/tokens/{}?dry_run={dry_run}", encode(id));
                reach.print(&reach.delete(&target)?, |revoked: Revoked| revoked_text(&revoked))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn whoami_text(whoami: &Whoami) -> String {
    let Whoami { who, role, permissions } = whoami;
    let role = cell(role.as_ref());
    let permissions = joined(permissions);
    format!("who          {}\nrole         {role}\npermissions  {permissions}\n", clean(who))
}

fn joined(permissions: &[String]) -> String {
    if permissions.is_empty() { "-".to_owned() } else { clean(&permissions.join(", ")) }
}

fn list(tokens: &Tokens) -> String {
    let mut table = Table::new(&["ID", "NAME", "ROLE", "PERMISSIONS", "CREATED", "EXPIRES"]);
    for row in &tokens.tokens {
        let [role, expires] = [role(row), expires(row)];
        let (id, name) = (row.id.clone(), row.name.clone());
        table.row([id, name, role, joined(&row.permissions), row.created_at.clone(), expires]);
    }
    let mut text = table.text("no token has been made");
    if tokens.end_with_node && !tokens.tokens.is_empty() {
        text.push_str(END_WITH_NODE);
    }
    text
}

const END_WITH_NODE: &str =
    "tokens of this node end with it: `listeners.admin.tokens_file` would keep them\n";

fn created_text(created: &TokenCreated) -> String {
    let (made, what) = (&created.made, if created.dry_run { "would make" } else { "made" });
    let mut text = format!("{what}  {}\n", line(made));
    match &created.token {
        Some(token) => {
            text.push_str(&format!("{}\n", clean(token)));
            text.push_str(
                "keep it now: it is shown this once; send it as `Authorization: Bearer …`\n",
            );
        }
        None => text.push_str("nothing was made: do it without --dry-run\n"),
    }
    if created.end_with_node {
        text.push_str(END_WITH_NODE);
    }
    text
}

fn revoked_text(revoked: &Revoked) -> String {
    let line = line(&revoked.revoked);
    if revoked.dry_run {
        return format!("would revoke (do it with --yes instead of --dry-run):\n{line}\n");
    }
    format!("revoked:\n{line}\n")
}

fn line(row: &TokenRow) -> String {
    let TokenRow { id, name, permissions, .. } = row;
    let (role, expires) = (role(row), expires(row));
    let id = if id.is_empty() { String::new() } else { format!("{id}  ") };
    let permissions = joined(permissions);
    clean(&format!("{id}{name}  role {role}, permissions {permissions}, expires {expires}"))
}

fn role(row: &TokenRow) -> String {
    row.role.clone().unwrap_or_else(|| "caller".to_owned())
}

fn expires(row: &TokenRow) -> String {
    let at = row.expires_at.as_deref().unwrap_or("never");
    if row.is_expired { format!("{at} ENDED") } else { at.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> TokenRow {
        TokenRow {
            id: "0123456789".into(),
            name: "ci".into(),
            role: None,
            permissions: vec!["refund".into()],
            created_at: "1970".into(),
            expires_at: Some("1971".into()),
            is_expired: true,
        }
    }

    #[test]
    fn times_are_lengths_or_never() {
        assert_eq!(life("never"), Ok(Life(None)));
        assert_eq!(life("90d"), Ok(Life(Some(Duration::from_secs(90 * 86_400)))));
        for wrong in ["", "0s", "999ms", "90", "-1d", "Never", "soon"] {
            assert!(life(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_shown_once_with_what_becomes_of_it() {
        let token = Some("tollgate_secret".to_owned());
        let created = TokenCreated { made: row(), token, end_with_node: true, dry_run: false };
        let text = created_text(&created);
        assert!(text.contains("\ntollgate_secret\n") && text.contains("tokens_file"), "{text}");
        let dry = TokenCreated { token: None, dry_run: true, ..created };
        assert!(created_text(&dry).starts_with("would make"));
        assert!(!format!("{dry:?}").contains("secret"));
    }

    #[test]
    fn a_list_tells_roles_and_ends() {
        let tokens = Tokens { tokens: vec![row()], end_with_node: false };
        let text = list(&tokens);
        assert!(text.contains("caller  refund") && text.contains("1971 ENDED"), "{text}");
        let none = Tokens { tokens: Vec::new(), end_with_node: true };
        assert_eq!(list(&none), "no token has been made\n");
    }
}
