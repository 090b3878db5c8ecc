//! What sealing costs each message, with the keys at hand, as command-api and edges do it.

use std::{hint::black_box, time::Instant};

use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, aead::Aead as _, aead::Payload};
use anyhow::{Context, ensure};
use chasqui_backends::Durability;
use chasqui_bus::BusRole;
use chasqui_crypto::{Opened, Place, Sealer};

use super::Run;
use crate::{
    caller::{new_id, now},
    figure::{Figure, Target, Unit},
    people::World,
    raw::PAYLOAD,
    report::Section,
    stack::Stack,
};

pub(super) async fn run(run: &mut Run) -> anyhow::Result<Vec<Section>> {
    let messages = run.pick(5_000, 200_000);
    let stack = Stack::start(Durability::Interval, run.layout, &run.progress).await?;
    let world = World::of_pairs(&stack.endpoint(run.codec), 1, &run.progress).await?;
    let (room, person) = world.rooms.first().zip(world.people.first()).context("a pair has a room")?;
    let config = stack.config()?;
    let keyring = chasqui_auth::keyring(&config, stack.bus(BusRole::CommandApi).await?)?;
    let sealer = Sealer::new(keyring.clone(), config.crypto.seals_per_epoch);
    run.progress.step(format!("sealing and opening {messages} messages"));
    let body = "x".repeat(PAYLOAD);
    let places: Vec<Place> =
        (0..messages).map(|_| Place::Body { room: room.id, id: new_id(), author: person.user }).collect();
    // The first looks the keys up.
    let first = places.first().context("there are messages")?;
    keyring.open(first, &sealer.seal(first, &body, now()).await?).await?;

    let begun = Instant::now();
    let mut bodies = Vec::with_capacity(places.len());
    for place in &places {
        bodies.push(sealer.seal(place, &body, now()).await?);
    }
    let sealing = begun.elapsed();
    let begun = Instant::now();
    let mut opened = 0;
    for (place, sealed) in places.iter().zip(&bodies) {
        opened += u64::from(matches!(keyring.open_at_hand(place, sealed), Some(Opened::Text(_))));
    }
    let opening = begun.elapsed();
    ensure!(opened == places.len() as u64, "only {opened} of {} were opened", places.len());
    let (bare_sealing, bare_opening) = bare(&body, messages)?;

    let each = |whole: std::time::Duration| whole.as_secs_f64() * 1e6 / f64::from(messages);
    let bare_name = "AES-256-GCM of the same bytes";
    let mut section = Section::new(
        "seal",
        format!(
            "{messages} bodies of {PAYLOAD} bytes in one room, one thread, keys at hand; raw: the bare cipher."
        ),
    );
    section.figures = vec![
        Figure::new("sealing a message", each(sealing), Unit::Us).beside(bare_name, Some(each(bare_sealing))),
        Figure::new("opening it", each(opening), Unit::Us).beside(bare_name, Some(each(bare_opening))),
        Figure::new("both", each(sealing + opening), Unit::Us)
            .beside(bare_name, Some(each(bare_sealing + bare_opening)))
            .to_reach(Target::AtMost(2.0)),
    ];
    Ok(vec![section])
}

fn bare(body: &str, messages: u32) -> anyhow::Result<(std::time::Duration, std::time::Duration)> {
    let cipher = Aes256Gcm::new(&[7; 32].into());
    let nonce = Nonce::from([1; 12]);
    let aad = [0; 64];
    let broken = |_| anyhow::anyhow!("the cipher refuses");
    let begun = Instant::now();
    let mut sealed = Vec::new();
    for _ in 0..messages {
        let payload = Payload { msg: body.as_bytes(), aad: &aad };
        sealed = black_box(cipher.encrypt(&nonce, payload).map_err(broken)?);
    }
    let sealing = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..messages {
        black_box(cipher.decrypt(&nonce, Payload { msg: &sealed, aad: &aad }).map_err(broken)?);
    }
    Ok((sealing, begun.elapsed()))
}
