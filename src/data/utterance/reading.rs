//! From cues and concepts of a clause to acts.

use super::act::{Act, Intent};
use super::clauses::{Clause, Joints};
use super::concepts::{Concepts, Found};
use super::cues::{Cue, TABLE};
use super::pattern::{Match, Patterns};
use super::vocabulary::Vocabulary;
use super::words::{Token, tokens};
use crate::data::case::{Aspect, Topic};
use crate::data::lexicon::{ConceptKind, Lexicon};
use std::ops::Range;

/// A denial reaches this many words.
const DENIAL: usize = 7;

/// A lexicon with the rules, compiled: reads messages.
#[derive(Debug)]
pub struct Understanding {
    vocabulary: Vocabulary,
    concepts: Concepts,
    cues: Patterns<Cue>,
    joints: Joints,
}

/// A concept that a text names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Its name in the lexicon.
    pub concept: String,
    /// Its kind.
    pub kind: ConceptKind,
    /// True where the text denies it.
    pub negated: bool,
    /// Bytes of the text that name it.
    pub span: Range<usize>,
}

impl Understanding {
    /// Compiles `lexicon`.
    pub fn new(lexicon: &Lexicon) -> Self {
        let mut vocabulary = Vocabulary::default();
        let concepts = Concepts::new(lexicon, &mut vocabulary);
        let cues = Patterns::new(TABLE, &mut vocabulary);
        let joints = Joints::new(&mut vocabulary);
        Self { vocabulary, concepts, cues, joints }
    }

    /// The bundled lexicon, compiled once.
    pub fn bundled() -> &'static Self {
        static BUNDLED: std::sync::LazyLock<Understanding> =
            std::sync::LazyLock::new(|| Understanding::new(Lexicon::bundled()));
        &BUNDLED
    }

    /// What a doctor's message does, from its beginning to its end. A sentence that is not understood gives
    /// [`Intent::Unclear`]; `I see` gives nothing beside other sentences; an empty message gives nothing.
    pub fn read(&self, message: &str) -> Vec<Act> {
        let tokens = tokens(message, &self.vocabulary);
        let found = self.concepts.find(&tokens);
        let mut acts: Vec<Act> = Vec::new();
        let mut last: Option<String> = None;
        let clauses = self.joints.split(&tokens);
        let mut heeded = false;
        let mut at = 0;
        while at < clauses.len() {
            let sentence = clauses[at].sentence;
            let before = acts.len();
            let first = at;
            let mut conditional = false;
            let mut heeds = false;
            while at < clauses.len() && clauses[at].sentence == sentence {
                let mut clause = self.look(&tokens, &found, clauses[at], message);
                clause.sentence_condition = conditional;
                conditional |= clause.condition();
                heeds |= clause.has(Cue::Heed);
                clause.acts(&mut acts, &mut last);
                at += 1;
            }
            thin(&mut acts, before);
            heeded |= heeds;
            if acts.len() == before && !heeds {
                let (from, to) = (clauses[first].from, clauses[at - 1].to);
                acts.push(plain(Intent::Unclear, None, span(&tokens, from, to)));
            }
        }
        // `Thank you.` and no more: heard, and nothing to answer.
        if acts.is_empty() && heeded {
            acts.push(plain(Intent::Explanation, None, span(&tokens, 0, tokens.len())));
        }
        acts
    }

    /// The concepts a text names, and whether it denies them.
    pub fn mentions(&self, text: &str) -> Vec<Mention> {
        let tokens = tokens(text, &self.vocabulary);
        let found = self.concepts.find(&tokens);
        let mut mentions = Vec::with_capacity(found.len());
        for clause in self.joints.split(&tokens) {
            let look = self.look(&tokens, &found, clause, text);
            for concept in look.found {
                mentions.push(Mention {
                    concept: self.concepts.name(concept.concept).to_owned(),
                    kind: self.concepts.kind(concept.concept),
                    negated: look.denied(concept.first),
                    span: span(&tokens, concept.first, concept.end),
                });
            }
        }
        mentions
    }

    /// The words of `text` as one normal form, so that two messages which differ in marks and endings only are equal.
    pub fn normal_form(&self, text: &str) -> String {
        super::words::words(text).join(" ")
    }

    fn look<'a>(
        &'a self,
        tokens: &'a [Token],
        found: &'a [Found],
        clause: Clause,
        message: &'a str,
    ) -> Look<'a> {
        let mut cues = Vec::with_capacity(16);
        let from = found.partition_point(|found| found.first < clause.from);
        let to = found.partition_point(|found| found.first < clause.to);
        // The words of a name ask nothing: `heat intolerance` is no allergy, `burning skin pain` no question of character.
        let in_name = |cue: &Match<Cue>| {
            matches!(cue.meaning, Cue::Aspect(_) | Cue::Topic(_))
                && found[from..to].iter().any(|name| {
                    name.end - name.first > 1
                        && name.first <= cue.first
                        && cue.end <= name.end
                        && matches!(
                            self.concepts.kind(name.concept),
                            ConceptKind::Symptom | ConceptKind::Condition
                        )
                })
        };
        self.cues.find(tokens, clause.from, clause.to, clause.start, |cue| {
            if !in_name(&cue) {
                cues.push(cue);
            }
        });
        Look {
            concepts: &self.concepts,
            tokens,
            found: &found[from..to],
            clause,
            cues,
            sentence_condition: false,
            message,
        }
    }
}

