//! The OpenAPI document and the page to try it.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, ServiceConfig};
use bedside_protocol::people::StaffRole;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_swagger_ui::SwaggerUi;

use crate::routes::{ACCESS, Access};

/// What the page to try it may load: its own files, and the styles it writes itself.
pub const DOCS_CSP: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                            frame-ancestors 'none'";

const DESCRIPTION: &str = "Watches over at-home lozenge sessions. Instants are RFC 3339; errors are problem \
    documents (RFC 9457) with a stable `type`. Every POST takes an `Idempotency-Key`. Not a substitute for \
    emergency services.";

/// The document before any route.
pub fn outline() -> OpenApi {
    let bearer = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build(),
    );
    let mut components = Components::new();
    components.add_security_scheme("bearer", bearer);
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Bedside")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .build(),
        )
        .components(Some(components))
        .build()
}

/// The document with, for each operation, who may call it: from the same table that is enforced.
pub fn with_access(mut document: OpenApi) -> OpenApi {
    for (method, path, access) in ACCESS {
        let Some(item) = document.paths.paths.get_mut(*path) else {
            continue;
        };
        let operation = match *method {
            "GET" => item.get.as_mut(),
            "POST" => item.post.as_mut(),
            "PUT" => item.put.as_mut(),
            _ => item.delete.as_mut(),
        };
        if let Some(operation) = operation {
            operation.security = Some(requirement(*access));
        }
    }
    document
}

/// OpenAPI 3.1 allows role names where OAuth has scopes. The token of a link is in the path, so nothing else is asked.
fn requirement(access: Access) -> Vec<SecurityRequirement> {
    match access {
        Access::Public | Access::Link | Access::Nobody => vec![SecurityRequirement::default()],
        Access::Patient | Access::Reporter => vec![SecurityRequirement::new("bearer", ["patient"])],
        Access::Staff(roles) => {
            vec![SecurityRequirement::new(
                "bearer",
                roles.iter().map(|role| StaffRole::name(*role)),
            )]
        }
    }
}

/// The document and the page.
pub fn register(config: &mut ServiceConfig, document: OpenApi) {
    config
        .route("/docs", web::get().to(to_docs))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/v1/openapi.json", document));
}

async fn to_docs() -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, "/docs/"))
        .finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    /// Of two shapes with one name the document keeps the one that comes last, and says nothing.
    #[test]
    fn no_two_shapes_of_the_interface_have_one_name() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let mut shapes: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for rest in text.split("ToSchema)]").skip(1) {
                let declared = rest.lines().find_map(|line| {
                    let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
                    line.strip_prefix("struct ").or(line.strip_prefix("enum "))
                });
                let name: String = declared
                    .unwrap_or_default()
                    .chars()
                    .take_while(|letter| letter.is_alphanumeric())
                    .collect();
                shapes.entry(name).or_default().push(file.clone());
            }
        }
        assert!(shapes.len() > 100, "the shapes were not found");
        shapes.retain(|_, files| files.len() > 1);
        assert!(shapes.is_empty(), "{shapes:#?}");
    }
}
