//! The section `cluster`: members that can find and trust each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::Validator;
use crate::config::cluster::{Cluster, Member, MemberListeners, PeerSecret};
use crate::config::document::{Trail, open_regular};
use crate::config::quantity::Length;
use crate::config::raw;
use crate::config::report::excerpt;

/// Members that a cluster may have: so many that a majority is more than a half and no more are
/// asked than a decision needs.
const MEMBERS: [usize; 2] = [3, 5];

/// Bytes of a member's name: it stands in metrics, logs and every table.
const NAME_BYTES_MAX: usize = 64;

/// Heartbeats that may be lost before followers elect another leader.
const HEARTBEATS_MIN: u32 = 3;

impl Validator<'_> {
    pub(super) fn cluster(&mut self, raw: &raw::RawCluster, base_dir: &Path) -> Option<Cluster> {
        let section = Trail::Root.key("cluster");
        let groups = self.whole(&section.key("groups"), raw.groups, raw::GROUPS);
        let heartbeat = self.between(&section.key("heartbeat"), raw.heartbeat, raw::HEARTBEAT);
        let election = self.between(&section.key("election"), raw.election, raw::ELECTION);
        if election < heartbeat * HEARTBEATS_MIN && !self.is_wrong_below("cluster") {
            let message = format!(
                "expected at least {HEARTBEATS_MIN} heartbeats, {}, found {}",
                Length(heartbeat * HEARTBEATS_MIN),
                raw.election
            );
            self.issues.push(self.document.issue(&section.key("election"), message));
        }
        let members = self.members(&section.key("members"), &raw.members);
        let listen = self.ip_address(&section.key("listen"), &raw.listen);
        if raw.members.is_empty() {
            self.refuse_without_members(&section, raw);
            return None;
        }
        if !raw.node.is_empty() && !raw.members.contains_key(&raw.node) {
            let message = format!("`{}` is none of `members`", excerpt(&raw.node));
            self.issues.push(self.document.issue(&section.key("node"), message));
        }
        let secret = self.secret(&section.key("secret"), &raw.secret, base_dir)?;
        let node = (!raw.node.is_empty()).then(|| raw.node.clone());
        let groups = u32::try_from(groups).unwrap_or(1);
        Some(Cluster { node, members, secret, listen, groups, heartbeat, election })
    }

    fn refuse_without_members(&mut self, section: &Trail<'_>, raw: &raw::RawCluster) {
        for (key, text) in [("node", &raw.node), ("secret", &raw.secret), ("listen", &raw.listen)] {
            if !text.is_empty() {
                let message = "goes with `members`, of which there are none";
                self.issues.push(self.document.issue(&section.key(key), message));
            }
        }
    }

    fn members(
        &mut self,
        section: &Trail<'_>,
        raw: &BTreeMap<String, raw::RawMember>,
    ) -> BTreeMap<String, Member> {
        if !raw.is_empty() && !MEMBERS.contains(&raw.len()) {
            let message = format!("expected 3 or 5 members, found {}", raw.len());
            self.issues.push(self.document.issue(section, message));
            return BTreeMap::new();
        }
        let mut addresses = BTreeSet::new();
        let mut members = BTreeMap::new();
        for (name, member) in raw {
            let trail = section.key(name);
            self.member_name(&trail, name);
            let address = trail.key("address");
            if !is_reachable(&member.address) {
                let message = format!(
                    "expected a name or an IP address, and a port, found \"{}\"",
                    excerpt(&member.address)
                );
                let issue = self.document.issue(&address, message);
                self.issues.push(issue.with_help("write it as `10.0.0.1:7600`"));
            } else if !addresses.insert(&member.address) {
                let message = "another member has this address";
                self.issues.push(self.document.issue(&address, message));
            }
            let of = trail.key("listeners");
            let listeners = MemberListeners {
                decide: self.ip_address(&of.key("decide"), &member.listeners.decide),
                http: self.ip_address(&of.key("http"), &member.listeners.http),
                admin: self.ip_address(&of.key("admin"), &member.listeners.admin),
            };
            let member = Member { address: member.address.clone(), listeners };
            members.insert(name.clone(), member);
        }
        members
    }

    fn member_name(&mut self, trail: &Trail<'_>, name: &str) {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
        if !fits || !name.bytes().all(allowed) {
            let message = "a member's name is 1 to 64 of `a`-`z`, `0`-`9`, `.`, `_` and `-`";
            self.issues.push(self.document.issue(trail, message));
        }
    }

    /// An address that may be left empty.
    fn ip_address(&mut self, trail: &Trail<'_>, text: &str) -> Option<SocketAddr> {
        let parsed = text.parse().ok();
        if parsed.is_none() && !text.is_empty() {
            let message = format!("expected an IP address and a port, found \"{}\"", excerpt(text));
            self.issues.push(self.document.issue(trail, message));
        }
        parsed
    }

    fn between(
        &mut self,
        trail: &Trail<'_>,
        Length(length): Length,
        (least, most): (Duration, Duration),
    ) -> Duration {
        if length < least || length > most {
            let [least, most, length] = [least, most, length].map(|one| Length(one).to_string());
            let message = format!("expected {least} to {most}, found {length}");
            self.issues.push(self.document.issue(trail, message));
        }
        length
    }

    /// Never shows what it read.
    fn secret(&mut self, trail: &Trail<'_>, text: &str, base_dir: &Path) -> Option<PeerSecret> {
        let read = match reference(text) {
            Some(("file", path)) => read_secret(&base_dir.join(path)),
            Some(("env", name)) => std::env::var(name)
                .map(String::into_bytes)
                .map_err(|_| format!("the variable {} is not set", excerpt(name))),
            _ if text.is_empty() => Err("members need a secret".to_owned()),
            _ => Err("expected `${file:PATH}` or `${env:NAME}`".to_owned()),
        };
        let fits = |bytes: &Vec<u8>| {
            (raw::SECRET_BYTES.min..=raw::SECRET_BYTES.max).contains(&(bytes.len() as u64))
        };
        let read = read.and_then(|bytes| {
            let wrong = format!("expected 16 to 1024 bytes, found {}", bytes.len());
            Some(bytes).filter(fits).ok_or(wrong)
        });
        match read {
            Ok(bytes) => Some(PeerSecret::new(&bytes)),
            Err(message) => {
                let issue = self.document.issue(trail, message);
                let help = "make one: `openssl rand -hex 32 > cluster.secret`, and write \
                            `secret: ${file:cluster.secret}`";
                self.issues.push(issue.with_help(help));
                None
            }
        }
    }
}

/// The kind and the rest of `${KIND:REST}`.
fn reference(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("${")?.strip_suffix('}')?.split_once(':')
}

fn read_secret(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;

    let unread = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = open_regular(path).map_err(unread)?;
    let mut bytes = Vec::new();
    file.take(raw::SECRET_BYTES.max + 2).read_to_end(&mut bytes).map_err(unread)?;
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(bytes)
}

/// Whether it is a host and a port that is not zero.
fn is_reachable(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_ip = text.parse::<SocketAddr>().is_ok();
    let is_name = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    port.parse::<u16>().is_ok_and(|port| port > 0) && (is_ip || is_name)
}
