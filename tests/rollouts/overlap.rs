//! Replies that are judged while others are sampled, and judges that fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use burn_flex::Flex;
use osler::data::case::Case;
use osler::data::consultation::Consultation;
use osler::data::conversation::pack;
use osler::model::decoder::Decoder;
use osler::rl::{FragmentError, Fragments, Overlap};
use osler::rubric::{Generator, Judge, Judgement, Rubric, RuleJudge};
use osler::train::{AdamW, sft};

use super::{LIMITS, OPTIONS, School, pool_options, school, texts};

/// Longest wait of a test for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a judge does with a reply.
#[derive(Clone, Copy)]
enum Says {
    /// What rules say.
    Rules,
    /// Nothing.
    Nothing,
    /// Nothing, once nobody waits any more.
    NothingAtTheEnd,
}

/// Judges by rules, unless a test wants otherwise of a reply.
struct Judging<'a> {
    rules: RuleJudge<'static>,
    /// What is said of a reply.
    says: &'a (dyn Fn(&str) -> Says + Sync + Send),
    halt: &'a AtomicBool,
    /// Told when a reply begins to be judged.
    begun: Option<Sender<()>>,
}

impl Judge for Judging<'_> {
    fn judge_reply(
        &self,
        case: &Case,
        so_far: &Consultation,
        reply: &str,
        rubric: &Rubric,
    ) -> Vec<Judgement> {
        if let Some(begun) = &self.begun {
            let _ = begun.send(());
        }
        match (self.says)(reply) {
            Says::Rules => return self.rules.judge_reply(case, so_far, reply, rubric),
            Says::Nothing => {}
            Says::NothingAtTheEnd => {
                while !self.halt.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            }
        }
        vec![Judgement::not_judged("the line is dead"); rubric.criteria.len()]
    }

    fn judge_consultation(
        &self,
        case: &Case,
        consultation: &Consultation,
        rubric: &Rubric,
    ) -> Vec<Judgement> {
        let last = consultation.turns.last().map_or("", |turn| turn.doctor.as_str());
        match (self.says)(last) {
            Says::Rules => self.rules.judge_consultation(case, consultation, rubric),
            _ => vec![Judgement::not_judged("the line is dead"); rubric.criteria.len()],
        }
    }
}

fn overlap(halt: &AtomicBool, patience: Duration) -> Overlap<'_> {
    Overlap { judges: 3, least_coverage: 0.0, patience, halt }
}

impl School {
    /// Weights that have learned where messages end.
    fn taught(&self) -> Decoder<Flex> {
        let packing = pack(&self.dialogues, 2048, 1, 0);
        let (mut decoder, mut optimizer) = (self.decoder(), AdamW::new(OPTIONS));
        for batch in packing.batches.iter().cycle().take(16) {
            sft::step(&mut decoder, &mut optimizer, batch, 2048, 1e-2);
        }
        decoder
    }

    fn pool<'a>(&'a self, judge: &'a dyn Judge) -> Fragments<'a> {
        Fragments::new(&self.split.train, Generator::bundled(LIMITS.turns), judge, pool_options())
    }
}

#[test]
fn judging_while_others_are_sampled_changes_no_result() {
    let school = school();
    let (rules, halt) = (RuleJudge::bundled(), AtomicBool::new(false));
    let taught = school.taught();
    let (mut after, mut meanwhile) = (school.policy_of(taught.clone()), school.policy_of(taught));
    let mut one = school.pool(&rules);
    let mut two = school.pool(&rules).overlapping(overlap(&halt, PATIENCE));
    for _ in 0..3 {
        let (first, _) = one.round(&mut after).unwrap();
        let (second, seconds) = two.round(&mut meanwhile).unwrap();
        assert_eq!(texts(&[first]), texts(&[second]));
        assert!(seconds.verdicts > 0.0 && seconds.rollout > 0.0);
        assert_eq!(one.state(), two.state());
    }
}

