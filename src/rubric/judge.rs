//! Judges: one verdict an item.

use crate::data::case::Case;
use crate::data::consultation::Consultation;

use super::checks::{MOST_NAMED, Message};
use super::criterion::{Check, Criterion, Judgement, Rubric, Verdict};
use super::known::Known;
use super::marks::before;
use super::reading::{Language, Reading};

/// Gives one judgement for each item of a rubric. A judge that cannot say, whatever the reason, says `NotJudged`.
pub trait Judge: Send + Sync {
    /// Judges `reply` as the doctor's next message after `so_far`.
    fn judge_reply(&self, case: &Case, so_far: &Consultation, reply: &str, rubric: &Rubric)
    -> Vec<Judgement>;

    /// Judges a whole consultation.
    fn judge_consultation(&self, case: &Case, consultation: &Consultation, rubric: &Rubric)
    -> Vec<Judgement>;

    /// Judges each of the doctor's messages in `consultation` as [`Judge::judge_reply`] does, the one of turn `n` by
    /// `rubrics[n]`. A judge that can share the work of reading what came before does.
    fn judge_messages(
        &self,
        case: &Case,
        consultation: &Consultation,
        rubrics: &[Rubric],
    ) -> Vec<Vec<Judgement>> {
        consultation
            .turns
            .iter()
            .zip(rubrics)
            .enumerate()
            .map(|(at, (turn, rubric))| {
                self.judge_reply(case, &before(consultation, at), &turn.doctor, rubric)
            })
            .collect()
    }

    /// Judges several replies to the same consultation. A judge that can share the work of reading `so_far` does.
    fn judge_replies(
        &self,
        case: &Case,
        so_far: &Consultation,
        replies: &[String],
        rubric: &Rubric,
    ) -> Vec<Vec<Judgement>> {
        replies.iter().map(|reply| self.judge_reply(case, so_far, reply, rubric)).collect()
    }
}

/// Judges by what [`crate::data::utterance::understand`] reads from a message. It needs no model, is the same every
/// time, and leaves items without a [`Check`] `NotJudged`.
///
/// Where a message is no message to a patient at all (empty, gibberish, spoken as the patient, addressed to the
/// marker) or one that nobody could take in (everything at once, very long), nothing can be credited to it for what
/// it avoided: negative items it does not meet are `NotJudged`, so its reward is 0 and not the share of the negative
/// points. The same holds for a consultation of such messages only.
#[derive(Debug, Clone, Copy)]
pub struct RuleJudge<'a> {
    language: Language<'a>,
}

impl<'a> RuleJudge<'a> {
    /// A judge that knows the concepts of `language`.
    pub fn new(language: Language<'a>) -> Self {
        Self { language }
    }

    fn reply(
        &self,
        case: &Case,
        so_far: &Consultation,
        known: &Known,
        reply: &str,
        rubric: &Rubric,
    ) -> Vec<Judgement> {
        self.read(case, known, &Reading::new(self.language, case, &so_far.turns, reply), reply, rubric)
    }

    /// Judges a reply of which `reading` is the reading.
    fn read(
        &self,
        case: &Case,
        known: &Known,
        reading: &Reading,
        reply: &str,
        rubric: &Rubric,
    ) -> Vec<Judgement> {
        let message = Message { lexicon: self.language.lexicon, case, known, reading, text: reply };
        rubric
            .criteria
            .iter()
            .map(|criterion| {
                let judgement = decide(criterion, |check| message.judge(check, criterion.points > 0));
                nothing_avoided(criterion, judgement, message.avoids_nothing())
            })
            .collect()
    }
}

impl RuleJudge<'static> {
    /// A judge that knows the bundled lexicon.
    pub fn bundled() -> Self {
        Self::new(Language::bundled())
    }
}

impl Judge for RuleJudge<'_> {
    fn judge_reply(
        &self,
        case: &Case,
        so_far: &Consultation,
        reply: &str,
        rubric: &Rubric,
    ) -> Vec<Judgement> {
        self.reply(case, so_far, &Known::after(self.language, case, so_far), reply, rubric)
    }

    fn judge_messages(
        &self,
        case: &Case,
        consultation: &Consultation,
        rubrics: &[Rubric],
    ) -> Vec<Vec<Judgement>> {
        let mut known = Known::beginning(case, consultation);
        let turns = &consultation.turns;
        turns
            .iter()
            .zip(rubrics)
            .enumerate()
            .map(|(at, (turn, rubric))| {
                let before = turns.get(..at).unwrap_or_default();
                let reading = Reading::new(self.language, case, before, &turn.doctor);
                let judgements = self.read(case, &known, &reading, &turn.doctor, rubric);
                known.take(case, &reading, turn);
                judgements
            })
            .collect()
    }

    fn judge_replies(
        &self,
        case: &Case,
        so_far: &Consultation,
        replies: &[String],
        rubric: &Rubric,
    ) -> Vec<Vec<Judgement>> {
        let known = Known::after(self.language, case, so_far);
        replies.iter().map(|reply| self.reply(case, so_far, &known, reply, rubric)).collect()
    }

    fn judge_consultation(
        &self,
        case: &Case,
        consultation: &Consultation,
        rubric: &Rubric,
    ) -> Vec<Judgement> {
        let whole = Whole::read(self.language, case, consultation);
        let nothing = whole.messages().all(|(_, message)| message.avoids_nothing());
        rubric
            .criteria
            .iter()
            .map(|criterion| {
                let judgement = decide(criterion, |check| whole.judge(check, criterion.points > 0));
                nothing_avoided(criterion, judgement, nothing)
            })
            .collect()
    }
}

