//! Completions one after the other, or several at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use crate::chat::Pooled;
use crate::rubric::healthbench::{Grade, GradeKey, Row, Sample};

/// A completion, and what of it is not judged yet.
pub struct Open<'a> {
    pub row: &'a Row,
    pub sample: &'a Sample,
    pub keys: Vec<GradeKey>,
}

/// Judges each of `open` until `stopped` says so: several at a time where `pool` has places for them, and one after the other without. What was found of
/// one goes to `keep` as soon as it is there, on this thread, in whatever order. Once `keep` fails nothing more is judged, and `give_up` is
/// told, so that nobody waits for what is asked.
pub fn judge_each<E>(
    open: &[Open],
    pool: Option<&Pooled>,
    stopped: &(dyn Fn() -> bool + Sync),
    give_up: &dyn Fn(),
    judge: &(dyn Fn(&Open) -> Vec<Grade> + Sync),
    mut keep: impl FnMut(Vec<Grade>) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    // The next one, where there is one.
    let take = || open.get(next.fetch_add(1, Ordering::Relaxed));
    if let Some(pool) = pool {
        let kept = thread::scope(|scope| {
            let (sender, judged) = mpsc::channel();
            let work = move |to: Sender<Vec<Grade>>| {
                while let Some(it) = take() {
                    if !pool.admit(stopped) || to.send(judge(it)).is_err() {
                        return;
                    }
                }
            };
            for _ in 0..pool.at_once().min(open.len()) {
                let (to, thread) = (sender.clone(), thread::Builder::new().name("grade".to_owned()));
                // Where the system has no more threads there are fewer.
                if thread.spawn_scoped(scope, move || work(to)).is_err() {
                    break;
                }
            }
            drop(sender);
            let kept = judged.iter().try_for_each(&mut keep);
            if kept.is_err() {
                give_up();
            }
            kept
        });
        kept?;
    }
    // All of them without a pool; with one, those for which there was no thread.
    while let Some(it) = take() {
        if stopped() {
            return Ok(());
        }
        keep(judge(it))?;
    }
    Ok(())
}
