//! Repetition penalties of the tokens that a draw has seen.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::UNITS;
use crate::kernels::cube::launch::{array, cubes, upload};
use crate::kernels::sampling::Draw;

/// Divides positive and multiplies negative scores of each draw's seen tokens, `ids[ends[draw] .. ends[draw + 1]]`.
#[cube(launch_unchecked)]
fn penalise(
    scores: &mut Array<f32>,
    ends: &Array<u32>,
    ids: &Array<u32>,
    penalties: &Array<f32>,
    count: u32,
    vocab: u32,
) {
    let draw = CUBE_POS;
    if draw >= count as usize {
        terminate!();
    }
    let penalty = penalties[draw];
    let end = ends[draw + 1] as usize;
    let mut at = ends[draw] as usize + UNIT_POS as usize;
    while at < end {
        let place = draw * vocab as usize + ids[at] as usize;
        let x = scores[place];
        scores[place] = select(x < 0.0f32, x * penalty, x / penalty);
        at += UNITS;
    }
}

/// Applies the penalties of `draws` to contiguous `scores` `[draws, vocab]` in f32, in place.
pub(in crate::kernels) fn penalise_rows<R: Runtime>(
    client: &ComputeClient<R>,
    scores: &Handle,
    vocab: usize,
    draws: &[Draw<'_>],
) {
    let mut ends = vec![0u32];
    let mut ids: Vec<u32> = Vec::new();
    for draw in draws.iter() {
        if draw.filters.repetition_penalty != 1.0 {
            ids.extend(draw.seen);
        }
        ends.push(ids.len() as u32);
    }
    let penalties: Vec<f32> = draws.iter().map(|draw| draw.filters.repetition_penalty).collect();
    let ((ends, ends_len), (ids, ids_len)) = (upload(client, &ends), upload(client, &ids));
    let penalties = client.create_from_slice(f32::as_bytes(&penalties));
    // SAFETY: a cube a draw; its ids are below `vocab`.
    unsafe {
        penalise::launch_unchecked::<R>(
            client,
            cubes(client, draws.len()),
            CubeDim::new_1d(UNITS as u32),
            array(scores, draws.len() * vocab),
            array(&ends, ends_len),
            array(&ids, ids_len),
            array(&penalties, draws.len()),
            draws.len() as u32,
            vocab as u32,
        );
    }
}
