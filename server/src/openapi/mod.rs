//! The OpenAPI document of what is served over HTTP, made from the tables that route and the types
//! that are read and written. A copy is committed as `docs/openapi.yaml`, and served.
//!
//! `decisions`, `admin` and `plain` say what no type says: what an operation is called, which errors
//! it has and who may. `/json` is envoyproxy/ratelimit's and stays out.

mod admin;
mod decisions;
mod explain;
mod operation;
mod plain;
mod schemas;

use serde::Serialize;
use serde_json::{Map, Value, json};

use self::operation::Operation;
use self::schemas::Schemas;

/// The document as it is committed. What is served is never made anew for a request.
pub(crate) const COMMITTED: &str = include_str!("../../../docs/openapi.yaml");

/// Where it is served.
pub(crate) const PATH: &str = "/openapi.yaml";

const DESCRIPTION: &str = "What a Tollgate node serves over HTTP. The operations tagged `decisions` \
    are on the `http` listener, those tagged `admin` on the `admin` listener and its socket, where \
    whatever stands below `/v1/` needs a role. Errors have a word that programs may match on and a \
    sentence for people. Below HTTP itself a request may also be refused with 400, 408, 414 or 431 \
    and no body. The same decisions over gRPC: proto/tollgate/v1.";

/// The document; its paths and schemas are in the order of their names.
#[derive(Debug, Serialize)]
struct Document {
    openapi: &'static str,
    info: Value,
    tags: Value,
    paths: Map<String, Value>,
    components: Value,
}

/// The document as YAML.
///
/// # Errors
/// If it cannot be written as YAML, which no document of ours is.
pub(crate) fn yaml() -> Result<String, serde_saphyr::ser::Error> {
    let mut options = serde_saphyr::SerializerOptions::default();
    options.prefer_block_scalars = false; // a sentence stays on one line
    serde_saphyr::to_string_with_options(&document(), options)
}

fn document() -> Document {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    let all = decisions::all(&mut schemas)
        .into_iter()
        .chain(admin::all(&mut schemas))
        .chain(plain::all());
    for operation in all {
        let Operation { path, method, .. } = &operation;
        let (path, method) = (path.clone(), method.to_ascii_lowercase());
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method] = operation.into_value();
    }
    schemas.written::<operation::Error>();
    Document {
        openapi: "3.1.0",
        info: json!({
            "title": "Tollgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        }),
        tags: json!([
            { "name": "decisions", "description": "On the http listener, for services." },
            { "name": "admin", "description": "On the admin listener, for operators." },
        ]),
        paths,
        components: json!({
            "schemas": schemas.into_definitions(),
            "securitySchemes": { "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token of `tollgate admin token create`.",
            } },
        }),
    }
}

#[cfg(test)]
mod tests;