fn decide(criterion: &Criterion, judge: impl Fn(&Check) -> Judgement) -> Judgement {
    criterion.check.as_ref().map_or_else(|| Judgement::not_judged("only a reader can say"), judge)
}

fn nothing_avoided(criterion: &Criterion, judgement: Judgement, no_message: bool) -> Judgement {
    if no_message && criterion.points < 0 && judgement.verdict == Verdict::NotMet {
        Judgement::not_judged("there is no message to a patient")
    } else {
        judgement
    }
}

/// A consultation, read.
struct Whole<'a> {
    language: Language<'a>,
    case: &'a Case,
    consultation: &'a Consultation,
    readings: Vec<Reading>,
    /// What was known before each message, and, last, at the end.
    known: Vec<Known>,
}

impl<'a> Whole<'a> {
    fn read(language: Language<'a>, case: &'a Case, consultation: &'a Consultation) -> Self {
        let mut known = vec![Known::beginning(case, consultation)];
        let mut readings = Vec::with_capacity(consultation.turns.len());
        let mut now = Known::beginning(case, consultation);
        for (at, turn) in consultation.turns.iter().enumerate() {
            let before = consultation.turns.get(..at).unwrap_or_default();
            let reading = Reading::new(language, case, before, &turn.doctor);
            now.take(case, &reading, turn);
            known.push(now.clone());
            readings.push(reading);
        }
        Self { language, case, consultation, readings, known }
    }

    fn messages(&self) -> impl DoubleEndedIterator<Item = (usize, Message<'_>)> {
        self.consultation.turns.iter().zip(&self.readings).zip(&self.known).enumerate().map(
            |(at, ((turn, reading), known))| {
                (
                    at,
                    Message {
                        lexicon: self.language.lexicon,
                        case: self.case,
                        known,
                        reading,
                        text: &turn.doctor,
                    },
                )
            },
        )
    }

    fn judge(&self, check: &Check, good: bool) -> Judgement {
        match check {
            Check::Often { times, check } => {
                let met: Vec<Judgement> = self.each(check, good).collect();
                let count = met.len();
                match met.into_iter().last() {
                    Some(last) if count >= usize::from(*times) => {
                        Judgement { reason: format!("{count} times"), ..last }
                    }
                    _ => Judgement::not_met(format!("{count} times")),
                }
            }
            Check::Names(_) => {
                let named: std::collections::BTreeSet<&str> =
                    self.readings.iter().flat_map(|r| &r.named).map(|named| named.concept.as_str()).collect();
                if named.len() > MOST_NAMED {
                    return Judgement::not_met(format!("{} conditions were named", named.len()));
                }
                self.first(check, good)
            }
            Check::Asks(wanted) => {
                let asked = self.first(check, good);
                if asked.verdict == Verdict::Met {
                    return asked;
                }
                // What came out on an open question was found out as well.
                self.messages()
                    .filter(|(_, message)| message.worthless().is_none())
                    .find_map(|(at, message)| {
                        let told = &self.consultation.turns.get(at)?.told;
                        let fact = told.iter().find(|fact| wanted.contains(fact))?;
                        let whole = &message.reading.whole;
                        Some(
                            Judgement::met(Some((whole.start, whole.end)), format!("was told {fact}")).at(at),
                        )
                    })
                    .unwrap_or(asked)
            }
            Check::Empathy if !self.known.iter().any(|known| known.ever_distressed) => {
                Judgement::not_judged("no distress was voiced")
            }
            Check::Unfinished => {
                let truth = &self.case.truth;
                let lexicon = self.language.lexicon;
                let considered = |name: &str| {
                    let mut names = truth.differentials.iter().chain([&truth.diagnosis]);
                    names.any(|condition| lexicon.is_a(name, condition))
                };
                let concluded = self.messages().any(|(_, message)| {
                    message.worthless().is_none()
                        && message.reading.named.iter().any(|named| considered(&named.concept))
                });
                match (concluded, self.readings.len().checked_sub(1)) {
                    (true, _) => Judgement::not_met(""),
                    (false, Some(last)) => {
                        Judgement::met(None, "no condition was named that it may be").at(last)
                    }
                    (false, None) => Judgement::met(None, "nothing was said"),
                }
            }
            _ => self.first(check, good),
        }
    }

    fn each<'b>(&'b self, check: &'b Check, good: bool) -> impl Iterator<Item = Judgement> + 'b {
        self.messages().filter_map(move |(at, message)| {
            let judgement = message.judge(check, good);
            (judgement.verdict == Verdict::Met).then(|| judgement.at(at))
        })
    }

    fn first(&self, check: &Check, good: bool) -> Judgement {
        self.each(check, good).next().unwrap_or_else(|| Judgement::not_met("in none of the messages"))
    }
}
