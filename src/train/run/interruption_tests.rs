//! Runs that are interrupted anywhere and resumed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::toy::{CONFIG, Came, Toy, is_prefix, options, reference, same_as, sit, sit_from};
use super::*;
use crate::files::faulty::FaultyDisk;
use crate::train::checkpoint::{CheckpointError, Durability};

#[test]
fn a_run_that_ends_at_any_operation_goes_on_as_if_it_had_not() {
    for (every, durability) in
        [(1, Durability::Process), (2, Durability::Process), (1, NEVER_AGAIN), (2, Durability::PowerCut)]
    {
        let power_cut = durability == Durability::PowerCut;
        let reference = reference(every, durability);
        assert!(reference.operations > 50);
        for at in 0..reference.operations {
            let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::dying_at(at));
            let mut came = Came::default();
            sit(dir.path(), every, options(Arc::new(disk.clone()), durability), &mut came).unwrap_err();
            assert!(disk.is_dead());
            if power_cut {
                disk.cut_power();
            }
            assert!(is_prefix(&reference, dir.path()), "ended at {at}");
            let mut again = Came::default();
            let sound = options(Arc::new(FaultyDisk::default()), durability);
            sit(dir.path(), every, sound, &mut again).unwrap();
            assert!(again.from >= came.saved, "ended at {at}: {again:?} after {came:?}");
            same_as(&reference, dir.path(), &format!("ended at {at}, saving every {every}"));
        }
    }
}

/// The first checkpoint is flushed and no other.
const NEVER_AGAIN: Durability = Durability::Within(Duration::MAX);

#[test]
fn after_a_power_cut_a_run_goes_on_from_a_checkpoint_that_was_flushed_or_a_later_one() {
    let reference = reference(1, NEVER_AGAIN);
    let mut fell_back = 0;
    for at in 0..reference.operations {
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::dying_at(at));
        let mut came = Came::default();
        sit(dir.path(), 1, options(Arc::new(disk.clone()), NEVER_AGAIN), &mut came).unwrap_err();
        disk.cut_power();
        let sound = || options(Arc::new(FaultyDisk::default()), NEVER_AGAIN);
        let mut again = Came::default();
        match sit(dir.path(), 1, sound(), &mut again) {
            Ok(()) => {}
            Err(RunError::Checkpoint(CheckpointError::Damaged { previous, .. })) => {
                let (_, from) = locate(&previous.unwrap());
                sit_from(from, dir.path(), 1, sound(), &mut again).unwrap();
                assert_eq!(again.from, 1, "ended at {at}");
                fell_back += 1;
            }
            Err(other) => panic!("ended at {at}: {other}"),
        }
        assert!(again.from >= came.saved.min(1), "ended at {at}: {again:?} after {came:?}");
        same_as(&reference, dir.path(), &format!("power cut at {at}"));
    }
    assert!(fell_back > 20, "{fell_back}");
}

