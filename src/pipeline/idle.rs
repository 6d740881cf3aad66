//! Steps of reinforcement learning in which nothing is learned, since nobody said what a reply earned.

use super::casting::names_of;
use super::error::PipelineError;
use super::run::{Flow, Run};
use crate::kernels::KernelBackend;
use crate::rl::{Fragment, Fragments, MarkedReply};
use crate::train::config::{Role, Roles};

/// So many of them in a row end a run: one or two may be an outage, and what samples for nothing can go on for days.
const MOST: u64 = 3;

/// A step in which nothing is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Idle {
    /// Replies without a reward.
    without: usize,
    /// Those of them whose patients did not answer in time.
    unanswered: usize,
}

impl Idle {
    /// Whether a step of these groups is one. What is cut off, and what says nothing, earns what it does whoever is away: it is no sign
    /// that anybody judged.
    pub(super) fn of(groups: &[Fragment]) -> Option<Self> {
        let mut idle = Self { without: 0, unanswered: 0 };
        for (trace, reply) in groups.iter().flat_map(|group| group.group.traces().iter().zip(&group.replies))
        {
            let MarkedReply { text, reward, unanswered, .. } = reply;
            if reward.is_none() {
                idle.without += 1;
                idle.unanswered += usize::from(*unanswered);
            } else if !trace.is_truncated() && text.contains(char::is_alphanumeric) {
                return None;
            }
        }
        (idle.without > 0).then_some(idle)
    }

    /// Who is to be looked at, and why.
    fn blamed(self, roles: &Roles) -> (String, String) {
        let Self { without, unanswered } = self;
        if 2 * unanswered > without {
            let blamed = names_of(roles, &Role::UNITS);
            let why = format!(
                "the models in the roles {blamed} did not answer {unanswered} of them in time. Look at their servers, and at \
                 roles.options.judge_wait_seconds"
            );
            return (blamed, why);
        }
        let blamed = names_of(roles, &[Role::Judge]);
        if blamed.is_empty() {
            let why = "rules judged none of their criteria. Look at the cases (data.cases)".to_owned();
            return (format!("{} (rules)", Role::Judge), why);
        }
        let why = format!(
            "the model in the role {blamed} judged too few of their criteria (roles.options.least_coverage). Look at its servers, and at \
             rl.judged and timing.verdicts in metrics.jsonl"
        );
        (blamed, why)
    }
}

/// How many steps in a row were idle.
#[derive(Debug, Default)]
pub(super) struct IdleSteps(u64);

impl IdleSteps {
    /// Counts a step, and says whether the run is to end before it.
    pub(super) fn count(&mut self, idle: Option<&Idle>) -> bool {
        self.0 = if idle.is_some() { self.0 + 1 } else { 0 };
        self.0 >= MOST
    }
}

impl<B: KernelBackend> Run<'_, B> {
    /// Tells whoever watches that nothing is learned in the step at hand.
    pub(super) fn tell_idle(&mut self, idle: Idle) {
        let (_, why) = idle.blamed(&self.prepared.config.roles);
        let (step, without) = (self.place.step + 1, idle.without);
        self.watch
            .note(&format!("step {step} learned nothing: {without} replies have no reward, since {why}"));
    }

    /// Ends the run before the step at hand, which is the last of too many; `fragments` is as it was before it.
    pub(super) fn end_idle(&mut self, idle: Idle, fragments: &Fragments<'_>) -> Result<Flow, PipelineError> {
        self.save_begun(fragments)?;
        let (role, why) = idle.blamed(&self.prepared.config.roles);
        let (step, without) = (self.place.step + 1, idle.without);
        Err(PipelineError::NothingLearned { step, steps: MOST, role, without, why })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::StopReason;
    use crate::rl::{Group, TraceBuilder};
    use crate::sim::Mode;

    /// Of a reply, what it says, whether it was cut off, its reward, and whether its patient did not answer.
    type Told = (&'static str, bool, Option<f64>, bool);

    fn group(replies: &[Told]) -> Fragment {
        let trace = |cut: bool| {
            let mut trace = TraceBuilder::new(&[1, 2][..], 0).unwrap();
            trace.sampled(&[5], &[-1.0]).unwrap();
            trace.finish(if cut { StopReason::Length } else { StopReason::Eos }).unwrap()
        };
        let marked = |&(text, _, reward, unanswered): &Told| MarkedReply {
            text: text.into(),
            reward,
            unanswered,
            ..MarkedReply::default()
        };
        Fragment {
            case: String::new(),
            turn: 0,
            mode: Mode::Proactive,
            heard: String::new(),
            turns: Vec::new(),
            group: Group::new(replies.iter().map(|it| trace(it.1)).collect()).unwrap(),
            replies: replies.iter().map(marked).collect(),
        }
    }

    const LOST: Told = ("Hello", false, None, false);
    const WAITED: Told = ("Hello", false, None, true);
    const CUT: Told = ("When did", true, Some(0.0), false);
    const SILENT: Told = ("..", false, Some(0.0), false);

    #[test]
    fn a_step_is_idle_where_nobody_said_what_any_reply_earned() {
        let of =
            |groups: &[&[Told]]| Idle::of(&groups.iter().map(|replies| group(replies)).collect::<Vec<_>>());
        let idle = |without, unanswered| Some(Idle { without, unanswered });
        assert_eq!(of(&[&[LOST, CUT], &[WAITED, SILENT]]), idle(2, 1));
        assert_eq!(of(&[&[LOST, CUT], &[("Hello", false, Some(0.0), false), LOST]]), None);
        // Nobody had anything to say of these.
        assert_eq!((of(&[&[CUT, SILENT]]), of(&[])), (None, None));
    }

    #[test]
    fn the_third_in_a_row_is_one_too_many() {
        let idle = Idle { without: 1, unanswered: 0 };
        let mut steps = IdleSteps::default();
        let ends = [true, true, false, true, true, true].map(|is| steps.count(Some(&idle).filter(|_| is)));
        assert_eq!(ends, [false, false, false, false, false, true]);
    }

    #[test]
    fn who_is_to_be_looked_at_is_named() {
        let roles = |text: &str| {
            let text = format!("[models.a]\nserver = 'http://127.0.0.1:1'\nmodel = 'm'\n[roles]\n{text}");
            Roles::parse(&text, Path::new("models.toml")).unwrap_or_else(|error| panic!("{error}"))
        };
        let all = roles("patient = 'a'\ncheck = 'a'\njudge = 'a'\n");
        let (patients, why) = Idle { without: 3, unanswered: 2 }.blamed(&all);
        assert_eq!(patients, "patient (`a`), check (`a`)");
        assert!(
            why.contains(&patients) && why.contains("2 of them") && why.contains("judge_wait_seconds"),
            "{why}"
        );
        let (judge, why) = Idle { without: 3, unanswered: 1 }.blamed(&all);
        assert_eq!(judge, "judge (`a`)");
        assert!(why.contains(&judge) && why.contains("least_coverage"), "{why}");
        let (rules, why) = Idle { without: 3, unanswered: 0 }.blamed(&roles("patient = 'a'\n"));
        assert!(rules == "judge (rules)" && why.contains("rules judged none"), "{rules}: {why}");
    }
}
