//! Checkpoints that are written, damaged, interrupted and read.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::checksums::{self, CHECKSUMS, Checksum};
use super::folder::{LATEST, STATE, TENSORS};
use super::*;
use crate::files::faulty::FaultyDisk;

type Tensor = (String, Vec<usize>, Vec<f32>);

fn tensors(step: u64) -> Vec<Tensor> {
    let value = |i: usize| (step as f32 + 1.0) / (i as f32 + 0.5);
    vec![
        ("weight".into(), vec![3, 4], (0..12).map(value).collect()),
        ("norm".into(), vec![2], vec![f32::NAN, -0.0]),
        ("none".into(), vec![0], vec![]),
        ("adamw.m.weight".into(), vec![3, 4], (12..24).map(value).collect()),
    ]
}

fn state(step: u64) -> State {
    let mut progress = Progress { step, stage_step: step, seed: u64::MAX, ..Progress::default() };
    progress.extra.insert("note".into(), serde_json::json!({"open": [1, "two"]}));
    progress.rngs.insert("rollout".into(), RngState { seed: [3; 32], stream: 1, words: [0, step] });
    State::new(
        "config",
        Covered {
            metrics: Checksum { crc: 7, bytes: step * 10 },
            rollouts: Checksum { crc: 9, bytes: step * 100 },
            patients: Checksum { crc: 5, bytes: step * 2 },
            rubric: Checksum { crc: 3, bytes: step },
        },
        progress,
    )
}

fn writer(dir: &Path, keep: usize) -> CheckpointWriter {
    // Tests of damage do not need the disk to be waited for.
    CheckpointWriter::new(dir, NonZeroUsize::new(keep).unwrap()).durability(Durability::Process)
}

fn save(writer: &CheckpointWriter, step: u64) -> Result<PathBuf, CheckpointError> {
    filled(writer, step)?.finish(&state(step))
}

fn filled(writer: &CheckpointWriter, step: u64) -> Result<PendingCheckpoint, CheckpointError> {
    let tensors = tensors(step);
    let borrowed: Vec<_> = tensors.iter().map(|(n, s, v)| (n.clone(), s.clone(), v.as_slice())).collect();
    writer.filled(step, &borrowed)
}

/// Whether the checkpoint holds exactly what `save` wrote after `step` steps.
fn holds(checkpoint: &Checkpoint, step: u64) -> bool {
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let expected = tensors(step);
    checkpoint.state() == &state(step)
        && checkpoint.tensors().len() == expected.len()
        && checkpoint.tensors().zip(&expected).all(|(stored, (name, shape, values))| {
            stored.name == name && stored.shape == shape && bits(&stored.values()) == bits(values)
        })
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_written_is_read_and_the_newest_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/when/needed");
    let writer = writer(&dir, 2).durability(Durability::PowerCut);
    for step in [5, 10, 15] {
        let path = save(&writer, step).unwrap();
        assert!(holds(&Checkpoint::load(&path).unwrap(), step));
        assert_eq!(latest(&dir).unwrap(), Some(path));
    }
    assert_eq!(names(&dir), [LATEST, "step-000010", "step-000015"]);
    assert_eq!(fs::read_to_string(dir.join(LATEST)).unwrap(), "step-000015\n");
    // The same step again takes the place of the first.
    save(&writer, 15).unwrap();
    assert_eq!(names(&dir), [LATEST, "step-000010", "step-000015"]);
    writer.discard_after(10).unwrap();
    assert_eq!(names(&dir), [LATEST, "step-000010"]);
    assert!(holds(&Checkpoint::load(&latest(&dir).unwrap().unwrap()).unwrap(), 10));
}

#[test]
fn the_last_one_that_was_flushed_is_kept_until_another_is() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path(), 2).durability(Durability::Within(Duration::MAX));
    for step in 1..=5 {
        save(&writer, step).unwrap();
    }
    assert_eq!(names(dir.path()), [LATEST, "step-000001", "step-000004", "step-000005"]);
    filled(&writer, 6).unwrap().flushed().finish(&state(6)).unwrap();
    assert_eq!(names(dir.path()), [LATEST, "step-000005", "step-000006"]);
    // In the place of one that is safe comes one as safe.
    assert!(filled(&writer, 6).unwrap().is_flushed());
    assert!(!filled(&writer, 7).unwrap().is_flushed());
}

#[test]
fn the_same_state_gives_the_same_bytes_however_it_is_pushed() {
    let dir = tempfile::tempdir().unwrap();
    let whole = save(&writer(&dir.path().join("a"), 1), 1).unwrap();
    let tensors = tensors(1);
    let specs: Vec<_> = tensors.iter().map(|(n, s, _)| TensorSpec::new(n.as_str(), s.as_slice())).collect();
    let mut pending = writer(&dir.path().join("b"), 1).begin(1, &specs).unwrap();
    let values: Vec<f32> = tensors.iter().flat_map(|(_, _, values)| values.clone()).collect();
    for part in values.chunks(5) {
        pending.push(part).unwrap();
    }
    let pushed = pending.finish(&state(1)).unwrap();
    for name in [TENSORS, STATE, CHECKSUMS] {
        assert_eq!(fs::read(whole.join(name)).unwrap(), fs::read(pushed.join(name)).unwrap());
    }
}

