//! What checking an access token costs: the first time, and from memory.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use chasqui_auth::Verifier;
use chasqui_backends::Durability;
use chasqui_bus::BusRole;
use jsonwebtoken::{Algorithm, DecodingKey, crypto, jwk::JwkSet};

use super::Run;
use crate::{
    api::Api,
    figure::{Figure, Target, Unit},
    people::World,
    report::Section,
    stack::Stack,
};

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let pairs = run.pick(20, 500);
    let rounds = run.pick(10_u32, 1_000);
    let stack = Stack::start(Durability::Interval, run.layout, &run.progress).await?;
    let endpoint = stack.endpoint(run.codec);
    let world = World::of_pairs(&endpoint, pairs, &run.progress).await?;
    let tokens: Vec<&str> = world.people.iter().map(|person| person.token.as_str()).collect();
    let verifier = Verifier::new(&stack.config()?.auth, &stack.bus(BusRole::CommandApi).await?);
    run.progress.step(format!("checking {} tokens, then {rounds} times more", tokens.len()));
    let (first, rest) = tokens.split_first().context("there are people")?;
    // The first reads keys and revocations.
    verifier.verify(first).await.map_err(anyhow::Error::from)?;
    let begun = Instant::now();
    for token in rest {
        verifier.verify(token).await.map_err(anyhow::Error::from)?;
    }
    let anew = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..rounds {
        for token in &tokens {
            black_box(verifier.verify(token).await.map_err(anyhow::Error::from)?);
        }
    }
    let remembered = begun.elapsed();
    let keys: JwkSet = Api::new(&endpoint.api)?.get("/.well-known/jwks.json", first).await?;
    let bare = bare(rest, &keys)?;

    let (new, known) = (rest.len(), tokens.len() * rounds as usize);
    let each = |whole: Duration, count: usize| whole.as_secs_f64() * 1e6 / count.max(1) as f64;
    let mut section = Section::new(
        "token",
        format!(
            "{new} access tokens checked the first time, {known} checks of tokens that are known; one thread."
        ),
    );
    section.figures = vec![
        Figure::new("the first time", each(anew, new), Unit::Us)
            .beside("the bare Ed25519 signature", Some(each(bare, new))),
        Figure::new("from memory", each(remembered, known), Unit::Us).to_reach(Target::AtMost(1.0)),
    ];
    Ok(vec![section])
}

/// The signatures alone, by the same library.
fn bare(tokens: &[&str], keys: &JwkSet) -> anyhow::Result<Duration> {
    let key = DecodingKey::from_jwk(keys.keys.first().context("a key is published")?)?;
    let parts: Vec<(&str, &str)> = tokens.iter().filter_map(|token| token.rsplit_once('.')).collect();
    let begun = Instant::now();
    for (message, signature) in &parts {
        ensure!(
            crypto::verify(signature, message.as_bytes(), &key, Algorithm::EdDSA)?,
            "a signature is wrong"
        );
    }
    Ok(begun.elapsed())
}
