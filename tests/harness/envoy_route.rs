//! What Envoy asks the rate-limit service about the requests of a route. Names and meaning of the
//! fields are Envoy's own.

use serde_json::{Map, Value, json};

pub(crate) const RATELIMIT_FILTER: &str = "envoy.filters.http.ratelimit";

/// The requests under one path prefix and the descriptors they are asked with.
#[derive(Debug, Clone)]
pub struct Route {
    pub(crate) prefix: String,
    pub(crate) rate_limits: Vec<Value>,
    pub(crate) answer_headers: Vec<Value>,
    pub(crate) per_filter: Map<String, Value>,
}

impl Route {
    /// A route without descriptors: nothing is asked.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            rate_limits: Vec::new(),
            answer_headers: Vec::new(),
            per_filter: Map::new(),
        }
    }

    /// Adds a descriptor: one entry an action, in order. If an action has nothing to say about a
    /// request, Envoy leaves its descriptor out.
    #[must_use]
    pub fn descriptor(mut self, actions: &[Value]) -> Self {
        self.rate_limits.push(json!({"actions": actions}));
        self
    }

    /// Adds a whole `RateLimit` of Envoy's, as the filter's own configuration for this route: only
    /// there Envoy heeds `hits_addend` and `apply_on_stream_done`.
    #[must_use]
    pub fn rate_limit(self, entry: Value) -> Self {
        self.filter_rate_limit(RATELIMIT_FILTER.to_owned(), entry)
    }

    /// Has this route asked about in a shared domain, by one `RateLimit`.
    #[must_use]
    pub fn shared_rate_limit(self, domain: &str, entry: Value) -> Self {
        self.filter_rate_limit(shared_filter(domain), entry)
    }

    fn filter_rate_limit(mut self, filter: String, entry: Value) -> Self {
        let new = || {
            json!({
                "@type": "type.googleapis.com/\
                    envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
                "rate_limits": [],
            })
        };
        let config = self.per_filter.entry(filter).or_insert_with(new);
        if let Some(entries) = config["rate_limits"].as_array_mut() {
            entries.push(entry);
        }
        self
    }

    /// Has Envoy answer with a header that tells what it knows: `format` is one of its format
    /// strings, such as `%DYNAMIC_METADATA(namespace:key)%`.
    #[must_use]
    pub fn answer_header(mut self, name: &str, format: &str) -> Self {
        self.answer_headers.push(json!({"header": {"key": name, "value": format}}));
        self
    }
}

/// The entry `generic_key = value`.
#[must_use]
pub fn generic_key(value: &str) -> Value {
    json!({"generic_key": {"descriptor_value": value}})
}

/// The entry `key =` the header's value.
#[must_use]
pub fn request_header(header: &str, key: &str) -> Value {
    json!({"request_headers": {"header_name": header, "descriptor_key": key}})
}

/// The entry `header_match = value`, if the header has exactly the text.
#[must_use]
pub fn header_value_match(value: &str, header: &str, exact: &str) -> Value {
    json!({"header_value_match": {
        "descriptor_value": value,
        "headers": [{"name": header, "string_match": {"exact": exact}}],
    }})
}

/// The entry `remote_address =` the client's address.
#[must_use]
pub fn remote_address() -> Value {
    json!({"remote_address": {}})
}

/// The filter that asks in a shared domain, as Envoy Gateway names it.
pub(crate) fn shared_filter(domain: &str) -> String {
    format!("{RATELIMIT_FILTER}/{domain}")
}