#[test]
fn a_reply_is_judged_before_the_last_is_sampled() {
    let school = school();
    let (halt, (begun, requests)) = (AtomicBool::new(false), channel());
    let judge =
        Judging { rules: RuleJudge::bundled(), says: &|_| Says::Rules, halt: &halt, begun: Some(begun) };
    let mut pool = school.pool(&judge).overlapping(overlap(&halt, PATIENCE));
    let (mut seen, mut judged_meanwhile) = (Vec::new(), None);
    let mut policy = school.policy_of(school.taught());
    let round = pool.round_while(&mut policy, &mut |progress| {
        seen.push(progress);
        if progress.sampled == 1 && judged_meanwhile.is_none() {
            // Sampling stands still here, with all other replies before it, until a judge has begun.
            judged_meanwhile = Some(requests.recv_timeout(PATIENCE).is_ok());
        }
        true
    });
    let (groups, _) = round.unwrap();
    assert_eq!(judged_meanwhile, Some(true));
    let lengths = || groups.iter().flat_map(|group| group.group.traces()).map(|trace| trace.trainable_len());
    assert!(lengths().min() < lengths().max(), "all ended at once");
    assert_eq!((seen[0].sampled, seen[0].replies), (1, 16));
    assert!(seen.iter().any(|progress| progress.sampled == 16));
}

#[test]
fn what_a_judge_leaves_open_earns_nothing_and_costs_nothing() {
    let school = school();
    let (rules, halt) = (RuleJudge::bundled(), AtomicBool::new(false));
    let taught = school.taught();
    let (plain, _) = school.pool(&rules).round(&mut school.policy_of(taught.clone())).unwrap();
    let spoken = plain.iter().flat_map(|f| f.group.traces().iter().zip(&f.replies)).find(|(trace, reply)| {
        !trace.is_truncated() && reply.text.contains(char::is_alphanumeric) && reply.reward.is_some()
    });
    let lost = &spoken.expect("an untrained model says nothing at all").1.text;
    let says = |reply: &str| if reply == lost { Says::Nothing } else { Says::Rules };
    let judge = Judging { rules, says: &says, halt: &halt, begun: None };
    let mut pool = school.pool(&judge).overlapping(overlap(&halt, PATIENCE));
    let (groups, _) = pool.round(&mut school.policy_of(taught)).unwrap();
    let mut without = 0;
    for (before, after) in plain.iter().zip(&groups) {
        let traces = after.group.traces();
        for ((before, after), trace) in before.replies.iter().zip(&after.replies).zip(traces) {
            assert_eq!(before.text, after.text);
            if after.text == *lost && !trace.is_truncated() {
                assert_eq!((after.reward, after.advantage), (None, 0.0));
                without += 1;
            } else {
                assert_eq!(before.reward, after.reward);
            }
        }
    }
    assert!(without > 0);
}

#[test]
fn a_judge_that_fails_wholly_ends_the_round_and_leaves_the_pool_as_it_was() {
    let school = school();
    let (halt, dead) = (AtomicBool::new(false), AtomicBool::new(false));
    let says = |_: &str| if dead.load(Ordering::SeqCst) { Says::Nothing } else { Says::Rules };
    let judge = Judging { rules: RuleJudge::bundled(), says: &says, halt: &halt, begun: None };
    let mut pool = school.pool(&judge).overlapping(overlap(&halt, PATIENCE));
    let mut policy = school.policy_of(school.taught());
    pool.round(&mut policy).unwrap();
    let before = pool.state();
    dead.store(true, Ordering::SeqCst);
    let error = pool.round(&mut policy).unwrap_err();
    assert!(matches!(&error, FragmentError::NoVerdict { criteria, .. } if *criteria > 0), "{error}");
    assert!(error.to_string().contains("the line is dead"), "{error}");
    assert_eq!(pool.state(), before);
    dead.store(false, Ordering::SeqCst);
    assert!(pool.round(&mut policy).is_ok());
}

#[test]
fn the_wait_for_verdicts_has_an_end() {
    let school = school();
    let halt = AtomicBool::new(false);
    let judge =
        Judging { rules: RuleJudge::bundled(), says: &|_| Says::NothingAtTheEnd, halt: &halt, begun: None };
    let mut pool = school.pool(&judge).overlapping(overlap(&halt, Duration::ZERO));
    let mut policy = school.policy_of(school.taught());
    let late = pool.round(&mut policy).unwrap_err();
    assert!(late.to_string().contains("none came within 0ns of the last reply"), "{late}");
    let mut pool = school.pool(&judge).overlapping(overlap(&halt, PATIENCE));
    let stopped = pool.round_while(&mut policy, &mut |progress| progress.sampled < progress.replies);
    assert!(matches!(stopped, Err(FragmentError::Interrupted)));
}