fn span(tokens: &[Token], from: usize, to: usize) -> Range<usize> {
    match (tokens.get(from), to.checked_sub(1).and_then(|last| tokens.get(last))) {
        (Some(first), Some(last)) => first.start..last.end,
        _ => 0..0,
    }
}

/// Drops from `acts[from..]`, one sentence, what another act of it says as well: the same again, and a question about `it`
/// where the same is asked about something by name.
fn thin(acts: &mut Vec<Act>, from: usize) {
    let mut at = from;
    while at < acts.len() {
        let act = &acts[at];
        let twin = |other: &Act| {
            (other.intent, other.aspect, other.negated) == (act.intent, act.aspect, act.negated)
        };
        let again = acts[from..at].iter().any(|other| twin(other) && other.concept == act.concept);
        let named = acts[from..].iter().any(|other| twin(other) && other.concept.is_some());
        let it = act.concept.is_none()
            && act.aspect != Aspect::Presence
            && matches!(act.intent, Intent::Question(_));
        if again || (it && named) {
            acts.remove(at);
        } else {
            at += 1;
        }
    }
}

fn plain(intent: Intent, concept: Option<String>, span: Range<usize>) -> Act {
    Act { intent, concept, aspect: Aspect::Presence, negated: false, span }
}

/// One clause with all that was found in it.
struct Look<'a> {
    concepts: &'a Concepts,
    tokens: &'a [Token],
    found: &'a [Found],
    clause: Clause,
    cues: Vec<Match<Cue>>,
    /// An earlier clause of the sentence said `if`.
    sentence_condition: bool,
    message: &'a str,
}

