//! Which rows each cube of a launch works on.
//!
//! Tiles never cross the border of a segment, so a cube knows its sequence from five numbers. Those with most work come
//! first: the last cubes to start are then short, and the device drains evenly.

use super::super::{AttentionSpan, Placed, Segment, place};

/// Numbers of an entry of [`Plan::queries`]: first row, rows, position of the first in its sequence; then where the
/// sequence's keys are: first row of what it continues, rows of that, first row of its own.
pub(super) const QUERY_TILE: usize = 6;
/// Numbers of an entry of [`Plan::keys`]: first row, rows, first and end of its readers.
pub(super) const KEY_TILE: usize = 4;

/// Tiles of queries and of keys, and the runs of queries that see each tile of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// [`QUERY_TILE`] numbers a tile.
    pub queries: Vec<u32>,
    /// [`KEY_TILE`] numbers a tile.
    pub keys: Vec<u32>,
    /// First row and length of each run. A tile's first run is the rest of its own sequence, from the tile's first row on.
    pub readers: Vec<u32>,
}

/// The cubes of a batch in tiles of `query_rows` and `key_rows`.
pub(super) fn plan(segments: &[Segment], query_rows: usize, key_rows: usize) -> Plan {
    let placed = place(segments);
    Plan { queries: queries(&placed, query_rows), ..keys(segments, &placed, key_rows) }
}

fn queries(placed: &[Placed], rows: usize) -> Vec<u32> {
    let mut tiles = Vec::new();
    for Placed { rows: own, before } in placed {
        for first in own.clone().step_by(rows) {
            let count = rows.min(own.end - first);
            let position = before.len() + first - own.start;
            tiles.push([first, count, position, before.start, before.len(), own.start]);
        }
    }
    heaviest_first(tiles)
}

/// Tiles of [`QUERY_TILE`] numbers, those that see most keys first.
fn heaviest_first(mut tiles: Vec<[usize; QUERY_TILE]>) -> Vec<u32> {
    // Stable, so that equal tiles keep the order of the batch.
    tiles.sort_by_key(|[_, count, position, ..]| std::cmp::Reverse(position + count));
    tiles.into_iter().flatten().map(|n| n as u32).collect()
}

/// Tiles of the queries of `spans`, whose keys stand in rows from the number beside each.
pub(super) fn cached(spans: &[(&AttentionSpan, usize)], rows: usize) -> Vec<u32> {
    let mut tiles = Vec::new();
    for (AttentionSpan { queries, keys, .. }, start) in spans {
        for first in queries.clone().step_by(rows) {
            let count = rows.min(queries.end - first);
            tiles.push([first, count, keys - (queries.end - first), 0, 0, *start]);
        }
    }
    heaviest_first(tiles)
}

fn keys(segments: &[Segment], placed: &[Placed], rows: usize) -> Plan {
    let mut continuations: Vec<Vec<&Placed>> = vec![Vec::new(); segments.len()];
    for (segment, at) in segments.iter().zip(placed) {
        if let Some(parent) = segment.after {
            continuations[parent].push(at);
        }
    }
    let mut tiles = Vec::new();
    for (at, continuations) in placed.iter().zip(&continuations) {
        for first in at.rows.clone().step_by(rows) {
            let mut runs = vec![(first, at.rows.end - first)];
            // Neighbours are one run: shorter tables, fuller tiles.
            for next in continuations.iter().filter(|next| !next.rows.is_empty()) {
                match runs.last_mut() {
                    Some((start, len)) if runs_on(first, *start, *len, &next.rows) => *len += next.rows.len(),
                    _ => runs.push((next.rows.start, next.rows.len())),
                }
            }
            let work: usize = runs.iter().map(|(_, len)| len).sum();
            tiles.push((work, first, rows.min(at.rows.end - first), runs));
        }
    }
    tiles.sort_by_key(|(work, ..)| std::cmp::Reverse(*work));
    let mut plan = Plan::default();
    for (_, first, count, runs) in tiles {
        let start = plan.readers.len() / 2;
        plan.readers.extend(runs.iter().flat_map(|&(first, len)| [first as u32, len as u32]));
        plan.keys.extend([first, count, start, plan.readers.len() / 2].map(|n| n as u32));
    }
    plan
}

/// Whether `next` follows a run that is not the tile's own sequence, whose first row is `first`.
fn runs_on(first: usize, start: usize, len: usize, next: &std::ops::Range<usize>) -> bool {
    start != first && start + len == next.start
}
