//! The rule-based judge for a rubric that changes.

use super::flaws::{Flaw, Scene};
use crate::data::case::Case;
use crate::data::consultation::Consultation;
use crate::rubric::criterion::{Judgement, Rubric};
use crate::rubric::judge::{Judge, RuleJudge};
use crate::rubric::known::Known;
use crate::rubric::marks::before;
use crate::rubric::reading::{Language, Reading};

/// [`RuleJudge`], which decides the criteria of [`Flaw`]s too, by their rules.
#[derive(Debug, Clone, Copy)]
pub struct FlawJudge<'a> {
    language: Language<'a>,
    rules: RuleJudge<'a>,
}

impl FlawJudge<'static> {
    /// A judge that knows the bundled lexicon.
    pub fn bundled() -> Self {
        Self::new(Language::bundled())
    }
}

impl<'a> FlawJudge<'a> {
    /// A judge that knows the concepts of `language`.
    pub fn new(language: Language<'a>) -> Self {
        Self { language, rules: RuleJudge::new(language) }
    }
}

impl Judge for FlawJudge<'_> {
    fn judge_reply(
        &self,
        case: &Case,
        so_far: &Consultation,
        reply: &str,
        rubric: &Rubric,
    ) -> Vec<Judgement> {
        let replies = [reply.to_owned()];
        self.judge_replies(case, so_far, &replies, rubric).pop().unwrap_or_default()
    }

    /// As [`RuleJudge`] does: a flaw is of one answer.
    fn judge_consultation(
        &self,
        case: &Case,
        consultation: &Consultation,
        rubric: &Rubric,
    ) -> Vec<Judgement> {
        self.rules.judge_consultation(case, consultation, rubric)
    }

    fn judge_messages(
        &self,
        case: &Case,
        consultation: &Consultation,
        rubrics: &[Rubric],
    ) -> Vec<Vec<Judgement>> {
        let mut judged = self.rules.judge_messages(case, consultation, rubrics);
        if rubrics.iter().all(|rubric| open_flaws(rubric).is_empty()) {
            return judged;
        }
        let mut so_far = before(consultation, 0);
        let mut known = Known::beginning(case, consultation);
        for ((turn, rubric), judgements) in consultation.turns.iter().zip(rubrics).zip(&mut judged) {
            let scene = Scene::at(self.language, case, &so_far, known);
            let reading = scene.read(&turn.doctor);
            decide(&open_flaws(rubric), &scene, &turn.doctor, &reading, judgements);
            known = scene.into_known();
            known.take(case, &reading, turn);
            so_far.turns.push(turn.clone());
        }
        judged
    }

    fn judge_replies(
        &self,
        case: &Case,
        so_far: &Consultation,
        replies: &[String],
        rubric: &Rubric,
    ) -> Vec<Vec<Judgement>> {
        let mut judged = self.rules.judge_replies(case, so_far, replies, rubric);
        let flaws = open_flaws(rubric);
        if flaws.is_empty() {
            return judged;
        }
        let scene = Scene::new(self.language, case, so_far);
        for (reply, judgements) in replies.iter().zip(&mut judged) {
            decide(&flaws, &scene, reply, &scene.read(reply), judgements);
        }
        judged
    }
}

/// The flaws whose criteria stand in `rubric`, each with its place. Those with a check are decided without them.
fn open_flaws(rubric: &Rubric) -> Vec<(usize, Flaw)> {
    let open = rubric.criteria.iter().enumerate().filter(|(_, it)| it.check.is_none());
    open.filter_map(|(at, it)| Some((at, Flaw::of(it)?))).collect()
}

/// Puts what is said of `flaws` in its place.
fn decide(
    flaws: &[(usize, Flaw)],
    scene: &Scene,
    reply: &str,
    reading: &Reading,
    judgements: &mut [Judgement],
) {
    for &(at, flaw) in flaws {
        if let Some(judgement) = judgements.get_mut(at) {
            *judgement = flaw.judgement(scene, reply, reading);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bank::{Bank, SynthOptions};
    use crate::rubric::criterion::{Scope, Verdict};
    use crate::rubric::generator::Generator;

    #[test]
    fn messages_of_a_consultation_are_judged_as_each_alone() {
        let case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
        let turn = |doctor: &str, patient: &str| crate::data::consultation::Turn {
            doctor: doctor.into(),
            patient: Some(patient.into()),
            told: vec![],
            asked: vec![],
            understood: true,
        };
        let consultation = Consultation {
            case_id: case.id.clone(),
            opening: "I have a cough.".into(),
            found: None,
            turns: vec![
                turn("You will be fine. When did it start?", "I am so afraid."),
                turn("Your temperature is 39 degrees.", "[Examination: temperature 39.0 degrees]"),
                turn("Your temperature is 39 degrees. You have pneumonia.", "Oh."),
            ],
            ending: None,
        };
        let rubrics: Vec<Rubric> = Generator::bundled(20)
            .for_replies(&case, &consultation)
            .into_iter()
            .map(|mut rubric| {
                rubric.criteria.extend(Flaw::ALL.map(Flaw::criterion));
                rubric
            })
            .collect();
        let judge = FlawJudge::bundled();
        let judged = judge.judge_messages(&case, &consultation, &rubrics);
        for (at, (turn, rubric)) in consultation.turns.iter().zip(&rubrics).enumerate() {
            let alone = judge.judge_reply(&case, &before(&consultation, at), &turn.doctor, rubric);
            assert_eq!(judged[at], alone, "{at}");
        }
        let place =
            rubrics[1].criteria.iter().position(|it| it.text == Flaw::InventedMeasurement.criterion().text);
        let later =
            rubrics[2].criteria.iter().position(|it| it.text == Flaw::InventedMeasurement.criterion().text);
        assert_eq!(judged[1][place.unwrap()].verdict, Verdict::Met);
        assert_eq!(judged[2][later.unwrap()].verdict, Verdict::NotMet);
    }

    #[test]
    fn flaws_are_decided_and_all_else_is_as_rules_have_it() {
        let case = Bank::bundled().synth(1, &SynthOptions::any(1)).unwrap().remove(0);
        let so_far = Consultation {
            case_id: case.id.clone(),
            opening: "I have a cough.".into(),
            found: None,
            turns: vec![],
            ending: None,
        };
        let core = Generator::bundled(20).for_reply(&case, &so_far);
        let mut all = core.clone();
        all.criteria.push(Flaw::EmptyReassurance.criterion());
        let replies = ["You will be fine. When did it start?", "When did it start?", ""].map(str::to_owned);
        let judge = FlawJudge::bundled();
        let judged = judge.judge_replies(&case, &so_far, &replies, &all);
        let verdicts: Vec<Verdict> = judged.iter().map(|of| of[core.criteria.len()].verdict).collect();
        // Nothing is credited to silence for what it avoids.
        assert_eq!(verdicts, [Verdict::Met, Verdict::NotMet, Verdict::NotJudged]);
        let rules = RuleJudge::bundled().judge_replies(&case, &so_far, &replies, &core);
        for (of, rules) in judged.iter().zip(&rules) {
            assert_eq!(of[..core.criteria.len()], rules[..]);
        }
        assert_eq!(judge.judge_reply(&case, &so_far, &replies[0], &all), judged[0]);
        let only = Rubric { scope: Scope::Reply, criteria: vec![Flaw::SeveralQuestions.criterion()] };
        let rules = RuleJudge::bundled().judge_reply(&case, &so_far, &replies[1], &only);
        assert_eq!(judge.judge_reply(&case, &so_far, &replies[1], &only), rules);
    }
}