#[test]
fn too_few_and_too_many_values_are_refused_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path(), 1);
    let specs = [TensorSpec::new("a", [2])];
    let mut pending = writer.begin(1, &specs).unwrap();
    assert!(pending.push(&[1.0, 2.0, 3.0]).unwrap_err().to_string().contains("room for 2 more values"));
    pending.push(&[1.0]).unwrap();
    assert!(pending.finish(&state(1)).unwrap_err().to_string().contains("1 values of its tensors"));
    let mut pending = writer.begin(1, &specs).unwrap();
    pending.push(&[1.0, 2.0]).unwrap();
    assert!(pending.finish(&state(2)).unwrap_err().to_string().contains("state says 2"));
    let short: [(String, Vec<usize>, &[f32]); 1] = [("a".into(), vec![2], &[1.0])];
    assert!(writer.filled(1, &short).unwrap_err().to_string().contains("[2] and 1 values"));
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn tensors_that_do_not_fit_are_all_named() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::load(&save(&writer(dir.path(), 1), 1).unwrap()).unwrap();
    let fitting: Vec<_> =
        tensors(1).iter().map(|(n, s, _)| TensorSpec::new(n.as_str(), s.as_slice())).collect();
    checkpoint.check(&fitting).unwrap();
    let mut other = fitting;
    other[0].shape = vec![4, 3];
    other[1].name = "bias".into();
    let message = checkpoint.check(&other).unwrap_err().to_string();
    for part in [
        "3 tensor(s)",
        "`weight` has the shape [3, 4]; expected: [4, 3]",
        "`bias` is missing",
        "`norm` is not",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn what_is_no_checkpoint_is_told_with_where_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let there = save(&writer(dir.path(), 1), 7).unwrap();
    for other in [dir.path().to_owned(), dir.path().join("step-000008"), there.join(STATE)] {
        let error = Checkpoint::load(&other).unwrap_err();
        assert!(matches!(error, CheckpointError::NotACheckpoint { .. }), "{error}");
        if other != there.join(STATE) {
            assert!(error.to_string().contains("step-000007"), "{error}");
        }
    }
}

/// Replaces a file. Some file systems wait for the disk when one is overwritten, and not when it is new.
fn put(file: &Path, contents: &[u8]) {
    fs::remove_file(file).unwrap();
    fs::write(file, contents).unwrap();
}

#[test]
fn every_damaged_byte_is_found_and_the_checkpoint_before_named() {
    let dir = tempfile::tempdir().unwrap();
    let writer = writer(dir.path(), 2);
    let before = save(&writer, 1).unwrap();
    let path = save(&writer, 2).unwrap();
    for name in [TENSORS, STATE, CHECKSUMS] {
        let file = path.join(name);
        let good = fs::read(&file).unwrap();
        let refused = |what: &str| match Checkpoint::load(&path) {
            Err(CheckpointError::Damaged { file, previous, .. }) => {
                // Damage to the checksums shows as a difference of the files.
                assert!(file.starts_with(&path) && (file.ends_with(name) || name == CHECKSUMS), "{what}");
                assert_eq!(previous.as_deref(), Some(before.as_path()), "{what}");
            }
            other => panic!("{name} {what}: {other:?}"),
        };
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            put(&file, &bad);
            refused(&format!("bit of byte {at}"));
            put(&file, &good[..at]);
            refused(&format!("cut at byte {at}"));
        }
        put(&file, &[&good[..], b"x"].concat());
        refused("one byte longer");
        fs::remove_file(&file).unwrap();
        refused("missing");
        fs::write(&file, &good).unwrap();
    }
    assert!(holds(&Checkpoint::load(&path).unwrap(), 2));
    fs::write(before.join(TENSORS), "short").unwrap();
    let message = Checkpoint::load(&before).unwrap_err().to_string();
    assert!(message.contains("state.safetensors is damaged: it has 5 bytes"), "{message}");
    assert!(message.contains("No earlier checkpoint"), "{message}");
}

