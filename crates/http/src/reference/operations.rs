//! What every operation's description has in common, so that no route has to say it.

use utoipa::{
    PartialSchema as _,
    openapi::{Content, OpenApi, Ref, RefOr, Response, path::Operation, security::SecurityRequirement},
};

use chasqui_protocol::Problem;
use utoipa::ToSchema as _;

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Gives every operation a name of its own, the media type of problems, and an answer for what any of them can
/// meet.
pub(super) fn complete(openapi: &mut OpenApi) {
    for (path, item) in &mut openapi.paths.paths {
        for (method, operation) in [("get", &mut item.get), ("post", &mut item.post)] {
            if let Some(operation) = operation {
                operation.operation_id = Some(name(method, path));
                problems(operation);
            }
        }
    }
    let components = openapi.components.get_or_insert_default();
    components.schemas.entry(Problem::name().into_owned()).or_insert_with(Problem::schema);
}

/// Lets every operation that needs somebody be authenticated in another way, too.
pub(super) fn allow(openapi: &mut OpenApi, scheme: &str) {
    for item in openapi.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            if let Some(security) = operation.security.as_mut().filter(|security| !security.is_empty()) {
                security.push(SecurityRequirement::new(scheme, Vec::<String>::new()));
            }
        }
    }
}

/// A command is named as everywhere else; a query by its address.
fn name(method: &str, path: &str) -> String {
    if let Some(command) = path.strip_prefix("/v1/commands/") {
        return command.to_owned();
    }
    let words = path.trim_start_matches("/v1").split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).fold(method.to_owned(), |name, word| format!("{name}_{word}"))
}

/// Gives the problems that are told their media type, and adds those that any operation of its kind can meet. Together they
/// are all that it answers: a test holds the program to it.
fn problems(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
            && let Some(content) = response.content.swap_remove(JSON)
        {
            response.content.insert(PROBLEM.to_owned(), content);
        }
    }
    let has_body = operation.request_body.is_some();
    let has_input = has_body || operation.parameters.as_ref().is_some_and(|all| !all.is_empty());
    let is_secured = operation.security.as_ref().is_some_and(|all| !all.is_empty());
    for (applies, status, description) in [
        (has_input, "400", "`malformed`, `size`, `characters`: `detail` says what is wrong"),
        (is_secured, "401", "`unauthorized`: this needs a valid access token"),
        (is_secured || has_body, "403", "`forbidden`: the token does not allow it; `csrf` in cookie mode"),
        (has_body, "413", "`too-large`: the body is longer than bodies may be"),
        (has_body, "415", "`unsupported-media-type`: send `application/json`"),
        (true, "429", "`too-many`: a limit is reached; `retry-after` says for how long"),
        (true, "500", "`internal`: a defect of the server, which it has logged"),
        (
            true,
            "503",
            "`unavailable`: what this needs does not answer now; try again, a command with the same id",
        ),
        (has_body, "504", "`unknown`: it may have happened; send the same again, with the same id"),
    ] {
        if applies {
            let mut problem = Response::new(description);
            let schema = Ref::from_schema_name(Problem::name());
            problem.content.insert(PROBLEM.to_owned(), RefOr::T(Content::new(Some(schema))));
            operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(problem));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_address() {
        for (path, expected) in [
            ("/v1/commands/create_room", "create_room"),
            ("/v1/rooms/{room}/messages/by-id/{author}/{id}", "get_rooms_room_messages_by_id_author_id"),
            ("/.well-known/jwks.json", "get_well_known_jwks_json"),
        ] {
            assert_eq!(name("get", path), expected);
        }
    }
}
