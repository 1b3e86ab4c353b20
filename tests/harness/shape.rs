//! What a node's configuration says.

use crate::launched::Addresses;

/// The folder with the ratelimit files, beside the configuration.
pub(crate) const LIMITS_FOLDER: &str = "limits";

/// What the configuration says beside the addresses.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) workers: usize,
    /// How long it serves on when it is told to end.
    pub(crate) drain_notice: String,
    /// More keys of the listeners, each with a comma before it.
    pub(crate) decide: String,
    pub(crate) http: String,
    pub(crate) admin: String,
    /// The most files that the process may open, if that is bounded.
    pub(crate) open_files: Option<usize>,
    /// Keys of `telemetry` that a test adds, each after a comma.
    pub(crate) telemetry: String,
    /// Sections that a test adds, as they stand in the file.
    pub(crate) sections: String,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            workers: 2,
            drain_notice: "0s".to_owned(),
            decide: String::new(),
            http: String::new(),
            admin: String::new(),
            open_files: None,
            telemetry: String::new(),
            sections: String::new(),
        }
    }
}

impl Shape {
    /// The configuration's text.
    pub(crate) fn text(&self, Addresses { decide, http, admin }: Addresses) -> String {
        let Shape { workers, drain_notice, decide: of_decide, http: of_http, .. } = self;
        let Shape { telemetry, sections, admin: of_admin, .. } = self;
        format!(
            r#"node: {{workers: {workers}, drain_notice: {drain_notice}}}
listeners:
  decide: {{address: "{decide}"{of_decide}}}
  http: {{address: "{http}"{of_http}}}
  admin: {{address: "{admin}"{of_admin}}}
ratelimit_files: ["{LIMITS_FOLDER}"]
telemetry: {{log_format: json{telemetry}}}
{sections}"#
        )
    }
}
