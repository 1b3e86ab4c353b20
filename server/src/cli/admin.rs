//! `tollgate admin`: who the node takes one for, and the tokens that it knows.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::consent::{Consent, Step};
use super::exit::Exit;
use super::failure::{Ended, Failure};
use super::length;
use super::output::{Cell, Style, Table, Tone, cell, clean};
use super::reach::Reach;
use crate::access::{ChangeError, LIFE_MAX, Permission, Role, is_name};
use crate::admin::encode;
use crate::admin::view::{Revoked, TokenCreated, TokenRow, Tokens, Whoami};

const AFTER_HELP: &str = "\
Examples:
  tollgate admin whoami                     what may I do?
  tollgate admin token create --name grafana --role viewer
  tollgate admin token list";

const WHOAMI_HELP: &str = "\
Examples:
  tollgate admin whoami                     over the socket its owner may all
  tollgate admin whoami --endpoint https://HOST:PORT --token-file FILE";

const TOKEN_HELP: &str = "\
Examples:
  tollgate admin token create --name grafana --role viewer
  tollgate admin token list                 without their secrets
  tollgate admin token revoke ID --dry-run";

const CREATE_HELP: &str = "\
Examples:
  tollgate admin token create --name grafana --role viewer
  tollgate admin token create --name billing --role caller --permission refund --expires 1d
  tollgate admin token create --name ci --role operator -o name > token
  tollgate admin token create --name root --role admin --expires never --dry-run";

const LIST_HELP: &str = "\
Examples:
  tollgate admin token list
  tollgate admin token list -o json | jq '.tokens[] | select(.is_expired).id'";

const REVOKE_HELP: &str = "\
Examples:
  tollgate admin token revoke ID --dry-run  which one would go?
  tollgate admin token revoke ID --yes      refused from now on";

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
    #[command(after_help = WHOAMI_HELP)]
    Whoami,
    /// Make, list and revoke tokens
    #[command(after_help = TOKEN_HELP)]
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it; it is never shown again
    #[command(after_help = CREATE_HELP)]
    Create {
        /// What to call it in lists and audit events: 1 to 64 letters, digits and any of . _ - @ / :
        #[arg(long, value_parser = token_name)]
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
    #[command(after_help = LIST_HELP)]
    List,
    /// Revoke a token: it is refused from then on
    #[command(after_help = REVOKE_HELP)]
    Revoke {
        /// Its ID: the ten characters behind `tollgate_`
        id: String,
        #[command(flatten)]
        consent: Consent,
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
    let life = length::within(text, Duration::from_secs(1)..=LIFE_MAX);
    life.map(|life| Life(Some(life))).map_err(|error| format!("never, or {error}"))
}

fn token_name(text: &str) -> Result<String, String> {
    is_name(text).then(|| text.to_owned()).ok_or_else(|| ChangeError::Name.to_string())
}

impl AdminArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> Ended {
        let reach = &self.reach;
        match &self.command {
            AdminCommand::Whoami => {
                let who = |whoami: &Whoami| vec![whoami.who.clone()];
                reach.print(&reach.get("/v1/whoami")?, who, whoami_text)?;
            }
            AdminCommand::Token { command } => self.token(command)?,
        }
        Ok(Exit::Done)
    }

    fn token(&self, command: &TokenCommand) -> Result<(), Failure> {
        let reach = &self.reach;
        match command {
            TokenCommand::List => {
                let ids = |all: &Tokens| all.tokens.iter().map(|row| row.id.clone()).collect();
                reach.print(&reach.get("/v1/tokens")?, ids, list)
            }
            TokenCommand::Create { name, role, permissions, expires, dry_run } => {
                let asked = json!({
                    "name": name,
                    "role": role.role(),
                    "permissions": permissions,
                    "expires_seconds": expires.0.map(|life| life.as_secs()),
                });
                let target = format!("/v1/tokens?dry_run={dry_run}");
                let body = reach.post(&target, &asked.to_string())?;
                // The token, which nobody can ask for again, rather than its name.
                let token = |created: &TokenCreated| created.token.iter().cloned().collect();
                reach.print(&body, token, created_text)
            }
            TokenCommand::Revoke { id, consent } => {
                let change = format!("revokes the token {id}, which is refused from then on");
                let again = format!("tollgate admin token revoke {}", clean(id));
                let dry_run = consent.step(&change, id, &again)? == Step::Show;
                let target = format!("/v1/tokens/{}?dry_run={dry_run}", encode(id));
                let ids = |revoked: &Revoked| vec![revoked.revoked.id.clone()];
                reach.print(&reach.delete(&target)?, ids, revoked_text)
            }
        }
    }
}

fn whoami_text(whoami: &Whoami, _: &Style) -> String {
    let Whoami { who, role, permissions } = whoami;
    let (who, role) = (clean(who), clean(&cell(role.as_ref())));
    let permissions = joined(permissions);
    format!("who          {who}\nrole         {role}\npermissions  {permissions}\n")
}

fn joined(permissions: &[String]) -> String {
    if permissions.is_empty() { "-".to_owned() } else { clean(&permissions.join(", ")) }
}

fn list(tokens: &Tokens, style: &Style) -> String {
    let mut table = Table::new(&["=ID", "NAME", "ROLE", "PERMISSIONS", "EXPIRES", "+CREATED"]);
    for row in &tokens.tokens {
        let ended = row.is_expired.then_some(Tone::Bad);
        table.row([
            Cell::from(row.id.clone()),
            row.name.clone().into(),
            role(row).into(),
            joined(&row.permissions).into(),
            Cell::toned(expires(row), ended),
            row.created_at.clone().into(),
        ]);
    }
    let mut text = table.text(style, "no token has been made");
    if tokens.end_with_node && !tokens.tokens.is_empty() {
        text.push_str(END_WITH_NODE);
    }
    text
}

const END_WITH_NODE: &str =
    "tokens of this node end with it: `listeners.admin.tokens_file` would keep them\n";

fn created_text(created: &TokenCreated, _: &Style) -> String {
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

fn revoked_text(revoked: &Revoked, _: &Style) -> String {
    let line = line(&revoked.revoked);
    if revoked.dry_run {
        return format!("would revoke (--yes does it):\n{line}\n");
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
        let text = created_text(&created, &Style::default());
        assert!(text.contains("\ntollgate_secret\n") && text.contains("tokens_file"), "{text}");
        let dry = TokenCreated { token: None, dry_run: true, ..created };
        assert!(created_text(&dry, &Style::default()).starts_with("would make"));
        assert!(!format!("{dry:?}").contains("secret"));
    }

    #[test]
    fn a_list_tells_roles_and_ends() {
        let tokens = Tokens { tokens: vec![row()], end_with_node: false };
        let text = list(&tokens, &Style::default());
        assert!(text.contains("caller  refund") && text.contains("1971 ENDED"), "{text}");
        let none = Tokens { tokens: Vec::new(), end_with_node: true };
        assert_eq!(list(&none, &Style::default()), "no token has been made\n");
    }
}