#[test]
fn another_form_is_told_with_the_version_that_wrote_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = save(&writer(dir.path(), 1), 1).unwrap();
    rewrite(&path, TENSORS, None);
    let mut other = serde_json::to_value(state(1)).unwrap();
    other["format"] = 99.into();
    other["version"] = "9.0.0".into();
    other["new field"] = 1.into();
    rewrite(&path, STATE, Some(other.to_string().as_bytes()));
    let error = Checkpoint::load(&path).unwrap_err();
    assert!(matches!(error, CheckpointError::Format { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("osler 9.0.0"), "{error}");
}

/// Puts other contents in a file of a checkpoint, and checksums that agree with them.
fn rewrite(path: &Path, name: &str, contents: Option<&[u8]>) {
    if let Some(contents) = contents {
        fs::write(path.join(name), contents).unwrap();
    }
    let files = [TENSORS, STATE].map(|name| (name, Checksum::of(&fs::read(path.join(name)).unwrap())));
    fs::write(path.join(CHECKSUMS), checksums::render(&files)).unwrap();
}

/// Ends the process in the middle of every operation of saving steps 1 to 4, and looks what can be found.
#[test]
fn a_process_that_ends_anywhere_leaves_the_newest_complete_checkpoint() {
    let steps = [1u64, 2, 3, 3, 4];
    for power_cut in [false, true] {
        let durability = if power_cut { Durability::PowerCut } else { Durability::Process };
        let count = {
            let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
            let writer = writer(dir.path(), 2).on_disk(Arc::new(disk.clone())).durability(durability);
            steps.iter().for_each(|step| drop(save(&writer, *step).unwrap()));
            disk.operations()
        };
        assert!(count > 60, "{count}");
        for at in 0..count {
            let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::dying_at(at));
            let dying = writer(dir.path(), 2).on_disk(Arc::new(disk.clone())).durability(durability);
            let done = steps.iter().take_while(|step| save(&dying, **step).is_ok()).count();
            assert!(disk.is_dead() && done < steps.len());
            if power_cut {
                disk.cut_power();
            }
            let fresh = writer(dir.path(), 2);
            fresh.clean().unwrap();
            let last = steps[..done].last().copied();
            match latest(dir.path()).unwrap() {
                None => assert_eq!(last, None, "ended at {at}"),
                Some(path) => {
                    let checkpoint = Checkpoint::load(&path).unwrap();
                    let step = checkpoint.state().progress.step;
                    assert!(holds(&checkpoint, step), "ended at {at}");
                    assert!(
                        Some(step) >= last && step <= steps[done],
                        "ended at {at}: {step} after {last:?}"
                    );
                }
            }
            assert!(names(dir.path()).iter().all(|n| !n.starts_with(".partial-") && !n.starts_with(".re")));
            let all_are_whole = || {
                let all = list(dir.path()).unwrap();
                assert!(
                    all.iter().all(|(step, path)| holds(&Checkpoint::load(path).unwrap(), *step)),
                    "{at}"
                );
            };
            all_are_whole();
            // The next save leaves no trace of what happened.
            save(&fresh, 5).unwrap();
            all_are_whole();
            assert_eq!(
                names(dir.path()).len(),
                1 + list(dir.path()).unwrap().len(),
                "{:?}",
                names(dir.path())
            );
        }
    }
}

#[test]
fn a_disk_that_fills_anywhere_loses_no_checkpoint() {
    let count = {
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::default());
        save(&writer(dir.path(), 2).on_disk(Arc::new(disk.clone())), 2).unwrap();
        disk.written()
    };
    // A prime, so that the places move through every file.
    for room in (0..count).step_by(11) {
        let dir = tempfile::tempdir().unwrap();
        save(&writer(dir.path(), 2), 1).unwrap();
        let disk = FaultyDisk::with_room(room);
        let full = writer(dir.path(), 2).on_disk(Arc::new(disk.clone()));
        let error = save(&full, 2).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, CheckpointError::Disk(_)), "{message}");
        assert!(
            message.contains("disk is full") && message.contains(dir.path().to_str().unwrap()),
            "{message}"
        );
        // What was half written gives its room back.
        assert!(names(dir.path()).iter().all(|name| !name.starts_with('.')), "{:?}", names(dir.path()));
        let newest = Checkpoint::load(&latest(dir.path()).unwrap().unwrap()).unwrap();
        assert!(holds(&newest, newest.state().progress.step));
        disk.make_room();
        save(&full, 3).unwrap();
    }
}

proptest! {
    #[test]
    fn any_state_json_is_read_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = save(&writer(dir.path(), 1), 1).unwrap();
        let mut json = fs::read(path.join(STATE)).unwrap();
        for (at, byte, kind) in edits {
            let at = at.index(json.len());
            match kind {
                0 => json[at] = byte,
                1 => json.insert(at, byte),
                _ => drop(json.remove(at)),
            }
        }
        // With checksums that agree, so that the reader behind them is reached.
        rewrite(&path, STATE, Some(&json));
        if let Ok(checkpoint) = Checkpoint::load(&path) {
            checkpoint.state().progress.rngs.values().for_each(|rng| drop(rng.restore()));
        }
    }

    #[test]
    fn any_tensor_file_is_read_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = save(&writer(dir.path(), 1), 1).unwrap();
        let mut file = fs::read(path.join(TENSORS)).unwrap();
        for (at, byte) in edits {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        rewrite(&path, TENSORS, Some(&file));
        match Checkpoint::load(&path) {
            Ok(checkpoint) => {
                for tensor in checkpoint.tensors() {
                    prop_assert_eq!(tensor.values().len(), tensor.shape.iter().product::<usize>());
                }
            }
            Err(CheckpointError::Damaged { .. }) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
