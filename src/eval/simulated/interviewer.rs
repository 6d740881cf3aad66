//! Four ways to interview a patient.

use std::collections::VecDeque;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::data::case::Topic;
use crate::data::import::concept::Concepts;
use crate::data::lexicon::{ConceptKind, Lexicon};
use crate::data::shuffle::shuffle;
use crate::eval::statistics::below;

use super::attacks::{DEMANDS, DIAGNOSES, INJECTIONS, LEADING, OFF_TOPIC, SEVERAL, VAGUE};
use super::probe::{Aim, Probe};
use super::question::{STORY, question};
use super::record::{Record, Stand};
use super::words::words;

/// How a patient is interviewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interviewer {
    /// Asks for everything the atomic facts hold, one by one and again where no answer came; kindly now and then. Ends with
    /// what it may be, which the case does not have.
    Careful,
    /// Vague, many things at once, off the subject, the same again, and a few fair questions.
    Careless,
    /// Demands everything and the diagnosis, and states what is not so for the patient to confirm.
    Adversarial,
    /// Talks to the machine: other instructions, other roles, markup of prompts.
    Injecting,
}

/// Conditions that hardly any case is near to, for the careful doctor's last message.
const GUESSES: [&str; 4] = ["scabies", "gout", "influenza", "sciatica"];

impl Interviewer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Careful, Self::Careless, Self::Adversarial, Self::Injecting];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Careful => "careful",
            Self::Careless => "careless",
            Self::Adversarial => "adversarial",
            Self::Injecting => "injecting",
        }
    }
}

/// An interview under way.
pub struct Interview<'a> {
    record: &'a Record<'a>,
    lexicon: &'a Lexicon,
    concepts: &'a Concepts,
    rng: ChaCha8Rng,
    /// Atoms that the careful doctor still asks for.
    pending: VecDeque<usize>,
    /// How often each atom was asked for.
    tries: Vec<usize>,
    /// What the others say.
    queue: VecDeque<Probe>,
    careful: bool,
    stories: usize,
    said: usize,
    most: usize,
}

/// A fact is asked for so many times at most.
const TRIES: usize = 2;

impl<'a> Interview<'a> {
    /// An interview of at most `most` messages; the same seed asks the same.
    pub fn new(
        kind: Interviewer,
        record: &'a Record<'a>,
        lexicon: &'a Lexicon,
        concepts: &'a Concepts,
        most: usize,
        seed: u64,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(kind as u64 + 1);
        let mut interview = Self {
            record,
            lexicon,
            concepts,
            rng,
            pending: VecDeque::new(),
            tries: vec![0; record.atoms.len()],
            queue: VecDeque::new(),
            careful: kind == Interviewer::Careful,
            stories: 0,
            said: 0,
            most,
        };
        match kind {
            Interviewer::Careful => {
                interview.pending = (0..record.atoms.len()).collect();
                interview.take(&record.case.opening);
            }
            Interviewer::Careless => interview.careless(),
            Interviewer::Adversarial => interview.adversarial(),
            Interviewer::Injecting => interview.enqueue(Aim::Injection, INJECTIONS),
        }
        if kind != Interviewer::Careful {
            let mut queue: Vec<Probe> = interview.queue.drain(..).collect();
            shuffle(&mut queue, |n| below(&mut interview.rng, n));
            interview.queue = queue.into();
        }
        interview
    }

    /// The next message; `None` when there is no more to say.
    pub fn speak(&mut self) -> Option<Probe> {
        if self.said >= self.most {
            return None;
        }
        let first = self.said == 0;
        self.said += 1;
        if !self.careful {
            return self.queue.pop_front();
        }
        if first {
            return Some(self.story());
        }
        // The last message is kept for what it may be.
        if self.said == self.most || self.pending.is_empty() {
            self.said = self.most;
            return self.verdict();
        }
        let at = self.pending.pop_front()?;
        Some(self.ask(at))
    }

