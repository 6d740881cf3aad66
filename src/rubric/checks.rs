//! How the rule-based judge decides one item of one message.

use std::ops::Range;

use crate::data::case::{Aspect, Case, FactId, Finding, Topic};
use crate::data::lexicon::{ConceptKind, Lexicon};
use crate::data::utterance::{Intent, asked::chief_complaint};

use super::costs::costs;
use super::criterion::{Check, Judgement};
use super::dose::{Dose, doses};
use super::known::Known;
use super::plain_words::unexplained;
use super::reading::{Arranged, Ask, Named, Reading};
use super::reasons::reason;

/// A message that asks for more at once earns nothing: no patient can answer it all.
pub const MOST_AT_ONCE: usize = 3;
/// A message of more words earns nothing: what matters is buried.
pub const MOST_WORDS: usize = 120;
/// Naming more conditions than this is guessing.
pub const MOST_NAMED: usize = 3;
/// Arranging more steps at once than this is a list of everything.
pub const MOST_ARRANGED: usize = 8;

/// One of the doctor's messages with what an item is decided from.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Concepts.
    pub lexicon: &'a Lexicon,
    /// The patient.
    pub case: &'a Case,
    /// What was known before.
    pub known: &'a Known,
    /// The message, read.
    pub reading: &'a Reading,
    /// The message.
    pub text: &'a str,
}

type Shown = Option<(Range<usize>, String)>;

fn shown(span: &Range<usize>, reason: impl Into<String>) -> Shown {
    Some((span.clone(), reason.into()))
}

