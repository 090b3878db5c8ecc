//! What was decided about accounts, and what operators did.

use axum::extract::State;
use chasqui_auth::refusal;
use chasqui_domain::Permission;
use chasqui_events::{Seq, UserId};
use chasqui_http::{Json, Query, Refusal};
use chasqui_protocol::{Problem, query::Acts};

use crate::{
    asking::Asking,
    parameters::{page_size, parameters},
    reader::{measured, not_read},
    routes::QueryApi,
};

parameters! {
    /// Of `GET /v1/admin/audit`.
    Parameters {
        /// Only those after this one: the last one of the page before.
        after: Option<Seq>,
        /// Only those that concern this user.
        #[param(value_type = Option<uuid::Uuid>)]
        about: Option<UserId>,
        /// How many at the most; 50 without it.
        limit: Option<u32>,
    }
}

/// What was decided about accounts, and what operators did
///
/// In order, page by page, with who did it and why. Needs the global role `admin`. `chasqui admin audit` reads the same
/// from the log.
#[utoipa::path(
    get, path = "/v1/admin/audit", tag = "administration", security(("access_token" = [])),
    params(Parameters),
    responses(
        (status = 200, body = Acts),
        (status = 403, description = "`forbidden`", body = Problem),
        (status = 503, description = "`not-yet-projected`, `unavailable`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(api): State<QueryApi>,
    Asking(caller): Asking,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Acts>, Refusal> {
    let Parameters { after, about, limit, .. } = parameters;
    let (fresh, reader) = (parameters.fresh()?, api.reader());
    let page = measured("audit", async {
        let permitted = Permission::Audit.demand_of(caller.identity.role);
        permitted.map_err(|rejection| refusal::rejected(&rejection))?;
        let limit = page_size(limit, reader.bounds().page)?;
        reader.fresh_people(fresh).await?;
        reader.model().acts(after.unwrap_or(0), about, limit).await.map_err(|error| not_read(&error))
    });
    Ok(Json(page.await?))
}