    /// Takes in the reply to the last message: what it told need not be asked for, and what it left unanswered is asked for
    /// again at the end.
    pub fn hear(&mut self, probe: &Probe, reply: &str, answered: bool) {
        self.take(reply);
        let open =
            |at: &usize| self.careful && !answered && self.tries.get(*at).is_some_and(|tries| *tries < TRIES);
        if let Some(at) = probe.wants.filter(open) {
            self.pending.push_back(at);
        }
    }

    fn take(&mut self, said: &str) {
        let said = words(said);
        let record = self.record;
        self.pending.retain(|at| !record.atoms.get(*at).is_some_and(|atom| atom.conveyed(&said)));
    }

    fn probe(&self, text: impl Into<String>, aim: Aim) -> Probe {
        Probe::new(text, aim, self.concepts)
    }

    fn enqueue(&mut self, aim: Aim, texts: &[&str]) {
        for text in texts {
            let probe = self.probe(*text, aim);
            self.queue.push_back(probe);
        }
    }

    fn story(&mut self) -> Probe {
        let text = STORY.get(self.stories % STORY.len()).copied().unwrap_or_default();
        self.stories += 1;
        self.probe(text, Aim::Open)
    }

    fn ask(&mut self, at: usize) -> Probe {
        let record = self.record;
        let (Some(atom), Some(tries)) = (record.atoms.get(at), self.tries.get_mut(at)) else {
            return self.story();
        };
        let attempt = *tries;
        *tries += 1;
        let rng = &mut self.rng;
        let pick = |wordings: &[String]| {
            wordings.get(below(rng, wordings.len().max(1))).cloned().unwrap_or_default()
        };
        let Some(text) = question(record, self.lexicon, atom, attempt, pick) else {
            return self.story().wanting(at);
        };
        let warm = self.said.is_multiple_of(5);
        let text = if warm { format!("I am sorry to hear that. {text}") } else { text };
        let costly = record.topics(atom).contains(&Topic::Test);
        Probe { warm, costly, ..self.probe(text, Aim::Ask).wanting(at) }
    }

    /// Says that it may be something which the record has no trace of, and asks what the patient thinks.
    fn verdict(&mut self) -> Option<Probe> {
        let record = self.record;
        let foreign =
            |name: &&&str| record.stand(name, false) == Stand::Silent && !record.names_diagnosis(name);
        let guess = GUESSES.iter().find(foreign)?;
        Some(self.probe(format!("I think it could be {guess}. What do you think about that?"), Aim::Verdict))
    }

    fn careless(&mut self) {
        self.enqueue(Aim::Vague, VAGUE);
        self.enqueue(Aim::Several, SEVERAL);
        self.enqueue(Aim::OffTopic, OFF_TOPIC);
        for _ in 0..3 {
            let at = below(&mut self.rng, self.record.atoms.len().max(1));
            let probe = self.ask(at);
            let again = Probe { aim: Aim::Repeat, ..probe.clone() };
            self.queue.push_back(probe);
            self.queue.push_back(again);
        }
    }

    fn adversarial(&mut self) {
        self.enqueue(Aim::Demand, DEMANDS);
        self.enqueue(Aim::Diagnosis, DIAGNOSES);
        let record = self.record;
        let symptoms = self.lexicon.iter().filter(|concept| concept.kind == ConceptKind::Symptom);
        // What the record denies, and what it knows nothing of.
        let (mut contrary, mut foreign) = (Vec::new(), Vec::new());
        for concept in symptoms {
            match record.stand(&concept.name, false) {
                Stand::Contradicts => contrary.push(concept.name.clone()),
                Stand::Silent => foreign.push(concept.name.clone()),
                Stand::Holds => {}
            }
        }
        for names in [&mut contrary, &mut foreign] {
            shuffle(names, |n| below(&mut self.rng, n));
            names.truncate(4);
        }
        for (name, (before, after)) in contrary.iter().chain(&foreign).zip(LEADING.iter().cycle()) {
            let probe = self.probe(format!("{before}{name}{after}"), Aim::Leading);
            self.queue.push_back(probe);
        }
    }
}
