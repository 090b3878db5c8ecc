//! Carrying out what the ledger asks for: the same for users and for rooms, whoever knows the steps.

use std::future::Future;

use chasqui_crypto::Owner;
use chasqui_protocol::Problem;

use super::{Ledger, Request};

/// Whoever keeps the keys of one kind of owners, and erases them.
pub trait Erasing: Sync {
    /// Whose keys.
    type Id: Copy + Send + Sync;
    /// What is done, one thing after the other. Each may be repeated.
    type Step: Copy + PartialOrd + Send + Sync + 'static;
    /// All steps, in their order. The last one marks the request as done.
    const STEPS: &'static [Self::Step];

    /// Where it is written down.
    fn ledger(&self) -> &Ledger;

    /// The owner's id, where the owner is of this kind.
    fn id(owner: Owner) -> Option<Self::Id>;

    /// Whether nothing has come back of somebody who was erased.
    fn is_gone(&self, id: Self::Id) -> impl Future<Output = Result<bool, Problem>> + Send;

    /// Does one step.
    fn take(
        &self,
        step: Self::Step,
        id: Self::Id,
        request: &Request,
    ) -> impl Future<Output = Result<(), Problem>> + Send;
}

/// Writes a request down and carries it out. What was decided before about whether it may be stands.
///
/// # Errors
/// `unavailable` and the like; once it is written down, it is carried out by whoever [resumes](resume).
pub async fn erase<E: Erasing>(
    erasing: &E,
    owner: Owner,
    id: E::Id,
    request: Request,
) -> Result<(), Problem> {
    let request = erasing.ledger().ask(owner, request).await?;
    for step in E::STEPS {
        erasing.take(*step, id, &request).await?;
    }
    Ok(())
}

/// Carries out what was asked for and is not done, up to the step `last`; with `replay`, also what is done and something has
/// come back of. Returns how many were carried out.
///
/// # Errors
/// The first one that was met. One erasure that fails holds up none of the others, and is left for the next time.
pub async fn resume<E: Erasing>(erasing: &E, last: E::Step, replay: bool) -> Result<usize, Problem> {
    let (mut carried_out, mut failed) = (0, None);
    for owner in erasing.ledger().owners().await? {
        match resume_one(erasing, owner, last, replay).await {
            Ok(done) => carried_out += usize::from(done),
            Err(problem) => {
                tracing::warn!(%owner, %problem, "an erasure is put off; the others go on");
                failed.get_or_insert(problem);
            }
        }
    }
    failed.map_or(Ok(carried_out), Err)
}

/// Whether there was something to be carried out.
async fn resume_one<E: Erasing>(
    erasing: &E,
    owner: Owner,
    last: E::Step,
    replay: bool,
) -> Result<bool, Problem> {
    let Some(id) = E::id(owner) else { return Ok(false) };
    let Some(request) = erasing.ledger().request(owner).await? else { return Ok(false) };
    if request.done_at.is_some() && (!replay || erasing.is_gone(id).await?) {
        return Ok(false);
    }
    for step in E::STEPS.iter().filter(|step| **step <= last) {
        erasing.take(*step, id, &request).await?;
    }
    Ok(true)
}