#[test]
fn a_disk_that_fills_anywhere_stops_the_run_and_loses_nothing_saved() {
    let reference = reference(2, Durability::PowerCut);
    let mut stopped = 0;
    // A prime, so that the places move through every kind of file.
    for room in (0..).step_by(23) {
        let (dir, disk) = (tempfile::tempdir().unwrap(), FaultyDisk::with_room(room));
        let on_disk = options(Arc::new(disk.clone()), Durability::PowerCut);
        let mut came = Came::default();
        let Err(error) = sit(dir.path(), 2, on_disk.clone(), &mut came) else { break };
        let message = error.to_string();
        stopped += 1;
        assert!(message.contains("disk is full") && message.contains("could not be written"), "{message}");
        assert!(is_prefix(&reference, dir.path()), "full after {room}");
        disk.make_room();
        let mut again = Came::default();
        sit(dir.path(), 2, on_disk, &mut again).unwrap();
        assert!(again.from >= came.saved, "full after {room}: {again:?} after {came:?}");
        same_as(&reference, dir.path(), &format!("full after {room}"));
    }
    assert!(stopped > 100, "{stopped}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_run_that_ends_again_and_again_still_comes_to_the_same_end(
        ends in prop::collection::vec(0u64..60, 1..6),
        every in 1u64..4,
        power_cut: bool,
    ) {
        let durability = if power_cut { Durability::PowerCut } else { Durability::Process };
        let reference = reference(every, durability);
        let dir = tempfile::tempdir().unwrap();
        let mut saved = 0;
        for at in ends {
            let (disk, mut came) = (FaultyDisk::dying_at(at), Came::default());
            if sit(dir.path(), every, options(Arc::new(disk.clone()), durability), &mut came).is_ok() {
                break;
            }
            if power_cut {
                disk.cut_power();
            }
            saved = saved.max(came.saved);
            prop_assert!(is_prefix(&reference, dir.path()));
        }
        let mut came = Came::default();
        sit(dir.path(), every, options(Arc::new(FaultyDisk::default()), durability), &mut came).unwrap();
        prop_assert!(came.from >= saved);
        same_as(&reference, dir.path(), "ended again and again");
    }

    #[test]
    fn a_log_with_any_end_goes_on_from_what_the_checkpoint_covers(
        tails in prop::array::uniform2(prop::collection::vec(any::<u8>(), 0..40)),
    ) {
        let reference = reference(2, Durability::Process);
        let dir = tempfile::tempdir().unwrap();
        let plain = || options(Arc::new(FaultyDisk::default()), Durability::Process);
        {
            let mut run = RunDirectory::create_in(dir.path(), CONFIG, plain()).unwrap();
            let mut toy = Toy::new();
            (0..2).for_each(|_| toy.advance(&mut run).unwrap());
            toy.save(&mut run).unwrap();
        }
        for (name, tail) in ["metrics.jsonl", "rollouts.jsonl"].into_iter().zip(tails) {
            let path = dir.path().join(name);
            fs::write(&path, [fs::read(&path).unwrap(), tail].concat()).unwrap();
        }
        sit(dir.path(), 2, plain(), &mut Came::default()).unwrap();
        same_as(&reference, dir.path(), "logs with other ends");
    }
}

#[test]
#[ignore = "a part of another test, which runs it in a process of its own"]
fn train_until_killed() {
    let Some(dir) = child::folder() else { return };
    let options = RunOptions { durability: Durability::Process, ..RunOptions::default() };
    let resumed = Resumed::hold(&dir, ResumeFrom::Newest, options).unwrap();
    let mut toy = resumed.checkpoint().map_or_else(Toy::new, Toy::restore);
    let mut run = resumed.take_up().unwrap();
    // Ends by itself should nobody kill it.
    while toy.step < 100_000 {
        toy.advance(&mut run).unwrap();
        toy.save(&mut run).unwrap();
        println!("\nsaved {}", toy.step);
    }
}

#[test]
fn a_process_killed_in_the_middle_loses_no_saved_step() {
    let dir = tempfile::tempdir().unwrap();
    drop(RunDirectory::create_in(dir.path(), CONFIG, RunOptions::default()).unwrap());
    let mut saved = 0;
    for lines in [1, 40, 3, 17] {
        let mut child = child::command(module_path!(), "train_until_killed", dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let steps =
            output.filter_map(|line| line.unwrap().strip_prefix("saved ").map(|n| n.parse::<u64>().unwrap()));
        let steps: Vec<u64> = steps.take(lines).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(steps.len(), lines);
        // It went on where the one before was killed, or after steps that one saved without being heard.
        assert!(steps[0] > saved, "{steps:?} after {saved}");
        saved = steps[lines - 1];
    }
    let resumed = Resumed::hold(dir.path(), ResumeFrom::Newest, RunOptions::default()).unwrap();
    let toy = Toy::restore(resumed.checkpoint().unwrap());
    let run = resumed.take_up().unwrap();
    assert!(toy.step >= saved);
    // The same as a run that nobody killed.
    let whole = tempfile::tempdir().unwrap();
    let options = RunOptions { durability: Durability::Process, ..RunOptions::default() };
    let mut other = RunDirectory::create_in(whole.path(), CONFIG, options).unwrap();
    let mut expected = Toy::new();
    while expected.step < toy.step {
        expected.advance(&mut other).unwrap();
    }
    assert_eq!((toy.weights, toy.moment), (expected.weights, expected.moment));
    assert_eq!(first_difference(&run.metrics_path(), &other.metrics_path()).unwrap(), None);
    assert_eq!(fs::read(run.rollouts_path()).unwrap(), fs::read(other.rollouts_path()).unwrap());
}