impl Look<'_> {
    fn has(&self, cue: Cue) -> bool {
        self.cues.iter().any(|found| found.meaning == cue)
    }

    /// Whether the clause begins with a word of asking.
    fn asks_at_start(&self) -> bool {
        self.cues.iter().any(|found| found.meaning == Cue::Ask && found.first == self.clause.start)
    }

    /// Whether what it says is only so under a condition.
    fn condition(&self) -> bool {
        self.has(Cue::Condition) && !self.has(Cue::Whether)
    }

    fn span(&self) -> Range<usize> {
        span(self.tokens, self.clause.from, self.clause.to)
    }

    fn kind(&self, found: &Found) -> ConceptKind {
        self.concepts.kind(found.concept)
    }

    fn of_kind(&self, kinds: &[ConceptKind]) -> Vec<&Found> {
        self.found.iter().filter(|found| kinds.contains(&self.kind(found))).collect()
    }

    fn name(&self, found: &Found) -> String {
        self.concepts.name(found.concept).to_owned()
    }

    /// Whether a `not` stands within reach before token `at`, with no `but` between.
    fn denied(&self, at: usize) -> bool {
        let not = self
            .cues
            .iter()
            .filter(|cue| cue.meaning == Cue::Not && cue.first < at)
            .map(|cue| cue.first)
            .max();
        not.is_some_and(|not| {
            at - not <= DENIAL
                && !self.cues.iter().any(|cue| cue.meaning == Cue::But && cue.first > not && cue.first < at)
        })
    }

    /// Adds what the clause does to `acts`; `last` is the concept that `it` means.
    fn acts(&self, acts: &mut Vec<Act>, last: &mut Option<String>) {
        let before = acts.len();
        if self.has(Cue::Foul) {
            acts.push(plain(Intent::Unclear, None, self.span()));
            return;
        }
        self.manners(acts);
        let manners = acts.len() > before;
        if self.orders() {
            self.statement(acts, manners);
        } else if self.is_question() {
            if !(manners && !self.has(Cue::Ask) && self.found.is_empty()) {
                self.question(acts, last);
            }
        } else {
            self.statement(acts, manners);
        }
        if let Some(concept) = self.of_kind(&[ConceptKind::Symptom, ConceptKind::Condition]).last()
            && !matches!(self.name(concept).as_str(), "pain")
        {
            *last = Some(self.name(concept));
        }
    }

    fn manners(&self, acts: &mut Vec<Act>) {
        for (cue, intent) in [
            (Cue::Greeting, Intent::Greeting),
            (Cue::Empathy, Intent::Empathy),
            (Cue::Goodbye, Intent::Goodbye),
        ] {
            // `Hello, I am Dr. Lee` is one greeting.
            if self.has(cue) && acts.last().is_none_or(|act| act.intent != intent) {
                acts.push(plain(intent, None, self.span()));
            }
        }
    }

    /// Whether the clause, question or not, arranges something now: `Can we do an ECG?`
    fn orders(&self) -> bool {
        let past = self.has(Cue::AskPast) || self.has(Cue::Ever);
        let things = !self.of_kind(&[ConceptKind::Examination, ConceptKind::Test]).is_empty();
        let offers = self.has(Cue::Intend) && (things || self.has(Cue::Examine));
        offers && !past && !self.cues.iter().any(|cue| cue.meaning == Cue::Ask && self.asks_patient(cue))
    }

    /// Whether an asking cue is about the patient (`do you have`), not about leave (`can we`, `would you mind`).
    fn asks_patient(&self, cue: &Match<Cue>) -> bool {
        cue.first == self.clause.start && !self.has(Cue::Examine) && !self.has(Cue::Arrange)
    }

    fn is_question(&self) -> bool {
        if self.condition() && !self.clause.question {
            return false;
        }
        if self.clause.question {
            // `You should rest, okay?` is no question; `You have a fever?` is one.
            return self.has(Cue::Ask)
                || !(self.has(Cue::PrescribeSurely)
                    || self.has(Cue::DiagnoseSurely)
                    || self.advises_at_start()
                    || (self.has(Cue::Refer) && self.has(Cue::Intend)));
        }
        self.asks_at_start() && !self.has(Cue::Recount) || self.asks_anywhere()
    }

    fn advises_at_start(&self) -> bool {
        self.cues.iter().any(|cue| cue.meaning == Cue::Advise && cue.first == self.clause.start)
    }

    /// `tell me`, `describe`, `I would like to ask`: asking without a question mark, wherever it stands.
    fn asks_anywhere(&self) -> bool {
        self.cues
            .iter()
            .any(|cue| cue.meaning == Cue::Ask && cue.end - cue.first >= 2 && cue.first > self.clause.start)
            && !self.advises_at_start()
            && !self.has(Cue::DiagnoseSurely)
            && !(self.has(Cue::Diagnose) && !self.of_kind(&[ConceptKind::Condition]).is_empty())
    }

    fn question(&self, acts: &mut Vec<Act>, last: &mut Option<String>) {
        let mut aspects: Vec<Aspect> = Vec::new();
        let mut topics: Vec<Topic> = Vec::new();
        for cue in &self.cues {
            match cue.meaning {
                Cue::Aspect(aspect) if !aspects.contains(&aspect) => aspects.push(aspect),
                Cue::Topic(topic) if !topics.contains(&topic) => topics.push(topic),
                _ => {}
            }
        }
        aspects.sort_unstable();
        let mut about: Vec<&Found> = Vec::new();
        for found in self.found {
            let whole = match self.concepts.name(found.concept) {
                "medication" => Some(Topic::Medication),
                "allergy" => Some(Topic::Allergy),
                "past illness" => Some(Topic::History),
                "family illness" => Some(Topic::Family),
                "worry" => Some(Topic::Concern),
                _ => None,
            };
            match whole {
                Some(topic) if !topics.contains(&topic) => topics.push(topic),
                None if self.kind(found) != ConceptKind::Measure => about.push(found),
                _ => {}
            }
        }
        self.settle(&mut aspects, &mut topics);
        if topics.contains(&Topic::Medication) {
            // `blood pressure tablets` are no blood pressure.
            about.retain(|found| self.kind(found) != ConceptKind::Examination);
        }
        if aspects.is_empty() && self.has(Cue::About) {
            let symptom = about.iter().any(|found| self.kind(found) == ConceptKind::Symptom);
            if symptom {
                aspects.push(Aspect::Character);
            } else if !about.is_empty() {
                aspects.push(Aspect::Detail);
            }
        }
        let special = topics.iter().copied().find(|topic| matches!(topic, Topic::Family | Topic::Allergy));
        // An aspect is asked of a complaint; circumstances beside it are its occasion: `worse with exercise`.
        if aspects.iter().any(|aspect| !matches!(aspect, Aspect::Onset | Aspect::Detail)) && special.is_none()
        {
            let complaint = about
                .iter()
                .copied()
                .find(|found| matches!(self.kind(found), ConceptKind::Symptom | ConceptKind::Condition));
            let other = about.first().copied().filter(|found| !self.after_aspect(found));
            about = complaint.or(other).into_iter().collect();
        }
        if about.is_empty() {
            self.question_without_concept(acts, &aspects, &topics, last.clone());
            return;
        }
        for found in about {
            let name = self.name(found);
            let topic = special.unwrap_or_else(|| self.topic_of(found, &topics));
            if aspects.is_empty() {
                acts.push(plain(Intent::Question(topic), Some(name), self.span()));
                continue;
            }
            for &aspect in &aspects {
                acts.push(Act { aspect, ..plain(Intent::Question(topic), Some(name.clone()), self.span()) });
            }
        }
    }

    /// Drops readings that another reading explains better.
    fn settle(&self, aspects: &mut Vec<Aspect>, topics: &mut Vec<Topic>) {
        let has = |aspects: &[Aspect], aspect| aspects.contains(&aspect);
        if self.has(Cue::Open) {
            aspects.retain(|aspect| !matches!(aspect, Aspect::Relieving | Aspect::Course));
        }
        if has(aspects, Aspect::Detail) {
            aspects.retain(|aspect| matches!(aspect, Aspect::Detail));
        }
        if topics.contains(&Topic::Allergy) {
            topics.retain(|topic| *topic != Topic::Medication);
        }
        if topics.contains(&Topic::Social) {
            topics.retain(|topic| !matches!(topic, Topic::Medication | Topic::Family));
            // `Where do you live?` asks for no place of a complaint.
            aspects.retain(|aspect| {
                !matches!(aspect, Aspect::Location | Aspect::Severity | Aspect::Aggravating)
            });
        }
        // Better and worse within one question of time is its course.
        if has(aspects, Aspect::Course) && !has(aspects, Aspect::Aggravating) {
            aspects.retain(|aspect| *aspect != Aspect::Relieving);
        }
        if has(aspects, Aspect::Onset) && has(aspects, Aspect::Course) && self.has_word_pair_long_last() {
            aspects.retain(|aspect| *aspect != Aspect::Onset);
        }
        let clinical = aspects
            .iter()
            .any(|aspect| !matches!(aspect, Aspect::Detail | Aspect::Onset | Aspect::Relieving));
        if clinical {
            topics.retain(|topic| matches!(topic, Topic::Allergy | Topic::Family));
        }
        if has(aspects, Aspect::Relieving) && topics.contains(&Topic::Medication) {
            // `Have you taken anything for it?` asks for both; the drug is the answer to either.
            aspects.retain(|aspect| *aspect == Aspect::Relieving);
            topics.retain(|topic| *topic != Topic::Medication);
        }
        if topics.contains(&Topic::Family) {
            topics.retain(|topic| !matches!(topic, Topic::History | Topic::Concern));
        }
    }

    /// `How long does it last?` asks for the course, not the onset.
    fn has_word_pair_long_last(&self) -> bool {
        let text = self.message.get(self.span()).unwrap_or_default().to_ascii_lowercase();
        text.contains("last")
    }

    /// Whether `found` stands after the first aspect cue of the clause.
    fn after_aspect(&self, found: &Found) -> bool {
        self.cues
            .iter()
            .filter(|cue| matches!(cue.meaning, Cue::Aspect(_)))
            .map(|cue| cue.first)
            .min()
            .is_some_and(|first| found.first > first)
    }

    fn topic_of(&self, found: &Found, topics: &[Topic]) -> Topic {
        match self.kind(found) {
            ConceptKind::Symptom if self.has(Cue::Ever) => Topic::History,
            ConceptKind::Symptom => Topic::Symptom,
            ConceptKind::Condition | ConceptKind::Measure => Topic::History,
            ConceptKind::Substance => Topic::Medication,
            ConceptKind::Circumstance if topics.contains(&Topic::Concern) => Topic::Concern,
            ConceptKind::Circumstance => Topic::Social,
            ConceptKind::Examination => Topic::Examination,
            ConceptKind::Test => Topic::Test,
        }
    }

    fn question_without_concept(
        &self,
        acts: &mut Vec<Act>,
        aspects: &[Aspect],
        topics: &[Topic],
        last: Option<String>,
    ) {
        let span = self.span();
        if self.has(Cue::Open) && topics.is_empty() && aspects.is_empty() {
            acts.push(plain(Intent::OpenQuestion, None, span));
            return;
        }
        if !topics.is_empty() {
            for &topic in topics {
                let aspect = aspects.iter().copied().find(|aspect| *aspect == Aspect::Detail);
                let aspect = aspect.unwrap_or(Aspect::Presence);
                acts.push(Act { aspect, ..plain(Intent::Question(topic), None, span.clone()) });
            }
            return;
        }
        for &aspect in aspects {
            let topic = if aspect == Aspect::Detail { Topic::Medication } else { Topic::Symptom };
            let concept = if aspect == Aspect::Detail { None } else { last.clone() };
            acts.push(Act { aspect, ..plain(Intent::Question(topic), concept, span.clone()) });
        }
    }

    fn statement(&self, acts: &mut Vec<Act>, manners: bool) {
        let before = acts.len();
        let unsure = self.condition() || self.sentence_condition;
        let act = |intent, found: &Found| Act {
            negated: self.denied(found.first),
            ..plain(intent, Some(self.name(found)), self.span())
        };
        let explains = self.explains_only();
        if self.has(Cue::Refer) && !unsure && !self.has(Cue::Recount) {
            let urgent = self.has(Cue::Urgent);
            let concept = self.of_kind(&[ConceptKind::Measure]).first().map(|found| self.name(found));
            let negated =
                self.cues.iter().filter(|cue| cue.meaning == Cue::Refer).all(|cue| self.denied(cue.first));
            acts.push(Act { negated, ..plain(Intent::Referral { urgent }, concept, self.span()) });
        }
        if !unsure && !explains {
            for found in self.of_kind(&[ConceptKind::Examination, ConceptKind::Test]) {
                let examination = self.kind(found) == ConceptKind::Examination;
                if examination
                    && self.concepts.name(found.concept) == "physical examination"
                    && self.found.len() > 1
                {
                    continue;
                }
                acts.push(act(if examination { Intent::Examination } else { Intent::Test }, found));
            }
            if acts.len() == before && self.has(Cue::Examine) && self.has(Cue::Intend) {
                acts.push(plain(Intent::Examination, None, self.span()));
            }
        }
        self.diagnoses(acts, unsure, explains);
        let gives = self.has(Cue::Prescribe) || self.has(Cue::PrescribeSurely);
        let drugs = self.of_kind(&[ConceptKind::Substance]);
        for found in &drugs {
            acts.push(act(
                if gives && !self.has(Cue::Recount) { Intent::Prescription } else { Intent::Explanation },
                found,
            ));
        }
        if drugs.is_empty() && self.has(Cue::PrescribeSurely) {
            acts.push(plain(Intent::Prescription, None, self.span()));
        }
        let measures = self.of_kind(&[ConceptKind::Measure]);
        let referred = acts[before..].iter().any(|act| matches!(act.intent, Intent::Referral { .. }));
        if !referred {
            for found in &measures {
                acts.push(act(Intent::Advice, found));
            }
        }
        let advises = (self.has(Cue::Advise) || self.condition()) && !self.has(Cue::Goodbye);
        if acts.len() == before && advises && !(manners && !self.advises_at_start()) {
            let found = self.found.first();
            let negated = found.is_some_and(|found| self.denied(found.first));
            let concept = found.filter(|_| !self.condition()).map(|found| self.name(found));
            acts.push(Act { negated, ..plain(Intent::Advice, concept, self.span()) });
        }
        if acts.len() == before && !manners && (self.has(Cue::Explain) || !self.found.is_empty()) {
            match self.found.first() {
                Some(found) => acts.push(act(Intent::Explanation, found)),
                None => acts.push(plain(Intent::Explanation, None, self.span())),
            }
        }
    }

    /// Whether a test or examination is spoken of, not arranged: `The ECG shows ...`
    fn explains_only(&self) -> bool {
        (self.has(Cue::Explain) || self.has(Cue::Recount))
            && !self.has(Cue::Intend)
            && !self.has(Cue::Arrange)
    }

    fn diagnoses(&self, acts: &mut Vec<Act>, unsure: bool, explains: bool) {
        let conditions = self.of_kind(&[ConceptKind::Condition]);
        let hedged = self.has(Cue::Hedge) || conditions.len() > 1;
        let alone = self.clause.to - self.clause.from <= 5 && acts.is_empty();
        let states = (self.has(Cue::Diagnose) || self.has(Cue::DiagnoseSurely) || alone)
            && !unsure
            && !self.has(Cue::Recount);
        let before = acts.len();
        for found in &conditions {
            let intent = if states { Intent::Diagnosis { hedged } } else { Intent::Explanation };
            let negated = self.denied(found.first);
            acts.push(Act { negated, ..plain(intent, Some(self.name(found)), self.span()) });
        }
        if acts.len() == before && self.has(Cue::DiagnoseSurely) && !unsure && !explains {
            acts.push(plain(Intent::Diagnosis { hedged }, None, self.span()));
        }
    }
}
