//! `change_profile`: change one's own profile.

use axum::extract::State;
use chasqui_bus::subject;
use chasqui_crypto::Spot;
use chasqui_domain::name::check_display_name;
use chasqui_events::identity::{IdentityEvent, ProfileChanged};
use chasqui_http::{Json, Refusal};
use chasqui_protocol::{Accepted, Problem, command::ChangeProfile};

use crate::{
    caller::Caller,
    refusal,
    serve::measured,
    service::{Auth, Inner, Record},
};

/// Change one's own profile
#[utoipa::path(
    post, path = "/v1/commands/change_profile", tag = "identity", request_body = ChangeProfile,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Recorded", body = Accepted),
        (status = 400, description = "`malformed`, `size`, `characters`", body = Problem),
    )
)]
pub(crate) async fn endpoint(
    State(auth): State<Auth>,
    caller: Caller,
    Json(command): Json<ChangeProfile>,
) -> Result<Json<Accepted>, Refusal> {
    Ok(Json(measured("change_profile", handle(&auth.0, &caller, command)).await?))
}

pub(crate) async fn handle(
    auth: &Inner,
    caller: &Caller,
    command: ChangeProfile,
) -> Result<Accepted, Problem> {
    auth.rates.change(caller.account())?;
    let ChangeProfile { id, display_name } = command;
    check_display_name(&display_name, &auth.limits).map_err(|rejection| refusal::rejected(&rejection))?;
    let user = caller.identity.user;
    let display_name = auth.seal(Spot::display_name(user), &display_name).await?;
    let record = Record {
        subject: subject::ident_user(user),
        id,
        by: user,
        import: None,
        event: IdentityEvent::ProfileChanged(ProfileChanged { display_name }),
        // The last one in the log counts, so none has to be first.
        first: false,
        trace: &caller.trace,
    };
    auth.record(record).await.map_err(|error| refusal::not_appended(&error))?;
    Ok(Accepted::default())
}
