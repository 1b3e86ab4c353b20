//! Environment variables that stand in for flags. They are read only by the command that needs them,
//! so that a wrong one breaks no other; an empty one counts as unset.

use std::ffi::OsString;
use std::net::SocketAddr;

/// The address of the flag, else of the variable `name`, whose value `look_up` knows.
///
/// # Errors
/// A sentence, if the variable holds no address.
pub(super) fn address(
    flag: Option<SocketAddr>,
    name: &str,
    look_up: impl FnOnce(&str) -> Option<OsString>,
) -> Result<Option<SocketAddr>, String> {
    if flag.is_some() {
        return Ok(flag);
    }
    let Some(value) = look_up(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_string_lossy();
    let parsed = text.parse().map(Some);
    parsed.map_err(|_| format!("{name}: expected an IP address and a port, found {text:?}"))
}

/// The text of the variable `name`, whose value `look_up` knows.
pub(super) fn text(name: &str, look_up: impl FnOnce(&str) -> Option<OsString>) -> Option<String> {
    let value = look_up(name).filter(|value| !value.is_empty())?;
    Some(value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_goes_before_the_variable_and_an_empty_one_is_unset() {
        let flag = "127.0.0.1:1".parse().ok();
        let set = |value: &'static str| move |_: &str| Some(OsString::from(value));
        assert_eq!(address(flag, "A", set("nonsense")), Ok(flag));
        assert_eq!(address(None, "A", set("127.0.0.1:1")), Ok(flag));
        assert_eq!(address(None, "A", set("")), Ok(None));
        assert_eq!(address(None, "A", |_| None), Ok(None));
        let error = address(None, "A", set("localhost")).unwrap_err();
        assert_eq!(error, "A: expected an IP address and a port, found \"localhost\"");
    }
}
