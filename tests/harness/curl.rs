//! Reading a printed `curl` line and doing what it says, without curl.
//!
//! Knows the options that Tollgate's own texts use; an option it does not know is an error, so that
//! a text cannot drift away from what is tested.

use std::net::SocketAddr;

use ::http::Method;
use anyhow::{Context as _, bail};
use bytes::Bytes;

use crate::http::{self, Answer};

/// Options without a value that change nothing in what is sent.
const QUIET_FLAGS: [&str; 8] = ["-s", "-i", "-v", "-S", "-sS", "-si", "--silent", "--include"];

/// One request as a curl line describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curl {
    /// The method: the one named, else POST with a body and GET without.
    pub method: Method,
    /// Where to send it; curl's `localhost` is 127.0.0.1 here.
    pub address: SocketAddr,
    /// The path with its query.
    pub path: String,
    /// The headers named on the line.
    pub headers: Vec<(String, String)>,
    /// The body; empty without one.
    pub body: String,
}

impl Curl {
    /// All curl lines of a text, in order.
    ///
    /// # Errors
    /// When a line is not understood.
    pub fn all(lines: &[String]) -> anyhow::Result<Vec<Self>> {
        let commands = lines.iter().filter_map(|line| Some(&line[line.find("curl ")?..]));
        commands.map(|line| Self::parse(line).with_context(|| line.to_owned())).collect()
    }

    /// Reads one line that starts with `curl`.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn parse(line: &str) -> anyhow::Result<Self> {
        let mut words = words(line)?.into_iter().skip(1);
        let (mut url, mut method, mut headers, mut body) = (None, None, Vec::new(), String::new());
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "-d" | "--data" | "--data-raw" | "--json" => body = value()?,
                "-X" | "--request" => method = Some(value()?.parse()?),
                "-H" | "--header" => headers.push(header(&value()?)?),
                "-o" | "--output" | "-w" | "--write-out" => drop(value()?),
                "|" | "#" | ";" | "&&" => break,
                flag if QUIET_FLAGS.contains(&flag) => {}
                flag if flag.starts_with('-') => bail!("unknown option {flag}"),
                _ => url = Some(word),
            }
        }
        let (address, path) = split(&url.context("no address")?)?;
        let implied = if body.is_empty() { Method::GET } else { Method::POST };
        Ok(Self { method: method.unwrap_or(implied), address, path, headers, body })
    }

    /// Sends the request.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn perform(&self) -> anyhow::Result<Answer> {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let body = Bytes::from(self.body.clone());
        http::send(self.address, self.method.clone(), &self.path, &headers, body).await
    }
}

fn header(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once(':').with_context(|| format!("header {text:?}"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn split(url: &str) -> anyhow::Result<(SocketAddr, String)> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let authority = authority.replace("localhost", "127.0.0.1");
    let address = authority.parse().with_context(|| format!("address {authority:?}"))?;
    Ok((address, path.to_owned()))
}

/// Splits a line as a shell would, with both kinds of quotes and backslashes.
fn words(line: &str) -> anyhow::Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, space) if space.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        bail!("a quote is not closed");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_as_a_shell_and_curl_would() {
        let line = r#"curl -s -X POST localhost:8080/json -H 'Content-Type: application/json' \
            -d '{"domain": "it"}' | jq"#
            .replace("\\\n", "");
        let curl = Curl::parse(&line).unwrap();
        assert_eq!(curl.method, Method::POST);
        assert_eq!(
            (curl.address.to_string().as_str(), curl.path.as_str()),
            ("127.0.0.1:8080", "/json")
        );
        assert_eq!(curl.headers, [("Content-Type".into(), "application/json".into())]);
        assert_eq!(curl.body, r#"{"domain": "it"}"#);
    }

    #[test]
    fn a_body_implies_post_and_none_implies_get() {
        let all = ["  try: curl http://127.0.0.1:1/a?b -i".into(), "curl 127.0.0.1:1 -d x".into()];
        let [first, second] = Curl::all(&all).unwrap().try_into().unwrap();
        assert_eq!((first.method, first.path.as_str()), (Method::GET, "/a?b"));
        assert_eq!((second.method, second.path.as_str()), (Method::POST, "/"));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in ["curl --proxy x 127.0.0.1:1", "curl", "curl 'open", "curl -d", "curl host:1"] {
            assert!(Curl::parse(line).is_err(), "{line}");
        }
    }
}