impl Message<'_> {
    /// Decides `check`; `good` where it looks for something desirable. `Often` is about several messages, so it is
    /// `NotJudged` here.
    pub fn judge(&self, check: &Check, good: bool) -> Judgement {
        if let Check::Often { .. } = check {
            return Judgement::not_judged("is about several messages");
        }
        // Whatever good is in a message that is no message, or holds everything, was not said to the patient.
        if let (true, Some(why)) = (good, self.worthless()) {
            return Judgement::not_met(why);
        }
        match self.find(check) {
            Some((span, reason)) => Judgement::met(Some((span.start, span.end)), reason),
            None => Judgement::not_met(""),
        }
    }

    /// Why nothing in the message earns anything, if so.
    pub fn worthless(&self) -> Option<&'static str> {
        let reading = self.reading;
        if reading.fault.is_some() {
            Some("is no message to a patient")
        } else if reading.asked_at_once() > MOST_AT_ONCE {
            Some("asks too much at once")
        } else if reading.length > MOST_WORDS {
            Some("buries it in words")
        } else if distinct(reading.named.iter().map(|named| &named.concept)) > MOST_NAMED {
            Some("names too many conditions")
        } else if distinct(reading.arranged.iter().filter_map(|step| step.concept.as_ref())) > MOST_ARRANGED {
            Some("arranges everything at once")
        } else {
            None
        }
    }

    /// Whether nothing can be credited to the message for what it avoids either: it is no message to a patient, or one
    /// that nobody could take in.
    pub fn avoids_nothing(&self) -> bool {
        self.reading.asked_at_once() > 2 * MOST_AT_ONCE
            || (self.reading.asked_at_once() <= MOST_AT_ONCE && self.worthless().is_some())
    }

    fn find(&self, check: &Check) -> Shown {
        let reading = self.reading;
        match check {
            Check::Asks(wanted) => self.asks(wanted),
            Check::AsksSeveral { facts, least } => self.asks_several(facts, usize::from(*least)),
            Check::AsksTopic { topic, aspect } => {
                let complaint = chief_complaint(&self.case.facts);
                let fits = |ask: &&Ask| {
                    ask.subject.topic == *topic
                        && aspect.is_none_or(|aspect| {
                            ask.subject.aspect == aspect
                                && (*topic != Topic::Symptom || ask.subject.concept.as_deref() == complaint)
                        })
                };
                reading.asks.iter().find(fits).and_then(|ask| shown(&ask.span, "asks for it"))
            }
            Check::Repeats => self.repeats(),
            Check::AsksMoreThan(most) => {
                let asked = reading.asked_at_once();
                let (first, last) = (reading.asks.first()?, reading.asks.last()?);
                let span = first.span.start..last.span.end.max(first.span.end);
                (asked > usize::from(*most)).then(|| (span, format!("asks for {asked} things")))
            }
            Check::Names(condition) => self
                .reading
                .named
                .iter()
                .find(|named| self.lexicon.is_a(&named.concept, condition))
                .and_then(|named| shown(&named.span, format!("names {}", named.concept))),
            Check::NamesWrong(condition) => self
                .reading
                .named
                .iter()
                .find(|named| self.is_wrong(named, condition))
                .and_then(|named| shown(&named.span, format!("names {}", named.concept))),
            Check::Premature { needed, enough } => {
                let known = needed.iter().filter(|id| self.is_told(id)).count();
                let named = reading.named.first()?;
                let early = known < usize::from(*enough);
                early.then(|| {
                    (named.span.clone(), format!("only {known} of {} facts are known", needed.len()))
                })
            }
            Check::DrugBeforeAllergies => {
                let asks = reading.asks.iter().any(|ask| ask.subject.topic == Topic::Allergy);
                let drug = reading.drugs().next()?;
                if self.known.allergies || asks {
                    None
                } else {
                    shown(&drug.span, "allergies were not asked for")
                }
            }
            Check::DrugAgainstAllergy => reading.drugs().find_map(|drug| {
                let given = drug.concept.as_deref()?;
                let allergy = self.case.facts_on(Topic::Allergy).find(|fact| {
                    fact.finding == Finding::Present && self.lexicon.is_a(given, &fact.concept)
                })?;
                shown(&drug.span, format!("the patient is allergic to {}", allergy.concept))
            }),
            Check::Arranges(wanted) => {
                reading.arranged.iter().filter(|step| !step.negated).find_map(|step| {
                    let done = step.concept.as_deref()?;
                    let fits = |name: &String| {
                        (self.lexicon.is_a(done, name) || self.lexicon.is_a(name, done))
                            && !(done == name && self.is_other_dose(step))
                    };
                    wanted.iter().find(|name| fits(name))?;
                    shown(&step.span, format!("arranges {done}"))
                })
            }
            Check::SendsToEmergency => reading
                .arranged
                .iter()
                .find(|step| step.intent == Intent::Referral { urgent: true } && !step.negated)
                .and_then(|step| shown(&step.span, "sends the patient to emergency care")),
            Check::Empathy => {
                let act = reading.act(|intent| intent == Intent::Empathy)?;
                shown(&act.span, "notices how the patient feels")
            }
            Check::SafetyNet => shown(reading.safety_net.as_ref()?, "says what to watch for"),
            Check::Copies => shown(&self.known.runs.copied(self.text)?, "the patient's own words"),
            Check::Incoherent => {
                let fault = reading.fault.as_ref()?;
                shown(&fault.span, fault.what)
            }
            Check::LongerThan(most) => (reading.length > usize::from(*most))
                .then(|| (reading.whole.clone(), format!("has {} words", reading.length))),
            // A reason for nothing is none.
            Check::Explains if !self.does_something() => None,
            Check::Explains => shown(&reason(self.text)?, "gives a reason"),
            Check::PlainWords => {
                let plain = !self.is_idle() && unexplained(self.lexicon, reading, self.text).is_none();
                plain.then(|| {
                    (reading.whole.clone(), "has no medical word that it does not explain".to_owned())
                })
            }
            Check::Costs => {
                let span = costs(self.text)?;
                let arranges = reading.arranged.iter().any(|step| !step.negated && step.concept.is_some());
                let first = || self.known.said.iter().all(|said| costs(said).is_none());
                (arranges || first()).then(|| (span, "thinks of costs".to_owned()))
            }
            Check::Idle => self.is_idle().then(|| (reading.whole.clone(), "moves nothing on".to_owned())),
            Check::Unfinished => {
                let act = reading.act(|intent| intent == Intent::Goodbye)?;
                if concludes(reading) { None } else { shown(&act.span, "ends without a conclusion") }
            }
            Check::Strays => self.strays(),
            Check::Often { .. } => None,
        }
    }

    /// Whether a dose is stated that is not that of the case's plan for the same drug.
    fn is_other_dose(&self, step: &Arranged) -> bool {
        let planned = self.case.truth.plan.iter().filter(|it| Some(&it.concept) == step.concept.as_ref());
        let planned: Vec<Dose> = planned.flat_map(|it| doses(&it.text)).collect();
        Dose::differ(&step.doses, &planned)
    }

    /// Whether the message asks, arranges or concludes anything.
    fn does_something(&self) -> bool {
        let reading = self.reading;
        reading.open.is_some()
            || !reading.asks.is_empty()
            || !reading.arranged.is_empty()
            || concludes(reading)
    }

    fn asks(&self, wanted: &[FactId]) -> Shown {
        self.reading.asks.iter().find_map(|ask| {
            let at = self.new_of(ask, wanted).next()?;
            shown(&ask.span, format!("asks for {}", self.case.facts[at].id))
        })
    }

    /// Places of the facts among `wanted` that `ask` asks for and that were not told before.
    fn new_of<'b>(&'b self, ask: &'b Ask, wanted: &'b [FactId]) -> impl Iterator<Item = usize> + 'b {
        let is_wanted = |at: &usize| self.case.facts.get(*at).is_some_and(|fact| wanted.contains(&fact.id));
        ask.facts.iter().copied().filter(|at| !self.known.is_told(*at)).filter(is_wanted)
    }

    fn asks_several(&self, wanted: &[FactId], least: usize) -> Shown {
        // An open question may bring out many facts and still is one question; a question put twice is one as well.
        let mut found: Vec<usize> = Vec::new();
        let mut spans = Vec::new();
        for ask in &self.reading.asks {
            if let Some(at) = self.new_of(ask, wanted).find(|at| !found.contains(at)) {
                found.push(at);
                spans.push(&ask.span);
            }
        }
        let span = spans.first()?.start..spans.iter().map(|span| span.end).max()?;
        (found.len() >= least).then(|| (span, format!("asks for {} of them", found.len())))
    }

    fn repeats(&self) -> Shown {
        let reading = self.reading;
        if !reading.plain.is_empty() && self.known.said.contains(&reading.plain) {
            return shown(&reading.whole, "says the same again");
        }
        let concludes = !reading.named.is_empty();
        reading.asks.iter().find_map(|ask| {
            // A test of the plan may well have been done before.
            if concludes && matches!(ask.subject.topic, Topic::Test | Topic::Examination) {
                return None;
            }
            let open = ask.facts.iter().any(|at| !self.known.is_settled(*at));
            let before = self.known.subjects.iter().filter(|subject| **subject == ask.subject).count();
            if !ask.facts.is_empty() && ask.facts.iter().all(|at| self.known.is_told(*at)) {
                shown(&ask.span, "was told already")
            } else if before > 1 || (before > 0 && !open) {
                shown(&ask.span, "was asked before")
            } else {
                None
            }
        })
    }

    fn strays(&self) -> Shown {
        // Case and plan say what bears on the case; a whole topic (`any allergies?`) always does.
        let planned =
            |name: &str| {
                self.case.truth.plan.iter().any(|step| {
                    self.lexicon.is_a(&step.concept, name) || self.lexicon.is_a(name, &step.concept)
                })
            };
        let foreign = |ask: &&Ask| {
            let named = ask.subject.concept.as_deref();
            ask.facts.is_empty()
                && ask.subject.aspect == Aspect::Presence
                && named.is_some_and(|name| !planned(name))
        };
        let asks = &self.reading.asks;
        let first = asks.iter().find(foreign)?;
        let count = asks.iter().filter(foreign).count();
        let name = first.subject.concept.as_deref().unwrap_or_default();
        let shows = count > 1 || count == asks.len();
        shows.then(|| (first.span.clone(), format!("{name} has nothing to do with this case")))
    }

    fn is_idle(&self) -> bool {
        let reading = self.reading;
        let new = |ask: &Ask| {
            let untold = ask.facts.iter().any(|at| !self.known.is_told(*at));
            untold || (ask.facts.is_empty() && !self.known.subjects.contains(&ask.subject))
        };
        let opens = reading.open.is_some() && !self.known.said.contains(&reading.plain);
        reading.fault.is_some() || !(opens || concludes(reading) || reading.asks.iter().any(new))
    }

    /// Whether a condition is called the diagnosis that is not `right`, nor a wider name for it, nor something the
    /// patient has besides.
    fn is_wrong(&self, named: &Named, right: &str) -> bool {
        let lexicon = self.lexicon;
        let related =
            |other: &str| lexicon.is_a(&named.concept, other) || lexicon.is_a(other, &named.concept);
        let besides = self.case.facts.iter().any(|fact| {
            fact.finding == Finding::Present && fact.topic == Topic::History && related(&fact.concept)
        });
        let condition =
            lexicon.get(&named.concept).is_none_or(|concept| concept.kind == ConceptKind::Condition);
        condition && !named.hedged && !related(right) && !besides
    }

    fn is_told(&self, id: &FactId) -> bool {
        self.case.facts.iter().position(|fact| fact.id == *id).is_some_and(|at| self.known.is_told(at))
    }
}

/// Whether a message names a diagnosis or takes a step of treatment.
pub fn concludes(reading: &Reading) -> bool {
    !reading.named.is_empty()
        || reading.safety_net.is_some()
        || reading.arranged.iter().any(|arranged| arranged.step)
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> usize {
    names.collect::<std::collections::BTreeSet<_>>().len()
}
